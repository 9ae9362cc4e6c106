//! Strings: methods, wildcards, escaping.

use bheka_value::{Str, Value};

use super::{Row, exact, variadic};
use crate::convert::{to_number, to_text};
use crate::cost::HEAD_BYTES;
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};
use crate::run::{check_items, check_size};

pub(super) const STRING: &[Row] = &[
    exact("contains", &["str"], true, contains),
    variadic("find", &["str", "start"], true, find),
    exact("len", &[], true, len),
    exact("lower", &[], true, |c| {
        Ok(Value::from(this(c).to_ascii_lowercase()))
    }),
    exact("replace", &["search", "replacement"], true, replace),
    exact("reverse", &[], true, reverse),
    exact("split", &["delims"], true, split),
    variadic("substr", &["start", "len"], true, substr),
    exact("to_string", &[], true, |c| Ok(Value::String(this(c)))),
    exact("trim", &[], true, trim),
    exact("upper", &[], true, |c| {
        Ok(Value::from(this(c).to_ascii_uppercase()))
    }),
];

pub(super) const SYSTEM: &[Row] = &[
    exact("escape_shell_arg", &["arg"], true, escape_shell_arg),
    exact("escape_shell_cmd", &["cmd"], true, escape_shell_cmd),
];

fn this(c: &Call<'_>) -> Str {
    to_text(c.this)
}

fn bytes_to_value(bytes: &[u8]) -> Value {
    Value::String(Str::from_bytes(bytes))
}

fn contains(c: &Call<'_>) -> Outcome {
    let needle = to_text(c.argument(0));
    Ok(Value::Boolean(this(c).contains(needle.as_str())))
}

#[allow(clippy::cast_precision_loss)]
fn len(c: &Call<'_>) -> Outcome {
    Ok(Value::Number(this(c).len() as f64))
}

/// A position given by a script.
fn position(value: &Value) -> Outcome<usize> {
    let number = to_number(value)?;
    if number < 0.0 || number.is_nan() {
        return Err(Fault::new("String index is out of range"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(number as usize)
}

fn find(c: &Call<'_>) -> Outcome {
    if c.arguments.is_empty() {
        return Err(Fault::new("Too few arguments"));
    }
    let (text, needle) = (this(c), to_text(c.argument(0)));
    let start = match c.arguments.get(1) {
        Some(start) => position(start)?,
        None => 0,
    };
    let found = find_from(&text, &needle, start);
    #[allow(clippy::cast_precision_loss)]
    Ok(Value::Number(found.map_or(-1.0, |at| at as f64)))
}

/// Where `needle` stands at or behind a byte. It begins with a character, if it has any.
fn find_from(text: &str, needle: &str, start: usize) -> Option<usize> {
    if needle.is_empty() {
        return (start <= text.len()).then_some(start);
    }
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at))?;
    let at = text.get(start..)?.find(needle)?;
    Some(start + at)
}

fn replace(c: &Call<'_>) -> Outcome {
    let (text, search) = (this(c), to_text(c.argument(0)));
    let replacement = to_text(c.argument(1));
    if search.is_empty() {
        return Ok(Value::String(text));
    }
    let count = text.matches(search.as_str()).count();
    check_size(
        text.len()
            .saturating_add(count.saturating_mul(replacement.len())),
    )?;
    Ok(Value::from(text.replace(search.as_str(), &replacement)))
}

fn reverse(c: &Call<'_>) -> Outcome {
    let mut bytes = this(c).as_bytes().to_vec();
    bytes.reverse();
    // Bytes, as Icinga 2 does it; where that breaks characters, their order is turned instead.
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(this(c).chars().rev().collect::<String>()),
    })
}

fn split(c: &Call<'_>) -> Outcome {
    let (text, delimiters) = (this(c), to_text(c.argument(0)));
    if delimiters.is_empty() {
        return Ok(Value::array([Value::String(text)]));
    }
    c.run
        .steps(text.len() as u64 / 64 * delimiters.len() as u64)?;
    let is_delimiter = |character| delimiters.contains(character);
    let count = text.matches(is_delimiter).count() + 1;
    check_items(count)?;
    c.run.bytes((count as u64).saturating_mul(HEAD_BYTES))?;
    Ok(Value::array(text.split(is_delimiter).map(Value::string)))
}

