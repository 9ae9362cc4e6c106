//! Performance data as objects: reading `label=value[unit];warn;crit;min;max` with units brought
//! to their base (manual chapter 5, "Unit of Measurement"), and writing it again.

use bheka_value::{Str, Value, format_number};

/// One item of performance data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Perfdata {
    /// Its name.
    pub label: Str,
    /// Its value, in the base unit.
    pub value: f64,
    /// The name of the base unit (`seconds`, `bytes`, …), empty for plain numbers. The internal
    /// checks write symbols instead (`s`).
    pub unit: Str,
    /// Whether it only grows.
    pub counter: bool,
    /// A number in the base unit, or null.
    pub warn: Value,
    /// A number in the base unit, or null.
    pub crit: Value,
    /// A number in the base unit, or null.
    pub min: Value,
    /// A number in the base unit, or null.
    pub max: Value,
}

/// A text that is no performance data. The texts are Icinga 2's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PerfdataError {
    /// Without `=`, or with a decimal comma.
    #[error("Invalid performance data value: {0}")]
    Invalid(String),
    /// The value is not a number.
    #[error("Can't convert '{0}' to a floating point number.")]
    NotANumber(String),
}

impl Perfdata {
    /// Reads one item. The label reaches to the last `=`; what follows a blank after the value is
    /// ignored.
    ///
    /// # Errors
    /// When there is no `=`, or no number after it.
    pub fn parse(text: &str) -> Result<Self, PerfdataError> {
        let (label, rest) = text
            .rsplit_once('=')
            .ok_or_else(|| PerfdataError::Invalid(text.to_owned()))?;
        let label = match label
            .strip_prefix('\'')
            .and_then(|label| label.strip_suffix('\''))
        {
            Some(inner) if !inner.is_empty() => inner,
            _ => label,
        };
        let fields = rest.split(' ').next().unwrap_or_default();
        if fields.contains(',') {
            return Err(PerfdataError::Invalid(text.to_owned()));
        }
        let mut fields = fields.split(';');
        let first = fields.next().unwrap_or_default();
        let number_end = first
            .rfind(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(first.len(), |at| at + 1);
        let (number_text, symbol) = first.split_at(number_end);
        let value: f64 = number_text
            .parse()
            .map_err(|_| PerfdataError::NotANumber(number_text.to_owned()))?;
        let (unit, factor) = base_unit(symbol).unwrap_or(("", 1.0));
        let mut threshold = || {
            let number = fields.next().and_then(|field| field.parse::<f64>().ok());
            number.map_or(Value::Empty, |number| Value::Number(number * factor))
        };
        Ok(Self {
            label: label.into(),
            value: value * factor,
            unit: unit.into(),
            counter: false,
            warn: threshold(),
            crit: threshold(),
            min: threshold(),
            max: threshold(),
        })
    }

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

    /// From the dictionary that travels in results; missing fields are empty.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let fields = value.as_dictionary()?.entries();
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let text = |name: &str| field(name).as_str().map(Str::new).unwrap_or_default();
        Some(Self {
            label: text("label"),
            value: field("value").as_number().unwrap_or_default(),
            unit: text("unit"),
            counter: field("counter").is_true(),
            warn: field("warn"),
            crit: field("crit"),
            min: field("min"),
            max: field("max"),
        })
    }

