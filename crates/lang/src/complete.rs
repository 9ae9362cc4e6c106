//! What could stand where a word of a console ends: completion, and whether an input is finished.

use bheka_syntax::{Parsed, Severity, parse, tokens};
use bheka_value::schema::Flags;
use bheka_value::{Str, Value};

use crate::draft::as_draft;
use crate::env::Env;
use crate::eval::Frame;
use crate::namespace::as_namespace;
use crate::types::TypeEntry;

/// Words of the language in the order in which Icinga 2 suggests them.
const KEYWORDS: &[&str] = &[
    "object",
    "template",
    "include",
    "include_recursive",
    "include_zones",
    "library",
    "null",
    "true",
    "false",
    "const",
    "var",
    "this",
    "globals",
    "locals",
    "use",
    "using",
    "namespace",
    "default",
    "ignore_on_error",
    "current_filename",
    "current_line",
    "apply",
    "to",
    "where",
    "import",
    "assign",
    "ignore",
    "function",
    "return",
    "break",
    "continue",
    "for",
    "if",
    "else",
    "while",
    "throw",
    "try",
    "except",
];

/// Collects the suggestions for one word.
struct Suggestions<'a> {
    /// What stands before the part that is completed: an expression with its dot, or nothing.
    base: &'a str,
    /// How the completed part begins.
    prefix: &'a str,
    found: Vec<String>,
}

impl Suggestions<'_> {
    fn add(&mut self, name: &str) {
        if name.starts_with(self.prefix) {
            self.found.push(format!("{}{name}", self.base));
        }
    }

    fn add_all(&mut self, names: impl IntoIterator<Item = Str>) {
        names.into_iter().for_each(|name| self.add(&name));
    }

    /// The methods of a type, the nearest first.
    fn add_methods(&mut self, entry: Option<&TypeEntry>) {
        let mut at = entry;
        while let Some(entry) = at {
            if let Value::Dictionary(methods) = &entry.prototype {
                self.add_all(methods.read().keys().cloned());
            }
            at = entry.base.as_deref();
        }
    }

    /// Whatever may stand behind the dot of a value.
    fn add_members(&mut self, env: &Env, value: &Value) {
        match value {
            Value::Dictionary(dictionary) => self.add_all(dictionary.read().keys().cloned()),
            Value::Object(_) => {
                if let Some(namespace) = as_namespace(value) {
                    self.add_all(namespace.keys());
                }
            }
            _ => {}
        }
        let entry = match value {
            Value::Empty => env.types.get("Object"),
            other => env.type_of(other),
        };
        let Some(entry) = entry else { return };
        self.add_fields(value, entry);
        self.add_methods(Some(entry));
    }

    /// The attributes of a type in the order of its table; `type` is one of all objects, though not
    /// of those whose fields Icinga 2 counts from 0 (its reflection shows the first of them instead).
    fn add_fields(&mut self, value: &Value, entry: &TypeEntry) {
        match entry.name.as_str() {
            "Number" | "Boolean" | "String" => {}
            "Function" => ["name", "arguments", "side_effect_free", "deprecated"]
                .into_iter()
                .for_each(|name| self.add(name)),
            "Type" => ["type", "name", "prototype", "base"]
                .into_iter()
                .for_each(|name| self.add(name)),
            "DateTime" => self.add("value"),
            "Configuration" => self.add_configuration(value),
            "CheckResult" | "PerfdataValue" => self.add_table(value, entry),
            _ => {
                self.add("type");
                self.add_table(value, entry);
            }
        }
    }

    fn add_table(&mut self, value: &Value, entry: &TypeEntry) {
        let Some(info) = entry.info else { return };
        let is_set = |name: &str| match (as_draft(value), value.as_object()) {
            (Some(draft), _) => draft.has(name),
            (None, Some(object)) => object.attribute(name).is_some_and(|it| it.is_true()),
            (None, None) => false,
        };
        for field in info.fields() {
            // What came after 2.13 shows once it is set, as everywhere.
            if !field.flags.has(Flags::NEWER) || is_set(field.name) {
                self.add(field.name);
            }
        }
    }

    fn add_configuration(&mut self, value: &Value) {
        let Some(object) = value.as_object() else {
            return;
        };
        let mut names = object.attribute_names();
        let place = |name: &Str| CONFIGURATION.iter().position(|it| *it == name.as_str());
        names.sort_by_key(|name| place(name).unwrap_or(CONFIGURATION.len()));
        self.add_all(names);
    }
}

