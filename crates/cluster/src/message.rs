//! The envelope: JSON-RPC 2.0 as the cluster uses it.
//!
//! Calls carry `method` and `params`; `id` asks for a reply and may be any value, `null` too.
//! `ts` stands on relayed messages only, `originZone` on those that another member of the own
//! zone passed on. Replies carry `id` and `result`, or `error` as a text, or neither when the
//! method is unknown.

use bheka_value::{JsonError, Str, Timestamp, Value, from_json, to_json};

/// One message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The method called; `None` for replies.
    pub method: Option<Str>,
    /// Its parameters, a dictionary; [`Value::Empty`] when missing or `null`.
    pub params: Value,
    /// The identifier, when the key is there; `Some(Value::Empty)` for `null`.
    pub id: Option<Value>,
    /// Position in the sender's log.
    pub ts: Option<Timestamp>,
    /// The zone it came from, when a member of the sender's zone passed it on.
    pub origin_zone: Option<Str>,
    /// What a call yielded.
    pub result: Option<Value>,
    /// Why a call failed.
    pub error: Option<Value>,
}

/// Why a payload is no message. It is the peer's fault; an authenticated peer keeps its
/// connection and the message is skipped (Icinga 2 since 2.14.10, 2.15.6 and 2.16.2).
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or nested deeper than [`bheka_value::JSON_DEPTH_MAX`].
    #[error("invalid JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but not an object.
    #[error("JSON-RPC message must be an object, not {0}")]
    NotAnObject(String),
    /// A field of the envelope has a value that makes no sense.
    #[error("field '{field}' of the JSON-RPC message must be {expected}, not {found}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}

impl Message {
    /// A call without an answer, as nodes send them to each other.
    #[must_use]
    pub fn call(method: impl Into<Str>, params: Value) -> Self {
        Self {
            method: Some(method.into()),
            params,
            ..Self::default()
        }
    }

    /// The reply with a result; `null` when the method yields nothing.
    #[must_use]
    pub fn reply(id: Value, result: Value) -> Self {
        Self {
            id: Some(id),
            result: Some(result),
            ..Self::default()
        }
    }

    /// The reply to a method that is not known: neither result nor error.
    #[must_use]
    pub fn reply_unknown(id: Value) -> Self {
        Self {
            id: Some(id),
            ..Self::default()
        }
    }

    /// The reply when a method failed; `error` is a plain text in this dialect.
    #[must_use]
    pub fn reply_error(id: Value, text: impl Into<Str>) -> Self {
        Self {
            id: Some(id),
            error: Some(Value::String(text.into())),
            ..Self::default()
        }
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// When it is not JSON, nests deeper than 32, is not an object, or has a `method`, `ts` or
    /// `originZone` of a wrong type.
    pub fn from_bytes(payload: &[u8]) -> Result<Self, MessageError> {
        let value = from_json(payload)?;
        let Value::Dictionary(fields) = &value else {
            return Err(MessageError::NotAnObject(described(&value)));
        };
        let text = |field: &'static str| match fields.get(field) {
            None | Some(Value::Empty) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(MessageError::Field {
                field,
                expected: "a string",
                found: described(&other),
            }),
        };
        let ts = match fields.get("ts") {
            None | Some(Value::Empty) => None,
            Some(Value::Number(seconds)) => Some(Timestamp(seconds)),
            Some(other) => {
                let found = described(&other);
                return Err(MessageError::Field {
                    field: "ts",
                    expected: "a number",
                    found,
                });
            }
        };
        Ok(Self {
            method: text("method")?,
            params: fields.get("params").unwrap_or_default(),
            id: fields.get("id"),
            ts,
            origin_zone: text("originZone")?,
            result: fields.get("result"),
            error: fields.get("error"),
        })
    }

