//! The cases of `testdata/dsl` against the public interface. What does not pass yet is listed in
//! `testdata/dsl/pending.txt`; a pending case that passes must leave the list.

// Tests may give up on what they set up themselves.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bheka_lang::{Console, ConsoleSettings, Load, ZoneDir, load};
use bheka_model::ConfigObject;
use bheka_value::{Location, Timestamp, Value, to_json};
use serde::Deserialize;
use serde_json::Value as Json;
use support::{Disk, constants};

const INCLUDE_DIR: &str = "/usr/share/icinga2/include";
const NOW: Timestamp = Timestamp(1_795_415_000.0);

#[derive(Deserialize)]
struct Case {
    id: String,
    source: Option<String>,
    source_b64: Option<String>,
    perfdata: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    files_b64: BTreeMap<String, String>,
    #[serde(default)]
    dirs: Vec<String>,
    main: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    #[serde(default, deserialize_with = "present")]
    value: Option<Json>,
    log: Option<Vec<String>>,
    error: Option<ExpectedError>,
    valid: Option<bool>,
    #[serde(default)]
    objects: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    attributes: BTreeMap<String, BTreeMap<String, Json>>,
    #[serde(default)]
    errors: Vec<ExpectedMessage>,
    #[serde(default)]
    warnings: Vec<ExpectedMessage>,
    parsed: Option<Box<Expect>>,
}

/// A `null` that is written counts as a value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct ExpectedError {
    phase: String,
    message_contains: String,
    line: Option<u32>,
}

#[derive(Deserialize)]
struct ExpectedMessage {
    message_contains: String,
    file: Option<String>,
    line: Option<u32>,
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl")
}

fn cases(prefix: &str) -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(prefix) && name.ends_with(".jsonl")
        })
        .collect();
    files.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    files
        .iter()
        .flat_map(|path| {
            text(path)
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<Case>>()
        })
        .collect()
}

fn pending() -> BTreeSet<String> {
    let text = std::fs::read_to_string(testdata().join("pending.txt")).unwrap_or_default();
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .filter(|id| !id.is_empty())
        .collect()
}

/// Base64, as far as the cases need it.
fn unbase64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut width) = (0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let Some(digit) = ALPHABET.iter().position(|a| *a == byte) else {
            continue;
        };
        bits = bits << 6 | u32::try_from(digit).unwrap();
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.push(u8::try_from(bits >> width & 0xff).unwrap());
        }
    }
    bytes
}

fn put_files(directory: &Path, case: &Case) {
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for (name, text) in &case.files {
        write(name, text.as_bytes());
    }
    for (name, text) in &case.files_b64 {
        write(name, &unbase64(text));
    }
    for name in &case.dirs {
        std::fs::create_dir_all(directory.join(name)).unwrap();
    }
}

fn normal(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

fn same(expected: &Json, actual: &Json, tolerance: f64) -> bool {
    match (expected, actual) {
        (Json::Number(left), Json::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            left == right || (left - right).abs() <= tolerance * left.abs().max(right.abs())
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r, tolerance))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, l)| right.get(key).is_some_and(|r| same(l, r, tolerance)))
        }
        _ => expected == actual,
    }
}

