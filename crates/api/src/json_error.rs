//! What is wrong with a JSON body, in the words that clients of Icinga 2 know.
//!
//! Icinga 2 hands the message of its JSON library to the client, with line, column and the text
//! read so far. This checker finds the same place and names it in the same way; reading the value
//! itself is the business of [`bheka_value::from_json`].

/// Checks the syntax of a JSON text.
///
/// # Errors
/// The message, as Icinga 2 2.13.6 words it, without the leading "Error: ".
pub(crate) fn check(text: &[u8]) -> Result<(), String> {
    let mut checker = Checker {
        lexer: Lexer::new(text),
        last: Token::End,
    };
    checker.document().map_err(|fault| match fault {
        Fault::Syntax { context, expected } => checker.message(context, expected),
        Fault::Overflow(number) => {
            format!("[json.exception.out_of_range.406] number overflow parsing '{number}'")
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token {
    True,
    False,
    Null,
    String,
    Number,
    ArrayBegin,
    ArrayEnd,
    ObjectBegin,
    ObjectEnd,
    Colon,
    Comma,
    End,
    Error,
    /// Only as an expectation.
    Value,
}

impl Token {
    fn name(self) -> &'static str {
        match self {
            Self::True => "true literal",
            Self::False => "false literal",
            Self::Null => "null literal",
            Self::String => "string literal",
            Self::Number => "number literal",
            Self::ArrayBegin => "'['",
            Self::ArrayEnd => "']'",
            Self::ObjectBegin => "'{'",
            Self::ObjectEnd => "'}'",
            Self::Colon => "':'",
            Self::Comma => "','",
            Self::End => "end of input",
            Self::Error => "<parse error>",
            Self::Value => "'[', '{', or a literal",
        }
    }
}

enum Fault {
    Syntax {
        context: &'static str,
        expected: Option<Token>,
    },
    Overflow(String),
}

fn syntax(context: &'static str, expected: Token) -> Fault {
    Fault::Syntax {
        context,
        expected: Some(expected),
    }
}

struct Checker<'t> {
    lexer: Lexer<'t>,
    last: Token,
}

impl Checker<'_> {
    fn next(&mut self) -> Token {
        self.last = self.lexer.scan();
        self.last
    }

    fn document(&mut self) -> Result<(), Fault> {
        // Open collections: true for an object.
        let mut open: Vec<bool> = Vec::new();
        self.next();
        loop {
            match self.last {
                Token::ObjectBegin => {
                    if self.next() != Token::ObjectEnd {
                        self.key()?;
                        open.push(true);
                        continue;
                    }
                }
                Token::ArrayBegin => {
                    if self.next() != Token::ArrayEnd {
                        open.push(false);
                        continue;
                    }
                }
                Token::True | Token::False | Token::Null | Token::String => {}
                Token::Number => {
                    if let Some(number) = self.lexer.overflow() {
                        return Err(Fault::Overflow(number));
                    }
                }
                Token::Error => {
                    return Err(Fault::Syntax {
                        context: "value",
                        expected: None,
                    });
                }
                _ => return Err(syntax("value", Token::Value)),
            }
            if !self.after_value(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes on behind a value; true when another value follows.
    fn after_value(&mut self, open: &mut Vec<bool>) -> Result<bool, Fault> {
        loop {
            let token = self.next();
            match open.last() {
                None if token == Token::End => return Ok(false),
                None => return Err(syntax("value", Token::End)),
                Some(_) if token == Token::Comma => {
                    self.next();
                    if open.last() == Some(&true) {
                        self.key()?;
                    }
                    return Ok(true);
                }
                Some(true) if token == Token::ObjectEnd => {}
                Some(false) if token == Token::ArrayEnd => {}
                Some(true) => return Err(syntax("object", Token::ObjectEnd)),
                Some(false) => return Err(syntax("array", Token::ArrayEnd)),
            }
            open.pop();
        }
    }

    /// The last token has to be a key; goes on to the first token of its value.
    fn key(&mut self) -> Result<(), Fault> {
        if self.last != Token::String {
            return Err(syntax("object key", Token::String));
        }
        if self.next() != Token::Colon {
            return Err(syntax("object separator", Token::Colon));
        }
        self.next();
        Ok(())
    }

    fn message(&self, context: &str, expected: Option<Token>) -> String {
        let mut text = format!(
            "[json.exception.parse_error.101] parse error at line {}, column {}: \
             syntax error while parsing {context} - ",
            self.lexer.line + 1,
            self.lexer.column
        );
        if self.last == Token::Error {
            let read = self.lexer.last_read();
            text += &format!("{}; last read: '{read}'", self.lexer.error);
        } else {
            text += &format!("unexpected {}", self.last.name());
        }
        if let Some(expected) = expected {
            text += &format!("; expected {}", expected.name());
        }
        text
    }
}

struct Lexer<'t> {
    text: &'t [u8],
    /// Number of bytes taken; the end of input counts as one more.
    position: usize,
    /// Where the last string or number began; error messages quote from here.
    token_start: usize,
    line: usize,
    column: usize,
    error: String,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t [u8]) -> Self {
        let start = if text.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        Self {
            text,
            position: start,
            token_start: start,
            line: 0,
            column: start,
            error: String::new(),
        }
    }

    fn get(&mut self) -> Option<u8> {
        let byte = self.text.get(self.position).copied();
        self.position += 1;
        self.column += 1;
        if byte == Some(b'\n') {
            self.line += 1;
            self.column = 0;
        }
        byte
    }

    /// Gives the last byte back (never a line end, see the callers).
    fn unget(&mut self) {
        self.position -= 1;
        self.column = self.column.saturating_sub(1);
    }

    fn fail(&mut self, error: impl Into<String>) -> Token {
        self.error = error.into();
        Token::Error
    }

    fn last_read(&self) -> String {
        let end = self.position.min(self.text.len());
        let read = String::from_utf8_lossy(&self.text[self.token_start.min(end)..end]);
        let mut out = String::new();
        for character in read.chars() {
            if u32::from(character) <= 0x1f {
                out += &format!("<U+{:04X}>", u32::from(character));
            } else {
                out.push(character);
            }
        }
        out
    }

    fn overflow(&self) -> Option<String> {
        let number = std::str::from_utf8(&self.text[self.token_start..self.position]).ok()?;
        number
            .parse::<f64>()
            .is_ok_and(f64::is_infinite)
            .then(|| number.to_owned())
    }

    fn scan(&mut self) -> Token {
        let byte = loop {
            match self.get() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => {}
                other => break other,
            }
        };
        match byte {
            None => Token::End,
            Some(b'[') => Token::ArrayBegin,
            Some(b']') => Token::ArrayEnd,
            Some(b'{') => Token::ObjectBegin,
            Some(b'}') => Token::ObjectEnd,
            Some(b':') => Token::Colon,
            Some(b',') => Token::Comma,
            Some(b't') => self.literal(b"rue", Token::True),
            Some(b'f') => self.literal(b"alse", Token::False),
            Some(b'n') => self.literal(b"ull", Token::Null),
            Some(b'"') => self.string(),
            Some(digit @ (b'-' | b'0'..=b'9')) => self.number(digit),
            Some(_) => self.fail("invalid literal"),
        }
    }

    fn literal(&mut self, rest: &[u8], token: Token) -> Token {
        for expected in rest {
            if self.get() != Some(*expected) {
                return self.fail("invalid literal");
            }
        }
        token
    }

    fn string(&mut self) -> Token {
        self.token_start = self.position - 1;
        loop {
            match self.get() {
                None => return self.fail("invalid string: missing closing quote"),
                Some(b'"') => return Token::String,
                Some(b'\\') => {
                    if let Err(error) = self.escape() {
                        return self.fail(error);
                    }
                }
                Some(control @ 0..=0x1f) => return self.fail(control_message(control)),
                // Invalid UTF-8 is replaced on reading, as everywhere.
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        const LOW: &str = "invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF";
        // The message names the low half twice; so does Icinga 2.
        const HIGH: &str =
            "invalid string: surrogate U+DC00..U+DFFF must be followed by U+DC00..U+DFFF";
        match self.get() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.code_unit()? {
                0xd800..=0xdbff => {
                    if self.get() != Some(b'\\') || self.get() != Some(b'u') {
                        return Err(HIGH);
                    }
                    match self.code_unit()? {
                        0xdc00..=0xdfff => Ok(()),
                        _ => Err(HIGH),
                    }
                }
                0xdc00..=0xdfff => Err(LOW),
                _ => Ok(()),
            },
            _ => Err("invalid string: forbidden character after backslash"),
        }
    }

    fn code_unit(&mut self) -> Result<u32, &'static str> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.get().and_then(|byte| char::from(byte).to_digit(16));
            unit = unit * 16
                + digit.ok_or("invalid string: '\\u' must be followed by 4 hex digits")?;
        }
        Ok(unit)
    }

    fn number(&mut self, first: u8) -> Token {
        self.token_start = self.position - 1;
        let mut byte = Some(first);
        if first == b'-' {
            byte = self.get();
            if !byte.is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail("invalid number; expected digit after '-'");
            }
        }
        let mut next = self.get();
        if byte != Some(b'0') {
            next = self.digits(next);
        }
        if next == Some(b'.') {
            next = self.get();
            if !next.is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail("invalid number; expected digit after '.'");
            }
            next = self.digits(next);
        }
        if matches!(next, Some(b'e' | b'E')) {
            next = self.get();
            if matches!(next, Some(b'+' | b'-')) {
                next = self.get();
                if !next.is_some_and(|byte| byte.is_ascii_digit()) {
                    return self.fail("invalid number; expected digit after exponent sign");
                }
            } else if !next.is_some_and(|byte| byte.is_ascii_digit()) {
                return self.fail("invalid number; expected '+', '-', or digit after exponent");
            }
            next = self.digits(next);
        }
        if next == Some(b'\n') {
            // Give the line end back too; the column of a token that ends a line is not shown.
            self.line -= 1;
        }
        self.unget();
        Token::Number
    }

    fn digits(&mut self, mut next: Option<u8>) -> Option<u8> {
        while next.is_some_and(|byte| byte.is_ascii_digit()) {
            next = self.get();
        }
        next
    }
}

