//! Runtime macros: `$host.name$`, `$address$`, `$$` (manual chapter 3, "Runtime Macros").

use std::sync::Arc;

use bheka_value::{CallError, NativeFunction, Str, Value, format_number};

use crate::command_line;
use crate::scope::{Scope, Source};

/// How often macros may lead to macros.
const RECURSION_MAX: u32 = 15;

/// How deep lists and dictionaries are written out as text.
const LITERAL_DEPTH_MAX: usize = 32;

/// Why a text with macros has no value. The texts of the first kinds are Icinga 2's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MacroError {
    /// A `$` without its partner.
    #[error("Closing $ not found in macro format string.")]
    NotClosed,
    /// A list inside other text.
    #[error("Mixing both strings and non-strings in macros is not allowed.")]
    Mixed,
    /// Macros that lead to themselves.
    #[error("Infinite recursion detected while resolving macros")]
    Recursion,
    /// A required argument without its value.
    #[error("Non-optional macro '{name}' used in argument '{argument}' is missing.")]
    Required {
        /// The macro.
        name: Str,
        /// The key of the argument.
        argument: Str,
    },
    /// A function threw.
    #[error("{0}")]
    Function(String),
    /// What a command yields is not a command line.
    #[error("{0}")]
    Command(String),
}

impl From<CallError> for MacroError {
    fn from(error: CallError) -> Self {
        Self::Function(error.message)
    }
}

/// What to make of the values of macros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Nothing.
    No,
    /// Quote them for the shell.
    Shell,
}

/// The value of a string, array, dictionary or function with its macros resolved; the first
/// missing macro is noted in `missing`.
pub(crate) fn resolve(
    scope: &Arc<Scope>,
    value: &Value,
    missing: &mut Option<Str>,
    escape: Escape,
    level: u32,
) -> Result<Value, MacroError> {
    match value {
        Value::String(text) => resolve_text(scope, text, missing, escape, level),
        Value::Array(array) => {
            let mut items = Vec::with_capacity(array.len());
            for item in array.items() {
                let item = resolve_scalar(scope, &item, missing, level)?;
                items.push(joined(item));
            }
            Ok(Value::array(items))
        }
        Value::Dictionary(dictionary) => {
            let mut entries = Vec::with_capacity(dictionary.len());
            for (key, item) in dictionary.entries() {
                let item = resolve_scalar(scope, &item, missing, level)?;
                entries.push((key, joined(item)));
            }
            Ok(Value::dictionary(entries))
        }
        Value::Function(_) => evaluate(scope, value, level),
        other => Ok(other.clone()),
    }
}

fn resolve_scalar(
    scope: &Arc<Scope>,
    item: &Value,
    missing: &mut Option<Str>,
    level: u32,
) -> Result<Value, MacroError> {
    match item {
        Value::String(text) => resolve_text(scope, text, missing, Escape::No, level),
        other => Ok(other.clone()),
    }
}

/// A list as text: its items with `;` between them.
fn joined(value: Value) -> Value {
    match value {
        Value::Array(array) => {
            let texts: Vec<String> = array.items().iter().map(text_of).collect();
            Value::string(texts.join(";"))
        }
        other => other,
    }
}

/// A value as part of a text.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::String(text) => text.as_str().to_owned(),
        Value::Number(number) => format_number(*number),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Array(_) | Value::Dictionary(_) => literal(value, 0),
        Value::Function(_) => "Object of type 'Function'".to_owned(),
        Value::Object(object) => object.text().as_str().to_owned(),
    }
}

/// A list or dictionary as the language writes it.
fn literal(value: &Value, depth: usize) -> String {
    if depth > LITERAL_DEPTH_MAX {
        return "null".to_owned();
    }
    match value {
        Value::Empty => "null".to_owned(),
        Value::Number(number) => format!("{number:.6}"),
        Value::String(text) => {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"", escaped.replace('\n', "\\n").replace('\t', "\\t"))
        }
        Value::Array(array) => {
            let items: Vec<String> = array
                .items()
                .iter()
                .map(|item| literal(item, depth + 1))
                .collect();
            if items.is_empty() {
                "[ ]".to_owned()
            } else {
                format!("[ {} ]", items.join(", "))
            }
        }
        Value::Dictionary(dictionary) => {
            let indent = "\t".repeat(depth);
            let lines = dictionary
                .entries()
                .into_iter()
                .map(|(key, item)| format!("{indent}\t{key} = {}\n", literal(&item, depth + 1)));
            format!("{{\n{}{indent}}}", lines.collect::<String>())
        }
        other => text_of(other),
    }
}

