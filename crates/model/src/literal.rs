//! Values in the notation of the configuration language.

use bheka_value::{MAX_NESTING, Str, Value};

/// Words that cannot stand as a key without a mark.
const KEYWORDS: &[&str] = &[
    "apply",
    "assign",
    "break",
    "const",
    "continue",
    "current_filename",
    "current_line",
    "debugger",
    "default",
    "else",
    "false",
    "for",
    "function",
    "globals",
    "if",
    "ignore",
    "ignore_on_error",
    "import",
    "in",
    "include",
    "include_recursive",
    "include_zones",
    "library",
    "locals",
    "namespace",
    "null",
    "object",
    "return",
    "template",
    "this",
    "throw",
    "to",
    "true",
    "type",
    "use",
    "using",
    "var",
    "where",
    "while",
    "zone",
];

/// The value as source text; numbers are formatted by `number`.
pub(crate) fn literal(value: &Value, number: impl Fn(f64) -> String) -> String {
    let mut out = String::new();
    write(value, &number, (0, 0), &mut out);
    out
}

/// `depth` is the indentation, which only dictionaries deepen, and the nesting.
fn write(value: &Value, number: &impl Fn(f64) -> String, depth: (usize, usize), out: &mut String) {
    if depth.1 > MAX_NESTING {
        out.push_str("null");
        return;
    }
    match value {
        Value::Empty => out.push_str("null"),
        Value::Number(it) => out.push_str(&number(*it)),
        Value::Boolean(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::String(text) => quoted(text, out),
        Value::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.items().iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, number, (depth.0, depth.1 + 1), out);
            }
            out.push_str(if items.is_empty() { "]" } else { " ]" });
        }
        Value::Dictionary(entries) => {
            let entries = entries.entries();
            scope(entries.iter(), number, depth, out);
        }
        Value::Function(function) => {
            let info = function.info();
            let arguments = Value::array(info.arguments.iter().cloned().map(Value::String));
            let entries = [
                (Str::new("arguments"), arguments),
                (Str::new("deprecated"), Value::Boolean(info.deprecated)),
                (Str::new("name"), Value::String(info.name.clone())),
                (
                    Str::new("side_effect_free"),
                    Value::Boolean(info.side_effect_free),
                ),
                (Str::new("type"), Value::string("Function")),
            ];
            scope(
                entries.iter().map(|(key, value)| (key, value)),
                number,
                depth,
                out,
            );
        }
        Value::Object(object) => {
            let entries: Vec<(Str, Value)> = object
                .attribute_names()
                .into_iter()
                .filter_map(|name| object.attribute(&name).map(|value| (name, value)))
                .collect();
            scope(
                entries.iter().map(|(key, value)| (key, value)),
                number,
                depth,
                out,
            );
        }
    }
}

fn scope<'a>(
    entries: impl Iterator<Item = (&'a Str, &'a Value)>,
    number: &impl Fn(f64) -> String,
    depth: (usize, usize),
    out: &mut String,
) {
    out.push('{');
    for (key, value) in entries {
        out.push('\n');
        out.extend(std::iter::repeat_n('\t', depth.0 + 1));
        identifier(key, out);
        out.push_str(" = ");
        write(value, number, (depth.0 + 1, depth.1 + 1), out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n('\t', depth.0));
    out.push('}');
}

fn identifier(name: &str, out: &mut String) {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_');
    if !plain {
        quoted(name, out);
        return;
    }
    // `type` is a keyword, but 2.13 writes it bare.
    if name != "type" && KEYWORDS.binary_search(&name).is_ok() {
        out.push('@');
    }
    out.push_str(name);
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn writes_what_2_13_writes() {
        let value = Value::array([
            Value::Number(1.0),
            Value::dictionary([
                ("y", Value::Empty),
                ("a b", Value::string("q\"\n")),
                ("in", 2.0.into()),
            ]),
        ]);
        let text = literal(&value, |number| format!("{number:.6}"));
        assert_eq!(
            text,
            "[ 1.000000, {\n\t\"a b\" = \"q\\\"\\n\"\n\t@in = 2.000000\n\ty = null\n} ]"
        );
        assert_eq!(literal(&Value::array([]), |_| String::new()), "[ ]");
    }
}
