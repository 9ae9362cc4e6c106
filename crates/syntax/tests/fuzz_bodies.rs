//! The bodies of the fuzz targets in `fuzz/`, run on the golden cases and on damaged texts by every
//! compiler.

#[path = "../../../fuzz/bodies/format.rs"]
mod format;
#[path = "../../../fuzz/bodies/lexer.rs"]
mod lexer;
#[path = "../../../fuzz/bodies/parser.rs"]
mod parser;
#[path = "../../../fuzz/bodies/smoke.rs"]
mod smoke;

use serde_json::Value;

/// All sources of the golden cases: files of configurations, and expressions.
fn corpus() -> Vec<Vec<u8>> {
    let mut sources = Vec::new();
    for line in smoke::lines("dsl") {
        let case: Value = serde_json::from_slice(&line).expect("a case");
        if let Some(files) = case["files"].as_object() {
            sources.extend(files.values().filter_map(Value::as_str).map(str::to_owned));
        }
        sources.extend(case["source"].as_str().map(str::to_owned));
    }
    assert!(sources.len() > 500, "{} sources", sources.len());
    // Expressions that nest thousands deep have tests of their own and would fill the time.
    sources.retain(|source| source.len() < 20_000);
    sources.into_iter().map(String::into_bytes).collect()
}

fn smoke_test(check: fn(&str)) {
    let corpus = corpus();
    for source in &corpus {
        check(&String::from_utf8_lossy(source));
    }
    smoke::rounds(4000, |random| {
        let bytes = random.input(&corpus);
        check(&String::from_utf8_lossy(&bytes));
    });
}

#[test]
fn any_text_as_tokens() {
    smoke_test(lexer::check);
}

#[test]
fn any_text_as_configuration() {
    smoke_test(parser::check);
}

#[test]
fn any_text_formatted() {
    smoke_test(format::check);
}
