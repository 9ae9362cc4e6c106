//! `parse_performance_data`.

use bheka_value::{Location, Map, Str, Value};

use super::{Row, exact};
use crate::convert::to_text;
use crate::draft::{Draft, State, draft_value};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[exact(
    "parse_performance_data",
    &["perfdata"],
    false,
    parse_performance_data,
)];

/// One value: `'label'=value[unit];warn;crit;min;max`.
fn parse_performance_data(c: &Call<'_>) -> Outcome {
    let text = to_text(c.argument(0));
    let Some(entry) = c.run.env.types.get("PerfdataValue") else {
        return Ok(Value::Empty);
    };
    let attributes = parse(&text)?;
    let state = State {
        attributes,
        ..State::default()
    };
    Ok(draft_value(&Draft::new(entry, Location::default(), state)))
}

fn parse(text: &str) -> Outcome<Map> {
    let invalid = || Fault::new(format!("Invalid performance data value: {text}"));
    let (label, rest) = text.rsplit_once('=').ok_or_else(invalid)?;
    let label = match label
        .strip_prefix('\'')
        .and_then(|label| label.strip_suffix('\''))
    {
        Some(inner) if label.len() > 2 => inner,
        _ => label,
    };
    let rest = rest.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = rest.split(';').collect();
    let first = parts.first().copied().unwrap_or_default();
    if first.contains(',') {
        return Err(invalid());
    }
    // The unit begins behind the last digit.
    let end = first
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .map_or(first.len(), |at| at + 1);
    let (number, unit) = first.split_at(end);
    let value: f64 = number.parse().map_err(|_| {
        Fault::new(format!(
            "Can't convert '{number}' to a floating point number."
        ))
    })?;
    let (base, unit) = base_unit(unit).unwrap_or((1.0, ""));
    let limit = |index: usize| -> Value {
        let text = parts.get(index).copied().unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) => Value::Number(number * base),
            Err(_) => Value::Empty,
        }
    };
    let entries = [
        ("label", Value::string(label)),
        ("value", Value::Number(value * base)),
        ("counter", Value::Boolean(false)),
        ("unit", Value::string(unit)),
        ("warn", limit(1)),
        ("crit", limit(2)),
        ("min", limit(3)),
        ("max", limit(4)),
    ];
    Ok(entries
        .into_iter()
        .map(|(name, value)| (Str::from(name), value))
        .collect())
}

/// Factor and base unit of a unit of measurement, without regard to case where that is not
/// ambiguous (manual: chapter 5, "Performance Data Metrics").
fn base_unit(unit: &str) -> Option<(f64, &'static str)> {
    const SIMPLE: &[(&str, f64, &str)] = &[
        ("", 1.0, ""),
        ("s", 1.0, "seconds"),
        ("ms", 1e-3, "seconds"),
        ("us", 1e-6, "seconds"),
        ("ns", 1e-9, "seconds"),
        ("m", 60.0, "seconds"),
        ("h", 3600.0, "seconds"),
        ("d", 86400.0, "seconds"),
        ("%", 1.0, "percent"),
        ("packets", 1.0, "packets"),
        ("lm", 1.0, "lumens"),
        ("dbm", 1.0, "decibel-milliwatts"),
        ("ng", 1e-9, "grams"),
        ("ug", 1e-6, "grams"),
        ("mg", 1e-3, "grams"),
        ("g", 1.0, "grams"),
        ("kg", 1e3, "grams"),
        ("t", 1e6, "grams"),
        ("f", 1.0, "degrees-fahrenheit"),
        ("k", 1.0, "degrees-kelvin"),
        ("ml", 1e-3, "liters"),
        ("l", 1.0, "liters"),
        ("hl", 1e2, "liters"),
    ];
    const SCALED: &[(&str, f64, &str)] = &[
        ("ah", 3600.0, "ampere-seconds"),
        ("am", 60.0, "ampere-seconds"),
        ("as", 1.0, "ampere-seconds"),
        ("wh", 1.0, "watt-hours"),
        ("wm", 1.0 / 60.0, "watt-hours"),
        ("ws", 1.0 / 3600.0, "watt-hours"),
        ("a", 1.0, "amperes"),
        ("o", 1.0, "ohms"),
        ("v", 1.0, "volts"),
        ("w", 1.0, "watts"),
    ];
    if unit == "C" {
        return Some((1.0, "degrees-celsius"));
    }
    let lower = unit.to_ascii_lowercase();
    if let Some((_, factor, base)) = SIMPLE.iter().find(|(name, ..)| *name == lower) {
        return Some((*factor, base));
    }
    if let Some(prefix) = lower.strip_suffix('b') {
        let base = if unit.ends_with('b') { "bits" } else { "bytes" };
        return Some((size(prefix)?, base));
    }
    SCALED.iter().find_map(|(suffix, factor, base)| {
        let prefix = lower.strip_suffix(suffix)?;
        // Only here a small m is a thousandth.
        let scale = if unit.starts_with('m') && prefix == "m" {
            1e-3
        } else {
            si_prefix(prefix)?
        };
        Some((scale * factor, *base))
    })
}

/// `k`, `mi`, …: powers of 1000 and of 1024.
fn size(prefix: &str) -> Option<f64> {
    const LETTERS: &str = "kmgtpezy";
    let (letter, base) = match prefix.strip_suffix('i') {
        Some(letter) => (letter, 1024.0_f64),
        None => (prefix, 1000.0_f64),
    };
    if prefix.is_empty() {
        return Some(1.0);
    }
    let mut letters = letter.chars();
    let at = LETTERS.find(letters.next()?)?;
    if letters.next().is_some() {
        return None;
    }
    Some(base.powi(i32::try_from(at).ok()? + 1))
}

fn si_prefix(prefix: &str) -> Option<f64> {
    match prefix {
        "n" => Some(1e-9),
        "u" => Some(1e-6),
        other if other.ends_with('i') => None,
        other => size(other),
    }
}
