//! Giving a value the type of its attribute, as an assignment in Icinga 2 does.

use bheka_value::schema::{FieldInfo, FieldKind, Flags};
use bheka_value::{Value, format_number};

/// The value in the type of the attribute; `None` when it has it already.
///
/// # Errors
/// The text that Icinga 2 gives when the value cannot take that type.
pub(super) fn coerce(field: &FieldInfo, value: &Value) -> Result<Option<Value>, String> {
    match field.kind {
        FieldKind::Any | FieldKind::CheckResult => Ok(None),
        FieldKind::Number | FieldKind::Duration | FieldKind::Timestamp | FieldKind::Enum => {
            let number = number_of(value)?;
            let cut = number.fract() != 0.0 && field.flags.has(Flags::WHOLE);
            match value {
                Value::Number(_) if !cut => Ok(None),
                _ => Ok(Some(Value::Number(if cut {
                    number.trunc()
                } else {
                    number
                }))),
            }
        }
        FieldKind::Boolean => match value {
            Value::Boolean(_) => Ok(None),
            other => Ok(Some(Value::Boolean(number_of(other)? != 0.0))),
        },
        FieldKind::String | FieldKind::Name => match value {
            Value::String(_) => Ok(None),
            other => Ok(Some(Value::string(text_of(other)))),
        },
        FieldKind::Array | FieldKind::NameArray => object(field, value, "Array"),
        FieldKind::Dictionary => object(field, value, "Dictionary"),
        FieldKind::Function => object(field, value, "Function"),
    }
}

fn object(field: &FieldInfo, value: &Value, expected: &str) -> Result<Option<Value>, String> {
    match value {
        Value::Empty => Ok(None),
        Value::Number(_) | Value::Boolean(_) | Value::String(_) => Err(format!(
            "Error while evaluating expression: Cannot convert value of type '{}' to an object.",
            value.type_name()
        )),
        other if other.type_name() == expected => Ok(None),
        other => Err(format!(
            "Attribute '{}' cannot be set to value of type '{}', expected '{expected}'",
            field.name,
            other.type_name()
        )),
    }
}

fn number_of(value: &Value) -> Result<f64, String> {
    let failed = || {
        format!(
            "Error while evaluating expression: Can't convert '{}' to a floating point number.",
            text_of(value)
        )
    };
    match value {
        Value::Empty => Ok(0.0),
        Value::Number(number) => Ok(*number),
        Value::Boolean(boolean) => Ok(f64::from(u8::from(*boolean))),
        Value::String(text) if text.is_empty() => Ok(0.0),
        Value::String(text) => {
            let fits =
                !text.starts_with(char::is_whitespace) && !text.ends_with(char::is_whitespace);
            text.parse().ok().filter(|_| fits).ok_or_else(failed)
        }
        _ => Err(failed()),
    }
}

/// A value as text, the way 2.13 turns it into a string.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Number(number) => format_number(*number),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::String(text) => text.as_str().to_owned(),
        other => crate::literal::literal(other, |number| format!("{number:.6}")),
    }
}
