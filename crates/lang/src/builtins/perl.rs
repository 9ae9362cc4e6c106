//! Regular expressions of Perl as Boost reads them, for another engine.

use std::iter::Peekable;
use std::str::Chars;

/// The same expression in the syntax of `fancy_regex`: `.` also matches line breaks, `^` and `$`
/// hold at each line, and what only one of both knows is written out.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    out.push_str("(?sm)");
    let mut rest = pattern.chars().peekable();
    let mut groups = 0;
    while let Some(character) = rest.next() {
        match character {
            '\\' => escape(&mut rest, groups, &mut out),
            '[' => class(&mut rest, &mut out),
            '(' => {
                if rest.peek() != Some(&'?') {
                    groups += 1;
                }
                out.push('(');
            }
            // No lower limit: then it is no repetition.
            '{' if rest.peek() == Some(&',') => out.push_str("\\{"),
            other => out.push(other),
        }
    }
    out
}

/// What follows a backslash. `groups` are open or closed so far.
fn escape(rest: &mut Peekable<Chars<'_>>, groups: usize, out: &mut String) {
    let Some(character) = rest.next() else {
        out.push('\\');
        return;
    };
    match character {
        'Q' => quoted(rest, out),
        // The end of a quotation that did not begin.
        'E' => {}
        'h' => out.push_str("[ \\t]"),
        'H' => out.push_str("[^ \\t]"),
        'R' => out.push_str("(?>\\r\\n|[\\n\\x0b\\f\\r\\x{85}\\x{2028}\\x{2029}])"),
        'X' | 'C' => out.push('.'),
        'l' => out.push_str("[[:lower:]]"),
        'L' => out.push_str("[^[:lower:]]"),
        'u' => out.push_str("[[:upper:]]"),
        'U' => out.push_str("[^[:upper:]]"),
        'c' => {
            let control = rest.next().map_or(0, |letter| u32::from(letter) % 32);
            out.push_str(&format!("\\x{{{control:x}}}"));
        }
        '0' => {
            let mut code = 0;
            for _ in 0..3 {
                let Some(digit) = rest.peek().and_then(|digit| digit.to_digit(8)) else {
                    break;
                };
                rest.next();
                code = code * 8 + digit;
            }
            out.push_str(&format!("\\x{{{code:x}}}"));
        }
        'g' => back_reference(rest, groups, out),
        'i' | 'j' | 'm' | 'o' | 'q' | 'y' | 'F' | 'I' | 'J' | 'M' | 'O' | 'T' | 'V' | 'Y' => {
            out.push(character);
        }
        other => {
            out.push('\\');
            out.push(other);
        }
    }
}

/// `\Q…\E`: as it is written.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut text = String::new();
    while let Some(character) = rest.next() {
        if character == '\\' && rest.peek() == Some(&'E') {
            rest.next();
            break;
        }
        text.push(character);
    }
    out.push_str(&fancy_regex::escape(&text));
}

/// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`.
fn back_reference(rest: &mut Peekable<Chars<'_>>, groups: usize, out: &mut String) {
    let braced = rest.peek() == Some(&'{');
    if braced {
        rest.next();
    }
    let mut name = String::new();
    while let Some(&character) = rest.peek() {
        let fits = if braced {
            character != '}'
        } else {
            character.is_ascii_digit() || (name.is_empty() && character == '-')
        };
        if !fits {
            break;
        }
        rest.next();
        name.push(character);
    }
    if braced {
        rest.next();
    }
    match name.parse::<i64>() {
        Ok(back) if back < 0 => {
            let group = i64::try_from(groups).unwrap_or(0) + 1 + back;
            out.push_str(&format!("(?:\\{group})"));
        }
        Ok(group) => out.push_str(&format!("(?:\\{group})")),
        Err(_) => out.push_str(&format!("\\k<{name}>")),
    }
}

/// `[…]` as it stands: a `]` at its beginning belongs to it.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.peek() == Some(&'^') {
        rest.next();
        out.push('^');
    }
    if rest.peek() == Some(&']') {
        rest.next();
        out.push_str("\\]");
    }
    while let Some(character) = rest.next() {
        out.push(character);
        match character {
            ']' => return,
            '\\' => out.extend(rest.next()),
            '[' => match rest.peek().copied() {
                Some(kind @ (':' | '.' | '=')) => {
                    out.push(kind);
                    rest.next();
                    while let Some(inner) = rest.next() {
                        out.push(inner);
                        if inner == kind && rest.peek() == Some(&']') {
                            rest.next();
                            out.push(']');
                            break;
                        }
                    }
                }
                // Not the beginning of a class in a class.
                _ => {
                    out.pop();
                    out.push_str("\\[");
                }
            },
            // Operators between classes that Boost does not know.
            '&' | '~' | '-' if rest.peek() == Some(&character) => {
                out.pop();
                out.push('\\');
                out.push(character);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn writes_out_what_the_engine_does_not_know() {
        assert_eq!(translate("a.b"), "(?sm)a.b");
        assert_eq!(translate("\\Qa.b\\E+"), "(?sm)a\\.b+");
        assert_eq!(translate("a{,3}"), "(?sm)a\\{,3}");
        assert_eq!(translate("(a)(b)\\g{-1}"), "(?sm)(a)(b)(?:\\2)");
        assert_eq!(translate("[]a[b]\\y"), "(?sm)[\\]a\\[b]y");
        assert_eq!(translate("[[:alpha:]-]\\d"), "(?sm)[[:alpha:]-]\\d");
        assert_eq!(translate("\\"), "(?sm)\\");
    }
}
