//! `regex`, `match`.

use bheka_value::Value;

use super::{Row, variadic};
use crate::convert::{to_number, to_text};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

pub(super) const SYSTEM: &[Row] = &[
    variadic("regex", &["pattern", "text", "mode"], true, regex),
    variadic("match", &["pattern", "text", "mode"], true, match_wildcard),
];

/// Steps of backtracking after which a match is given up.
const BACKTRACK_MAX: usize = 1_000_000;

/// Whether a text, or all or any of an array, fits. An empty array fits never.
pub(super) fn each(
    c: &Call<'_>,
    function: &str,
    mut fits: impl FnMut(&str) -> Outcome<bool>,
) -> Outcome {
    match c.argument(1) {
        Value::Array(items) => {
            let items = items.items();
            let any = match c.arguments.get(2) {
                None => false,
                Some(mode) => match to_number(mode)? {
                    0.0 => false,
                    1.0 => true,
                    _ => return Ok(Value::Boolean(false)),
                },
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
        Value::Dictionary(_) => Err(Fault::new(format!(
            "Dictionaries are not supported by {function}()."
        ))),
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
    let regex = fancy_regex::RegexBuilder::new(&perl(&pattern))
        .backtrack_limit(BACKTRACK_MAX)
        .build()
        .map_err(|error| Fault::new(format!("Invalid regular expression '{pattern}': {error}")))?;
    each(c, "regex", |text| {
        regex
            .is_match(text)
            .map_err(|error| Fault::new(format!("Regular expression '{pattern}' failed: {error}")))
    })
}

/// Perl's syntax as Icinga 2 has it: `.` also matches line breaks, `^` and `$` hold at each line.
fn perl(pattern: &str) -> String {
    format!("(?sm){pattern}")
}

fn match_wildcard(c: &Call<'_>) -> Outcome {
    if c.arguments.len() < 2 {
        return Err(Fault::new(
            "Pattern and text must be specified for match().",
        ));
    }
    let pattern = to_text(c.argument(0));
    each(c, "match", |text| Ok(super::text::wildcard(&pattern, text)))
}
