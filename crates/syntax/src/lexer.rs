//! Bytes → tokens, in one pass.
//!
//! New-lines end statements, except directly inside `(…)`; inside a `{…}` that stands in
//! parentheses they count again. So the lexer keeps a stack of open brackets. (Inside `[…]` they are
//! tokens too; the parser allows them where an element may begin or end.)

use std::borrow::Cow;

use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use crate::token::{Tok, Token, keyword};

/// What the lexer made of a source.
pub(crate) struct Lexed {
    /// All tokens; the last one is [`Tok::Eof`].
    pub(crate) tokens: Vec<Token>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// A string or comment runs to the end of the source: what is missing after that is no news.
    pub(crate) runs_out: bool,
    /// The byte that ended the text before its end, if one did.
    pub(crate) cut: Option<u32>,
}

/// Cuts `source` into tokens.
pub(crate) fn lex(source: &str) -> Lexed {
    let mut lexer = Lexer {
        source,
        bytes: source.as_bytes(),
        at: 0,
        // Configuration averages about five bytes a token.
        tokens: Vec::with_capacity(source.len() / 5 + 4),
        brackets: Vec::new(),
        braces: 0,
        no_path_before: 0,
        diagnostics: Vec::new(),
        runs_out: false,
        cut: None,
    };
    lexer.run();
    Lexed {
        tokens: lexer.tokens,
        diagnostics: lexer.diagnostics,
        runs_out: lexer.runs_out,
        cut: lexer.cut,
    }
}