fn control_message(control: u8) -> String {
    const NAMES: [&str; 32] = [
        "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR",
        "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB",
        "ESC", "FS", "GS", "RS", "US",
    ];
    let short = match control {
        0x08 => " or \\b",
        0x09 => " or \\t",
        0x0a => " or \\n",
        0x0c => " or \\f",
        0x0d => " or \\r",
        _ => "",
    };
    let name = NAMES[usize::from(control)];
    format!(
        "invalid string: control character U+{control:04X} ({name}) must be escaped to \
         \\u{control:04X}{short}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tail(text: &str) -> String {
        let message = check(text.as_bytes()).unwrap_err();
        message.replace("[json.exception.parse_error.101] parse error at ", "")
    }

    #[test]
    fn places_and_words_of_2_13_6() {
        for (text, expected) in [
            (
                "{bad",
                "line 1, column 2: syntax error while parsing object key - invalid literal; last read: '{b'; expected string literal",
            ),
            (
                "\n\n{bad",
                "line 3, column 2: syntax error while parsing object key - invalid literal; last read: '<U+000A><U+000A>{b'; expected string literal",
            ),
            (
                " ",
                "line 1, column 2: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal",
            ),
            (
                "{\"a\":01}",
                "line 1, column 7: syntax error while parsing object - unexpected number literal; expected '}'",
            ),
            (
                "{\"a\":tru}",
                "line 1, column 9: syntax error while parsing value - invalid literal; last read: '\"a\":tru}'",
            ),
            (
                "[1 2]",
                "line 1, column 4: syntax error while parsing array - unexpected number literal; expected ']'",
            ),
            (
                "{\"a\" 1}",
                "line 1, column 6: syntax error while parsing object separator - unexpected number literal; expected ':'",
            ),
            (
                "{\"a\":-}",
                "line 1, column 7: syntax error while parsing value - invalid number; expected digit after '-'; last read: '-}'",
            ),
            (
                "{\"a\":\"\\ud800\"}",
                "line 1, column 13: syntax error while parsing value - invalid string: surrogate U+DC00..U+DFFF must be followed by U+DC00..U+DFFF; last read: '\"\\ud800\"'",
            ),
            (
                "{\"a\":\"\u{1}\"}",
                "line 1, column 7: syntax error while parsing value - invalid string: control character U+0001 (SOH) must be escaped to \\u0001; last read: '\"<U+0001>'",
            ),
            (
                "{\"a\":\n  nope}",
                "line 2, column 4: syntax error while parsing value - invalid literal; last read: '\"a\":<U+000A>  no'",
            ),
            (
                "{\"a\":\"é}",
                "line 1, column 10: syntax error while parsing value - invalid string: missing closing quote; last read: '\"é}'",
            ),
            (
                "{}x",
                "line 1, column 3: syntax error while parsing value - invalid literal; last read: '{}x'; expected end of input",
            ),
        ] {
            assert_eq!(tail(text), expected, "{text}");
        }
        assert_eq!(
            tail("{\"a\":1e999}"),
            "[json.exception.out_of_range.406] number overflow parsing '1e999'"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_reader(text in r#"[\[\]{}:,"0-9a-f\\ un\n.eE+-]{0,24}"#) {
            prop_assume!(!text.contains("\\u"));
            let ours = check(text.as_bytes()).is_ok();
            let reader = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(ours, reader, "{}", text);
        }

        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check(&text);
        }
    }
}
