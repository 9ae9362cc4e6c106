//! Notes that say what probably was meant.

use super::Parser;
use crate::token::{Tok, Token};

/// Words that begin statements, for misspelt ones.
const STATEMENTS: [&str; 21] = [
    "object",
    "template",
    "apply",
    "include",
    "include_recursive",
    "include_zones",
    "import",
    "assign",
    "ignore",
    "const",
    "var",
    "function",
    "namespace",
    "using",
    "library",
    "if",
    "for",
    "while",
    "return",
    "throw",
    "try",
];

/// Notes for "unexpected `token`".
pub(super) fn for_unexpected(parser: &Parser<'_>, token: Token, expecting: &str) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(for_misspelt(parser));
    if let Some(note) = unclosed(parser, token) {
        notes.push(note);
        return notes;
    }
    let before = parser.at.checked_sub(1).map(|at| parser.token_at(at));
    if let Some(note) = before.and_then(|before| after(parser, before, token, expecting)) {
        notes.push(note);
        return notes;
    }
    if expecting == Tok::BraceOpen.name() {
        notes.push(match token.kind {
            Tok::Newline | Tok::Eof => {
                "the '{' must stand in the line of what it belongs to".to_owned()
            }
            _ => "what belongs to it stands between '{' and '}'".to_owned(),
        });
        return notes;
    }
    let note = match token.kind {
        Tok::Newline => after_operator(parser),
        Tok::Invalid => invalid(parser.text(token.span)),
        Tok::Eof => parser
            .cut
            .map(|at| cut(parser.source.get(at as usize..).unwrap_or_default())),
        Tok::LambdaEnd if expecting == "'}'" => {
            Some("'}}' ends a '{{' function; put a blank between two closing braces".to_owned())
        }
        Tok::Colon => Some("keys and values are separated with '='".to_owned()),
        Tok::Set => Some("'==' compares; '=' assigns and is a statement of its own".to_owned()),
        Tok::Identifier => word_operator(parser.text(token.span)),
        Tok::BraceClose if expecting == Tok::Eof.name() => {
            Some("there is no '{' for this '}'".to_owned())
        }
        Tok::Else => Some("'else' must stand in the line of the '}' before it".to_owned()),
        Tok::AnglePath => {
            Some("'<' and '>' without a blank between enclose a path; write blanks".to_owned())
        }
        kind if expecting == "T_IDENTIFIER" && parser.text(token.span).len() > 1 => {
            keyword_as_name(parser, kind, token)
        }
        _ => None,
    };
    notes.extend(note);
    notes
}

/// What `text`, the rest of a file behind a byte that is not allowed there, means for its author.
pub(super) fn cut(text: &str) -> String {
    let Some(character) = text.chars().next() else {
        return String::new();
    };
    if character == '\u{feff}' {
        return "a byte order mark; save the file as UTF-8 without one".to_owned();
    }
    format!(
        "the character {} (U+{:04X}) is possible in strings and comments only; put it in quotes",
        character.escape_debug(),
        u32::from(character)
    )
}

/// A value that nobody uses and that looks like a slip.
pub(super) fn for_unused(text: &str) -> Option<String> {
    if text.contains("==") {
        return Some("'==' compares; write '=' to assign".to_owned());
    }
    None
}

fn invalid(text: &str) -> Option<String> {
    Some(match text {
        "$" => "macros such as $host.name$ stand in quotes".to_owned(),
        "'" => "strings stand in double quotes".to_owned(),
        "\\" => {
            "a line cannot be continued with '\\'; put the expression in parentheses".to_owned()
        }
        other => format!("the character {} has no meaning here", other.escape_debug()),
    })
}

/// A statement that begins with nearly a keyword.
fn for_misspelt(parser: &Parser<'_>) -> Option<String> {
    let word = parser.text(parser.token_at(parser.statement_start).span);
    if matches!(word, "elif" | "elsif" | "elseif") {
        return Some("write 'else if', in the line of the '}' before it".to_owned());
    }
    let meant = misspelt(parser)?;
    Some(format!("'{word}' is no keyword; did you mean '{meant}'?"))
}

