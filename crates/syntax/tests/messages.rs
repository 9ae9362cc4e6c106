//! What people are told: all errors of a file, their places, and remedies.

use bheka_syntax::{LineIndex, Severity, excerpt, excerpt_in, parse};

/// `line: message` of every error.
fn errors(source: &str) -> Vec<String> {
    let lines = LineIndex::new(source);
    let found = parse(source).diagnostics.into_iter();
    found
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|d| format!("{}: {}", lines.line_column(d.span.start).0, d.message))
        .collect()
}

/// The notes of the first diagnostic.
fn notes(source: &str) -> String {
    parse(source)
        .diagnostics
        .first()
        .map(|d| d.notes.join("\n"))
        .unwrap_or_default()
}

#[test]
fn all_errors_of_a_file_are_reported() {
    let source = "\
object Host \"a\" {
  check_command \"x\"
  address = \"192.0.2.1
  vars.x = [ 1, 2
  vars.y = 5
}
objct Host \"b\" { }
object Host \"c\" junk {
  foo bar
}
apply Service \"s\" {
  assign host.name
}
x = (1 + 2
object Host \"d\" {
  vars.l = { a = 1 b = 2 }
  address == \"x\"
}
break
";
    assert_eq!(
        errors(source),
        [
            "2: syntax error, unexpected T_STRING",
            "3: Unterminated string literal",
            "5: syntax error, unexpected T_IDENTIFIER, expecting ']'",
            "7: syntax error, unexpected T_IDENTIFIER",
            "8: syntax error, unexpected T_IDENTIFIER, expecting '{'",
            "9: syntax error, unexpected T_IDENTIFIER",
            "12: syntax error, unexpected T_IDENTIFIER, expecting where (T_WHERE)",
            "15: syntax error, unexpected object (T_OBJECT)",
            "16: syntax error, unexpected T_IDENTIFIER, expecting '}'",
            "17: Value computed is not used.",
            "19: Invalid flow control statement.",
        ]
    );
}

#[test]
fn the_tree_keeps_what_was_understood() {
    let parsed = parse("a = 1\nb c\nd = 2\nobject Host \"x\" { e f\n g = 3 }\nh = 4\n");
    // `b` is a value, followed by what could not be read.
    assert_eq!(parsed.block.len(), 5);
    assert_eq!(parsed.diagnostics.len(), 2);
}

#[test]
fn remedies() {
    for (source, remedy) in [
        ("objct Host \"a\" { }", "did you mean 'object'"),
        ("tempalte Host \"a\" { }", "did you mean 'template'"),
        ("aply Service \"a\" { }", "did you mean 'apply'"),
        (
            "object Host \"a\" {\n imprt \"b\"\n}",
            "did you mean 'import'",
        ),
        ("whlie (true) { }", "did you mean 'while'"),
        ("elsif (true) { }", "write 'else if'"),
        ("if (1) { }\nelse { }", "in the line of the '}' before it"),
        ("x = a and b", "write '&&' instead of 'and'"),
        ("x = 'a'", "strings stand in double quotes"),
        ("x = 1 +\n2", "the line ends with '+'"),
        ("x = 1 \\\n+ 2", "put the expression in parentheses"),
        ("x = { a: 1 }", "separated with '='"),
        ("vars.include = 5", "write '@include'"),
        (
            "x = { b = { c = 1 }}",
            "put a blank between two closing braces",
        ),
        ("x = \"a\ny = 5", "use {{{ and }}}"),
        ("x = {\n\n a = 1\n", "the '{' in line 1 is not closed"),
        ("\n/* a", "begins with '/*' in line 2"),
        ("x = \"\\q\"", "write \\\\ for a backslash"),
        ("var ä = 1", "possible in strings and comments only"),
        (
            "object Host \"a\" {\n address == \"x\"\n}",
            "write '=' to assign",
        ),
        ("apply Service \"s\" { }", "assign where true"),
        ("x = y => { 1 } + 2", "put the function in parentheses"),
        ("break", "in 'for' and 'while' loops"),
        ("{ a = 1 b = 2 }", "separated with ';'"),
        ("x = [ 1 2 ]", "is there a ',' missing?"),
        ("x = [ 1, 2\ny = 3", "the '[' in line 1 is not closed"),
        ("log(\"a\"\nx = 1", "the '(' in line 1 is not closed"),
        ("x = not true", "write '!'"),
        ("x = 5y", "ms, s, m, h or d"),
        ("x = { object = 1 }", "write '@object'"),
        (
            "object Host \"a\" {\n address \"x\"\n}",
            "'=' missing behind 'address'",
        ),
        ("if (a) {\n} elif (b) {\n}", "write 'else if'"),
        ("x = 1\n}\n", "no '{' for this '}'"),
        ("fro (x in y) { }", "did you mean 'for'"),
    ] {
        let notes = notes(source);
        assert!(notes.contains(remedy), "{source:?}: {notes:?}");
    }
}

