//! What is valid and what is not: `testdata/dsl/validation.jsonl`, some thousand small
//! configurations with a wrong kind of value for every attribute, unknown names for every
//! reference, numbers out of range and words out of place, with what Icinga 2 2.13.6 said about
//! each (`daemon -C`): the line and the words of its errors, and its warnings.
//!
//! An error with empty words stands where the original names neither place nor cause. A case with
//! `deviation` holds what is expected here, where the original does something else by accident.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use bheka_lang::{DirEntry, Load, SourceError, Sources, load};
use bheka_value::{Location, Timestamp, Value};
use serde::Deserialize;

/// Cases that do not hold, with the reason. One that holds must leave the list.
const PENDING: &[(&str, &str)] = &[(
    "svc.on.ignored",
    "apply rules see a host before the model finds what is wrong with it",
)];

#[derive(Deserialize)]
struct Preludes {
    preludes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    /// The prelude that comes before the source.
    #[serde(default)]
    with: String,
    source: String,
    valid: bool,
    #[serde(default)]
    errors: Vec<(Option<u32>, String)>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// One file in memory.
struct Memory(String);

impl Sources for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if path.ends_with("m.conf") {
            return Ok(self.0.clone().into_bytes());
        }
        Err(std::io::Error::from(std::io::ErrorKind::NotFound).into())
    }

    fn is_file(&self, path: &str) -> bool {
        path.ends_with("m.conf")
    }

    fn list(&self, _dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        Ok(Vec::new())
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }
}

/// What was said: whether it is an error, line, facility and words.
struct Said {
    is_error: bool,
    line: Option<u32>,
    facility: String,
    words: String,
}

fn line_of(location: Option<&Location>) -> Option<u32> {
    location.map(|location| location.first_line)
}

/// Evaluates and builds as the program does.
fn examine(text: &str) -> Vec<Said> {
    let loaded = load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &Memory(text.to_owned()),
        include_dirs: Vec::new(),
        files: vec!["m.conf".to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string("testnode"))],
        zone_dirs: Vec::new(),
        now: Timestamp(1_795_415_000.0),
        track_modifications: true,
        threads: 1,
    });
    let mut said: Vec<Said> = loaded
        .diagnostics
        .iter()
        .map(|finding| Said {
            is_error: finding.is_error(),
            line: line_of(finding.location.as_ref()),
            facility: finding.facility.to_string(),
            words: finding.message.clone(),
        })
        .collect();
    if !said.iter().any(|one| one.is_error) {
        let built = bheka_model::build(1, loaded.declarations, loaded.globals.to_map());
        said.extend(built.diagnostics.iter().map(|finding| Said {
            is_error: finding.severity == bheka_model::Severity::Error,
            line: line_of(finding.location.as_ref()),
            facility: finding.facility.to_owned(),
            words: finding.message.clone(),
        }));
    }
    loaded.globals.retire();
    said
}

fn normal(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// What is missing of what was expected.
fn compare(case: &Case, said: &[Said]) -> Result<(), String> {
    let errors: Vec<&Said> = said.iter().filter(|one| one.is_error).collect();
    let all = || -> Vec<String> {
        let lines = said
            .iter()
            .map(|one| format!("{:?}: {}", one.line, one.words));
        lines.collect()
    };
    if case.valid != errors.is_empty() {
        return Err(format!("valid: {}, said {:?}", case.valid, all()));
    }
    for (line, words) in &case.errors {
        let found = errors.iter().any(|one| {
            normal(&one.words).contains(&normal(words)) && (line.is_none() || one.line == *line)
        });
        if !found {
            return Err(format!("no error {line:?} {words:?} in {:?}", all()));
        }
    }
    for warning in &case.warnings {
        let found = said.iter().any(|one| {
            let shown = format!("{}: {}", one.facility, one.words);
            !one.is_error && normal(&shown).contains(&normal(warning))
        });
        if !found {
            return Err(format!("no warning {warning:?} in {:?}", all()));
        }
    }
    Ok(())
}

#[test]
fn verdicts_are_those_of_icinga_2() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl/validation.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let preludes: Preludes = serde_json::from_str(lines.next().unwrap()).unwrap();
    let cases: Vec<Case> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let parts = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(cases.len().div_ceil(parts))
            .map(|part| scope.spawn(|| part.iter().filter_map(|it| check(it, &preludes)).collect()))
            .collect();
        let faults = parts
            .into_iter()
            .flat_map(|part| -> Vec<String> { part.join().unwrap() });
        faults.collect()
    });
    let checked = cases.len();
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(checked > 3000, "only {checked} cases");
}

/// What is wrong with a case, or with its place on the list.
fn check(case: &Case, preludes: &Preludes) -> Option<String> {
    let prelude = preludes.preludes.get(&case.with).map_or("", String::as_str);
    let outcome = compare(case, &examine(&format!("{prelude}{}", case.source)));
    let pending = PENDING.iter().find(|(id, _)| *id == case.id);
    match (outcome, pending) {
        (Err(why), None) => Some(format!("{}: {why}", case.id)),
        (Ok(()), Some((_, reason))) => {
            Some(format!("{} holds, although pending: {reason}", case.id))
        }
        _ => None,
    }
}
