//! `parse_performance_data`.

use std::collections::BTreeMap;

use bheka_value::{Location, Str, Value};

use super::{Row, exact};
use crate::convert::{parse_number, to_text};
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

fn parse(text: &str) -> Outcome<BTreeMap<Str, Value>> {
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
    let end = first
        .find(|character: char| !"+-0123456789.,eE".contains(character))
        .unwrap_or(first.len());
    let (number, unit) = first.split_at(end);
    if number.is_empty() && !unit.is_empty() {
        return Err(Fault::new(format!(
            "Can't convert '{first}' to a floating point number."
        )));
    }
    let value = parse_number(&number.replace(',', "."))?;
    let counter = unit.eq_ignore_ascii_case("c");
    let (base, unit) = base_unit(unit).unwrap_or((1.0, ""));
    let limit = |index: usize| -> Value {
        let text = parts.get(index).copied().unwrap_or_default();
        if text.is_empty() || text.contains([':', '~', '@']) {
            return Value::Empty;
        }
        match text.replace(',', ".").parse::<f64>() {
            Ok(number) => Value::Number(number * base),
            Err(_) => Value::Empty,
        }
    };
    let entries = [
        ("label", Value::string(label)),
        ("value", Value::Number(value * base)),
        ("counter", Value::Boolean(counter)),
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

/// Factor and base unit of a unit of measurement (manual: chapter 5, "Performance Data Metrics").
fn base_unit(unit: &str) -> Option<(f64, &'static str)> {
    const SIZES: [(&str, f64); 13] = [
        ("", 1.0),
        ("k", 1e3),
        ("m", 1e6),
        ("g", 1e9),
        ("t", 1e12),
        ("p", 1e15),
        ("e", 1e18),
        ("ki", 1024.0),
        ("mi", 1_048_576.0),
        ("gi", 1_073_741_824.0),
        ("ti", 1_099_511_627_776.0),
        ("pi", 1_125_899_906_842_624.0),
        ("ei", 1_152_921_504_606_846_976.0),
    ];
    let lower = unit.to_ascii_lowercase();
    let simple = match lower.as_str() {
        "" => Some((1.0, "")),
        "c" => Some((1.0, "")),
        "%" => Some((1.0, "percent")),
        "s" => Some((1.0, "seconds")),
        "ms" => Some((1e-3, "seconds")),
        "us" => Some((1e-6, "seconds")),
        "ns" => Some((1e-9, "seconds")),
        _ => None,
    };
    simple.or_else(|| {
        let size = |prefix: &str| {
            SIZES
                .iter()
                .find(|(name, _)| *name == prefix)
                .map(|(_, factor)| *factor)
        };
        let prefix = lower.strip_suffix('b')?;
        let kind = if unit.ends_with('b') && !unit.starts_with('B') && unit.len() > 1 {
            // A small b stands for bytes too: units are compared without case.
            "bytes"
        } else {
            "bytes"
        };
        Some((size(prefix)?, kind))
    })
}