/// The attributes of `System.Configuration` in the order of Icinga 2's reflection.
const CONFIGURATION: &[&str] = &[
    "PrefixDir",
    "SysconfDir",
    "RunDir",
    "LocalStateDir",
    "ZonesDir",
    "VarsPath",
    "StatePath",
    "SpoolDir",
    "RunAsUser",
    "RunAsGroup",
    "ProgramData",
    "ApiBindHost",
    "PkgDataDir",
    "IncludeConfDir",
    "ApiBindPort",
    "CacheDir",
    "ConfigDir",
    "DataDir",
    "EventEngine",
    "PidPath",
    "InitRunDir",
    "LogDir",
    "ModAttrPath",
    "ObjectsPath",
    "TlsHandshakeTimeout",
    "RLimitStack",
    "RLimitProcesses",
    "RLimitFiles",
    "Concurrency",
    "AttachDebugger",
];

/// All completions of a word, each as the whole word: behind a dot the members of the value in
/// front of it, which `evaluate` finds; else words of the language, variables, and what is imported.
pub(crate) fn complete(
    frame: &Frame<'_>,
    word: &str,
    evaluate: impl FnOnce(&str) -> Option<Value>,
) -> Vec<String> {
    let env = frame.run.env;
    let (base, prefix) = match word.rfind('.') {
        Some(dot) => word.split_at(dot + 1),
        None => ("", word),
    };
    let mut suggestions = Suggestions {
        base,
        prefix,
        found: Vec::new(),
    };
    if let Some(expression) = base.strip_suffix('.') {
        if let Some(value) = evaluate(expression) {
            suggestions.add_members(env, &value);
        }
        return suggestions.found;
    }
    KEYWORDS.iter().for_each(|word| suggestions.add(word));
    suggestions.add_all(frame.locals.read().keys().cloned());
    suggestions.add_all(env.globals.keys());
    for import in &env.imports {
        match as_namespace(import) {
            Some(namespace) => suggestions.add_all(namespace.keys()),
            None => suggestions.add_members(env, import),
        }
    }
    suggestions.found
}

/// Where the word begins that ends a line: names, dots, and what is bracketed or quoted before a
/// dot. `var x = get_host("a b").va` has the word `get_host("a b").va`. A byte offset.
#[must_use]
pub fn word_start(line: &str) -> usize {
    let tokens: Vec<(&str, usize, usize)> = tokens(line)
        .into_iter()
        .map(|(name, span)| (name, span.start as usize, span.end as usize))
        .filter(|(name, start, end)| start < end && !is_invisible(name))
        .collect();
    // A blank ends every word, and so does a text that is still open.
    let Some((_, _, end)) = tokens.last().filter(|(_, start, end)| {
        *end == line.len() && !is_open_string(line.get(*start..).unwrap_or_default())
    }) else {
        return line.len();
    };
    let mut start = *end;
    let mut at = tokens.len();
    let mut wants_operand = true;
    while let Some((_, first, _)) = at.checked_sub(1).and_then(|index| tokens.get(index)) {
        let text = line.get(*first..start).unwrap_or_default();
        let text = text.trim_end();
        match text {
            "." => wants_operand = true,
            ")" | "]" | "}" => {
                // An operand of its own, or what a function is called with or an index.
                let Some(open) = opening(&tokens, at - 1, line) else {
                    break;
                };
                if !wants_operand && text == "}" {
                    break;
                }
                at = open + 1;
                wants_operand = text != "}";
            }
            _ if is_operand(text) && wants_operand => wants_operand = false,
            _ => break,
        }
        at -= 1;
        start = tokens.get(at).map_or(start, |(_, first, _)| *first);
        // What belongs together stands together.
        let glued = at
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .is_some_and(|(_, _, end)| *end == start);
        if !glued {
            break;
        }
    }
    start
}

/// Line ends, and the end, which have the place of what stands before them.
fn is_invisible(name: &str) -> bool {
    matches!(name, "new-line" | "end of file")
}

fn is_operand(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphanumeric() || first == '_' || first == '"')
}

/// Whether a token is a string without its end.
fn is_open_string(token: &str) -> bool {
    let Some(rest) = token.strip_prefix('"') else {
        return token.starts_with("{{{") && !token.ends_with("}}}");
    };
    let Some(inner) = rest.strip_suffix('"') else {
        return true;
    };
    let escapes = inner.bytes().rev().take_while(|byte| *byte == b'\\');
    escapes.count() % 2 == 1
}

