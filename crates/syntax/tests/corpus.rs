//! The conformance cases in `testdata/dsl`: what Icinga 2 refuses as a syntax error is refused, on
//! the same line and in the same words; what it evaluates parses.

use std::path::{Path, PathBuf};

use base64::Engine;
use bheka_syntax::{Diagnostic, LineIndex, Severity, parse};
use serde_json::Value;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl")
}

fn cases(prefix: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(testdata())
        .expect("testdata/dsl")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with(prefix) && name.ends_with(".jsonl")
        })
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("readable");
        cases.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON")),
        );
    }
    cases
}

fn decode(encoded: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn source(case: &Value) -> String {
    match case["source"].as_str() {
        Some(source) => source.to_owned(),
        None => decode(case["source_b64"].as_str().expect("source")),
    }
}

/// All configuration files of a case.
fn files(case: &Value) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (name, text) in case["files"].as_object().into_iter().flatten() {
        files.push((name.clone(), text.as_str().expect("text").to_owned()));
    }
    for (name, text) in case["files_b64"].as_object().into_iter().flatten() {
        files.push((name.clone(), decode(text.as_str().expect("text"))));
    }
    files
}

fn squeeze(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect()
}

fn errors(source: &str) -> Vec<(Diagnostic, u32)> {
    let lines = LineIndex::new(source);
    let found = parse(source).diagnostics.into_iter();
    found
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| {
            let line = lines.line_column(diagnostic.span.start).0;
            (diagnostic, line)
        })
        .collect()
}

/// Whether the source has an error with these words on this line.
fn has_error(source: &str, words: &str, line: Option<u64>) -> Result<(), String> {
    let words = squeeze(words);
    let found = errors(source);
    let hit = found.iter().any(|(diagnostic, at)| {
        squeeze(&diagnostic.message).contains(&words) && line.is_none_or(|l| l == u64::from(*at))
    });
    if hit {
        Ok(())
    } else {
        Err(format!(
            "wanted {words:?} on line {line:?}, found {found:?}"
        ))
    }
}

#[test]
fn refuses_what_the_reference_refuses() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for case in cases("eval-") {
        let error = &case["expect"]["error"];
        // Which types have apply rules, the parser does not know; the crate of the language judges.
        let of_types = ["'apply' cannot be used", "'apply' target type"];
        let message = error["message"].as_str().unwrap_or_default();
        let is_of_types = of_types.iter().any(|words| message.starts_with(words));
        if error["phase"] != "syntax" || is_of_types {
            continue;
        }
        checked += 1;
        let source = source(&case);
        let words = error["message_contains"].as_str().unwrap_or_default();
        if let Err(why) = has_error(&source, words, error["line"].as_u64()) {
            failures.push(format!("{}: {source:?}: {why}", case["id"]));
        }
        // And, beyond what is asked for, the whole text of the first error is the same.
        let first = errors(&source).into_iter().next();
        if first.as_ref().map(|(first, _)| first.message.as_str()) != Some(message) {
            failures.push(format!(
                "{}: {source:?}: {message:?}, but {first:?}",
                case["id"]
            ));
        }
    }
    assert!(
        checked > 100,
        "only {checked} cases: is testdata/dsl complete?"
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn accepts_what_the_reference_accepts() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for case in cases("eval-") {
        // A runtime error needs a tree that parsed, too.
        if case["expect"]["error"]["phase"] == "syntax" {
            continue;
        }
        checked += 1;
        let source = source(&case);
        let found = errors(&source);
        let refusal = case["expect"]["error"]["message"].as_str();
        let same = |words: &str| found.iter().all(|(error, _)| error.message.contains(words));
        // What is too deep for the reference's evaluator may be refused here already.
        let too_deep = refusal.is_some_and(|words| words.contains("too deep") && same(words));
        if !found.is_empty() && !too_deep {
            failures.push(format!("{}: {source:?}: {found:?}", case["id"]));
        }
    }
    assert!(
        checked > 700,
        "only {checked} cases: is testdata/dsl complete?"
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn judges_configurations_as_the_reference_does() {
    let mut failures = Vec::new();
    let mut valid = 0;
    let mut invalid = 0;
    for case in cases("config-").into_iter().chain(cases("macro")) {
        let files = files(&case);
        let expect = &case["expect"];
        if expect["valid"] == true || case["kind"] == "macro" {
            valid += 1;
            for (name, source) in &files {
                let found = if name.ends_with(".conf") {
                    errors(source)
                } else {
                    Vec::new()
                };
                if !found.is_empty() {
                    failures.push(format!("{}: {name}: {source}: {found:?}", case["id"]));
                }
            }
            continue;
        }
        for error in expect["errors"].as_array().into_iter().flatten() {
            let words = error["message_contains"].as_str().unwrap_or_default();
            let text = error["message"].as_str().unwrap_or(words);
            if !is_syntax_error(text) {
                continue;
            }
            invalid += 1;
            let name = error["file"].as_str().unwrap_or("main.conf");
            let source = files
                .iter()
                .find(|(file, _)| file == name)
                .map(|(_, text)| text.as_str());
            if let Err(why) = has_error(source.unwrap_or_default(), words, error["line"].as_u64()) {
                failures.push(format!("{}: {source:?}: {why}", case["id"]));
            }
        }
    }
    assert!(
        valid > 100 && invalid > 30,
        "only {valid} + {invalid} cases"
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Errors of the parser, to tell them from those of evaluation and validation.
fn is_syntax_error(message: &str) -> bool {
    [
        "syntax error",
        "Value computed is not used",
        "End-of-file while in",
        "Unterminated string",
        "Bad escape",
        "Invalid flow control",
        "keyword not valid",
        "'apply' is missing",
        "'default' keyword",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[test]
fn marks_the_same_columns() {
    let mut checked = 0;
    let mut failures = Vec::new();
    for case in cases("eval-") {
        let error = &case["expect"]["error"];
        let source = source(&case);
        let (Some(blanks), Some(marks)) = (error["caret"][0].as_u64(), error["caret"][1].as_u64())
        else {
            continue;
        };
        if error["phase"] != "syntax" || source.contains('\n') || !source.is_ascii() {
            continue;
        }
        checked += 1;
        // The prompt is 7 columns wide.
        let expected = (blanks - 7, blanks - 7 + marks - 1);
        let range = errors(&source)
            .first()
            .map(|(first, _)| LineIndex::new(&source).range(first.span))
            .map(|range| (u64::from(range.first_column), u64::from(range.last_column)));
        if range != Some(expected) {
            failures.push(format!(
                "{}: {source:?}: {expected:?}, but {range:?}",
                case["id"]
            ));
        }
    }
    assert!(checked > 70, "only {checked} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
