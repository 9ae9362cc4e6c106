//! Conversions, type reflection, JSON, and the methods of all values.

use bheka_value::{Callable, MAX_NESTING, Value, from_json_with_depth};

use super::{Row, exact, variadic};
use crate::convert::{not_an, script_json, to_flag, to_number, to_text};
use crate::cost::HEAD_BYTES;
use crate::diag::{LogLine, Severity};
use crate::eval::access;
use crate::eval::call::{Call, call};
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[
    exact("assert", &["value"], false, assert),
    exact("bool", &["value"], true, |c| {
        Ok(Value::Boolean(c.argument(0).is_true()))
    }),
    exact("number", &["value"], true, |c| {
        to_number(c.argument(0)).map(Value::Number)
    }),
    exact("string", &["value"], true, |c| {
        Ok(Value::String(to_text(c.argument(0))))
    }),
    exact("typeof", &["value"], true, type_of),
    variadic("log", &["severity", "facility", "value"], false, log),
];

pub(super) const JSON: &[Row] = &[
    exact("encode", &["value"], true, |c| {
        Ok(Value::from(script_json(c.argument(0))))
    }),
    exact("decode", &["value"], true, decode),
];

pub(super) const OBJECT: &[Row] = &[
    exact("clone", &[], true, clone),
    exact("notify_attribute", &["attribute"], false, notify_attribute),
    exact("to_string", &[], true, |c| match c.this {
        Value::Empty | Value::Number(_) | Value::Boolean(_) | Value::String(_) => {
            Err(not_an("Object", "self", c.this))
        }
        object => Ok(Value::String(to_text(object))),
    }),
];

pub(super) const NUMBER: &[Row] = &[exact("to_string", &[], true, |c| {
    Ok(Value::String(to_text(c.this)))
})];

pub(super) const BOOLEAN: &[Row] = &[exact("to_string", &[], true, |c| {
    Ok(Value::string(if to_flag(c.this)? {
        "true"
    } else {
        "false"
    }))
})];

pub(super) const FUNCTION: &[Row] = &[
    variadic("call", &[], false, function_call),
    variadic("callv", &[], false, function_callv),
];

pub(super) const REFERENCE: &[Row] = &[
    exact("get", &[], true, |c| {
        let (parent, index) = crate::eval::reference_target(c.this)?;
        access::get_field(c.run, &parent, &index)
    }),
    exact("set", &["value"], false, |c| {
        let (parent, index) = crate::eval::reference_target(c.this)?;
        if matches!(parent, Value::Object(_)) {
            c.run.weigh(c.argument(0))?;
        }
        let change = access::set_field(&parent, &index, c.argument(0).clone())?;
        c.run.drops(&change.old);
        c.run.bytes(change.grown)?;
        Ok(Value::Empty)
    }),
];

pub(super) const TYPE: &[Row] = &[exact(
    "register_attribute_handler",
    &["field", "callback"],
    false,
    |_| Err(Fault::new("Attribute handlers are not supported.")),
)];

/// Nobody listens to attributes here, but they must be there.
fn notify_attribute(c: &Call<'_>) -> Outcome {
    if !matches!(
        c.this,
        Value::Array(_) | Value::Dictionary(_) | Value::Function(_) | Value::Object(_)
    ) {
        return Err(not_an("Object", "self", c.this));
    }
    let name = to_text(c.argument(0));
    let entry = c.run.env.type_of(c.this);
    let known = entry.is_some_and(|entry| entry.field(&name).is_some());
    if known || name.as_str() == "type" {
        return Ok(Value::Empty);
    }
    Err(Fault::new("Invalid field ID."))
}

fn assert(c: &Call<'_>) -> Outcome {
    if c.argument(0).is_true() {
        Ok(Value::Empty)
    } else {
        Err(Fault::new("Assertion failed"))
    }
}

fn type_of(c: &Call<'_>) -> Outcome {
    let entry = c.run.env.type_of(c.argument(0));
    Ok(entry.map_or(Value::Empty, crate::types::TypeEntry::as_value))
}

/// `log(value)` and `log(severity, facility, value)`.
fn log(c: &Call<'_>) -> Outcome {
    let (severity, facility, value) = match c.arguments {
        [value] => (Severity::Information, "config".to_owned(), value),
        [severity, facility, value] => {
            let severity = match to_number(severity)? {
                number if number <= 0.0 => Severity::Debug,
                1.0 => Severity::Notice,
                2.0 => Severity::Information,
                3.0 => Severity::Warning,
                4.0 => Severity::Critical,
                // There is no name for others, and Icinga 2 does not show them.
                _ => return Ok(Value::Empty),
            };
            (severity, to_text(facility).as_str().to_owned(), value)
        }
        _ => return Err(Fault::new("Invalid number of arguments for log()")),
    };
    let message = match value {
        Value::Array(_) | Value::Dictionary(_) => script_json(value),
        other => to_text(other).as_str().to_owned(),
    };
    c.run.bytes(4 * HEAD_BYTES + message.len() as u64)?;
    c.run.env.log(LogLine {
        severity,
        facility,
        message,
        location: None,
        from_script: true,
    });
    Ok(Value::Empty)
}

fn decode(c: &Call<'_>) -> Outcome {
    let text = to_text(c.argument(0));
    c.run.decodes(&text)?;
    from_json_with_depth(text.as_bytes(), MAX_NESTING).map_err(|error| {
        // The words of the library, but for those that only programmers know.
        let text = error
            .to_string()
            .replacen("EOF while parsing", "it ends within", 1);
        Fault::new(format!("The text is no JSON: {text}"))
    })
}

fn clone(c: &Call<'_>) -> Outcome {
    match c.this {
        Value::Array(_) | Value::Dictionary(_) => {
            c.run.copies(c.this)?;
            Ok(c.this.deep_clone())
        }
        Value::Object(_) => Err(Fault::new("Object cannot be cloned.")),
        Value::Function(_) => Ok(c.this.clone()),
        other => Err(not_an("Object", "self", other)),
    }
}

fn function_call(c: &Call<'_>) -> Outcome {
    let Some((this, arguments)) = c.arguments.split_first() else {
        return Err(Fault::new("Too few arguments for call()"));
    };
    call(c.run, this_function(c)?, Some(this), arguments)
}

fn function_callv(c: &Call<'_>) -> Outcome {
    let (this, arguments) = match c.arguments {
        [this, arguments] => (this, arguments),
        [_, _, _, ..] => return Err(Fault::new("Too many arguments for function.")),
        _ => return Err(Fault::new("Too few arguments for function.")),
    };
    match arguments {
        Value::Array(arguments) => call(c.run, this_function(c)?, Some(this), &arguments.items()),
        // Icinga 2 crashes without a list.
        other => Err(not_an("Array", "args", other)),
    }
}

fn this_function<'c>(c: &Call<'c>) -> Outcome<&'c std::sync::Arc<dyn Callable>> {
    match c.this {
        Value::Function(function) => Ok(function),
        other => Err(not_an("Function", "self", other)),
    }
}