/// A string literal of the language.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn run_eval(case: &Case) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    put_files(directory.path(), case);
    let expect = case.expect.parsed.as_deref().unwrap_or(&case.expect);
    let source = match (&case.source, &case.source_b64) {
        (None, None) if case.perfdata.is_some() => {
            let text = case.perfdata.as_deref().unwrap_or_default();
            format!("parse_performance_data({})", quoted(text))
        }
        (Some(source), _) => source.clone(),
        (None, Some(encoded)) => String::from_utf8_lossy(&unbase64(encoded)).into_owned(),
        (None, None) => return Err("no source".to_owned()),
    };
    let mut console = Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources: Arc::new(Disk {
            directory: directory.path().to_owned(),
        }),
        include_dirs: vec![INCLUDE_DIR.to_owned()],
        constants: vec![("NodeName".to_owned(), Value::string("testnode"))],
        now: NOW,
    });
    let result = console.eval(&source);
    match (result, expect) {
        (
            Ok(value),
            Expect {
                value: Some(expected),
                log,
                ..
            },
        ) => {
            let actual: Json = serde_json::from_str(&to_json(&value)).unwrap();
            if !same(expected, &actual, 1e-12) {
                return Err(format!("value {actual}, expected {expected}"));
            }
            if let Some(log) = log {
                let lines = console.take_log();
                let actual: Vec<_> = lines.iter().map(|line| normal(&line.to_string())).collect();
                let expected: Vec<_> = log.iter().map(|line| normal(line)).collect();
                if actual != expected {
                    return Err(format!("log {actual:?}, expected {expected:?}"));
                }
            }
            Ok(())
        }
        (
            Ok(value),
            Expect {
                error: Some(error), ..
            },
        ) => Err(format!(
            "value {}, expected error {}",
            to_json(&value),
            error.message_contains
        )),
        (
            Err(error),
            Expect {
                error: Some(expected),
                ..
            },
        ) => {
            let is_syntax = expected.phase == "syntax";
            if error.is_syntax != is_syntax {
                return Err(format!("{} in the wrong phase", error.message));
            }
            if !normal(&error.message).contains(&normal(&expected.message_contains)) {
                return Err(format!(
                    "{:?}, expected {:?}",
                    error.message, expected.message_contains
                ));
            }
            let line = error.location.map(|location| location.first_line);
            if expected.line.is_some() && line != expected.line {
                return Err(format!(
                    "line {line:?}, expected {:?}: {}",
                    expected.line, error.message
                ));
            }
            Ok(())
        }
        (Err(error), _) => Err(format!("error {}", error.message)),
        (Ok(_), _) => Err("the case expects nothing".to_owned()),
    }
}

/// An attribute as the case writes it: functions as `<Function>`, paths relative.
fn shown(value: &Value, directory: &str) -> Json {
    match value {
        Value::Function(_) => Json::String("<Function>".to_owned()),
        Value::Array(items) => Json::Array(
            items
                .items()
                .iter()
                .map(|item| shown(item, directory))
                .collect(),
        ),
        Value::Dictionary(entries) => Json::Object(
            entries
                .entries()
                .iter()
                .map(|(key, item)| (key.as_str().to_owned(), shown(item, directory)))
                .collect(),
        ),
        Value::String(text) => {
            let text = text
                .replace(&format!("{directory}/"), "")
                .replace(directory, "");
            Json::String(text)
        }
        other => serde_json::from_str(&to_json(other)).unwrap(),
    }
}

fn attribute(object: &ConfigObject, name: &str) -> Value {
    match name {
        "__name" => Value::String(object.name.clone()),
        "name" => Value::String(object.short_name.clone()),
        "zone" => object
            .zone
            .clone()
            .map_or_else(|| Value::string(""), Value::String),
        "templates" => Value::array(object.templates.iter().cloned().map(Value::String)),
        "display_name" if !object.get(name).is_true() => Value::String(object.short_name.clone()),
        _ => object.get(name),
    }
}

fn run_config(case: &Case) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    put_files(directory.path(), case);
    let root = directory.path().display().to_string();
    let disk = Disk {
        directory: directory.path().to_owned(),
    };
    let mut zone_dirs = Vec::new();
    if let Ok(entries) = std::fs::read_dir(directory.path().join("zones.d")) {
        for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
            zone_dirs.push(ZoneDir {
                zone: entry.file_name().to_string_lossy().into_owned(),
                package: "_etc".to_owned(),
                path: entry.path().display().to_string(),
            });
        }
    }
    zone_dirs.sort_by(|left, right| left.zone.cmp(&right.zone));
    let mut constants = constants(directory.path());
    for argument in &case.args {
        if let Some((name, value)) = argument.strip_prefix("-D").and_then(|a| a.split_once('=')) {
            constants.push((name.to_owned(), Value::string(value)));
        }
    }
    let main = case.main.as_deref().unwrap_or("main.conf");
    let loaded = load(Load {
        catalogue: bheka_model::catalogue(),
        sources: &disk,
        include_dirs: vec![INCLUDE_DIR.to_owned()],
        files: vec![format!("{root}/{main}")],
        constants,
        zone_dirs,
        now: NOW,
        track_modifications: true,
        threads: 2,
    });
    check_config(case, loaded, &root)
}

/// A diagnostic of either crate.
struct Message {
    is_error: bool,
    text: String,
    file: Option<String>,
    line: Option<u32>,
}