#[test]
fn no_remedy_where_none_is_meant() {
    for source in ["foo bar", "hosts \"a\"", "1 2"] {
        assert_eq!(notes(source), "", "{source:?}");
    }
}

#[test]
fn a_byte_that_ends_the_file_is_not_passed_over_in_silence() {
    for (source, note) in [
        ("x = 1\nä y z", "U+00E4"),
        ("\u{feff}object Host \"a\" { }\n", "byte order mark"),
        ("x = 1\n\0object", "U+0000"),
    ] {
        let parsed = parse(source);
        assert!(!parsed.has_errors(), "{source:?}: {:?}", parsed.diagnostics);
        let warning = parsed.diagnostics.first().expect("a warning");
        assert!(
            warning.message.contains("everything behind is ignored"),
            "{warning:?}"
        );
        assert!(warning.notes.join(" ").contains(note), "{warning:?}");
    }
    assert!(parse("\0").diagnostics.is_empty());
}

#[test]
fn excerpts_look_as_in_icinga() {
    let source = "x = 5\ny = 6\nz = 7\n\tfoo\tbar\na = 6\nb = 7\nc = 8\n";
    let found = &parse(source).diagnostics[0];
    let range = LineIndex::new(source).range(found.span);
    assert_eq!(range.to_string(), "4:6-4:8");
    let expected = "\
main.conf(2): y = 6
main.conf(3): z = 7
main.conf(4):  foo bar
                   ^^^
main.conf(5): a = 6
main.conf(6): b = 7
";
    assert_eq!(excerpt_in("main.conf", source, found.span), expected);
}

#[test]
fn excerpts_of_an_unexpected_line_end() {
    // The place is the start of the next line, with its column counted from 0.
    let source = "x =\n";
    let found = &parse(source).diagnostics[0];
    assert_eq!(
        LineIndex::new(source).range(found.span).to_string(),
        "2:0-2:0"
    );
    assert_eq!(excerpt(source, found.span), "x =\n\n^\n");
    // Without a line end it is the last token; and columns of line 1 count from 0.
    let source = "y = 5\nx =";
    let found = &parse(source).diagnostics[0];
    assert_eq!(
        LineIndex::new(source).range(found.span).to_string(),
        "2:3-2:3"
    );
    let source = "foo bar\n";
    let found = &parse(source).diagnostics[0];
    assert_eq!(
        LineIndex::new(source).range(found.span).to_string(),
        "1:4-1:6"
    );
}

#[test]
fn excerpts_of_several_lines_mark_each() {
    let source = "x = 5\n{\n a = 1\n\n f = 6 }\n\nx = 7\n";
    let found = &parse(source).diagnostics[0];
    assert_eq!(found.message, "Value computed is not used.");
    let expected = "x = 5\n{\n^\n a = 1\n^^^^^^\n\n\n f = 6 }\n^^^^^^^^\n\nx = 7\n";
    assert_eq!(excerpt(source, found.span), expected);
}

#[test]
fn markers_count_characters_in_text_beyond_ascii() {
    let source = "abc = \"ää\" foo\n";
    let found = &parse(source).diagnostics[0];
    assert_eq!(
        excerpt(source, found.span),
        "abc = \"ää\" foo\n           ^^^\n\n"
    );
}