/// The index of the bracket that opens what the one at `close` closes.
fn opening(tokens: &[(&str, usize, usize)], close: usize, line: &str) -> Option<usize> {
    let mut depth = 0usize;
    for index in (0..=close).rev() {
        let (_, start, end) = tokens.get(index)?;
        match line.get(*start..*end)? {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a text does not parse only because it ends too early: more lines can make it right.
#[must_use]
pub fn is_incomplete(text: &str) -> bool {
    ends_too_early(text).is_some()
}

/// Whether Icinga 2 calls a text incomplete: it ends within a block, a list or a parenthesis of
/// its own (not one of a call, an index or a condition). What `incomplete_expression` says.
#[must_use]
pub(crate) fn is_incomplete_there(text: &str) -> bool {
    ends_too_early(text) == Some(Open::Counted)
}

/// An input that comes line by line. Each line is parsed with all before it, as long as that costs
/// little: then an error is told in the line that has it. Of a long input only the brackets are
/// counted, so that the work grows with its length and not with the square of it.
#[derive(Debug, Default)]
pub struct Unfinished {
    text: String,
    /// Bytes that were parsed so far.
    parsed: usize,
    /// The length of the text when it was parsed last.
    parsed_at: usize,
    /// Brackets that are open.
    depth: usize,
    within: Within,
}

/// What the end of a line lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Code,
    Comment,
    /// `{{{`
    Braces,
}

/// Bytes that may be parsed of an input while it comes in, whatever its length.
const PARSED_MAX: usize = 256 << 10;

impl Unfinished {
    /// Adds a line; whether more lines can make the input right.
    pub fn add(&mut self, line: &str) -> bool {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.scan(line);
        let is_open = self.depth > 0 || self.within != Within::Code;
        let is_dear = self.parsed + self.text.len() > PARSED_MAX;
        if is_open && is_dear && self.text.len() < 2 * self.parsed_at {
            return true;
        }
        self.parsed += self.text.len();
        self.parsed_at = self.text.len();
        is_incomplete(&self.text)
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The input; what is added from now on is a new one.
    pub fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    /// Counts the brackets of a line.
    fn scan(&mut self, line: &str) {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let mut length = first.len_utf8();
            match (self.within, first) {
                (Within::Comment, '*') if rest.starts_with("*/") => {
                    self.within = Within::Code;
                    length = 2;
                }
                (Within::Braces, '}') if rest.starts_with("}}}") => {
                    self.within = Within::Code;
                    length = 3;
                }
                (Within::Code, '#') => return,
                (Within::Code, '/') if rest.starts_with("//") => return,
                (Within::Code, '/') if rest.starts_with("/*") => {
                    self.within = Within::Comment;
                    length = 2;
                }
                (Within::Code, '{') if rest.starts_with("{{{") => {
                    self.within = Within::Braces;
                    length = 3;
                }
                (Within::Code, '"') => length = string_length(rest),
                (Within::Code, '{' | '(' | '[') => self.depth += 1,
                (Within::Code, '}' | ')' | ']') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

/// The length of the string in quotes that a text begins with, up to the end of the line at most.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What is open at the end of a text.
#[derive(PartialEq, Eq)]
enum Open {
    /// What Icinga 2 counts.
    Counted,
    /// What it does not.
    Other,
}

fn ends_too_early(text: &str) -> Option<Open> {
    let parsed = parse(text);
    let first = first_error(&parsed)?;
    if first.message == "End-of-file while in comment" {
        return Some(Open::Other);
    }
    if first.message == "End-of-file while in string literal" {
        // A string in quotes ends in its line, one in braces may go on.
        let start = first.span.start as usize;
        let in_braces = text
            .get(start..)
            .is_some_and(|rest| rest.starts_with("{{{"));
        return in_braces.then_some(Open::Other);
    }
    // With one more line the error is at the end of that line, or it was one before.
    let longer = format!("{text}\n#");
    let parsed = parse(&longer);
    let error = first_error(&parsed)?;
    if (error.span.start as usize) < longer.len() - 1 || !is_about_end(&error.message) {
        return None;
    }
    let open = open_brackets(text);
    if open.is_empty() {
        return None;
    }
    Some(if open.contains(&Open::Counted) {
        Open::Counted
    } else {
        Open::Other
    })
}

fn is_about_end(message: &str) -> bool {
    message.contains("unexpected end of file") || message.contains("unexpected new-line")
}

fn first_error(parsed: &Parsed) -> Option<&bheka_syntax::Diagnostic> {
    let mut all = parsed.diagnostics.iter();
    all.find(|it| it.severity == Severity::Error)
}

fn open_brackets(text: &str) -> Vec<Open> {
    let mut open = Vec::new();
    let mut before = "";
    for (name, span) in tokens(text) {
        if is_invisible(name) {
            continue;
        }
        let token = text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        match token {
            "{" => open.push(Open::Counted),
            "{{" => open.push(Open::Other),
            "(" | "[" => open.push(if follows_operand(before) {
                Open::Other
            } else {
                Open::Counted
            }),
            "}" | "}}" | ")" | "]" => {
                open.pop();
            }
            _ => {}
        }
        before = token;
    }
    open
}

/// Whether a bracket behind this token is one of a call, an index, a condition or a list of names.
fn follows_operand(before: &str) -> bool {
    match before {
        "return" | "in" | "throw" | "import" | "where" => false,
        ")" | "]" | "}" => true,
        other => is_operand(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_go_on_is_incomplete() {
        // Whether it can go on, and whether Icinga 2 2.13.6 says so.
        for (text, ours, theirs) in [
            ("{", true, true),
            ("function f(x) {\n return x\n", true, true),
            ("[ 1,", true, true),
            ("if (1) {", true, true),
            ("(1 + ", true, true),
            ("foo({", true, true),
            ("for (x in [1", true, true),
            ("x = [\n", true, true),
            ("object Host \"a\" {", true, true),
            ("foo(", true, false),
            ("if (x", true, false),
            ("function f(a,", true, false),
            ("{{ x", true, false),
            ("/* abc", true, false),
            ("{{{ a", true, false),
            ("1 +", false, false),
            ("x = ", false, false),
            ("\"abc", false, false),
            ("object Host \"a\"", false, false),
            ("var f = (a) =>", false, false),
            ("bad syntax", false, false),
            ("bad syntax {", false, false),
            ("f(x) {", false, false),
            ("}", false, false),
            ("1 2\n{", false, false),
            ("1 + 1", false, false),
            ("", false, false),
            ("{ a = 1 }", false, false),
        ] {
            assert_eq!(is_incomplete(text), ours, "{text}");
            assert_eq!(is_incomplete_there(text), theirs, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_as_they_are_parsed() {
        for text in [
            "{\n a = 1\n}",
            "[ \"}\\\"]\",\n {{{ ]\n } }}}, // ]\n # ]\n 2 /* ]\n */\n]",
            "f(\n{{ x\n}})",
            "1",
        ] {
            let mut input = Unfinished::default();
            let lines: Vec<&str> = text.split('\n').collect();
            for (at, line) in lines.iter().enumerate() {
                let is_open = input.add(line);
                assert_eq!(is_open, at + 1 < lines.len(), "{text}: {line}");
                let counted = input.depth > 0 || input.within != Within::Code;
                assert_eq!(counted, is_open, "{text}: {line}");
            }
            assert_eq!(input.take(), text);
            assert!(input.is_empty());
        }
    }

    /// The parser looks at a long input a few times, not once for each line.
    #[test]
    fn long_inputs_cost_little_for_each_line() {
        let mut input = Unfinished::default();
        let lines = 50_000;
        assert!(input.add("["));
        for _ in 0..lines {
            assert!(input.add("  [ 1, 2 ],"));
        }
        assert!(input.parsed < PARSED_MAX + 4 * input.text.len());
        assert!(!input.add("]"));
    }

    #[test]
    fn the_word_before_the_cursor() {
        for (line, word) in [
            ("", ""),
            ("get_ho", "get_ho"),
            ("var x = get_ho", "get_ho"),
            ("x=Math.", "Math."),
            ("var x = get_host(\"a b\").va", "get_host(\"a b\").va"),
            ("f(get_host(\"a\").va", "get_host(\"a\").va"),
            ("[ a, b.c[1].d", "b.c[1].d"),
            ("[1,2].le", "[1,2].le"),
            ("{}.ke", "{}.ke"),
            ("if (x) y.z", "y.z"),
            ("(1 + 2).to", "(1 + 2).to"),
            ("a.b(c).d(e)[f].g", "a.b(c).d(e)[f].g"),
            ("\"x.y\".", "\"x.y\"."),
            ("1 + ", ""),
            ("x ", ""),
            ("get_host(\"a", ""),
            (r#""a\""#, ""),
            (r#""a\\".le"#, r#""a\\".le"#),
            ("# get_", ""),
            ("!a.b", "a.b"),
            ("&loc.", "loc."),
            (").x", ".x"),
        ] {
            let start = word_start(line);
            assert_eq!(&line[start..], word, "{line}");
        }
    }
}
