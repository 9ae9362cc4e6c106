//! No input makes the parser panic, hang or overflow the stack; every place lies in the text; and
//! parsing is a function of the text alone.

use bheka_syntax::ast::{Block, Expr, Span};
use bheka_syntax::{
    LineIndex, MAX_DIAGNOSTICS, MAX_HEIGHT, MAX_NESTING, Parsed, Severity, excerpt, parse, tokens,
};
use proptest::prelude::*;

/// Parses and checks what must hold for any text.
fn check(source: &str) -> Parsed {
    let parsed = parse(source);
    let lines = LineIndex::new(source);
    assert!(parsed.diagnostics.len() <= MAX_DIAGNOSTICS);
    for diagnostic in &parsed.diagnostics {
        check_span(source, diagnostic.span);
        let (line, column) = lines.line_column(diagnostic.span.start);
        assert!(line >= 1 && line <= lines.line_count() && column >= 1);
        assert!(!diagnostic.message.is_empty());
        assert!(excerpt(source, diagnostic.span).contains('\n'));
    }
    for (_, span) in tokens(source) {
        check_span(source, span);
    }
    let spans = spans_of(&parsed.block);
    for span in &spans {
        check_span(source, *span);
    }
    let again = parse(source);
    assert_eq!(again.diagnostics, parsed.diagnostics);
    assert_eq!(again.block, parsed.block);
    parsed
}

fn check_span(source: &str, span: Span) {
    assert!(span.start <= span.end, "{span:?}");
    let text = source.get(span.start as usize..span.end as usize);
    assert!(
        text.is_some(),
        "{span:?} is no part of the text of {} bytes",
        source.len()
    );
}

/// All spans in a tree, read from its debug form, so that no kind of node is forgotten.
fn spans_of(block: &Block) -> Vec<Span> {
    let text = format!("{block:?}");
    let mut spans = Vec::new();
    for part in text.split("Span { start: ").skip(1) {
        let mut numbers = part
            .split(|c: char| !c.is_ascii_digit())
            .filter(|n| !n.is_empty());
        let mut next = || {
            numbers
                .next()
                .and_then(|n| n.parse().ok())
                .expect("a number")
        };
        spans.push(Span {
            start: next(),
            end: next(),
        });
    }
    spans
}

fn words() -> impl Strategy<Value = &'static str> {
    let words = "object template apply to for in include include_recursive include_zones import \
        assign ignore where use using default ignore_on_error function return break continue if \
        else while throw try except namespace library var const this globals locals null true false \
        debugger current_line current_filename { } {{ }} {{{ }}} ( ) [ ] , ; . : ? = += -= *= /= %= \
        ^= &= |= == != => < <= > >= << >> + - * / % & | ^ && || ! ~ !in x y Host \"s\" \" 5 2.5m 1. \
        <itl> # // /* */ \\ ' @if @ ä";
    let mut words: Vec<&str> = words.split_ascii_whitespace().collect();
    words.extend([
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        "\0",
        "\u{feff}",
        "\"\\777\"",
        "\"\\q\"",
    ]);
    proptest::sample::select(words)
}

fn corpus() -> Vec<String> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl");
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).expect("testdata/dsl") {
        let path = entry.expect("entry").path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        let text = std::fs::read_to_string(path).expect("text");
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("JSON");
            sources.extend(case["source"].as_str().map(str::to_owned));
            let files = case["files"].as_object().into_iter().flatten();
            sources.extend(files.filter_map(|(_, text)| text.as_str().map(str::to_owned)));
        }
    }
    sources.retain(|source| source.len() < 4000);
    sources.sort();
    sources
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn any_words(words in proptest::collection::vec(words(), 0..120), blank in any::<bool>()) {
        check(&words.join(if blank { " " } else { "" }));
    }
}

#[test]
fn damaged_corpus() {
    let corpus = corpus();
    assert!(corpus.len() > 700, "only {} sources", corpus.len());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let cuts = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        words(),
    );
    for source in &corpus {
        check(source);
        let ends: Vec<usize> = source
            .char_indices()
            .map(|(at, _)| at)
            .chain([source.len()])
            .collect();
        for round in 0..4 {
            let tree = cuts.new_tree(&mut runner).expect("a value");
            let (first, second, word) = proptest::strategy::ValueTree::current(&tree);
            let (a, b) = (*first.get(&ends), *second.get(&ends));
            let (a, b) = (a.min(b), a.max(b));
            let (head, middle, tail) = (&source[..a], &source[a..b], &source[b..]);
            check(&match round {
                0 => format!("{head}{tail}"),
                1 => format!("{head}{middle}{middle}{tail}"),
                2 => format!("{head}{word}{middle}{tail}"),
                _ => head.to_owned(),
            });
        }
    }
}

