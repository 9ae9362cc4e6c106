//! Values as the language's own writer puts them.

use std::fmt::Write as _;

use bheka_value::Value;

/// A value as source text: numbers with six decimals, tabs for nesting.
pub(super) fn literal(value: &Value) -> String {
    let mut out = String::new();
    written(value, 0, &mut out);
    out
}

/// A string in quotes, with escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
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
    out
}

fn written(value: &Value, depth: usize, out: &mut String) {
    if depth > NESTING_MAX {
        out.push_str("null");
        return;
    }
    match value {
        Value::Number(number) => {
            let _ = write!(out, "{number:.6}");
        }
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(array) => {
            out.push_str("[ ");
            let items = array.items();
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                // An array adds no indentation of its own.
                written(item, depth, out);
            }
            out.push_str(if items.is_empty() { "]" } else { " ]" });
        }
        Value::Dictionary(dictionary) => {
            out.push_str("{\n");
            for (key, item) in dictionary.entries() {
                let indent = "\t".repeat(depth + 1);
                let key = if is_identifier(&key) {
                    key.to_string()
                } else {
                    quoted(&key)
                };
                let _ = write!(out, "{indent}{key} = ");
                written(&item, depth + 1, out);
                out.push('\n');
            }
            let _ = write!(out, "{}}}", "\t".repeat(depth));
        }
        Value::Empty => out.push_str("null"),
        Value::Boolean(boolean) => {
            let _ = write!(out, "{boolean}");
        }
        Value::Function(_) => out.push_str("Object of type 'Function'"),
        Value::Object(object) => {
            let _ = write!(out, "Object of type '{}'", object.type_name());
        }
    }
}

fn is_identifier(key: &str) -> bool {
    let mut characters = key.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// Values may hold themselves.
const NESTING_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_written_as_in_the_language() {
        let value = bheka_value::from_json(
            br#"{"a":1.5,"b":[1,"x",{},null,true],"c":5,"d e":"\"\n","f":[]}"#,
        )
        .expect("JSON");
        assert_eq!(
            literal(&value),
            "{\n\ta = 1.500000\n\tb = [ 1.000000, \"x\", {\n\t}, null, true ]\n\tc = 5.000000\n\
             \t\"d e\" = \"\\\"\\n\"\n\tf = [ ]\n}"
        );
    }
}