fn substr(c: &Call<'_>) -> Outcome {
    if c.arguments.is_empty() {
        return Err(Fault::new("Too few arguments"));
    }
    let text = this(c);
    let start = position(c.argument(0))?;
    let Some(rest) = text.as_bytes().get(start..).filter(|_| start < text.len()) else {
        return Err(Fault::new("String index is out of range"));
    };
    let rest = match c.arguments.get(1) {
        Some(length) => {
            let length = to_number(length)?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let end = if length < 0.0 {
                rest.len()
            } else {
                (length as usize).min(rest.len())
            };
            rest.get(..end).unwrap_or(rest)
        }
        None => rest,
    };
    Ok(bytes_to_value(rest))
}

fn trim(c: &Call<'_>) -> Outcome {
    let text = this(c);
    Ok(Value::string(text.trim_matches(|character: char| {
        " \t\r\n\u{b}\u{c}".contains(character)
    })))
}

/// In single quotes, single quotes in it escaped.
fn escape_shell_arg(c: &Call<'_>) -> Outcome {
    let text = to_text(c.argument(0));
    let text = format!("'{}'", text.replace('\'', "'\\''"));
    check_size(text.len())?;
    Ok(Value::from(text))
}

/// A backslash before what the shell would act on; quotes only where they have no partner.
fn escape_shell_cmd(c: &Call<'_>) -> Outcome {
    let text = to_text(c.argument(0));
    let mut out = String::with_capacity(text.len() * 2);
    let mut open: Option<usize> = None;
    for (at, character) in text.char_indices() {
        let escape = match character {
            '\'' | '"' => match open {
                Some(end) if end == at => {
                    open = None;
                    false
                }
                Some(_) => true,
                None => {
                    let rest = text.get(at + 1..).unwrap_or("");
                    open = rest.find(character).map(|offset| at + 1 + offset);
                    open.is_none()
                }
            },
            other => "#&;`|*?~<>^()[]{}$\\\n\u{ff}".contains(other),
        };
        if escape {
            out.push('\\');
        }
        out.push(character);
    }
    Ok(Value::from(out))
}

/// `*` and `?` against a whole text; `\` escapes. Letters of ASCII match in either case.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let same =
        |wanted: Option<&u8>, byte: u8| wanted.is_some_and(|w| w.eq_ignore_ascii_case(&byte));
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let width = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') => 1,
            // Only the wildcards can be escaped; elsewhere a backslash is one.
            Some(b'\\') if matches!(pattern.get(p + 1), Some(b'*' | b'?')) => {
                2 * usize::from(pattern.get(p + 1) == Some(&text[t]))
            }
            byte if same(byte, text[t]) => 1,
            _ => 0,
        };
        match (width, retry) {
            (0, None) => return false,
            (0, Some((star, from))) => {
                retry = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
            (width, _) => {
                p += width;
                t += 1;
            }
        }
    }
    pattern
        .get(p..)
        .is_none_or(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn wildcards() {
        assert!(wildcard("*prod-sfo*", "db-prod-sfo-657"));
        assert!(!wildcard("*-dev-*", "db-prod-sfo-657"));
        assert!(wildcard("a\\*", "a*"));
        assert!(wildcard("", ""));
        assert!(!wildcard("?", ""));
        assert!(wildcard("a*c", "abbbc"));
        assert!(!wildcard("a*c", "abbb"));
        assert!(wildcard("[ab]", "[ab]"));
        assert!(wildcard("WEB*", "web1"));
        assert!(wildcard("web\\*", "WEB*"));
        assert!(!wildcard("Ä", "ä"));
        assert!(!wildcard("b\\2", "b2"));
        assert!(wildcard("b\\2", "b\\2"));
        assert!(!wildcard("b\\*", "b\\2"));
        assert!(!wildcard("b\\?", "b\\2"));
        assert!(!wildcard("b\\\\2", "b\\2"));
        assert!(!wildcard("\\\\*", "\\2"));
        assert!(wildcard("\\\\*", "\\*"));
    }
}
