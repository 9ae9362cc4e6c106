//! Conversions between values as Icinga 2 makes them.

use std::cell::Cell;

use bheka_value::{MAX_NESTING, Str, Value, format_number, to_json};

use crate::fault::{Fault, Outcome};
use crate::namespace::as_namespace;
use crate::run::SIZE_MAX;

/// The name of a value's type in error messages.
pub(crate) fn kind_name(value: &Value) -> &str {
    if value.is_empty() {
        "Empty"
    } else {
        value.type_name()
    }
}

/// A value as text: `string(value)`.
pub(crate) fn to_text(value: &Value) -> Str {
    match value {
        Value::Empty => Str::default(),
        Value::String(text) => text.clone(),
        Value::Number(number) => format_number(*number).into(),
        Value::Boolean(true) => "true".into(),
        Value::Boolean(false) => "false".into(),
        Value::Array(_) | Value::Dictionary(_) => {
            let mut out = String::new();
            write_config(value, &mut out, 0, 0);
            out.into()
        }
        Value::Function(_) => "Object of type 'Function'".into(),
        Value::Object(object) => object.text(),
    }
}

/// A value in the syntax of the language, numbers with six decimals.
///
/// Values are weighed before they are turned into text. For whoever forgets it: text that has become
/// too large for a string ends there.
fn write_config(value: &Value, out: &mut String, indent: usize, depth: usize) {
    if depth > MAX_NESTING || out.len() > SIZE_MAX {
        return;
    }
    match value {
        Value::Empty => out.push_str("null"),
        Value::Boolean(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&format!("{number:.6}")),
        Value::String(text) => write_string(text, out),
        Value::Array(array) => {
            out.push_str("[ ");
            for (at, item) in array.items().iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_config(item, out, indent, depth + 1);
            }
            if !array.is_empty() {
                out.push(' ');
            }
            out.push(']');
        }
        Value::Dictionary(dictionary) => {
            out.push('{');
            for (key, item) in dictionary.entries() {
                out.push('\n');
                out.extend(std::iter::repeat_n('\t', indent + 1));
                write_key(&key, out);
                out.push_str(" = ");
                write_config(&item, out, indent + 1, depth + 1);
            }
            out.push('\n');
            out.extend(std::iter::repeat_n('\t', indent));
            out.push('}');
        }
        Value::Function(_) | Value::Object(_) => {}
    }
}

fn write_key(key: &str, out: &mut String) {
    let plain = key
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !plain {
        write_string(key, out);
        return;
    }
    if KEYWORDS.contains(&key) {
        out.push('@');
    }
    out.push_str(key);
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Words that need an `@` as a key.
const KEYWORDS: &[&str] = &[
    "object",
    "template",
    "include",
    "include_recursive",
    "include_zones",
    "library",
    "null",
    "true",
    "false",
    "const",
    "var",
    "this",
    "globals",
    "locals",
    "use",
    "using",
    "namespace",
    "default",
    "ignore_on_error",
    "current_filename",
    "current_line",
    "apply",
    "to",
    "where",
    "import",
    "assign",
    "ignore",
    "function",
    "return",
    "break",
    "continue",
    "for",
    "if",
    "else",
    "while",
    "throw",
    "try",
    "except",
    "in",
    "debugger",
];

/// A value as a number; strings must be numbers as a whole.
pub(crate) fn to_number(value: &Value) -> Outcome<f64> {
    match value {
        Value::Empty => Ok(0.0),
        Value::Number(number) => Ok(*number),
        Value::Boolean(boolean) => Ok(f64::from(u8::from(*boolean))),
        Value::String(text) => parse_number(text),
        other => Err(not_a_number(&to_text(other))),
    }
}

/// A text as a number.
pub(crate) fn parse_number(text: &str) -> Outcome<f64> {
    if text.is_empty() {
        return Ok(0.0);
    }
    let number = text.parse::<f64>().map_err(|_| not_a_number(text))?;
    // Digits that are too many for a double are no number; "inf" is one.
    if number.is_infinite() && text.contains(|it: char| it.is_ascii_digit()) {
        return Err(not_a_number(text));
    }
    Ok(number)
}

fn not_a_number(text: &str) -> Fault {
    Fault::new(format!(
        "Can't convert '{text}' to a floating point number."
    ))
}

/// A text as a whole number.
pub(crate) fn parse_integer(text: &str) -> Outcome<i64> {
    text.parse::<i64>()
        .map_err(|_| Fault::new(format!("Can't convert '{text}' to an integer.")))
}

/// A condition as the library's callbacks see it: numbers and booleans, no other text.
pub(crate) fn to_flag(value: &Value) -> Outcome<bool> {
    Ok(to_number(value)? != 0.0)
}

/// A double cut to 32 bits, as the processor does it: what does not fit becomes the smallest.
pub(crate) fn to_int32(number: f64) -> i32 {
    if number.is_nan() || number >= 2_147_483_648.0 || number <= -2_147_483_649.0 {
        i32::MIN
    } else {
        #[allow(clippy::cast_possible_truncation)]
        {
            number as i32
        }
    }
}

/// The same with 64 bits.
pub(crate) fn to_int64(number: f64) -> i64 {
    if number.is_nan() || number >= 9_223_372_036_854_775_808.0 {
        i64::MIN
    } else {
        #[allow(clippy::cast_possible_truncation)]
        {
            number as i64
        }
    }
}

/// JSON as the language's own functions make it: objects and functions appear as their text.
pub(crate) fn script_json(value: &Value) -> String {
    to_json(&plain(value, 0, &Cell::new(PARTS_MAX)))
}

/// Parts of a value that become JSON; see [`write_config`].
const PARTS_MAX: u32 = 1 << 22;

fn plain(value: &Value, depth: usize, parts_left: &Cell<u32>) -> Value {
    if depth > MAX_NESTING || parts_left.get() == 0 {
        return Value::Empty;
    }
    parts_left.set(parts_left.get() - 1);
    let plain = |item: &Value| plain(item, depth + 1, parts_left);
    match value {
        Value::Array(array) => Value::array(array.items().iter().map(plain)),
        Value::Dictionary(dictionary) => Value::dictionary(
            dictionary
                .entries()
                .into_iter()
                .map(|(key, item)| (key, plain(&item))),
        ),
        Value::Function(_) => Value::String(to_text(value)),
        Value::Object(_) => match as_namespace(value) {
            Some(namespace) => Value::dictionary(
                namespace
                    .entries()
                    .into_iter()
                    .map(|(key, item)| (key, plain(&item))),
            ),
            None => Value::String(to_text(value)),
        },
        other => other.clone(),
    }
}

/// What a library function says of a value that is not of the kind that it takes. `role` is what
/// the value is to it: `self`, `function`.
pub(crate) fn not_an(kind: &str, role: &str, value: &Value) -> Fault {
    match value {
        Value::Empty => Fault::new(format!("Pointer must not be null: {role}")),
        Value::Number(_) | Value::Boolean(_) | Value::String(_) => not_an_object(value),
        other => Fault::new(format!(
            "Cannot convert value of type '{}' to an object of type '{kind}'.",
            kind_name(other)
        )),
    }
}

/// "Cannot convert value of type 'X' to an object."
pub(crate) fn not_an_object(value: &Value) -> Fault {
    Fault::new(format!(
        "Cannot convert value of type '{}' to an object.",
        kind_name(value)
    ))
}