/// What a bracket does to the new-lines in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Paren,
    Brace,
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    tokens: Vec<Token>,
    brackets: Vec<Bracket>,
    /// How many of `brackets` are braces.
    braces: usize,
    /// A `<` before this offset begins no path: known from an earlier one.
    no_path_before: usize,
    diagnostics: Vec<Diagnostic>,
    runs_out: bool,
    cut: Option<u32>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' => self.newline(),
                b'#' => self.line_comment(),
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(),
                b'0'..=b'9' => self.number(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
                b'@' if self.peek(1).is_some_and(is_word_start) => self.escaped_word(),
                b'<' => self.less(),
                b'{' => self.open_brace(),
                0 | 0x80.. => {
                    self.cut = Some(offset(self.at));
                    break;
                }
                _ => self.operator(byte),
            }
        }
        self.end();
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Takes `length` bytes as a token.
    fn take(&mut self, kind: Tok, length: usize) {
        let start = self.at;
        self.at += length;
        self.push(kind, start, self.at);
    }

    fn push(&mut self, kind: Tok, start: usize, end: usize) {
        let span = Span {
            start: offset(start),
            end: offset(end),
        };
        self.tokens.push(Token { kind, span });
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start: offset(start),
            end: offset(self.at),
        }
    }

    /// The last new-line and the end. Icinga 2 ends every source with a new-line of its own, which
    /// has the place of what was read last: so `x =` without a line end is an "unexpected new-line".
    fn end(&mut self) {
        let last = self
            .tokens
            .last()
            .map_or(Span::default(), |token| token.span);
        let place = if self.cut.is_some() {
            Span {
                start: offset(self.at),
                end: offset(self.at + self.char_length()),
            }
        } else if last.end == offset(self.at) && last.start < last.end {
            last
        } else if let Some(blanks) = self.blanks_before().filter(|blanks| *blanks > 0) {
            Span {
                start: offset(self.at - blanks),
                end: offset(self.at),
            }
        } else {
            Span {
                start: offset(self.at),
                end: offset(self.at),
            }
        };
        if self.cut.is_none() {
            self.tokens.push(Token {
                kind: Tok::Newline,
                span: place,
            });
        }
        self.tokens.push(Token {
            kind: Tok::Eof,
            span: place,
        });
    }

    /// The number of blanks before this place, which are what Icinga 2's lexer saw last.
    fn blanks_before(&self) -> Option<usize> {
        let before = self.bytes.get(..self.at)?;
        Some(
            before
                .iter()
                .rev()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count(),
        )
    }

    fn char_length(&self) -> usize {
        self.source
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8)
    }

    /// A run of line ends is one token. Its place is the start of the line behind, as in Icinga 2's
    /// messages.
    fn newline(&mut self) {
        while matches!(self.peek(0), Some(b'\r' | b'\n')) {
            self.at += 1;
        }
        if self.brackets.last() != Some(&Bracket::Paren) {
            self.push(Tok::Newline, self.at, self.at);
        }
    }

    fn line_comment(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len());
    }

    fn block_comment(&mut self) {
        let start = self.at;
        self.at += 2;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some(length) = rest.windows(2).position(|pair| pair == b"*/") {
            self.at += length + 2;
            return;
        }
        self.at = self.bytes.len();
        self.runs_out = true;
        let place = self.span(self.at);
        let line = self.line_of(start);
        self.diagnostics.push(
            Diagnostic::error("End-of-file while in comment", place).with_note(format!(
                "the comment begins with '/*' in line {line}; close it with '*/'"
            )),
        );
    }

    fn line_of(&self, at: usize) -> usize {
        let before = self.bytes.get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.escape(),
                Some(b'\n') => {
                    self.diagnostics.push(
                        Diagnostic::error("Unterminated string literal", self.span(start))
                            .with_note(
                                "the string begins here and has no closing '\"' in its line; \
                                 for text of several lines use {{{ and }}}",
                            ),
                    );
                    break;
                }
                None => {
                    self.text_runs_out(start, "close it with '\"'");
                    break;
                }
                Some(_) => self.at += 1,
            }
        }
        self.push(Tok::String, start, self.at);
    }

    fn text_runs_out(&mut self, start: usize, remedy: &str) {
        self.runs_out = true;
        let line = self.line_of(start);
        self.diagnostics.push(
            Diagnostic::error("End-of-file while in string literal", self.span(start))
                .with_note(format!("the string begins in line {line}; {remedy}")),
        );
    }

    /// Steps over an escape sequence and says if it is a wrong one. The forms are those of manual
    /// chapter 17, "String Literals Escape Sequences".
    fn escape(&mut self) {
        let start = self.at;
        self.at += 1;
        let Some(byte) = self.peek(0) else { return };
        if byte.is_ascii_digit() {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.at += digits;
            let text = self.source.get(start..self.at).unwrap_or_default();
            match octal(rest.get(..digits).unwrap_or_default()) {
                Some(value) if value <= 0xff => {}
                Some(_) => {
                    let message = format!("Constant is out of bounds: {text}");
                    let error = Diagnostic::error(message, self.span(start));
                    self.diagnostics
                        .push(error.with_note("octal escapes end with \\377"));
                }
                None => self.bad_escape(start),
            }
            return;
        }
        self.at += self.char_length();
        if !matches!(
            byte,
            b'n' | b't' | b'r' | b'b' | b'f' | b'\\' | b'"' | b'\n'
        ) {
            self.bad_escape(start);
        }
    }

    fn bad_escape(&mut self, start: usize) {
        let text = self.source.get(start..self.at).unwrap_or_default();
        let message = format!("Bad escape sequence found: {text}");
        self.diagnostics
            .push(Diagnostic::error(message, self.span(start)).with_note(
                "known are \\\" \\\\ \\n \\t \\r \\b \\f and up to three octal digits; \
             write \\\\ for a backslash, or use {{{ }}}, where nothing is escaped",
            ));
    }

    fn open_brace(&mut self) {
        let kind = match (self.peek(1), self.peek(2)) {
            (Some(b'{'), Some(b'{')) => return self.raw_string(),
            (Some(b'{'), _) => Tok::LambdaBegin,
            _ => Tok::BraceOpen,
        };
        self.brackets.push(Bracket::Brace);
        self.braces += 1;
        self.take(kind, if kind == Tok::LambdaBegin { 2 } else { 1 });
    }

    fn raw_string(&mut self) {
        let start = self.at;
        self.at += 3;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if let Some(length) = rest.windows(3).position(|three| three == b"}}}") {
            self.at += length + 3;
        } else {
            self.at = self.bytes.len();
            self.text_runs_out(start, "close it with '}}}'");
        }
        self.push(Tok::RawString, start, self.at);
    }

    /// `[0-9]+(\.[0-9]+)?` and a unit.
    fn number(&mut self) {
        let start = self.at;
        self.digits();
        if self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
            self.digits();
        }
        match (self.peek(0), self.peek(1)) {
            (Some(b'm'), Some(b's')) => self.at += 2,
            (Some(b'd' | b'h' | b'm' | b's'), _) => self.at += 1,
            _ => {}
        }
        self.push(Tok::Number, start, self.at);
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .position(|byte| !is_word(*byte))
            .unwrap_or(rest.len())
    }

    fn word(&mut self) {
        let start = self.at;
        self.at = self.word_end(start);
        let word = self.bytes.get(start..self.at).unwrap_or_default();
        let kind = keyword(word).unwrap_or(Tok::Identifier);
        if kind.begins_statement_only() {
            // It cannot stand in parentheses: they were not closed, and new-lines count again.
            while self.brackets.last() == Some(&Bracket::Paren) {
                self.brackets.pop();
            }
        }
        self.push(kind, start, self.at);
    }

    /// `@include`: an identifier that would be a keyword without the `@`.
    fn escaped_word(&mut self) {
        let start = self.at;
        self.at = self.word_end(start + 1);
        self.push(Tok::Identifier, start, self.at);
    }

    /// `<`, `<=`, `<<`, and `<path>`. A path has no blank in it.
    fn less(&mut self) {
        let path = self.path_length();
        let operator = match self.peek(1) {
            Some(b'=') => (Tok::LessOrEqual, 2),
            Some(b'<') => (Tok::ShiftLeft, 2),
            _ => (Tok::Less, 1),
        };
        // The longer match wins.
        if path >= operator.1 && path > 0 {
            self.take(Tok::AnglePath, path);
        } else {
            self.take(operator.0, operator.1);
        }
    }

    /// The length of the `<path>` that begins here, or 0.
    fn path_length(&mut self) -> usize {
        if self.at < self.no_path_before {
            return 0;
        }
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let length = rest.iter().position(|byte| matches!(byte, b' ' | b'>'));
        let length = length.unwrap_or(rest.len());
        if rest.get(length) == Some(&b'>') {
            return length + 2;
        }
        self.no_path_before = self.at + 1 + length;
        0
    }

    fn operator(&mut self, byte: u8) {
        let next = self.peek(1);
        let (kind, length) = match (byte, next) {
            (b'=', Some(b'=')) => (Tok::Equal, 2),
            (b'=', Some(b'>')) => (Tok::Follows, 2),
            (b'=', _) => (Tok::Set, 1),
            (b'+', Some(b'=')) => (Tok::SetAdd, 2),
            (b'+', _) => (Tok::Plus, 1),
            (b'-', Some(b'=')) => (Tok::SetSubtract, 2),
            (b'-', _) => (Tok::Minus, 1),
            (b'*', Some(b'=')) => (Tok::SetMultiply, 2),
            (b'*', _) => (Tok::Multiply, 1),
            (b'/', Some(b'=')) => (Tok::SetDivide, 2),
            (b'/', _) => (Tok::Divide, 1),
            (b'%', Some(b'=')) => (Tok::SetModulo, 2),
            (b'%', _) => (Tok::Modulo, 1),
            (b'^', Some(b'=')) => (Tok::SetXor, 2),
            (b'^', _) => (Tok::Xor, 1),
            (b'&', Some(b'=')) => (Tok::SetBinaryAnd, 2),
            (b'&', Some(b'&')) => (Tok::LogicalAnd, 2),
            (b'&', _) => (Tok::BinaryAnd, 1),
            (b'|', Some(b'=')) => (Tok::SetBinaryOr, 2),
            (b'|', Some(b'|')) => (Tok::LogicalOr, 2),
            (b'|', _) => (Tok::BinaryOr, 1),
            (b'>', Some(b'=')) => (Tok::GreaterOrEqual, 2),
            (b'>', Some(b'>')) => (Tok::ShiftRight, 2),
            (b'>', _) => (Tok::Greater, 1),
            (b'!', Some(b'=')) => (Tok::NotEqual, 2),
            (b'!', Some(b'i')) if self.is_not_in() => (Tok::NotIn, 3),
            (b'!', _) => (Tok::Not, 1),
            (b'~', _) => (Tok::Tilde, 1),
            (b'.', _) => (Tok::Dot, 1),
            (b',', _) => (Tok::Comma, 1),
            (b';', _) => (Tok::Semicolon, 1),
            (b'?', _) => (Tok::Question, 1),
            (b':', _) => (Tok::Colon, 1),
            (b'[', _) => (Tok::BracketOpen, 1),
            (b']', _) => (Tok::BracketClose, 1),
            (b'(' | b')' | b'}', _) => return self.bracket(byte, next),
            _ => (Tok::Invalid, 1),
        };
        self.take(kind, length);
    }

    /// Whether `!i…` is the operator `!in`. Behind an operand it always is, as in Icinga 2; before
    /// one it is only if the word ends there: `!inside` negates a variable.
    fn is_not_in(&self) -> bool {
        self.peek(2) == Some(b'n')
            && (!self.peek(3).is_some_and(is_word)
                || self
                    .tokens
                    .last()
                    .is_some_and(|token| token.kind.ends_operand()))
    }

    fn bracket(&mut self, byte: u8, next: Option<u8>) {
        match byte {
            b'(' => {
                self.brackets.push(Bracket::Paren);
                self.take(Tok::ParenOpen, 1);
            }
            b')' => {
                if self.brackets.last() == Some(&Bracket::Paren) {
                    self.brackets.pop();
                }
                self.take(Tok::ParenClose, 1);
            }
            _ => {
                // A `}` also ends the parentheses that were not closed in its braces.
                if self.braces > 0 {
                    self.braces -= 1;
                    while self.brackets.pop() == Some(Bracket::Paren) {}
                }
                if next == Some(b'}') {
                    self.take(Tok::LambdaEnd, 2);
                } else {
                    self.take(Tok::BraceClose, 1);
                }
            }
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The value of up to three octal digits.
fn octal(digits: &[u8]) -> Option<u32> {
    if digits.len() > 3 || !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |value, digit| value * 8 + u32::from(digit - b'0')),
    )
}

