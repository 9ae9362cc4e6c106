//! Dictionaries and lists with a fixed shape: which keys, and which values they take.

use bheka_value::{Str, Value};

use super::advice::Wanted;
use super::{Draft, Fault, macros};

/// What a value in such a dictionary may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text; numbers and booleans count as text.
    Text,
    /// Text whose dollar signs pair up.
    Macro,
    /// As `Macro`, or a list of them.
    Macros,
    /// As `Macro`, or a function.
    MacroOrFunction,
    /// A number, or text that is one.
    Number,
    /// A function.
    Function,
    /// A dictionary of `Macro`.
    Tags,
}

/// The keys of a dictionary.
pub(super) type Keys = &'static [(&'static str, Shape, Need)];

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// Checks an attribute that holds such a dictionary.
pub(super) fn check_attribute(draft: &Draft, name: &str, keys: Keys, faults: &mut Vec<Fault>) {
    if let Some(value @ Value::Dictionary(_)) = draft.set(name) {
        check(&mut vec![name.into()], value, keys, faults);
    }
}

/// Checks a dictionary found at that path.
pub(super) fn check(path: &mut Vec<Str>, value: &Value, keys: Keys, faults: &mut Vec<Fault>) {
    let Value::Dictionary(entries) = value else {
        return;
    };
    let entries = entries.read();
    for (key, value) in entries.iter() {
        path.push(key.clone());
        match keys.iter().find(|(known, ..)| *known == key.as_str()) {
            None => {
                let known = keys.iter().map(|(key, ..)| *key).collect();
                let given = key.clone();
                fault(path, format!("Invalid attribute: {key}"), faults);
                if let Some(last) = faults.last_mut() {
                    last.wanted = Some(Wanted::Word { given, known });
                }
            }
            Some((_, shape, _)) => check_value(path, value, *shape, faults),
        }
        path.pop();
    }
    for (key, _, need) in keys {
        let is_blank = |value: &Value| value.is_empty() || value.as_str() == Some("");
        if *need == Need::Required && entries.get(key).is_none_or(is_blank) {
            fault(
                path,
                format!("Required dictionary item '{key}' is not set."),
                faults,
            );
        }
    }
}

/// Checks one value found at that path.
pub(super) fn check_value(
    path: &mut Vec<Str>,
    value: &Value,
    shape: Shape,
    faults: &mut Vec<Fault>,
) {
    let scalar = matches!(
        value,
        Value::Empty | Value::Number(_) | Value::Boolean(_) | Value::String(_)
    );
    let fits = match shape {
        Shape::Text | Shape::Macro => scalar,
        Shape::Macros => scalar || matches!(value, Value::Array(_)),
        Shape::MacroOrFunction => scalar || matches!(value, Value::Function(_)),
        Shape::Number => match value {
            Value::String(text) => text.is_empty() || text.parse::<f64>().is_ok(),
            _ => scalar,
        },
        Shape::Function => matches!(value, Value::Function(_)),
        Shape::Tags => matches!(value, Value::Dictionary(_)),
    };
    if !fits {
        fault(path, "Invalid type.", faults);
        return;
    }
    match (shape, value) {
        (Shape::Macros, Value::Array(items)) => {
            for item in items.read().iter() {
                check_value(path, item, Shape::Macro, faults);
            }
        }
        (Shape::Macro | Shape::Macros | Shape::MacroOrFunction, Value::String(text)) => {
            if let Some(flaw) = macros::flaw(text) {
                fault(path, flaw, faults);
            }
        }
        (Shape::Tags, Value::Dictionary(tags)) => {
            for (key, value) in tags.read().iter() {
                path.push(key.clone());
                check_value(path, value, Shape::Macro, faults);
                path.pop();
            }
        }
        _ => {}
    }
}

fn fault(path: &[Str], text: impl Into<String>, faults: &mut Vec<Fault>) {
    let path: Vec<&str> = path.iter().map(Str::as_str).collect();
    faults.push(Fault::nested(&path, text));
}
