//! `regex`, `match`.

use bheka_value::Value;

use super::{Row, variadic};
use crate::convert::{not_an, to_number, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[
    variadic("regex", &["pattern", "text", "mode"], true, regex),
    variadic("match", &["pattern", "text", "mode"], true, match_wildcard),
];

/// Steps of backtracking after which a match is given up, and the same in a sandbox.
const BACKTRACK_MAX: usize = 200_000;
const BACKTRACK_SANDBOX_MAX: usize = 20_000;
/// Bytes that all steps of backtracking together may look at; so long texts may have fewer steps.
const BACKTRACK_BYTES_MAX: usize = 1 << 30;
/// Bytes of a text that a regular expression is tried at.
const REGEX_TEXT_MAX: usize = 4 << 20;
/// Steps of the evaluator for each regular expression, and for each text that it is tried at.
const REGEX_STEPS: u64 = 500;
/// Bytes compared by a wildcard pattern for one step of the evaluator.
const WILDCARD_BYTES_A_STEP: u64 = 128;

/// Whether a text, or all or any of an array, fits. An empty array fits never.
pub(super) fn each(
    c: &Call<'_>,
    function: &str,
    mut fits: impl FnMut(&str) -> Outcome<bool>,
) -> Outcome {
    if let Value::Dictionary(_) = c.argument(1) {
        return Err(Fault::new(format!(
            "Dictionaries are not supported by {function}()."
        )));
    }
    let mode = c.arguments.get(2).map_or(Ok(0.0), to_number)?.trunc();
    match c.argument(1) {
        Value::Array(items) => {
            let items = items.items();
            let any = match mode {
                0.0 => false,
                1.0 => true,
                _ => return Ok(Value::Boolean(false)),
            };
            if items.is_empty() {
                return Ok(Value::Boolean(false));
            }
            for item in &items {
                c.run.step()?;
                if fits(&to_text(item))? == any {
                    return Ok(Value::Boolean(any));
                }
            }
            Ok(Value::Boolean(!any))
        }
        other @ (Value::Function(_) | Value::Object(_)) => Err(not_an("Array", "texts", other)),
        text => Ok(Value::Boolean(fits(&to_text(text))?)),
    }
}

fn regex(c: &Call<'_>) -> Outcome {
    if c.arguments.len() < 2 {
        return Err(Fault::new(
            "Regular expression and text must be specified for regex().",
        ));
    }
    let pattern = to_text(c.argument(0));
    let length = longest(c.argument(1));
    if length > REGEX_TEXT_MAX {
        return Err(Fault::script(format!(
            "Text is too long for a regular expression: {length} bytes, the limit is {REGEX_TEXT_MAX}."
        )));
    }
    c.run
        .steps(REGEX_STEPS.saturating_add(pattern.len() as u64 * 10))?;
    let regex = fancy_regex::RegexBuilder::new(&super::perl::translate(&pattern))
        .backtrack_limit(backtracks(c, length))
        .build()
        .map_err(|error| Fault::new(format!("Invalid regular expression '{pattern}': {error}")))?;
    each(c, "regex", |text| {
        c.run.steps(REGEX_STEPS + text.len() as u64 / 16)?;
        regex
            .is_match(text)
            .map_err(|error| Fault::new(format!("Regular expression '{pattern}' failed: {error}")))
    })
}

/// Bytes of the longest text that is to be tried.
fn longest(texts: &Value) -> usize {
    match texts {
        Value::String(text) => text.len(),
        Value::Array(items) => {
            let items = items.read();
            let lengths = items.iter().filter_map(Value::as_str).map(str::len);
            lengths.max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn backtracks(c: &Call<'_>, length: usize) -> usize {
    let most = if c.run.sandboxed {
        BACKTRACK_SANDBOX_MAX
    } else {
        BACKTRACK_MAX
    };
    most.min(BACKTRACK_BYTES_MAX / length.max(1))
}

fn match_wildcard(c: &Call<'_>) -> Outcome {
    if c.arguments.len() < 2 {
        return Err(Fault::new(
            "Pattern and text must be specified for match().",
        ));
    }
    let pattern = to_text(c.argument(0));
    each(c, "match", |text| {
        // At worst every star is tried at every place.
        let work = (pattern.len() as u64).saturating_mul(text.len() as u64);
        c.run.steps(work / WILDCARD_BYTES_A_STEP)?;
        Ok(super::text::wildcard(&pattern, text))
    })
}