fn check_config(case: &Case, loaded: bheka_lang::Loaded, root: &str) -> Result<(), String> {
    let message = |is_error: bool, text: &str, location: Option<&Location>| Message {
        is_error,
        text: text.replace(&format!("{root}/"), "").replace(root, ""),
        file: location.map(|location| location.path.replace(&format!("{root}/"), "")),
        line: location.map(|location| location.first_line),
    };
    let mut messages: Vec<Message> = loaded
        .diagnostics
        .iter()
        .map(|d| message(d.is_error(), &d.message, d.location.as_ref()))
        .collect();
    let mut objects = Vec::new();
    if !messages.iter().any(|message| message.is_error) {
        let built = bheka_model::build(1, loaded.declarations, loaded.globals.to_map());
        messages.extend(built.diagnostics.iter().map(|d| {
            let is_error = d.severity == bheka_model::Severity::Error;
            message(is_error, &d.message, d.location.as_ref())
        }));
        objects = built.generation.all().cloned().collect();
    }
    let result = compare(case, &messages, &objects, root);
    loaded.globals.retire();
    result
}

fn compare(
    case: &Case,
    messages: &[Message],
    objects: &[Arc<ConfigObject>],
    root: &str,
) -> Result<(), String> {
    if case.expect.valid == Some(false) {
        if !messages.iter().any(|message| message.is_error) {
            return Err("no error".to_owned());
        }
        return case
            .expect
            .errors
            .iter()
            .try_for_each(|expected| find(expected, messages, true));
    }
    if let Some(error) = messages.iter().find(|message| message.is_error) {
        return Err(format!(
            "error {} at {:?} {:?}",
            error.text, error.file, error.line
        ));
    }
    let mut actual: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        // What the system brings along is not in the cases.
        let path = &object.location.path;
        let is_system = path.ends_with("-itl.conf") && !path.contains('/');
        if object.type_info.name == "IcingaApplication" || is_system {
            continue;
        }
        let of_type = actual.entry(object.type_info.name.to_owned()).or_default();
        of_type.insert(object.name.as_str().to_owned());
    }
    let expected: BTreeMap<String, BTreeSet<String>> = case
        .expect
        .objects
        .iter()
        .map(|(type_name, names)| (type_name.clone(), names.iter().cloned().collect()))
        .collect();
    if actual != expected {
        return Err(format!("objects {actual:?}, expected {expected:?}"));
    }
    for (key, attributes) in &case.expect.attributes {
        let (type_name, name) = key.split_once('!').unwrap();
        let found = objects
            .iter()
            .find(|object| object.type_info.name == type_name && object.name.as_str() == name)
            .ok_or_else(|| format!("no {key}"))?;
        for (attribute_name, expected) in attributes {
            let actual = shown(&attribute(found, attribute_name), root);
            if !same(expected, &actual, 1e-6) {
                return Err(format!(
                    "{key}.{attribute_name} is {actual}, expected {expected}"
                ));
            }
        }
    }
    case.expect
        .warnings
        .iter()
        .try_for_each(|expected| find(expected, messages, false))
}

fn find(expected: &ExpectedMessage, messages: &[Message], is_error: bool) -> Result<(), String> {
    let fits = |message: &Message| {
        message.is_error == is_error
            && normal(&message.text).contains(&normal(&expected.message_contains))
            && (expected.file.is_none() || expected.file == message.file)
            && (expected.line.is_none() || expected.line == message.line)
    };
    if messages.iter().any(fits) {
        return Ok(());
    }
    let texts: Vec<_> = messages
        .iter()
        .map(|m| format!("{} at {:?} {:?}", m.text, m.file, m.line))
        .collect();
    Err(format!(
        "no {:?} line {:?} in {texts:?}",
        expected.message_contains, expected.line
    ))
}

fn check(prefix: &str, run: impl Fn(&Case) -> Result<(), String> + Sync) {
    let (cases, pending) = (cases(prefix), pending());
    assert!(!cases.is_empty(), "no cases");
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for case in &cases {
        let result = run(case);
        match (result, pending.contains(&case.id)) {
            (Ok(()), false) => passed += 1,
            (Ok(()), true) => wrong.push(format!("PASSES {}: remove it from pending.txt", case.id)),
            (Err(why), false) => wrong.push(format!("FAIL {}: {why}", case.id)),
            (Err(_), true) => {}
        }
    }
    println!("{prefix}: {passed} of {} pass", cases.len());
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn expressions() {
    check("eval-", run_eval);
}

#[test]
fn performance_data() {
    check("perfdata", |case| {
        if case.expect.parsed.is_some() {
            run_eval(case)
        } else {
            Ok(())
        }
    });
}

#[test]
fn configurations() {
    check("config-", run_config);
}
