//! Command lines: `command`, `arguments` and `env` of a command object (manual chapter 9,
//! "CheckCommand", chapter 3, "Command Arguments").

use std::sync::Arc;

use bheka_model::ConfigObject;
use bheka_value::{Array, Str, Value};

use crate::MacroError;
use crate::macros::{Escape, evaluate, resolve, text_of};
use crate::scope::Scope;

/// Why there is no command line.
pub type CommandError = MacroError;

/// A resolved command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    /// As `command` of the result shows it: a list, or one string for the shell.
    pub(crate) shown: Value,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

/// Resolves command, arguments and environment of a command object.
pub(crate) fn build(scope: &Arc<Scope>, command: &ConfigObject) -> Result<Resolved, CommandError> {
    let shown = resolve_arguments(scope, &command.get("command"), &command.get("arguments"), 0)?;
    let mut env = Vec::new();
    if let Some(entries) = command.get("env").as_dictionary() {
        for (name, text) in entries.entries() {
            // A missing macro leaves an empty variable, not an unset one.
            let value = resolve(scope, &text, &mut None, Escape::No, 1)?;
            env.push((name.as_str().to_owned(), argument_text(&value)));
        }
    }
    let argv = match &shown {
        Value::Array(words) => words.items().iter().map(argument_text).collect(),
        other => vec!["sh".to_owned(), "-c".to_owned(), text_of(other)],
    };
    Ok(Resolved { shown, argv, env })
}

fn argument_text(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let texts: Vec<String> = items.items().iter().map(text_of).collect();
            texts.join(";")
        }
        other => text_of(other),
    }
}

/// One entry of `arguments`, resolved.
struct Argument {
    key: Value,
    value: Value,
    order: f64,
    skip_key: bool,
    repeat_key: bool,
    skip_value: bool,
    separator: Option<Str>,
}

/// `command` with `arguments` appended; also what `resolve_arguments()` of lambdas does.
pub(crate) fn resolve_arguments(
    scope: &Arc<Scope>,
    command: &Value,
    arguments: &Value,
    level: u32,
) -> Result<Value, CommandError> {
    let arguments = arguments.as_dictionary();
    let in_shell = arguments.is_none();
    let resolved = match command {
        Value::Array(_) | Value::Function(_) => {
            resolve(scope, command, &mut None, Escape::Shell, level + 1)?
        }
        other if in_shell => resolve(scope, other, &mut None, Escape::Shell, level + 1)?,
        other => Value::array([other.clone()]),
    };
    let Some(arguments) = arguments else {
        return Ok(resolved);
    };
    let mut found = Vec::with_capacity(arguments.len());
    for (key, entry) in arguments.entries() {
        if let Some(argument) = resolve_argument(scope, &key, &entry, level)? {
            found.push(argument);
        }
    }
    found.sort_by(|left, right| left.order.total_cmp(&right.order));
    let mut words = match &resolved {
        Value::Array(words) => Array::items(words),
        other => {
            return Err(MacroError::Command(format!(
                "command with arguments must be a list, not {}",
                other.type_name()
            )));
        }
    };
    for argument in &found {
        append(&mut words, argument);
    }
    Ok(Value::array(words))
}

fn resolve_argument(
    scope: &Arc<Scope>,
    key: &Str,
    entry: &Value,
    level: u32,
) -> Result<Option<Argument>, CommandError> {
    let mut argument = Argument {
        key: Value::String(key.clone()),
        value: Value::Empty,
        order: 0.0,
        skip_key: false,
        repeat_key: true,
        skip_value: false,
        separator: None,
    };
    let mut required = false;
    let raw = match entry {
        Value::Dictionary(fields) => {
            if let Some(key) = fields.get("key") {
                argument.key = key;
            }
            required = fields.get("required").is_some_and(|value| value.is_true());
            argument.skip_key = fields.get("skip_key").is_some_and(|value| value.is_true());
            if let Some(repeat) = fields.get("repeat_key") {
                argument.repeat_key = repeat.is_true();
            }
            argument.order = fields
                .get("order")
                .and_then(|order| order.to_number())
                .unwrap_or(0.0);
            argument.separator = fields
                .get("separator")
                .and_then(|text| text.as_str().map(Str::new));
            if let Some(condition) = fields.get("set_if").filter(|value| !is_unset(value))
                && !holds(scope, &condition, level)?
            {
                return Ok(None);
            }
            fields.get("value").unwrap_or_default()
        }
        other => other.clone(),
    };
    argument.skip_value = is_unset(&raw);
    let mut missing = None;
    argument.value = resolve(scope, &raw, &mut missing, Escape::No, level + 1)?;
    match missing {
        None => Ok(Some(argument)),
        Some(name) if required => {
            let argument = text_of(&argument.key).into();
            Err(MacroError::Required { name, argument })
        }
        Some(_) => Ok(None),
    }
}

fn is_unset(value: &Value) -> bool {
    matches!(value, Value::Empty) || value.as_str().is_some_and(str::is_empty)
}

/// Whether `set_if` lets an argument through: true, or a number other than 0; texts that are
/// neither do not.
fn holds(scope: &Arc<Scope>, condition: &Value, level: u32) -> Result<bool, CommandError> {
    let mut missing = None;
    let value = resolve(scope, condition, &mut missing, Escape::No, level + 1)?;
    if missing.is_some() {
        return Ok(false);
    }
    let value = if value.as_function().is_some() {
        evaluate(scope, &value, level + 1)?
    } else {
        value
    };
    Ok(match &value {
        Value::Boolean(boolean) => *boolean,
        Value::Number(number) => number.trunc() != 0.0,
        Value::String(text) => match text.as_str() {
            "true" => true,
            "false" => false,
            text => text.parse::<i64>().is_ok_and(|number| number != 0),
        },
        _ => false,
    })
}

fn append(words: &mut Vec<Value>, argument: &Argument) {
    match &argument.value {
        Value::Dictionary(_) => {}
        Value::Array(items) => {
            for (index, item) in items.items().iter().enumerate() {
                let with_key = !argument.skip_key && (index == 0 || argument.repeat_key);
                append_one(words, argument, item, with_key);
            }
        }
        value => append_one(words, argument, value, !argument.skip_key),
    }
}

fn append_one(words: &mut Vec<Value>, argument: &Argument, value: &Value, with_key: bool) {
    if let (true, false, Some(separator)) = (with_key, argument.skip_value, &argument.separator) {
        let text = format!("{}{separator}{}", text_of(&argument.key), text_of(value));
        words.push(Value::string(text));
        return;
    }
    if with_key {
        words.push(argument.key.clone());
    }
    if !argument.skip_value {
        words.push(Value::string(text_of(value)));
    }
}

/// A text as one word for `sh`: in single quotes, as Icinga 2 writes them.
#[must_use]
pub fn escape_shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A value as words for `sh`: the items of a list one by one.
pub(crate) fn escape_value(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let words: Vec<String> = items
                .items()
                .iter()
                .map(|item| escape_shell(&text_of(item)))
                .collect();
            Value::string(words.join(" "))
        }
        other => Value::string(escape_shell(&text_of(other))),
    }
}
