//! Performance data as objects.

use bheka_value::{Str, Value, format_number};

/// One item of performance data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Perfdata {
    /// Its name.
    pub label: Str,
    /// Its value, in the base unit.
    pub value: f64,
    /// The base unit, may be empty.
    pub unit: Str,
    /// Whether it only grows (unit `c`).
    pub counter: bool,
    /// A number, or null.
    pub warn: Value,
    /// A number, or null.
    pub crit: Value,
    /// A number, or null.
    pub min: Value,
    /// A number, or null.
    pub max: Value,
}

impl Perfdata {
    /// The dictionary that travels in results.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::dictionary([
            ("type", Value::string("PerfdataValue")),
            ("label", Value::String(self.label.clone())),
            ("value", Value::Number(self.value)),
            ("unit", Value::String(self.unit.clone())),
            ("counter", Value::Boolean(self.counter)),
            ("warn", self.warn.clone()),
            ("crit", self.crit.clone()),
            ("min", self.min.clone()),
            ("max", self.max.clone()),
        ])
    }
}

/// An item without thresholds.
pub(crate) fn number(label: &str, value: f64, unit: &str) -> Value {
    Perfdata {
        label: label.into(),
        value,
        unit: unit.into(),
        ..Perfdata::default()
    }
    .to_value()
}

/// An item as text.
pub(crate) fn text_of(item: &Value) -> String {
    match item {
        Value::String(text) => text.as_str().to_owned(),
        Value::Dictionary(fields) => {
            let label = fields
                .get("label")
                .map(|label| crate::macros::text_of(&label));
            let value = fields.get("value").and_then(|value| value.as_number());
            format!(
                "{}={}",
                label.unwrap_or_default(),
                format_number(value.unwrap_or(0.0))
            )
        }
        other => crate::macros::text_of(other),
    }
}
