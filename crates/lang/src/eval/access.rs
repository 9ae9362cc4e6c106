//! Reading variables and fields.

use bheka_syntax::ast::Expr;
use bheka_value::schema::{Flags, Naming};
use bheka_value::{Array, Dictionary, Str, Value};

use super::{Frame, eval};
use crate::convert::{parse_integer, to_text};
use crate::cost::ENTRY_BYTES;
use crate::draft::as_draft;
use crate::fault::{Eval, Fault, Outcome};
use crate::namespace::{Namespace, as_namespace};
use crate::run::{Run, check_items};
use crate::suggest::Unknown;

/// The value of a variable: locals, then `this`, then what is imported, then the globals.
pub(crate) fn variable(frame: &mut Frame<'_>, name: &str, expr: &Expr) -> Eval {
    if let Some(value) = frame.locals.get(name) {
        return Ok(value);
    }
    if has_own_field(&frame.this, name) {
        let this = frame.this.clone();
        return Ok(get(frame.run, &this, name)?);
    }
    if let Some(holder) = find_import(frame, name, expr)? {
        return Ok(get(frame.run, &holder, name)?);
    }
    match frame.run.global(name) {
        Some(value) => Ok(value),
        None => {
            let message = format!("Tried to access undefined script variable '{name}'");
            let fault = Fault::new(message);
            Err(fault
                .unknown("undefined-variable", unknown_variable(frame, name))
                .into())
        }
    }
}

/// A variable that is not there, with the names that could have been meant.
pub(crate) fn unknown_variable(frame: &Frame<'_>, name: &str) -> Unknown {
    // So many are told apart by their author as well.
    const NEARBY_MAX: usize = 64;
    let locals = frame.locals.read();
    let mut nearby: Vec<Str> = locals.keys().take(NEARBY_MAX).cloned().collect();
    if let Value::Object(this) = &frame.this
        && as_namespace(&frame.this).is_none()
        && frame.run.keeper.is_on()
    {
        nearby.extend(this.attribute_names());
    }
    Unknown::Variable {
        name: name.into(),
        nearby,
    }
}

/// A field or method that a value does not have.
pub(crate) fn unknown_field(value: &Value, name: &str) -> Unknown {
    const KEYS_MAX: usize = 256;
    let keys = match value {
        Value::Dictionary(entries) => entries.read().keys().take(KEYS_MAX).cloned().collect(),
        Value::Object(object) => object.attribute_names(),
        _ => Vec::new(),
    };
    Unknown::Field {
        of: value.type_name().into(),
        name: name.into(),
        keys,
    }
}

/// What `using` brought in, or the namespaces that are always searched, and has that name.
pub(crate) fn find_import(frame: &mut Frame<'_>, name: &str, expr: &Expr) -> Eval<Option<Value>> {
    let source = std::sync::Arc::clone(&frame.source);
    for import in source.usings_before(expr.span.start) {
        let value = eval(frame, import)?;
        match &value {
            Value::Number(_) | Value::Boolean(_) | Value::String(_) => {
                return Err(crate::convert::not_an_object(&value).into());
            }
            _ => {}
        }
        if has_own_field(&value, name) {
            return Ok(Some(value));
        }
    }
    let found = frame
        .run
        .env
        .imports
        .iter()
        .find(|import| has_own_field(import, name));
    Ok(found.cloned())
}

/// Whether an object has that field itself, not by its prototype.
pub(crate) fn has_own_field(value: &Value, name: &str) -> bool {
    match value {
        Value::Dictionary(dictionary) => dictionary.read().contains_key(name),
        Value::Array(array) => {
            name == "type" || name.parse::<usize>().is_ok_and(|index| index < array.len())
        }
        Value::Object(object) => {
            if let Some(namespace) = as_namespace(value) {
                return namespace.contains(name);
            }
            if let Some(draft) = as_draft(value) {
                return draft.has(name);
            }
            object.attribute(name).is_some()
        }
        _ => false,
    }
}

/// `context[index]`
pub(crate) fn get_field(run: &Run<'_>, context: &Value, index: &Value) -> Outcome {
    match index {
        Value::String(name) => get(run, context, name),
        other => get(run, context, &to_text(other)),
    }
}

/// `context.name`
pub(crate) fn get(run: &Run<'_>, context: &Value, name: &str) -> Outcome {
    match context {
        Value::Empty => Ok(Value::Empty),
        Value::Dictionary(dictionary) => match dictionary.get(name) {
            Some(value) => Ok(value),
            None => Ok(method(run, context, name).unwrap_or_default()),
        },
        Value::Array(array) => match name.parse::<i64>() {
            Ok(index) => {
                let found = usize::try_from(index)
                    .ok()
                    .and_then(|at| array.read().get(at).cloned());
                found
                    .ok_or_else(|| Fault::script(format!("Array index '{name}' is out of bounds.")))
            }
            Err(_) => typed(run, context, name),
        },
        Value::Object(object) => {
            if let Some(namespace) = as_namespace(context) {
                return Ok(namespace
                    .get(name)
                    .or_else(|| method(run, context, name))
                    .unwrap_or_default());
            }
            if run.sandboxed && is_hidden(run, context, name) {
                return Err(Fault::script(format!(
                    "Accessing the field '{name}' for type '{}' is not allowed in sandbox mode.",
                    object.type_name()
                )));
            }
            if let Some(value) = navigation(run, context, name) {
                return Ok(value);
            }
            match object.attribute(name) {
                Some(value) => Ok(value),
                None => typed(run, context, name),
            }
        }
        Value::Function(function) => {
            let info = function.info();
            Ok(match name {
                "name" => Value::String(info.name.clone()),
                "arguments" => Value::array(info.arguments.iter().cloned().map(Value::String)),
                "deprecated" => Value::Boolean(info.deprecated),
                "side_effect_free" => Value::Boolean(info.side_effect_free),
                _ => return typed(run, context, name),
            })
        }
        _ => typed(run, context, name),
    }
}

