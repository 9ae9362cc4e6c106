//! Any text, and any expression of a grammar, as a filter of the API over a loaded configuration:
//! it changes nothing, reveals nothing that is hidden, and comes out the same again.

use std::sync::{Arc, OnceLock};

use bheka_lang::{Console, ConsoleSettings, Filter, Globals, MemorySources};
use bheka_value::{Timestamp, Value, to_json};

use crate::grammar::Choices;

/// What no filter may tell.
const SECRET: &str = "s3cr3t";

const GLOBALS: &str = r#"
const TicketSalt = "s3cr3t"
globals.a = [ 1, "b", { k = 2 } ]
globals.b = { a = 1, vars = [ "x" ] }
const c = "constant"
globals.f = function(x) { globals.a.add(x) }
globals.g = (x) use(b) => b.set("a", x)
namespace d { k = [ 1 ] }
"#;

const OBJECTS: &str = r#"
Internal.run_with_activation_context(() => {
template Host "t" { check_command = "x" }
object CheckCommand "x" { command = [ "/bin/true" ], vars.a = [ 1 ] }
object Host "a" { import "t", address = "192.0.2.1", vars.os = "Linux", vars.l = [ 1, 2 ] }
object Host "b" { import "t", vars.d = { a = { b = "c" } }, groups = [ "g" ] }
object HostGroup "g" { assign where host.vars.os == "Linux" }
apply Service "s" to Host { check_command = "x", vars += host.vars, assign where true }
object ApiUser "k" { password = "s3cr3t", permissions = [ "*" ] }
object User "x" { vars.a = 1 }
})
"#;

/// A console in which the configuration is declared; its objects stay as long as it is there.
fn configuration() -> &'static Globals {
    static LOADED: OnceLock<Globals> = OnceLock::new();
    LOADED.get_or_init(|| {
        let mut console = Console::new(ConsoleSettings {
            catalogue: bheka_model::catalogue(),
            sources: Arc::new(MemorySources::default()),
            include_dirs: Vec::new(),
            constants: Vec::new(),
            now: Timestamp(1_795_400_000.0),
        });
        for text in [GLOBALS, OBJECTS] {
            if let Err(error) = console.eval(text) {
                panic!("{}", error.message);
            }
        }
        let globals = console.globals();
        std::mem::forget(console);
        globals
    })
}

/// A value of the configuration, read without a sandbox.
fn look(text: &str) -> Value {
    let globals = configuration();
    match globals.get(text) {
        Some(value) => value,
        None => panic!("{text}"),
    }
}

/// Objects and globals as text.
fn state() -> String {
    let globals: Vec<String> = ["a", "b", "c", "d", "TicketSalt", "MaxConcurrentChecks"]
        .iter()
        .map(|name| to_json(&look(name)))
        .collect();
    let objects = objects().into_iter().map(|(_, value)| to_json(&value));
    let names = configuration().to_map().into_keys();
    let names: Vec<String> = names.map(String::from).collect();
    format!("{globals:?} {:?} {names:?}", objects.collect::<Vec<_>>())
}

fn objects() -> Vec<(&'static str, Value)> {
    let names = [
        ("host", "Host", "a"),
        ("x", "Host", "b"),
        ("service", "Service", "a!s"),
        ("k", "ApiUser", "k"),
        ("g", "HostGroup", "g"),
    ];
    names
        .into_iter()
        .map(|(variable, of, name)| {
            let value = configuration().object(of, name);
            (variable, value.unwrap_or_else(|| panic!("{of} {name}")))
        })
        .collect()
}

fn outcome(filter: &Filter, scope: &[(&str, Value)]) -> String {
    match filter.eval_in(configuration(), scope) {
        // Who is shown an object sees what its type allows; that is not the filter's business.
        Ok(value) if has_objects(&value, 0) => value.is_true().to_string(),
        Ok(value) => bheka_lang::to_text(&value).as_str().to_owned(),
        Err(error) => error.message,
    }
}

fn has_objects(value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(_) | Value::Function(_) => true,
        Value::Array(items) => {
            depth > 20
                || items
                    .items()
                    .iter()
                    .any(|item| has_objects(item, depth + 1))
        }
        Value::Dictionary(entries) => {
            depth > 20
                || entries
                    .entries()
                    .values()
                    .any(|item| has_objects(item, depth + 1))
        }
        _ => false,
    }
}

/// What must hold. The first byte tells whether the rest is a text or choices of a grammar.
pub(crate) fn check(bytes: &[u8]) {
    bheka_lang::limit_evaluation(100_000, 64 << 20);
    let Some((mode, rest)) = bytes.split_first() else {
        return;
    };
    let text = match mode % 4 {
        0 => String::from_utf8_lossy(rest).into_owned(),
        1 | 2 => {
            let mut choices = Choices::new(rest);
            choices.expression(0);
            choices.text
        }
        _ => {
            let mut choices = Choices::new(rest);
            choices.program();
            choices.text
        }
    };
    let Ok(filter) = Filter::compile(&text) else {
        return;
    };
    static BEFORE: OnceLock<String> = OnceLock::new();
    let before = BEFORE.get_or_init(state);
    let scope = objects();
    let first = outcome(&filter, &scope);
    assert!(
        !first.contains(SECRET) || text.contains(SECRET),
        "{text}\n{first}"
    );
    assert_eq!(&state(), before, "{text}");
    if !["ptr", "random"].iter().any(|word| text.contains(word)) {
        assert_eq!(outcome(&filter, &scope), first, "{text}");
    }
}
