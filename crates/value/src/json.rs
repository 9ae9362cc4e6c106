//! JSON as Icinga 2 writes and reads it: compact, keys sorted bytewise, non-ASCII escaped as
//! `\uXXXX`, whole numbers without a fraction, `NaN` and infinities as `null`.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::collections::MAX_NESTING;
use crate::{Str, Value};

/// How deep JSON from outside may nest: Icinga 2's limit since 2.14.10, 2.15.6 and 2.16.2.
pub const JSON_DEPTH_MAX: usize = 32;

/// The text is not JSON, or nests too deep.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

/// Compact JSON of a value.
#[must_use]
pub fn to_json(value: &Value) -> String {
    let mut out = String::new();
    encode(value, &mut out, None, 0);
    out
}

/// JSON with four spaces of indentation, as `?pretty=1` shows it.
#[must_use]
pub fn to_json_pretty(value: &Value) -> String {
    let mut out = String::new();
    encode(value, &mut out, Some(4), 0);
    out
}

/// Appends the JSON of a value to a text: compact, or indented by `indent` spaces a level when the
/// value stands `depth` levels deep in a larger text. For writers that put together large
/// documents without building them as values first.
pub fn write_json(out: &mut String, value: &Value, indent: Option<usize>, depth: usize) {
    encode(value, out, indent, depth);
}

/// Appends a JSON string with quotes and escapes.
pub fn write_json_string(out: &mut String, text: &str) {
    encode_string(text, out);
}

/// Reads JSON with the depth limit [`JSON_DEPTH_MAX`].
///
/// # Errors
/// When the text is not one JSON value, or nests deeper than allowed.
pub fn from_json(text: &[u8]) -> Result<Value, JsonError> {
    from_json_with_depth(text, JSON_DEPTH_MAX)
}

/// Reads JSON that nests at most `depth_max` deep, which the stack of the caller must bear: a level
/// takes less than 2 KiB.
///
/// # Errors
/// When the text is not one JSON value, or nests deeper than allowed.
pub fn from_json_with_depth(text: &[u8], depth_max: usize) -> Result<Value, JsonError> {
    let lossy;
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => {
            lossy = String::from_utf8_lossy(text).into_owned();
            lossy.as_str()
        }
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The seed counts.
    deserializer.disable_recursion_limit();
    let value = Seed {
        depth_left: depth_max,
    }
    .deserialize(&mut deserializer)
    .map_err(|error| JsonError(error.to_string()))?;
    deserializer
        .end()
        .map_err(|error| JsonError(error.to_string()))?;
    Ok(value)
}

fn encode(value: &Value, out: &mut String, indent: Option<usize>, depth: usize) {
    if depth > MAX_NESTING {
        out.push_str("null");
        return;
    }
    match value {
        Value::Empty => out.push_str("null"),
        Value::Boolean(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => encode_number(*number, out),
        Value::String(text) => encode_string(text, out),
        Value::Array(array) => {
            let items = array.items();
            encode_list(items.iter(), ('[', ']'), out, indent, depth, |item, out| {
                encode(item, out, indent, depth + 1);
            });
        }
        Value::Dictionary(dictionary) => {
            let entries = dictionary.entries();
            encode_entries(
                entries.iter().map(|(k, v)| (k.as_str(), v)),
                out,
                indent,
                depth,
            );
        }
        Value::Function(function) => {
            let info = function.info();
            let entries = [
                (
                    "arguments",
                    Value::array(info.arguments.iter().cloned().map(Value::String)),
                ),
                ("deprecated", Value::Boolean(info.deprecated)),
                ("name", Value::String(info.name.clone())),
                ("side_effect_free", Value::Boolean(info.side_effect_free)),
                ("type", Value::string("Function")),
            ];
            encode_entries(entries.iter().map(|(k, v)| (*k, v)), out, indent, depth);
        }
        Value::Object(object) => {
            let mut entries: Vec<(Str, Value)> = object
                .attribute_names()
                .into_iter()
                .filter_map(|name| object.attribute(&name).map(|value| (name, value)))
                .collect();
            if object.type_name() != "Namespace" {
                entries.push(("type".into(), Value::string(object.type_name())));
            }
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            entries.dedup_by(|left, right| left.0 == right.0);
            encode_entries(
                entries.iter().map(|(k, v)| (k.as_str(), v)),
                out,
                indent,
                depth,
            );
        }
    }
}

fn encode_entries<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
    out: &mut String,
    indent: Option<usize>,
    depth: usize,
) {
    encode_list(
        entries,
        ('{', '}'),
        out,
        indent,
        depth,
        |(key, value), out| {
            encode_string(key, out);
            out.push_str(if indent.is_some() { ": " } else { ":" });
            encode(value, out, indent, depth + 1);
        },
    );
}

fn encode_list<T>(
    items: impl Iterator<Item = T>,
    brackets: (char, char),
    out: &mut String,
    indent: Option<usize>,
    depth: usize,
    mut encode_item: impl FnMut(T, &mut String),
) {
    out.push(brackets.0);
    let mut any = false;
    for item in items {
        if any {
            out.push(',');
        }
        any = true;
        line_break(out, indent, depth + 1);
        encode_item(item, out);
    }
    if any {
        line_break(out, indent, depth);
    }
    out.push(brackets.1);
}

