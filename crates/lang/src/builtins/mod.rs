//! The library: global functions, namespaces and methods (manual, chapter 18).

mod array;
mod check;
mod constants;
pub(crate) mod datetime;
mod dictionary;
mod files;
mod lists;
mod math;
mod modify;
mod network;
mod objects;
mod patterns;
mod perfdata;
mod perl;
mod strftime;
mod system;
pub(crate) mod text;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bheka_value::{FunctionInfo, ObjectView, Str, Value};

use crate::env::{Configuration, Env};
use crate::eval::call::{Arity, Builtin, Call};
use crate::fault::Outcome;
use crate::namespace::{Namespace, namespace_value};
use crate::types::TypeTable;

type Function = fn(&Call<'_>) -> Outcome;

/// One row of a table of functions.
pub(super) struct Row {
    name: &'static str,
    arguments: &'static [&'static str],
    pure: bool,
    arity: Arity,
    body: Function,
}

/// A function that takes exactly the arguments that it names.
pub(super) const fn exact(
    name: &'static str,
    arguments: &'static [&'static str],
    pure: bool,
    body: Function,
) -> Row {
    Row {
        name,
        arguments,
        pure,
        arity: Arity::Exact(arguments.len()),
        body,
    }
}

/// A function that looks at its arguments itself.
pub(super) const fn variadic(
    name: &'static str,
    arguments: &'static [&'static str],
    pure: bool,
    body: Function,
) -> Row {
    Row {
        name,
        arguments,
        pure,
        arity: Arity::Any,
        body,
    }
}

fn function(env: &Weak<Env>, owner: &str, row: &'static Row) -> Value {
    let info = FunctionInfo {
        name: format!("{owner}#{}", row.name).into(),
        arguments: row.arguments.iter().map(|&name| name.into()).collect(),
        side_effect_free: row.pure,
        deprecated: false,
    };
    Value::Function(Arc::new(Builtin::new(
        env,
        info,
        row.arity,
        Box::new(row.body),
    )))
}

/// The methods of a type; nothing when it has none.
pub(crate) fn prototype(env: &Weak<Env>, type_name: &str) -> Value {
    let rows: &'static [Row] = match type_name {
        "Object" => values::OBJECT,
        "Number" => values::NUMBER,
        "Boolean" => values::BOOLEAN,
        "String" => text::STRING,
        "Array" => array::ARRAY,
        "Dictionary" => dictionary::DICTIONARY,
        "Namespace" => dictionary::NAMESPACE,
        "Function" => values::FUNCTION,
        "Reference" => values::REFERENCE,
        "Type" => values::TYPE,
        "DateTime" => datetime::DATE_TIME,
        "ConfigObject" => objects::CONFIG_OBJECT,
        "Checkable" => objects::CHECKABLE,
        _ => return Value::Empty,
    };
    Value::dictionary(
        rows.iter()
            .map(|row| (row.name, function(env, type_name, row))),
    )
}

fn namespace(env: &Weak<Env>, owner: &str, rows: &'static [Row]) -> Namespace {
    let namespace = Namespace::default();
    for row in rows {
        namespace.define(row.name, function(env, owner, row));
    }
    namespace
}

/// Fills the globals. Yields what is searched before them: System, System.Configuration, Types,
/// Icinga.
pub(crate) fn fill_globals(
    env: &Weak<Env>,
    globals: &Arc<Namespace>,
    types: &TypeTable,
    given: Vec<(String, Value)>,
) -> Vec<Value> {
    let system = namespace(env, "System", system::SYSTEM);
    for rows in [
        values::SYSTEM,
        lists::SYSTEM,
        patterns::SYSTEM,
        network::SYSTEM,
        files::SYSTEM,
        objects::SYSTEM,
        perfdata::SYSTEM,
        text::SYSTEM,
    ] {
        for row in rows {
            system.define(row.name, function(env, "System", row));
        }
    }
    for (name, value) in constants::SYSTEM {
        system.define(*name, value.to_value());
    }
    let math = namespace(env, "Math", math::MATH);
    for (name, number) in constants::MATH {
        math.define(*name, Value::Number(*number));
    }
    math.close();
    system.define("Math", namespace_value(&Arc::new(math)));
    let json = namespace(env, "Json", values::JSON);
    json.close();
    system.define("Json", namespace_value(&Arc::new(json)));

    let icinga = namespace(env, "Icinga", objects::ICINGA);
    for (name, value) in constants::ICINGA {
        icinga.define(*name, value.to_value());
    }
    let type_names = Namespace::default();
    for entry in types.iter() {
        type_names.define(entry.name.clone(), entry.as_value());
    }
    let internal = namespace(env, "Internal", objects::INTERNAL);
    for check in check::checks(env) {
        internal.put(check.0, check.1);
    }

    let mut configuration = constants::configuration();
    for (name, number) in constants::GLOBALS {
        globals.put(*name, Value::Number(*number));
    }
    for (name, value) in given {
        place_constant(&name, value, &mut configuration, globals, &system);
    }
    let configuration: Arc<dyn ObjectView> = Arc::new(Configuration {
        entries: configuration,
    });
    let configuration = Value::Object(configuration);
    system.define("Configuration", configuration.clone());
    system.close();
    icinga.close();
    type_names.close();

    let system = namespace_value(&Arc::new(system));
    let type_names = namespace_value(&Arc::new(type_names));
    let icinga = namespace_value(&Arc::new(icinga));
    globals.define("System", system.clone());
    globals.define("Types", type_names.clone());
    globals.define("Icinga", icinga.clone());
    globals.define("Internal", namespace_value(&Arc::new(internal)));
    let stats = Namespace::default();
    for (name, value) in check::stats(env) {
        stats.define(name, value);
    }
    stats.close();
    globals.define("StatsFunctions", namespace_value(&Arc::new(stats)));
    vec![system, configuration, type_names, icinga]
}

/// Takes away what only the system's templates may name.
pub(crate) fn hide_internal(env: &Env) {
    let Some(internal) = env.globals.get("Internal") else {
        return;
    };
    let Some(internal) = crate::namespace::as_namespace(&internal) else {
        return;
    };
    for name in check::names() {
        // They were put there as variables, so that this cannot fail.
        let _ = internal.remove(name);
    }
    internal.close();
}

/// Puts a constant from outside where the language looks for it.
fn place_constant(
    name: &str,
    value: Value,
    configuration: &mut BTreeMap<Str, Value>,
    globals: &Namespace,
    system: &Namespace,
) {
    let key = name.strip_prefix("System.Configuration.").unwrap_or(name);
    if configuration.contains_key(key) || key.len() != name.len() {
        configuration.insert(key.into(), value);
        return;
    }
    match name.split_once('.') {
        Some(("System", rest)) => {
            system.define(rest, value);
        }
        Some((outer, rest)) => {
            let inner = match globals.get(outer) {
                Some(Value::Object(object)) => Value::Object(object),
                _ => {
                    let new = namespace_value(&Arc::new(Namespace::default()));
                    globals.put(outer, new.clone());
                    new
                }
            };
            if let Some(namespace) = crate::namespace::as_namespace(&inner) {
                namespace.put(rest, value);
            }
        }
        None => globals.put(name, value),
    }
}
