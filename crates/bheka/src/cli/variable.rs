//! `variable list|get`: what the last load or validation left in the file of variables.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use bheka_value::{Value, format_number};

use crate::cli::{Invocation, dump, print, say};
use crate::log::Severity;
use crate::settings::Settings;
use crate::version::PROGRAM;

/// Prints all variables.
pub(super) fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    for (name, value) in read(&settings.paths.vars_path)? {
        let _ = writeln!(out, "{name} = {}", top_level(&value));
    }
    print(&out);
    Ok(ExitCode::SUCCESS)
}

/// Prints the value of one variable; an empty line when there is none.
pub(super) fn get(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let wanted = invocation.operands().into_iter().next().unwrap_or_default();
    let value = if invocation.flag("current") {
        let constants = settings.constants();
        constants
            .into_iter()
            .rev()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    } else {
        let variables = read(&settings.paths.vars_path)?;
        variables
            .into_iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    print(&format!("{}\n", top_level(&value.unwrap_or_default())));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let records = match dump::read(path) {
        Ok(records) => records,
        Err(_) => {
            let text = format!("Cannot open variables file '{}'.", path.display());
            say(Severity::Critical, "cli", &text);
            bail!("Run '{PROGRAM} daemon -C' to validate config and generate the cache file.");
        }
    };
    let mut variables: Vec<(String, Value)> = records
        .iter()
        .filter_map(Value::as_dictionary)
        .filter_map(|record| Some((record.get("name")?, record.get("value").unwrap_or_default())))
        .map(|(name, value)| (name.as_str().unwrap_or_default().to_owned(), value))
        .collect();
    variables.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(variables)
}

/// A value as text; only what is inside of collections is written as in the language.
fn top_level(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::String(text) => text.as_str().to_owned(),
        Value::Number(number) => format_number(*number),
        other => {
            let mut out = String::new();
            written(other, 0, &mut out);
            out
        }
    }
}

/// A value as the language's own writer puts it: numbers with six decimals, tabs for nesting.
fn written(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Number(number) => {
            let _ = write!(out, "{number:.6}");
        }
        Value::String(text) => quoted(text, out),
        Value::Array(array) => {
            out.push_str("[ ");
            for (index, item) in array.read().iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                written(item, depth, out);
            }
            out.push_str(if array.is_empty() { "]" } else { " ]" });
        }
        Value::Dictionary(dictionary) => {
            out.push_str("{\n");
            for (key, item) in dictionary.read().iter() {
                let _ = write!(out, "{}", "\t".repeat(depth + 1));
                if is_identifier(key) {
                    out.push_str(key)
                } else {
                    quoted(key, out)
                }
                out.push_str(" = ");
                written(item, depth + 1, out);
                out.push('\n');
            }
            let _ = write!(out, "{}}}", "\t".repeat(depth));
        }
        Value::Empty => out.push_str("null"),
        other => {
            let _ = write!(out, "{other:?}");
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

fn quoted(text: &str, out: &mut String) {
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
            top_level(&value),
            "{\n\ta = 1.500000\n\tb = [ 1.000000, \"x\", {\n\t}, null, true ]\n\tc = 5.000000\n\
             \t\"d e\" = \"\\\"\\n\"\n\tf = [ ]\n}"
        );
        assert_eq!(top_level(&Value::Number(512.0)), "512");
        assert_eq!(top_level(&Value::Number(1_234_567.25)), "1234567.250000");
        assert_eq!(top_level(&Value::string("plain")), "plain");
    }
}
