//! Parameters of a request: the JSON body, overridden by the query string.

use bheka_value::{Map, Str, Value, from_json};

use crate::json_error;
use crate::request::Url;
use crate::response::Unhandled;

/// Parameters by name. Those of the query string are arrays of strings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    values: Map,
}

impl Params {
    /// Reads the body, which may be empty, and the query string over it.
    ///
    /// # Errors
    /// What is wrong with the body, in the words of Icinga 2.
    pub(crate) fn new(body: &[u8], url: &Url) -> Result<Self, String> {
        let mut values = if body.is_empty() {
            Map::new()
        } else {
            from_body(body)?
        };
        let mut query: std::collections::BTreeMap<&str, Vec<Value>> =
            std::collections::BTreeMap::new();
        for (key, value) in &url.query {
            query
                .entry(key)
                .or_default()
                .push(Value::string(value.as_str()));
        }
        for (key, items) in query {
            values.insert(key.into(), Value::array(items));
        }
        Ok(Self { values })
    }

    /// Sets a parameter, as for a name that stands in the path.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.into(), value);
    }

    /// Takes a parameter away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Whether it was given, be it `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The parameter as given.
    pub(crate) fn get(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// The last item of a list, or the value itself.
    pub(crate) fn last(&self, name: &str) -> Value {
        match self.get(name) {
            Value::Array(items) => items.read().last().cloned().unwrap_or_default(),
            other => other,
        }
    }

    /// The last value as text.
    pub(crate) fn last_text(&self, name: &str) -> Str {
        text_of(&self.last(name))
    }

    /// A switch: a number other than 0, also as text; empty is off.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Unhandled> {
        to_number(&self.last(name))
            .map(|number| number != 0.0)
            .map_err(|_| Unhandled)
    }
}

/// A value as text, as the language converts it.
pub(crate) fn text_of(value: &Value) -> Str {
    bheka_lang::to_text(value)
}

/// A value as number, in the way and with the error text of Icinga 2.
///
/// # Errors
/// The text that follows "Error: ".
pub(crate) fn to_number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Empty => Ok(0.0),
        Value::Number(number) => Ok(*number),
        Value::Boolean(boolean) => Ok(f64::from(u8::from(*boolean))),
        Value::String(text) if text.is_empty() => Ok(0.0),
        Value::String(text) => text
            .parse()
            .map_err(|_| format!("Can't convert '{text}' to a floating point number.\n")),
        other => Err(format!(
            "Can't convert '{}' to a floating point number.\n",
            text_of(other)
        )),
    }
}

fn from_body(body: &[u8]) -> Result<Map, String> {
    json_error::check(body)?;
    match from_json(body) {
        Ok(Value::Dictionary(dictionary)) => Ok(dictionary.entries()),
        Ok(Value::Empty) => Ok(Map::new()),
        Ok(Value::Array(_)) => Err("std::bad_cast".into()),
        Ok(other) => Err(format!(
            "Cannot convert value of type '{}' to an object.",
            other.type_name()
        )),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str, target: &str) -> Params {
        Params::new(body.as_bytes(), &Url::parse(target).unwrap()).unwrap()
    }

    #[test]
    fn the_query_string_wins_and_the_last_value_counts() {
        let params = params(
            r#"{"attrs":["name"],"host":"a","n":null}"#,
            "/?attrs=address&x=1&x=2",
        );
        assert_eq!(
            params.get("attrs"),
            Value::array([Value::string("address")])
        );
        assert_eq!(params.last_text("x"), "2");
        assert_eq!(params.last_text("host"), "a");
        assert!(params.has("n") && !params.has("m"));
    }

    #[test]
    fn switches_read_numbers() {
        let params = params(
            r#"{"a":true,"b":null,"c":[1],"d":"false","e":{}}"#,
            "/?f=2&g=&h=abc",
        );
        for (name, expected) in [
            ("a", Ok(true)),
            ("b", Ok(false)),
            ("c", Ok(true)),
            ("d", Err(Unhandled)),
            ("e", Err(Unhandled)),
            ("f", Ok(true)),
            ("g", Ok(false)),
            ("h", Err(Unhandled)),
            ("none", Ok(false)),
        ] {
            assert_eq!(params.flag(name), expected, "{name}");
        }
    }

    #[test]
    fn only_dictionaries_and_null_are_bodies() {
        let url = Url::default();
        assert!(Params::new(b"null", &url).is_ok());
        assert_eq!(Params::new(b"[]", &url).unwrap_err(), "std::bad_cast");
        assert_eq!(
            Params::new(b"\"x\"", &url).unwrap_err(),
            "Cannot convert value of type 'String' to an object."
        );
    }
}
