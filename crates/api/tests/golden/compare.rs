//! The comparison rules of the recorded cases: what is normalised, what is left out.

use fancy_regex::Regex;
use serde_json::{Map, Value};

/// Replaces what differs from run to run.
pub(crate) struct Normaliser {
    directory: String,
    port: u16,
    rules: Vec<(Regex, &'static str)>,
}

impl Normaliser {
    pub(crate) fn new(directory: &str, port: u16) -> Self {
        let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        let version = r"\br?2\.\d+\.\d+(-\d+)?(-g[0-9a-f]+)?\b";
        let date = r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}";
        let port_text = format!(r"(?<!\d){port}(?!\d)");
        let rules = [
            (port_text.as_str(), "{PORT}"),
            (uuid, "{UUID}"),
            (version, "{VERSION}"),
            (date, "{DATE}"),
            (r"(?m)^ +\^+$", "{CARET}"),
        ];
        let rules = rules
            .map(|(rule, name)| (Regex::new(rule).unwrap(), name))
            .into();
        Self {
            directory: directory.to_owned(),
            port,
            rules,
        }
    }

    pub(crate) fn text(&self, text: &str) -> String {
        let mut text = text.replace(&self.directory, "{DIR}");
        for (rule, name) in &self.rules {
            text = rule.replace_all(&text, *name).into_owned();
        }
        text
    }

    pub(crate) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| match key.as_str() {
                    "diagnostic_information" => (key.clone(), Value::from("<diagnostics>")),
                    _ => (self.text(key), self.value(value)),
                });
                Value::Object(entries.collect())
            }
            Value::Number(number) if number.as_f64() == Some(f64::from(self.port)) => {
                Value::from("{PORT}")
            }
            other => other.clone(),
        }
    }
}

/// Sorts `results`, whose order is not compared.
pub(crate) fn sort_results(value: &mut Value) {
    let Some(results) = value.get_mut("results").and_then(Value::as_array_mut) else {
        return;
    };
    if !results.iter().all(Value::is_object) {
        return;
    }
    let text = |value: &Value, key: &str| match value.get(key) {
        None | Some(Value::Object(_)) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    results.sort_by_cached_key(|result| {
        let keys = ["type", "name", "package", "code", "status"];
        (keys.map(|key| text(result, key)), result.to_string())
    });
}

/// Path, expected and actual value of each difference.
pub(crate) type Differences = Vec<(String, String, String)>;

/// Compares values; array indexes are written `[*]`, dots in keys are escaped.
pub(crate) fn diff(expected: &Value, actual: &Value, path: &str, found: &mut Differences) {
    let mut differ = || found.push((path.to_owned(), short(expected), short(actual)));
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => diff_objects(left, right, path, found),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (left, right) in left.iter().zip(right) {
                diff(left, right, &format!("{path}[*]"), found);
            }
        }
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            let size = left.abs().max(right.abs()).max(1.0);
            let tolerance = if size < 1e6 { 1e-6 } else { 1e-12 } * size;
            if (left - right).abs() > tolerance {
                differ();
            }
        }
        _ if expected == actual => {}
        _ => differ(),
    }
}

fn diff_objects(
    left: &Map<String, Value>,
    right: &Map<String, Value>,
    path: &str,
    found: &mut Differences,
) {
    let absent = || "<absent>".to_owned();
    let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", key.replace('.', "\\."));
        match (left.get(key), right.get(key)) {
            (Some(left), Some(right)) => diff(left, right, &path, found),
            (Some(left), None) => found.push((path, short(left), absent())),
            (None, Some(right)) => found.push((path, absent(), short(right))),
            (None, None) => {}
        }
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// Whether differences at a path do not count.
pub(crate) fn is_ignored(path: &str, ignored: &[String]) -> bool {
    ignored.iter().any(|rule| match rule.strip_prefix("**.") {
        Some(name) => {
            path == name
                || path.ends_with(&format!(".{name}"))
                || path.contains(&format!(".{name}."))
                || path.contains(&format!(".{name}["))
        }
        None => path
            .strip_prefix(rule.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
    })
}