    /// Compact JSON with sorted keys, everything outside ASCII escaped.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields: Vec<(&'static str, Value)> = vec![("jsonrpc", Value::string("2.0"))];
        if let Some(error) = &self.error {
            fields.push(("error", error.clone()));
        }
        if let Some(id) = &self.id {
            fields.push(("id", id.clone()));
        }
        if let Some(method) = &self.method {
            fields.push(("method", Value::String(method.clone())));
            fields.push(("params", self.params.clone()));
        }
        if let Some(zone) = &self.origin_zone {
            fields.push(("originZone", Value::String(zone.clone())));
        }
        if let Some(result) = &self.result {
            fields.push(("result", result.clone()));
        }
        if let Some(ts) = self.ts {
            fields.push(("ts", Value::Number(ts.seconds())));
        }
        to_json(&Value::dictionary(fields))
    }

    /// The payload of a frame.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_json().into_bytes()
    }

    /// The whole frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        crate::netstring::encode(self.to_json().as_bytes())
    }

    /// The method, or an empty text for replies.
    #[must_use]
    pub fn method_name(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    /// A parameter; [`Value::Empty`] when there is none of that name.
    #[must_use]
    pub fn param(&self, name: &str) -> Value {
        match &self.params {
            Value::Dictionary(params) => params.get(name).unwrap_or_default(),
            _ => Value::Empty,
        }
    }

    /// A parameter that is a non-empty text.
    #[must_use]
    pub fn text_param(&self, name: &str) -> Option<Str> {
        match self.param(name) {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A parameter that is a number (numeric texts and booleans count); `None` when it is missing,
    /// `null` or something else.
    #[must_use]
    pub fn number_param(&self, name: &str) -> Option<f64> {
        match self.param(name) {
            Value::Empty => None,
            other => other.to_number().filter(|number| number.is_finite()),
        }
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Empty => "null".to_owned(),
        other => format!("of type {}", other.type_name()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Message {
        Message::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn hello_is_written_as_captured() {
        let params = Value::dictionary([
            ("version", Value::Number(21306.0)),
            ("capabilities", Value::Number(1.0)),
        ]);
        assert_eq!(
            Message::call("icinga::Hello", params).to_json(),
            r#"{"jsonrpc":"2.0","method":"icinga::Hello","params":{"capabilities":1,"version":21306}}"#
        );
    }

    #[test]
    fn replies_come_in_three_forms() {
        let id = || Value::Number(7.0);
        assert_eq!(
            Message::reply(id(), Value::Empty).to_json(),
            r#"{"id":7,"jsonrpc":"2.0","result":null}"#
        );
        assert_eq!(
            Message::reply_unknown(id()).to_json(),
            r#"{"id":7,"jsonrpc":"2.0"}"#
        );
        assert_eq!(
            Message::reply_error(Value::Empty, "no").to_json(),
            r#"{"error":"no","id":null,"jsonrpc":"2.0"}"#
        );
    }

    #[test]
    fn an_id_of_null_counts_as_present() {
        assert_eq!(parse(r#"{"method":"a","id":null}"#).id, Some(Value::Empty));
        assert_eq!(parse(r#"{"method":"a"}"#).id, None);
    }

    #[test]
    fn nonsense_is_named() {
        let cases = [
            (
                "",
                "invalid JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "[]",
                "JSON-RPC message must be an object, not of type Array",
            ),
            ("null", "JSON-RPC message must be an object, not null"),
            (
                r#"{"method":5}"#,
                "field 'method' of the JSON-RPC message must be a string, not of type Number",
            ),
            (
                r#"{"method":"a","ts":"x"}"#,
                "field 'ts' of the JSON-RPC message must be a number, not of type String",
            ),
        ];
        for (text, expected) in cases {
            let error = Message::from_bytes(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_limited_to_32() {
        let nested = |depth: usize| {
            format!(
                r#"{{"params":{}{}}}"#,
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        assert!(Message::from_bytes(nested(32).as_bytes()).is_ok());
        assert!(Message::from_bytes(nested(33).as_bytes()).is_err());
        assert!(Message::from_bytes("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn parameters_are_read_leniently() {
        let message =
            parse(r#"{"method":"m","params":{"a":"5","b":true,"c":null,"d":"","e":"x"}}"#);
        assert_eq!(message.number_param("a"), Some(5.0));
        assert_eq!(message.number_param("b"), Some(1.0));
        assert_eq!(message.number_param("c"), None);
        assert_eq!(message.number_param("e"), None);
        assert_eq!(message.text_param("d"), None);
        assert_eq!(message.text_param("e"), Some("x".into()));
        assert_eq!(
            parse(r#"{"method":"m","params":[1]}"#).param("a"),
            Value::Empty
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Empty),
            any::<bool>().prop_map(Value::Boolean),
            (-1e12..1e12f64).prop_map(Value::Number),
            ".{0,8}".prop_map(|text: String| Value::string(text)),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::array),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(Value::dictionary::<String>),
            ]
        })
    }

    proptest! {
        #[test]
        fn calls_round_trip(
            method in ".{0,20}",
            params in any_value(),
            id in prop::option::of(any_value()),
            ts in prop::option::of(0.0..4e9f64),
            origin in prop::option::of("[a-z]{1,8}"),
        ) {
            let message = Message {
                method: Some(method.into()),
                params,
                id,
                ts: ts.map(Timestamp),
                origin_zone: origin.map(Str::from),
                ..Message::default()
            };
            let text = message.to_json();
            let back = Message::from_bytes(text.as_bytes()).unwrap();
            prop_assert_eq!(back.to_json(), text);
            prop_assert_eq!(back, message);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::from_bytes(&bytes);
        }
    }
}