    /// The item as text, as `$host.perfdata$` shows it. Thresholds end at the first unset one.
    #[must_use]
    pub fn format(&self) -> String {
        let symbol = SYMBOLS
            .iter()
            .find(|(_, unit)| self.unit == *unit)
            .map_or(self.unit.as_str(), |(symbol, _)| symbol);
        let quote = if self.label.contains(' ') { "'" } else { "" };
        let counter = if self.counter { "c" } else { "" };
        let mut text = format!(
            "{quote}{}{quote}={}{symbol}{counter}",
            self.label,
            format_number(self.value)
        );
        for threshold in [&self.warn, &self.crit, &self.min, &self.max] {
            match threshold {
                Value::Empty => break,
                threshold => text.push_str(&format!(";{}", crate::macros::text_of(threshold))),
            }
        }
        text
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

/// An item as text, in whichever form the result holds it.
pub(crate) fn text_of(item: &Value) -> String {
    match (item, Perfdata::from_value(item)) {
        (_, Some(perfdata)) => perfdata.format(),
        (other, None) => crate::macros::text_of(other),
    }
}

/// Base units by their symbol.
const SYMBOLS: [(&str, &str); 18] = [
    ("l", "liters"),
    ("s", "seconds"),
    ("%", "percent"),
    ("B", "bytes"),
    ("b", "bits"),
    ("packets", "packets"),
    ("A", "amperes"),
    ("O", "ohms"),
    ("V", "volts"),
    ("W", "watts"),
    ("As", "ampere-seconds"),
    ("Wh", "watt-hours"),
    ("lm", "lumens"),
    ("dBm", "decibel-milliwatts"),
    ("g", "grams"),
    ("C", "degrees-celsius"),
    ("F", "degrees-fahrenheit"),
    ("K", "degrees-kelvin"),
];

/// Prefixes from kilo upwards.
const GREAT: [u8; 8] = [b'k', b'm', b'g', b't', b'p', b'e', b'z', b'y'];

/// The base unit of a symbol and what to multiply by; `None` for unknown ones. Case matters only
/// where it tells bytes from bits and milli from mega.
fn base_unit(symbol: &str) -> Option<(&'static str, f64)> {
    let milli = 1.0 / 1000.0;
    let micro = milli / 1000.0;
    let nano = micro / 1000.0;
    let lower = symbol.to_ascii_lowercase();
    let simple = match lower.as_str() {
        "ns" => ("seconds", nano),
        "us" => ("seconds", micro),
        "ms" => ("seconds", milli),
        "s" => ("seconds", 1.0),
        "m" => ("seconds", 60.0),
        "h" => ("seconds", 3600.0),
        "d" => ("seconds", 86_400.0),
        "%" => ("percent", 1.0),
        "packets" => ("packets", 1.0),
        "lm" => ("lumens", 1.0),
        "dbm" => ("decibel-milliwatts", 1.0),
        "ng" => ("grams", nano),
        "ug" => ("grams", micro),
        "mg" => ("grams", milli),
        "g" => ("grams", 1.0),
        "kg" => ("grams", 1000.0),
        "t" => ("grams", 1_000_000.0),
        "c" if symbol == "C" => ("degrees-celsius", 1.0),
        "f" => ("degrees-fahrenheit", 1.0),
        "k" => ("degrees-kelvin", 1.0),
        "ml" => ("liters", milli),
        "l" => ("liters", 1.0),
        "hl" => ("liters", 100.0),
        _ => return scaled_bytes(symbol).or_else(|| scaled_electric(symbol)),
    };
    Some(simple)
}

fn scaled_bytes(symbol: &str) -> Option<(&'static str, f64)> {
    let (prefix, base) = symbol.split_at_checked(symbol.len().checked_sub(1)?)?;
    let unit = match base {
        "B" => "bytes",
        "b" => "bits",
        _ => return None,
    };
    let prefix = prefix.to_ascii_lowercase();
    let (prefix, step) = match prefix.strip_suffix('i') {
        Some(prefix) if !prefix.is_empty() => (prefix, 1024.0_f64),
        _ => (prefix.as_str(), 1000.0),
    };
    Some((unit, great_factor(prefix, step)?))
}

fn scaled_electric(symbol: &str) -> Option<(&'static str, f64)> {
    let lower = symbol.to_ascii_lowercase();
    let units = [
        ("as", "ampere-seconds", 1.0),
        ("am", "ampere-seconds", 60.0),
        ("ah", "ampere-seconds", 3600.0),
        ("ws", "watt-hours", 1.0 / 3600.0),
        ("wm", "watt-hours", 1.0 / 60.0),
        ("wh", "watt-hours", 1.0),
        ("a", "amperes", 1.0),
        ("o", "ohms", 1.0),
        ("v", "volts", 1.0),
        ("w", "watts", 1.0),
    ];
    let (suffix, unit, factor) = units
        .into_iter()
        .find(|(suffix, ..)| lower.ends_with(suffix))?;
    let prefix = symbol.get(..symbol.len() - suffix.len())?;
    let scale = match prefix {
        "n" | "N" => 1.0 / 1000.0 / 1000.0 / 1000.0,
        "u" | "U" => 1.0 / 1000.0 / 1000.0,
        "m" => 1.0 / 1000.0,
        other => great_factor(&other.to_ascii_lowercase(), 1000.0)?,
    };
    Some((unit, scale * factor))
}

fn great_factor(prefix: &str, step: f64) -> Option<f64> {
    match prefix.as_bytes() {
        [] => Some(1.0),
        [letter] => {
            let index = GREAT.iter().position(|known| known == letter)?;
            Some(step.powi(i32::try_from(index).ok()? + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{split_output, split_performance_data};
    use proptest::prelude::*;

    fn close(left: &Value, right: &Value) -> bool {
        match (left.as_number(), right.as_number()) {
            (Some(left), Some(right)) => {
                left == right || (left - right).abs() <= 1e-12 * left.abs().max(right.abs())
            }
            (Some(number), None) => !number.is_finite() && right.is_empty(),
            _ => left.equals(right),
        }
    }

    /// Every case that was recorded from Icinga 2: parsing, splitting and writing.
    #[test]
    fn golden_cases_of_icinga_2() {
        let cases = include_str!("../../../testdata/dsl/perfdata.jsonl");
        let mut count = 0;
        for line in cases.lines() {
            let case: Value = bheka_value::from_json(line.as_bytes()).unwrap();
            let case = case.as_dictionary().unwrap();
            let text = case.get("perfdata").unwrap();
            let text = text.as_str().unwrap();
            let expect = case.get("expect").unwrap();
            let expect = expect.as_dictionary().unwrap();
            let parsed = expect.get("parsed").unwrap();
            let parsed = parsed.as_dictionary().unwrap();
            match (Perfdata::parse(text), parsed.get("value")) {
                (Ok(found), Some(wanted)) => {
                    let found = found.to_value();
                    let found = found.as_dictionary().unwrap();
                    for (key, wanted) in wanted.as_dictionary().unwrap().entries() {
                        let value = found.get(&key).unwrap();
                        assert!(close(&value, &wanted), "{text}: {key} {value:?} {wanted:?}");
                    }
                }
                (Err(error), None) => {
                    let wanted = parsed.get("error").unwrap();
                    let wanted = wanted
                        .as_dictionary()
                        .unwrap()
                        .get("message_contains")
                        .unwrap();
                    assert_eq!(error.to_string(), wanted.as_str().unwrap(), "{text}");
                }
                (found, wanted) => panic!("{text}: {found:?} instead of {wanted:?}"),
            }
            let parts = split_output(&format!("OK - text |{text}"));
            assert_eq!(
                Value::string(parts.text),
                expect.get("output").unwrap(),
                "{text}"
            );
            let items = split_performance_data(&parts.performance_data);
            let words: Vec<String> = items.iter().map(text_of).collect();
            let wanted = expect.get("output_perfdata").unwrap();
            assert_eq!(Value::string(words.join(" ")), wanted, "{text}");
            if let (Some(wanted), Ok(found)) = (expect.get("normalized"), Perfdata::parse(text)) {
                assert_eq!(Value::string(text_of(&found.to_value())), wanted, "{text}");
            }
            count += 1;
        }
        assert!(count >= 75, "only {count} cases");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            if let Ok(found) = Perfdata::parse(&text) {
                prop_assert!(text.contains('='));
                let again = Perfdata::from_value(&found.to_value());
                prop_assert_eq!(again.map(|again| again.label), Some(found.label));
            }
            let parts = split_output(&text);
            prop_assert!(split_performance_data(&parts.performance_data).len() <= text.len());
        }
    }
}