/// The one error that such a text must have.
fn limit_error(source: &str) -> String {
    let parsed = parse(source);
    let errors: Vec<&str> = parsed
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    assert_eq!(errors.len(), 1, "{:?}", &errors[..errors.len().min(5)]);
    errors[0].to_owned()
}

#[test]
fn deep_nesting_is_an_error_that_names_the_limit() {
    for unit in [
        "(",
        "[",
        "{ ",
        "{{ ",
        "f(",
        "x[",
        "-",
        "!",
        "*",
        "{ a = ",
        "x => ",
        "(x) => ",
        "{{ f(",
        "if (1) { ",
        "if (",
        "a ? ",
        "1 ? 2 : ",
        "function() { ",
        "object Host { ",
        "for (a in {{ ",
        "while (1) { ",
        "try { ",
        "namespace a { ",
        "apply Service \"a\" use (x = {{ ",
        "if (1) { } else ",
        "object Host \"a\" { x = {{ ",
        "throw {{ ",
        "var x = {",
        "1 + (",
        "[ {",
        "object HostGroup \"a\" { ignore where {{ ",
        "object HostGroup \"a\" { assign where { ",
    ] {
        let source = unit.repeat(100_000);
        let message = limit_error(&source);
        let limits = [MAX_NESTING.to_string(), MAX_HEIGHT.to_string()];
        assert!(
            limits.iter().any(|limit| message.contains(limit)),
            "{unit}: {message}"
        );
    }
}

#[test]
fn long_chains_are_an_error_that_names_the_limit() {
    for unit in [".a", "[1]", "()", " + 1", " && 1", " in b"] {
        let message = limit_error(&format!("x = a{}", unit.repeat(100_000)));
        assert!(
            message.contains(&MAX_HEIGHT.to_string()),
            "{unit}: {message}"
        );
    }
}

#[test]
fn closed_nesting_below_the_limits_parses() {
    for (open, inner, close, count) in [
        ("(", "1", ")", 3000),
        ("[", "", "]", 990),
        ("{ a = ", "1", " }", 490),
        ("x => ", "1", "", 990),
        ("if (1) { ", "f()", " }", 990),
        ("-", "1", "", 990),
        ("", "1", " + 1", 990),
    ] {
        let source = format!("x = {}{inner}{}", open.repeat(count), close.repeat(count));
        let parsed = parse(&source);
        assert!(
            parsed.diagnostics.is_empty(),
            "{open}: {:?}",
            parsed.diagnostics.first()
        );
        // The tree can be cloned, compared, printed and dropped on the stack of a thread.
        assert!(parsed.block.clone() == parsed.block);
        assert!(!format!("{:?}", parsed.block).is_empty());
    }
}

#[test]
fn garbage_has_a_bounded_number_of_diagnostics() {
    let parsed = parse(&"a b\n".repeat(50_000));
    assert_eq!(parsed.diagnostics.len(), MAX_DIAGNOSTICS);
    let last = parsed.diagnostics.last().expect("one");
    assert!(
        last.notes.iter().any(|note| note.contains("49000 more")),
        "{:?}",
        last.notes
    );
}

#[test]
fn unclosed_brackets_cost_no_more_than_their_length() {
    // Each of these was quadratic in some parser or other.
    for unit in [
        "<",
        "/*",
        "\"",
        "{{{",
        "(}",
        "[}",
        "x = (\n",
        "x = \"a\n",
        "object Host \"a\" {}}",
    ] {
        let parsed = parse(&unit.repeat(200_000));
        assert!(parsed.has_errors(), "{unit}");
    }
}

#[test]
fn expressions_have_a_place() {
    fn place(expr: &Expr) -> (u32, u32) {
        (expr.span.start, expr.span.end)
    }
    let parsed = check("x = (a) + b * 2\nobject Host \"h\" { }");
    assert_eq!(place(&parsed.block[0]), (0, 15));
    assert_eq!(place(&parsed.block[1]), (16, 35));
}
