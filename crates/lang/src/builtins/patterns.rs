//! `regex`, `match`.

use std::cell::RefCell;
use std::rc::Rc;

use bheka_value::{Str, Value};
use fancy_regex::Regex;
use rustc_hash::FxHashMap;

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
/// Steps of the evaluator for a regular expression that must be compiled, beside its length.
const COMPILE_STEPS: u64 = 500;
/// Steps of the evaluator for each text that is tried, and for each where that may take
/// backtracking.
const MATCH_STEPS: u64 = 20;
const BACKTRACK_STEPS: u64 = 1_000;
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
    let regex = compiled(c, &pattern, backtracks(c, length))?;
    let steps = if regex.backtracks {
        BACKTRACK_STEPS
    } else {
        MATCH_STEPS
    };
    each(c, "regex", |text| {
        c.run.steps(steps + text.len() as u64 / 16)?;
        regex
            .expression
            .is_match(text)
            .map_err(|_| too_much(&pattern))
    })
}

/// A regular expression that is ready to be tried.
struct Compiled {
    expression: Regex,
    /// Whether its matches can need steps beyond the length of the text.
    backtracks: bool,
}

thread_local! {
    /// Expressions that this thread has compiled, with the usual limit of backtracking. An apply
    /// rule tries the same one at every target, and compiling takes a hundred times as long.
    static KNOWN: RefCell<FxHashMap<Str, Rc<Compiled>>> = RefCell::default();
}

/// Expressions that a thread keeps; when there are more, all are forgotten.
const KNOWN_MAX: usize = 256;

fn compiled(c: &Call<'_>, pattern: &Str, backtracks: usize) -> Outcome<Rc<Compiled>> {
    // What strangers send is not kept: they could fill the memory with it.
    let is_kept = !c.run.sandboxed && backtracks == BACKTRACK_MAX;
    let known = || KNOWN.with_borrow(|known| known.get(pattern).cloned());
    if let Some(regex) = is_kept.then(known).flatten() {
        return Ok(regex);
    }
    c.run
        .steps(COMPILE_STEPS.saturating_add(pattern.len() as u64 * 10))?;
    let translated = super::perl::translate(pattern);
    let regex = fancy_regex::RegexBuilder::new(&translated)
        .backtrack_limit(backtracks)
        .build()
        .map_err(|error| invalid(pattern, &error))?;
    let regex = Rc::new(Compiled {
        expression: regex,
        backtracks: can_backtrack(&translated),
    });
    if is_kept {
        KNOWN.with_borrow_mut(|known| {
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(pattern.clone(), Rc::clone(&regex));
        });
    }
    Ok(regex)
}

/// Whether an expression has, or seems to have, what only backtracking can match: looking ahead
/// or behind, references to groups, possessive repetition.
fn can_backtrack(translated: &str) -> bool {
    let bytes = translated.as_bytes();
    bytes.windows(2).any(|pair| {
        matches!(
            pair,
            [b'\\', b'0'..=b'9' | b'k' | b'g' | b'G' | b'K'] | [b'*' | b'+' | b'?' | b'}', b'+']
        )
    }) || ["(?=", "(?!", "(?<", "(?>", "(?("]
        .iter()
        .any(|group| translated.contains(group))
}

/// What is wrong with an expression, in words that are about its text: positions would be those of
/// its translation.
fn invalid(pattern: &str, error: &fancy_regex::Error) -> Fault {
    use fancy_regex::{CompileError, Error, ParseError};
    let cause = match error {
        Error::ParseError(_, cause) => match cause {
            ParseError::UnclosedOpenParen => "a '(' is not closed".to_owned(),
            ParseError::TargetNotRepeatable | ParseError::InvalidRepeat => {
                "there is nothing that '*', '+', '?' or '{}' could repeat".to_owned()
            }
            ParseError::TrailingBackslash => "it ends with a '\\'".to_owned(),
            ParseError::InvalidEscape(escape) => format!("'{escape}' has no meaning"),
            ParseError::InvalidClass => "a '[' is not closed, or what it holds is wrong".to_owned(),
            ParseError::RecursionExceeded => "it nests too deep".to_owned(),
            // Some of them name a byte.
            ParseError::GeneralParseError(_) => "it is not well-formed".to_owned(),
            other => lower(&other.to_string()),
        },
        Error::CompileError(CompileError::InnerError(inner)) => innermost(inner),
        Error::CompileError(other) => lower(&other.to_string()),
        _ => "it is not well-formed".to_owned(),
    };
    Fault::new(format!("Invalid regular expression '{pattern}': {cause}"))
}

/// The last words of the error that is the cause of all others: before them stands the translation.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    let text = error.to_string();
    let words = text.rsplit("error: ").next().unwrap_or_default();
    match words.contains("NFA") {
        true => "it is too large".to_owned(),
        false => lower(words.trim()),
    }
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|it| it.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// The error of a match that was given up.
fn too_much(pattern: &str) -> Fault {
    Fault::new(format!(
        "Regular expression '{pattern}' failed: it can match in too many ways; repetitions within \
         repetitions are dear"
    ))
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