/// Calls a lambda with `this` = the scope plus `macro` and `resolve_arguments`.
pub(crate) fn evaluate(
    scope: &Arc<Scope>,
    function: &Value,
    level: u32,
) -> Result<Value, MacroError> {
    let Some(function) = function.as_function() else {
        return Ok(function.clone());
    };
    if level > RECURSION_MAX {
        return Err(MacroError::Recursion);
    }
    let mut entries: Vec<(Str, Value)> = scope
        .sources
        .iter()
        .map(|(name, source)| (Str::new(name), source.value()))
        .collect();
    let inner = Arc::clone(scope);
    let lookup = NativeFunction::pure("macro (temporary)", &["str"], move |_, arguments| {
        let Some(text) = arguments.first() else {
            return Err(CallError::new("Too few arguments for function 'macro'"));
        };
        let text = Value::from(text_of(text));
        resolve(&inner, &text, &mut None, Escape::No, level + 1)
            .map_err(|error| CallError::new(error.to_string()))
    });
    entries.push(("macro".into(), Value::Function(lookup)));
    let inner = Arc::clone(scope);
    let arguments_of = NativeFunction::pure(
        "resolve_arguments (temporary)",
        &["command", "args"],
        move |_, arguments| {
            let (command, args) = (
                arguments.first().cloned().unwrap_or_default(),
                arguments.get(1).cloned().unwrap_or_default(),
            );
            command_line::resolve_arguments(&inner, &command, &args, level + 1)
                .map_err(|error| CallError::new(error.to_string()))
        },
    );
    entries.push(("resolve_arguments".into(), Value::Function(arguments_of)));
    Ok(function.call(Some(&Value::dictionary(entries)), &[])?)
}

fn resolve_text(
    scope: &Arc<Scope>,
    text: &str,
    missing: &mut Option<Str>,
    escape: Escape,
    level: u32,
) -> Result<Value, MacroError> {
    if level > RECURSION_MAX {
        return Err(MacroError::Recursion);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        let (name, next) = after.split_once('$').ok_or(MacroError::NotClosed)?;
        let whole =
            out.is_empty() && before.is_empty() && next.is_empty() && rest.len() == text.len();
        out.push_str(before);
        let mut value = resolve_one(scope, name, missing, level)?;
        if escape == Escape::Shell {
            value = command_line::escape_value(&value);
        }
        if whole {
            return Ok(value);
        }
        match value {
            Value::Array(_) => return Err(MacroError::Mixed),
            other => out.push_str(&text_of(&other)),
        }
        rest = next;
    }
    out.push_str(rest);
    Ok(Value::string(out))
}

/// The value of one macro by the name between its dollar signs.
fn resolve_one(
    scope: &Arc<Scope>,
    name: &str,
    missing: &mut Option<Str>,
    level: u32,
) -> Result<Value, MacroError> {
    if name.is_empty() {
        return Ok(Value::string("$"));
    }
    if let Some(given) = &scope.given {
        return match given.get(name) {
            Some(value) => Ok(value),
            None => {
                *missing = Some(Str::new(name));
                Ok(Value::Empty)
            }
        };
    }
    let Some(found) = look_up(scope, name) else {
        *missing = Some(Str::new(name));
        return Ok(Value::Empty);
    };
    let mut value = found.value;
    if matches!(value, Value::Function(_)) {
        value = evaluate(scope, &value, level + 1)?;
    }
    if found.custom {
        value = match &value {
            Value::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for item in array.items() {
                    items.push(resolve_scalar(scope, &item, missing, level + 1)?);
                }
                Value::array(items)
            }
            Value::String(text) => resolve_text(scope, text, missing, Escape::No, level + 1)?,
            _ => value,
        };
    }
    if let Some(collected) = &scope.collected {
        collected.add(name, &value);
    }
    Ok(value)
}

struct Found {
    value: Value,
    /// Whether it may hold macros itself: custom variables and notes.
    custom: bool,
}

fn look_up(scope: &Scope, name: &str) -> Option<Found> {
    let (prefix, path) = match name.split_once('.') {
        Some((prefix, path)) => (Some(prefix), path),
        None => (None, name),
    };
    for (source_name, source) in &scope.sources {
        if prefix.is_some_and(|prefix| prefix != *source_name) {
            continue;
        }
        if prefix.is_none()
            && let Some(value) = source.vars().and_then(|vars| vars.get(name))
        {
            return Some(Found {
                value,
                custom: true,
            });
        }
        if let Some(value) = source.special(path, scope) {
            return Some(Found {
                value,
                custom: false,
            });
        }
        if let Some(value) = walk(source, path) {
            let first = path.split('.').next().unwrap_or_default();
            let custom = matches!(first, "vars" | "action_url" | "notes_url" | "notes");
            return Some(Found { value, custom });
        }
    }
    None
}

/// Follows attributes and keys from a source.
fn walk(source: &Source, path: &str) -> Option<Value> {
    let mut parts = path.split('.');
    let first = parts.next()?;
    let mut value = source.attribute(first)?;
    if source.is_time(first)
        && let Value::Number(seconds) = value
    {
        value = Value::Number(seconds.trunc());
    }
    for part in parts {
        value = match &value {
            Value::Dictionary(dictionary) => dictionary.get(part)?,
            Value::Object(object) => object.attribute(part)?,
            // Icinga 2 stays where it is when there is nothing to descend into.
            _ => value,
        };
    }
    Some(value)
}
