//! Commands: command line, arguments, environment.

use bheka_value::{Str, Value};

use super::shapes::{self, Keys, Need, Shape};
use super::{Draft, Fault};

/// Keys of an argument (manual chapter 9, "CheckCommand Arguments").
const ARGUMENT: Keys = &[
    ("description", Shape::Text, Need::Optional),
    ("key", Shape::Text, Need::Optional),
    ("order", Shape::Number, Need::Optional),
    ("repeat_key", Shape::Number, Need::Optional),
    ("required", Shape::Number, Need::Optional),
    ("separator", Shape::Text, Need::Optional),
    ("set_if", Shape::MacroOrFunction, Need::Optional),
    ("skip_key", Shape::Number, Need::Optional),
    ("value", Shape::MacroOrFunction, Need::Optional),
];

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    check_line(draft, faults);
    check_arguments(draft, faults);
    if let Some(Value::Dictionary(env)) = draft.set("env") {
        let mut path: Vec<Str> = vec!["env".into()];
        for (key, value) in env.read().iter() {
            path.push(key.clone());
            shapes::check_value(&mut path, value, Shape::MacroOrFunction, faults);
            path.pop();
        }
    }
}

fn check_line(draft: &Draft, faults: &mut Vec<Fault>) {
    let command = draft.get("command");
    match &command {
        Value::Array(items) => {
            for (at, item) in items.read().iter().enumerate() {
                let mut path: Vec<Str> = vec!["command".into(), at.to_string().into()];
                let shape = if matches!(item, Value::Function(_)) {
                    Shape::Function
                } else {
                    Shape::Text
                };
                shapes::check_value(&mut path, item, shape, faults);
            }
        }
        Value::Dictionary(_) | Value::Object(_) => {
            faults.push(Fault::attribute("command", "Invalid type."));
        }
        _ => {}
    }
    if !draft.get("arguments").is_empty() && !matches!(command, Value::Array(_)) {
        faults.push(Fault::attribute(
            "command",
            "Attribute 'command' must be an array if the 'arguments' attribute is set.",
        ));
    }
}

fn check_arguments(draft: &Draft, faults: &mut Vec<Fault>) {
    let arguments = match draft.set("arguments") {
        None | Some(Value::Empty) => return,
        Some(Value::Dictionary(arguments)) => arguments,
        Some(_) => {
            faults.push(Fault::attribute("arguments", "Invalid type."));
            return;
        }
    };
    for (key, value) in arguments.read().iter() {
        let mut path: Vec<Str> = vec!["arguments".into(), key.clone()];
        let before = faults.len();
        match value {
            Value::Dictionary(_) => shapes::check(&mut path, value, ARGUMENT, faults),
            other => shapes::check_value(&mut path, other, Shape::MacroOrFunction, faults),
        }
        // 2.13 words a stray dollar sign in `value` differently.
        for fault in &mut faults[before..] {
            let in_value = matches!(&fault.place, super::Place::Attribute(path)
                if path.len() == 3 && path[2] == "value");
            if in_value && fault.text.starts_with("Closing $") {
                fault.text.insert_str(0, "Validation failed: ");
            }
        }
    }
}
