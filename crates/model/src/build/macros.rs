//! Dollar signs in macro strings.

use bheka_value::{Str, Value};

use super::Fault;

/// What is wrong with a macro string: each `$` needs its partner.
pub(super) fn flaw(text: &str) -> Option<String> {
    let odd = text.bytes().filter(|byte| *byte == b'$').count() % 2 == 1;
    odd.then(|| format!("Closing $ not found in macro format string '{text}'."))
}

/// Checks custom variables: texts, and texts one level down in lists and dictionaries.
pub(super) fn check_vars(vars: &Value, faults: &mut Vec<Fault>) {
    let Value::Dictionary(vars) = vars else {
        return;
    };
    for (key, value) in vars.read().iter() {
        match value {
            Value::String(text) => report(&["vars", key], text, faults),
            Value::Dictionary(inner) => {
                for (inner_key, value) in inner.read().iter() {
                    if let Value::String(text) = value {
                        report(&["vars", key, inner_key], text, faults);
                    }
                }
            }
            Value::Array(items) => {
                for item in items.read().iter() {
                    if let Value::String(text) = item {
                        report(&["vars", key], text, faults);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Reports a flaw of a macro string under that path.
pub(super) fn report(path: &[&str], text: &Str, faults: &mut Vec<Fault>) {
    if let Some(flaw) = flaw(text) {
        faults.push(Fault::nested(path, flaw));
    }
}
