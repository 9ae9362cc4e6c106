//! `object list`: what the last load or validation left in the file of objects.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use bheka_value::{Dictionary, Suggester, Value, format_number, question};

use crate::cli::literal::literal;
use crate::cli::{Invocation, dump, explain, print, say};
use crate::log::Severity;
use crate::settings::Settings;
use crate::version::PROGRAM;

/// Prints the objects that the filters let through.
pub(super) fn list(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    if let Some(pattern) = invocation.nonempty("type")
        && let Some(text) = unknown_type(&pattern)
    {
        say(Severity::Critical, "cli", &text);
        return Ok(ExitCode::FAILURE);
    }
    let path = &settings.paths.objects_path;
    let refreshed = crate::config::refresh_objects(&settings.paths);
    let records = match (dump::read(path), refreshed) {
        (Ok(records), Ok(())) => records,
        (Ok(records), Err(error)) => {
            let text = format!("What follows may be out of date: {}", explain(&error));
            say(Severity::Warning, "cli", &text);
            records
        }
        // It is missing because it could not be made.
        (Err(error), Err(cause)) if error.kind() == io::ErrorKind::NotFound => {
            say(Severity::Critical, "cli", &explain(&cause));
            bail!("Run '{PROGRAM} daemon -C' to validate config and generate the cache file.");
        }
        (Err(error), _) => {
            let (text, remedy) = dump::trouble("objects", path, &error);
            say(Severity::Critical, "cli", &text);
            bail!(remedy);
        }
    };
    let wanted = |option: &str, text: &str| {
        invocation
            .nonempty(option)
            .is_none_or(|pattern| matches(&pattern, text))
    };
    let style = Style {
        colored: settings.color || io::stdout().is_terminal(),
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut out = String::new();
    for record in records.iter().filter_map(Value::as_dictionary) {
        let (short, kind) = (text_of(record, "name"), text_of(record, "type"));
        let name = full_name(record).unwrap_or_else(|| short.clone());
        if (wanted("name", &name) || wanted("name", &short)) && wanted("type", &kind) {
            if !counts.is_empty() {
                out.push('\n');
            }
            style.object(record, &name, &kind, &mut out);
            *counts.entry(kind).or_default() += 1;
        }
    }
    if invocation.flag("count") {
        if !counts.is_empty() {
            out.push('\n');
        }
        for (kind, count) in counts {
            let plural = if count == 1 { "" } else { "s" };
            let _ = writeln!(out, "Found {count} {kind} object{plural}.");
        }
        out.push('\n');
    }
    print(&out);
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with a pattern for types that fits none. One with wildcards may fit none.
fn unknown_type(pattern: &str) -> Option<String> {
    let types = bheka_model::catalogue().types();
    let names = || types.iter().filter(|it| !it.is_abstract).map(|it| it.name);
    let is_known = names().any(|name| matches(pattern, name));
    if is_known || pattern.contains(['*', '?']) {
        return None;
    }
    let near = Suggester::default().nearest(pattern, names());
    let question = question(&near).map(|it| format!("; {it}"));
    let question = question.unwrap_or_default();
    Some(format!("There is no type '{pattern}'{question}"))
}

fn text_of(record: &Dictionary, key: &str) -> String {
    record
        .get(key)
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// `host!service`; the record itself is under the short name.
fn full_name(record: &Dictionary) -> Option<String> {
    let properties = record.get("properties")?;
    let name = below(&properties, "__name")?;
    name.as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// Whether a text fits a pattern with `*` (any text) and `?` (one character), without regard to
/// case, as the language's `match` does.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(expected) if *expected == '?' || *expected == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match star {
                Some((after_star, taken)) => {
                    at_pattern = after_star;
                    at_text = taken + 1;
                    star = Some((after_star, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|rest| *rest == '*')
}

/// How the listing is drawn.
struct Style {
    colored: bool,
}

const BLUE: &str = "\x1b[34m\x1b[1m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const YELLOW: &str = "\x1b[33m";

impl Style {
    fn paint(&self, color: &str, text: &str) -> String {
        if self.colored {
            format!("{color}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn object(&self, record: &Dictionary, name: &str, kind: &str, out: &mut String) {
        let _ = writeln!(
            out,
            "Object '{}' of type '{}':",
            self.paint(BLUE, name),
            self.paint(BLUE, kind)
        );
        if let Some(place) = record.get("debug_info").as_ref().and_then(place) {
            let declared = format!("% declared in {place}");
            let _ = writeln!(out, "  {}", self.paint(YELLOW, &declared));
        }
        if let Some(Value::Dictionary(properties)) = record.get("properties") {
            let hints = record
                .get("debug_hints")
                .and_then(|hints| below(&hints, "properties"));
            self.properties(&properties, hints.as_ref(), 2, out);
        }
    }

    fn properties(
        &self,
        properties: &Arc<Dictionary>,
        hints: Option<&Value>,
        indent: usize,
        out: &mut String,
    ) {
        for (key, value) in properties.read().iter() {
            let hint = hints.and_then(|hints| below(hints, key));
            let key = self.paint(GREEN, key);
            match value {
                Value::Dictionary(inner) => {
                    let _ = writeln!(out, "{:indent$}* {key}", "");
                    self.modifications(hint.as_ref(), indent + 2, out);
                    let hints = hint.as_ref().and_then(|hint| below(hint, "properties"));
                    self.properties(inner, hints.as_ref(), indent + 2, out);
                }
                other => {
                    let _ = writeln!(out, "{:indent$}* {key} = {}", "", self.value(other));
                    self.modifications(hint.as_ref(), indent + 2, out);
                }
            }
        }
    }

    fn modifications(&self, hint: Option<&Value>, indent: usize, out: &mut String) {
        let Some(Value::Array(messages)) = hint.and_then(|hint| below(hint, "messages")) else {
            return;
        };
        for message in messages.read().iter() {
            let parts = message
                .as_array()
                .map(|parts| parts.items())
                .unwrap_or_default();
            let operator = parts.first().and_then(Value::as_str).unwrap_or_default();
            if let Some(place) = place(&Value::array(parts.iter().skip(1).cloned())) {
                let text = format!("% {operator} modified in {place}");
                let _ = writeln!(out, "{:indent$}{}", "", self.paint(YELLOW, &text));
            }
        }
    }

    /// What stands in an array: collections as in the language's source, others as usual.
    fn item(&self, value: &Value) -> String {
        match value {
            Value::Array(_) | Value::Dictionary(_) => literal(value),
            other => self.value(other),
        }
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Empty => self.paint(CYAN, "null"),
            Value::Number(number) => self.paint(CYAN, &format_number(*number)),
            Value::Boolean(boolean) => self.paint(CYAN, &boolean.to_string()),
            Value::String(text) => self.paint(CYAN, &format!("\"{text}\"")),
            Value::Array(array) if array.is_empty() => "[ ]".to_owned(),
            Value::Array(array) => {
                let items: Vec<String> = array.read().iter().map(|it| self.item(it)).collect();
                format!("[ {} ]", items.join(", "))
            }
            other => literal(other),
        }
    }
}

fn below(value: &Value, key: &str) -> Option<Value> {
    value.as_dictionary()?.get(key)
}

/// `'path', lines 1:2-3:4` from `[path, 1, 2, 3, 4]`.
fn place(info: &Value) -> Option<String> {
    let info = info.as_array()?.items();
    let path = info.first()?.as_str()?.to_owned();
    let number = |index: usize| {
        info.get(index)
            .and_then(Value::as_number)
            .map(format_number)
    };
    Some(format!(
        "'{path}', lines {}:{}-{}:{}",
        number(1)?,
        number(2)?,
        number(3)?,
        number(4)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("a*", "abc", true),
            ("*b*", "abc", true),
            ("a?c", "ABC", true),
            ("a", "ab", false),
            ("*", "", true),
            ("?", "", false),
            ("*ab", "aab", true),
            ("a!*", "a!b", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn objects_are_listed_with_their_history() {
        let record = bheka_value::from_json(
            br#"{"debug_hints":{"properties":{"check_interval":{"messages":[["=","f",5,21,5,39]]},
            "vars":{"properties":{"c":{"properties":{"x y":{"messages":[["+=","f",1,2,3,4]]}}}}}}},
            "debug_info":["f",7,1,7,15],"name":"a","type":"Host",
            "properties":{"check_interval":60,"groups":["g"],"notes":"","vars":{"c":{"x y":{"z":5.5}}},
            "x":[],"y":null,"z":true,"l":[1,[2,{"n":"p"}],[]]}}"#,
        )
        .expect("JSON");
        let mut out = String::new();
        let record = record.as_dictionary().expect("record");
        Style { colored: false }.object(record, "a", "Host", &mut out);
        assert_eq!(
            out,
            "Object 'a' of type 'Host':
  % declared in 'f', lines 7:1-7:15
  * check_interval = 60
    % = modified in 'f', lines 5:21-5:39
  * groups = [ \"g\" ]
  * l = [ 1, [ 2.000000, {
\tn = \"p\"
} ], [ ] ]
  * notes = \"\"
  * vars
    * c
      * x y
        % += modified in 'f', lines 1:2-3:4
        * z = 5.500000
  * x = [ ]
  * y = null
  * z = true
"
        );
    }
}