/// A field of an object, or a method, or an error.
fn typed(run: &Run<'_>, context: &Value, name: &str) -> Outcome {
    let has_type = match context {
        Value::Empty | Value::Array(_) | Value::Dictionary(_) => true,
        Value::Object(_) => !matches!(context.type_name(), "DateTime" | "Reference"),
        _ => false,
    };
    if name == "type" && has_type {
        return Ok(Value::string(context.type_name()));
    }
    method(run, context, name).ok_or_else(|| {
        Fault::script(format!(
            "Invalid field access (for value of type '{}'): '{name}'",
            context.type_name()
        ))
        .unknown("unknown-field", unknown_field(context, name))
    })
}

fn method(run: &Run<'_>, context: &Value, name: &str) -> Option<Value> {
    run.env.type_of(context)?.prototype_field(name)
}

fn is_hidden(run: &Run<'_>, context: &Value, name: &str) -> bool {
    run.env
        .type_of(context)
        .and_then(|entry| entry.field(name))
        .is_some_and(|field| field.flags.has(Flags::NO_USER_VIEW))
}

/// `service.host` of a declaration: the object that `host_name` names.
fn navigation(run: &Run<'_>, context: &Value, name: &str) -> Option<Value> {
    let draft = as_draft(context)?;
    if name != "host" || draft.entry.info?.naming != Naming::OnHost {
        return None;
    }
    let host = draft.get("host_name")?;
    // While the body is evaluated, neither the full name nor the host is there.
    if !draft.read().name.contains('!') {
        return Some(Value::Empty);
    }
    Some(run.object("Host", &to_text(&host)).unwrap_or_default())
}

/// What an assignment did to what holds the value.
#[derive(Default)]
pub(crate) struct Change {
    /// What was there, as far as it is known.
    pub(crate) old: Value,
    /// Bytes by which it grew.
    pub(crate) grown: u64,
}

/// `context[index] = value`
pub(crate) fn set_field(context: &Value, index: &Value, value: Value) -> Outcome<Change> {
    let name: Str = to_text(index);
    match context {
        Value::Dictionary(dictionary) => set_entry(dictionary, name, value),
        Value::Array(array) => {
            let index = parse_integer(&name)?;
            let at = usize::try_from(index)
                .map_err(|_| Fault::script(format!("Array index '{index}' is out of bounds.")))?;
            set_item(array, at, value)
        }
        Value::Object(object) => {
            if let Some(namespace) = as_namespace(context) {
                return set_in_namespace(namespace, &name, value);
            }
            if let Some(draft) = as_draft(context) {
                return draft.set(&name, value).map(|()| Change::default());
            }
            let set = object.set_attribute(&name, value);
            set.map(|()| Change::default()).map_err(|error| Fault {
                message: error.message,
                location: error.location,
                complete: true,
                detail: None,
            })
        }
        Value::Empty => Err(Fault::script(format!(
            "Cannot set field '{name}' on a value that is not an object."
        ))),
        // Functions keep what they are.
        Value::Function(_)
            if matches!(
                name.as_str(),
                "name" | "arguments" | "deprecated" | "side_effect_free"
            ) =>
        {
            Ok(Change::default())
        }
        Value::Function(_) => {
            Err(Fault::script(format!("Attribute '{name}' does not exist."))
                .code("unknown-attribute"))
        }
        other => Err(crate::convert::not_an_object(other)),
    }
}

fn set_entry(dictionary: &Dictionary, name: Str, value: Value) -> Outcome<Change> {
    let bytes = ENTRY_BYTES + name.len() as u64;
    let mut entries = dictionary
        .write()
        .map_err(|_| Fault::new("Value in dictionary must not be modified."))?;
    let old = entries.insert(name, value);
    let count = entries.len();
    drop(entries);
    match old {
        Some(old) => Ok(Change { old, grown: 0 }),
        None => {
            check_items(count)?;
            Ok(Change {
                old: Value::Empty,
                grown: bytes,
            })
        }
    }
}

fn set_item(array: &Array, at: usize, value: Value) -> Outcome<Change> {
    check_items(at)?;
    let mut items = array
        .write()
        .map_err(|_| Fault::new("Value in array must not be modified."))?;
    let mut change = Change::default();
    if at >= items.len() {
        change.grown = ((at - items.len() + 1) * size_of::<Value>()) as u64;
        items.resize(at + 1, Value::Empty);
    }
    if let Some(slot) = items.get_mut(at) {
        change.old = std::mem::replace(slot, value);
    }
    Ok(change)
}

fn set_in_namespace(namespace: &Namespace, name: &str, value: Value) -> Outcome<Change> {
    let mut change = Change::default();
    match namespace.get(name) {
        Some(old) => change.old = old,
        None => change.grown = ENTRY_BYTES + name.len() as u64,
    }
    namespace.set(name, value)?;
    Ok(change)
}