fn line_break(out: &mut String, indent: Option<usize>, depth: usize) {
    if let Some(width) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', width * depth));
    }
}

fn encode_number(number: f64, out: &mut String) {
    use std::fmt::Write as _;
    // 2^63 and 2^64 as doubles: whole numbers that fit a 64-bit integer print as integers.
    if number.is_nan() || number.is_infinite() {
        out.push_str("null");
    } else if number.trunc() == number
        && (-9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&number)
    {
        let _ = write!(out, "{number:.0}");
        if out.ends_with("-0") {
            out.truncate(out.len() - 2);
            out.push('0');
        }
    } else {
        encode_fraction(number, out);
    }
}

/// Digits before the point that are written without an exponent, and zeros behind it.
const DIGITS_MAX: i32 = 15;
const ZEROS_MAX: i32 = 3;

/// The shortest digits that are read as the same number, laid out as Icinga 2 does: `0.0001`,
/// `1e-05`, `4.5e+15`.
fn encode_fraction(number: f64, out: &mut String) {
    use std::fmt::Write as _;
    let text = format!("{number:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if mantissa.len() != digits.len() {
        out.push('-');
    }
    let (first, rest) = digits.split_once('.').unwrap_or((digits, ""));
    // How many digits stand before the point.
    let before = exponent + 1;
    #[allow(clippy::cast_sign_loss, reason = "within 1 and 15, or 0 and 3")]
    if (1..=DIGITS_MAX).contains(&before) {
        let digits = format!("{first}{rest}");
        let (whole, part) = digits.split_at(digits.len().min(before as usize));
        let _ = write!(out, "{whole:0<width$}.", width = before as usize);
        out.push_str(if part.is_empty() { "0" } else { part });
    } else if (-ZEROS_MAX..=0).contains(&before) {
        let zeros = "0".repeat(before.unsigned_abs() as usize);
        let _ = write!(out, "0.{zeros}{first}{rest}");
    } else {
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{first}{point}{rest}e{sign}{:02}", exponent.abs());
    }
}

fn encode_string(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => {
                let mut units = [0u16; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// Builds a [`Value`] while counting depth.
#[derive(Clone, Copy)]
struct Seed {
    depth_left: usize,
}

impl Seed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("JSON nests too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[allow(clippy::cast_precision_loss)]
impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Empty)
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Value, E> {
        Ok(Value::Boolean(boolean))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::string(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut entries = std::collections::BTreeMap::new();
        while let Some(key) = access.next_key::<Str>()? {
            entries.insert(key, access.next_value_seed(seed)?);
        }
        Ok(Value::dictionary(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_sorted_compact_ascii() {
        let value = Value::dictionary([
            ("b", Value::Number(1.0)),
            (
                "a",
                Value::array([Value::Empty, Value::Boolean(true), Value::string("ä\n")]),
            ),
        ]);
        assert_eq!(
            to_json(&value),
            "{\"a\":[null,true,\"\\u00e4\\n\"],\"b\":1}"
        );
    }

    #[test]
    fn refuses_deep_nesting() {
        let deep = "[".repeat(33) + &"]".repeat(33);
        assert!(from_json(deep.as_bytes()).is_err());
        let fine = "[".repeat(32) + &"]".repeat(32);
        assert!(from_json(fine.as_bytes()).is_ok());
    }

    #[test]
    fn refuses_trailing_text() {
        assert!(from_json(b"{} x").is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Empty),
            any::<bool>().prop_map(Value::Boolean),
            (-1e15f64..1e15).prop_map(Value::Number),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::array),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(Value::dictionary::<String>),
            ]
        })
    }

    proptest! {
        #[test]
        fn round_trips(value in any_value()) {
            let text = to_json(&value);
            let back = from_json(text.as_bytes()).unwrap();
            prop_assert_eq!(to_json(&back), text);
            let pretty = from_json(to_json_pretty(&value).as_bytes()).unwrap();
            prop_assert!(pretty.equals(&back));
        }
    }

    #[test]
    fn depth_is_what_the_caller_allows() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(from_json_with_depth(nested(600).as_bytes(), 600).is_ok());
        assert!(from_json_with_depth(nested(601).as_bytes(), 600).is_err());
        assert!(from_json(nested(33).as_bytes()).is_err());
    }

    /// Digits and layout as 2.13.6 writes them.
    #[test]
    fn fractions_are_laid_out_as_by_icinga2() {
        for (number, expected) in [
            (0.000_001, "1e-06"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.000_123_4, "0.0001234"),
            (0.000_01, "1e-05"),
            (-0.000_040_720_862_863_778_844, "-4.0720862863778844e-05"),
            (123_456.789, "123456.789"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (4_489_238_345_954_482.5, "4.4892383459544825e+15"),
            (1e100, "1e+100"),
            (1.5e300, "1.5e+300"),
            (1e22, "1e+22"),
            (5e-324, "5e-324"),
            (1e21, "1e+21"),
            (1e15, "1000000000000000"),
        ] {
            assert_eq!(to_json(&Value::Number(number)), expected);
        }
    }
}