/// The keyword that the first word of the statement nearly is.
pub(super) fn misspelt(parser: &Parser<'_>) -> Option<&'static str> {
    let start = parser.token_at(parser.statement_start);
    let distance = parser.at.checked_sub(parser.statement_start)?;
    // `whlie (x) {` fails only at the brace.
    let near = (1..=2).contains(&distance) || parser.kind() == Tok::BraceOpen;
    if start.kind != Tok::Identifier || !near {
        return None;
    }
    let word = parser.text(start.span);
    if word.len() < 3 || word.len() > 24 {
        return None;
    }
    STATEMENTS
        .iter()
        .map(|keyword| (strsim::osa_distance(word, keyword), *keyword))
        .filter(|(distance, keyword)| match keyword.len() {
            // `fro`, but not `foo`.
            0..=3 => *distance == 1 && is_anagram(word, keyword),
            length => *distance <= (length / 3).min(2),
        })
        .min()
        .map(|(_, keyword)| keyword)
}

fn is_anagram(left: &str, right: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters = word.as_bytes().to_vec();
        letters.sort_unstable();
        letters
    };
    sorted(left) == sorted(right)
}

/// A bracket that was opened in a line before and is still open.
fn unclosed(parser: &Parser<'_>, token: Token) -> Option<String> {
    let mut open: Vec<Token> = Vec::new();
    for at in parser.statement_start..parser.at {
        let token = parser.token_at(at);
        match token.kind {
            Tok::ParenOpen | Tok::BracketOpen | Tok::BraceOpen | Tok::LambdaBegin => {
                open.push(token);
            }
            Tok::ParenClose | Tok::BracketClose | Tok::BraceClose | Tok::LambdaEnd => {
                open.pop();
            }
            _ => {}
        }
    }
    let last = open.last()?;
    let sign = match last.kind {
        Tok::ParenOpen => "(",
        Tok::BracketOpen => "[",
        _ => return None,
    };
    let (from, to) = (last.span.start as usize, token.span.start as usize);
    if !parser.source.get(from..to)?.contains('\n') {
        return None;
    }
    let line = parser.line_of(last.span.start);
    Some(format!("the '{sign}' in line {line} is not closed"))
}

/// What the word before an unexpected token explains.
fn after(parser: &Parser<'_>, before: Token, token: Token, expecting: &str) -> Option<String> {
    let word = parser.text(before.span);
    let between = parser
        .source
        .get(before.span.end as usize..token.span.start as usize)
        .unwrap_or_default();
    let same_line = !between.contains('\n') && token.kind != Tok::Newline;
    let starts = matches!(
        token.kind,
        Tok::Identifier | Tok::String | Tok::RawString | Tok::Number | Tok::True | Tok::False
    );
    match before.kind {
        Tok::Identifier if word == "not" && same_line => {
            Some("write '!' instead of 'not'".to_owned())
        }
        Tok::Number if token.kind == Tok::Identifier && between.is_empty() => {
            Some("numbers may end with ms, s, m, h or d; other words stand in quotes".to_owned())
        }
        // An attribute without its sign.
        Tok::Identifier
            if starts
                && token.kind != Tok::Identifier
                && same_line
                && !parser.rules.is_empty()
                && parser.at == parser.statement_start + 1
                && misspelt(parser).is_none() =>
        {
            Some(format!("is there a '=' missing behind '{word}'?"))
        }
        kind if token.kind == Tok::Set && is_keyword(kind, word) => Some(format!(
            "'{word}' is a keyword; write '@{word}' for an attribute of that name"
        )),
        kind if kind.ends_operand() && same_line => match expecting {
            "']'" | "')'" if starts => Some("is there a ',' missing?".to_owned()),
            "'}'" | "end of file" if word_operator(parser.text(token.span)).is_some() => None,
            "'}'" | "end of file" if starts || STATEMENTS.contains(&parser.text(token.span)) => {
                Some("statements in one line are separated with ';'".to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_keyword(kind: Tok, word: &str) -> bool {
    let is_word = word
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word && word.len() > 1 && kind != Tok::Identifier
}

fn word_operator(word: &str) -> Option<String> {
    if matches!(word, "elif" | "elsif" | "elseif") {
        return Some("write 'else if', in the line of the '}' before it".to_owned());
    }
    let operator = match word {
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        "is" => "==",
        _ => return None,
    };
    Some(format!("write '{operator}' instead of '{word}'"))
}

/// A line that ends with an operator.
fn after_operator(parser: &Parser<'_>) -> Option<String> {
    let last = parser.token_at(parser.at.checked_sub(1)?);
    if last.kind.ends_operand() || last.kind == Tok::Newline {
        return None;
    }
    Some(format!(
        "the line ends with '{}'; an expression goes on in the next line only in parentheses",
        parser.text(last.span)
    ))
}

fn keyword_as_name(parser: &Parser<'_>, kind: Tok, token: Token) -> Option<String> {
    let word = parser.text(token.span);
    is_keyword(kind, word)
        .then(|| format!("'{word}' is a keyword; write '@{word}' for an attribute of that name"))
}
