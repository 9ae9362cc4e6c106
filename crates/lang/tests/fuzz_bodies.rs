//! The bodies of the fuzz targets of this room, run on the golden cases, on damaged ones and on
//! programs of a grammar by every compiler.

#[path = "../../../fuzz/bodies/evaluator.rs"]
mod evaluator;
#[path = "../../../fuzz/bodies/filter.rs"]
mod filter;
#[path = "../../../fuzz/bodies/grammar.rs"]
mod grammar;
#[path = "../../../fuzz/bodies/loader.rs"]
mod loader;
#[path = "../../../fuzz/bodies/smoke.rs"]
mod smoke;

use serde_json::Value;

/// Sources of the golden cases, each with the byte in front that says that it is a text: files of
/// configurations, or expressions.
fn corpus(files: bool) -> Vec<Vec<u8>> {
    let mut sources = Vec::new();
    for line in smoke::lines("dsl") {
        let case: Value = serde_json::from_slice(&line).expect("a case");
        match (files, case["files"].as_object()) {
            (true, Some(files)) => {
                sources.extend(files.values().filter_map(Value::as_str).map(str::to_owned));
            }
            (false, None) => sources.extend(case["source"].as_str().map(str::to_owned)),
            _ => {}
        }
    }
    sources.retain(|source| source.len() < 4_000);
    assert!(sources.len() > 100, "{} sources", sources.len());
    let texts = sources.into_iter().map(|source| format!("\u{0}{source}"));
    texts.map(String::into_bytes).collect()
}

/// Every `each`th case as it is, then so many rounds of damaged cases and random choices.
fn smoke_test(check: fn(&[u8]), corpus: &[Vec<u8>], each: usize, rounds: u64) {
    for source in corpus.iter().step_by(each) {
        check(source);
    }
    smoke::rounds(rounds, |random| {
        let mut bytes = random.input(corpus);
        if random.below(2) == 0 {
            // Choices of the grammar, looked at twice.
            bytes.insert(0, 0x81);
        }
        check(&bytes);
    });
}

#[test]
fn any_program_at_the_console() {
    smoke_test(evaluator::check, &corpus(false), 3, 400);
}

#[test]
fn any_configuration() {
    smoke_test(loader::check, &corpus(true), 4, 120);
}

#[test]
fn any_filter_in_the_sandbox() {
    smoke_test(filter::check, &corpus(false), 3, 600);
}
