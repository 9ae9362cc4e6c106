//! `variable list|get`: what the last load or validation left in the file of variables.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use bheka_value::{Value, format_number};

use crate::cli::literal::literal;
use crate::cli::{Invocation, dump, print, say};
use crate::log::Severity;
use crate::settings::Settings;

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

/// The text of one variable; none when there is no file, no such variable, or nothing in it.
pub(super) fn text(path: &Path, wanted: &str) -> Option<String> {
    let records = dump::read(path).ok()?;
    let (_, value) = named(&records).find(|(name, _)| name == wanted)?;
    Some(top_level(&value)).filter(|text| !text.is_empty())
}

fn read(path: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let records = match dump::read(path) {
        Ok(records) => records,
        Err(error) => {
            let (text, remedy) = dump::trouble("variables", path, &error);
            say(Severity::Critical, "cli", &text);
            bail!(remedy);
        }
    };
    let mut variables: Vec<(String, Value)> = named(&records).collect();
    variables.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(variables)
}

fn named(records: &[Value]) -> impl Iterator<Item = (String, Value)> {
    records
        .iter()
        .filter_map(Value::as_dictionary)
        .filter_map(|record| Some((record.get("name")?, record.get("value").unwrap_or_default())))
        .map(|(name, value)| (name.as_str().unwrap_or_default().to_owned(), value))
}

/// A value as text; only what is inside of collections is written as in the language.
fn top_level(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::String(text) => text.as_str().to_owned(),
        Value::Number(number) => format_number(*number),
        other => literal(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_plain() {
        assert_eq!(top_level(&Value::Number(512.0)), "512");
        assert_eq!(top_level(&Value::Number(1_234_567.25)), "1234567.250000");
        assert_eq!(top_level(&Value::string("plain")), "plain");
    }
}