/// The text that a string token stands for. Wrong escapes (which have their diagnostic already)
/// stand for themselves. A NUL byte in the source ends the text, as in Icinga 2.
pub(crate) fn string_value(kind: Tok, literal: &str) -> Cow<'_, str> {
    if kind == Tok::RawString {
        let text = literal.strip_prefix("{{{").unwrap_or(literal);
        return Cow::Borrowed(text.strip_suffix("}}}").unwrap_or(text));
    }
    let text = literal.strip_prefix('"').unwrap_or(literal);
    if !text.bytes().any(|byte| byte == b'\\' || byte == 0) {
        return Cow::Borrowed(text.strip_suffix('"').unwrap_or(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            // What is behind a NUL in a run of plain characters is lost, up to the next escape.
            0 => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest
                    .iter()
                    .position(|b| matches!(b, b'\\' | b'"'))
                    .unwrap_or(rest.len());
            }
            b'\\' => at += unescape(bytes.get(at..).unwrap_or_default(), &mut out),
            _ => out.push(byte),
        }
    }
    // Octal escapes can make bytes that are no UTF-8; they become U+FFFD.
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Appends what the escape sequence behind a backslash stands for; yields its length.
fn unescape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(&byte) = rest.first() else { return 0 };
    if byte.is_ascii_digit() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let value = octal(rest.get(..digits).unwrap_or_default()).unwrap_or(0);
        out.push(u8::try_from(value).unwrap_or(0));
        return digits;
    }
    out.push(match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        other => other,
    });
    1
}

/// The number that a token stands for; durations are in seconds.
pub(crate) fn number_value(literal: &str) -> f64 {
    let (digits, factor) = if let Some(digits) = literal.strip_suffix("ms") {
        (digits, 0.001)
    } else if let Some(digits) = literal.strip_suffix('s') {
        (digits, 1.0)
    } else if let Some(digits) = literal.strip_suffix('m') {
        (digits, 60.0)
    } else if let Some(digits) = literal.strip_suffix('h') {
        (digits, 3600.0)
    } else if let Some(digits) = literal.strip_suffix('d') {
        (digits, 86400.0)
    } else {
        return literal.parse().unwrap_or(f64::NAN);
    };
    let value = digits.parse::<f64>().unwrap_or(f64::NAN);
    // A division by a whole number rounds better than a product with 0.001.
    if factor < 1.0 {
        value / 1000.0
    } else {
        value * factor
    }
}
