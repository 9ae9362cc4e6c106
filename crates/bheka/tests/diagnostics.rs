//! What people and tools are told about broken configurations: the cases of
//! `testdata/dsl/diagnostics.jsonl`, each with what Icinga 2 2.13.6 says about it (text and line of
//! its errors) and the full text of ours.
//!
//! `BHEKA_UPDATE_GOLDEN=1` writes our texts anew; look at the difference before it is committed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// What a run printed.
struct Answer {
    text: String,
    code: Option<i32>,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/dsl/diagnostics.jsonl")
}

fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Validates files in a directory of their own. Paths are relative, so that marks stand where they
/// stand everywhere.
fn validate(files: &BTreeMap<String, String>, options: &[&str]) -> Answer {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_bheka"));
    command.args(["daemon", "-C", "-c", "main.conf", "-D", "NodeName=testnode"]);
    command.arg(format!("-DRunAsUser={}", id("-un")));
    command.arg(format!("-DRunAsGroup={}", id("-gn")));
    for (name, folder) in [
        ("DataDir", "data"),
        ("CacheDir", "cache"),
        ("LogDir", "log"),
        ("SpoolDir", "spool"),
        ("InitRunDir", "run"),
        ("ConfigDir", "etc"),
    ] {
        fs::create_dir_all(dir.path().join("state").join(folder)).unwrap();
        command.arg(format!("-D{name}=state/{folder}"));
    }
    let output = command
        .args(options)
        .current_dir(dir.path())
        .env_remove("BHEKA_ICINGA2")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Answer {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        code: output.status.code(),
    }
}

/// The records about the configuration, without times.
fn records(text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.split_once("] ") {
            Some((time, rest)) if time.starts_with('[') => records.push(rest.to_owned()),
            _ => {
                if let Some(last) = records.last_mut() {
                    last.push('\n');
                    last.push_str(line);
                }
            }
        }
    }
    let tells = |record: &String| {
        !["cli", "ConfigItem", "ScriptGlobal"]
            .iter()
            .any(|facility| record.starts_with(&format!("information/{facility}: ")))
    };
    records.into_iter().filter(tells).collect()
}

fn files_of(case: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(case["files"].clone()).unwrap()
}

fn cases() -> Vec<Value> {
    let text = fs::read_to_string(golden()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn config(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("main.conf".to_owned(), text.to_owned())])
}

/// Maps the cases on a few threads.
fn for_all<T: Send>(cases: &[Value], work: impl Fn(&Value) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let size = cases.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = cases
            .chunks(size)
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<T>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn texts_are_as_they_were_approved() {
    let mut cases = cases();
    assert!(cases.len() > 150, "{}", cases.len());
    let answers = for_all(&cases, |case| validate(&files_of(case), &[]));
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter_mut().zip(&answers) {
        let text = records(&answer.text).join("\n");
        if case["text"] != text {
            let name = case["id"].as_str().unwrap();
            wrong.push(format!(
                "{name}\n--- now\n{text}\n--- approved\n{}",
                case["text"]
            ));
            case["text"] = json!(text);
        }
    }
    if !wrong.is_empty() && std::env::var_os("BHEKA_UPDATE_GOLDEN").is_some() {
        let lines: Vec<String> = cases.iter().map(|case| format!("{case}\n")).collect();
        fs::write(golden(), lines.concat()).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Scripts look for Icinga 2's words at Icinga 2's lines.
#[test]
fn errors_of_icinga2_are_told_in_its_words() {
    let cases = cases();
    let answers = for_all(&cases, |case| validate(&files_of(case), &[]));
    let mut wrong = Vec::new();
    for (case, answer) in cases.iter().zip(&answers) {
        if case.get("differs").is_some() {
            continue;
        }
        let name = case["id"].as_str().unwrap();
        // Included files have the path of the directory before them.
        let records = records(&answer.text.replace("in ./", "in "));
        if case["icinga2"]["valid"] != (answer.code == Some(0)) {
            wrong.push(format!("{name}: exit code {:?}", answer.code));
        }
        for expected in case["icinga2"]["errors"].as_array().unwrap() {
            let head = format!(
                "critical/config: Error: {}",
                expected["message"].as_str().unwrap()
            );
            let place = expected["line"].as_u64().map(|line| {
                format!(
                    "\nLocation: in {}: {line}:",
                    expected["file"].as_str().unwrap()
                )
            });
            let found = records.iter().any(|record| {
                let is_it = record.split('\n').next() == Some(head.as_str());
                is_it && place.as_ref().is_none_or(|place| record.contains(place))
            });
            if !found {
                wrong.push(format!(
                    "{name}: missing {expected} in\n{}",
                    records.join("\n")
                ));
            }
        }
        for warning in case["icinga2"]["warnings"].as_array().unwrap() {
            let words = warning.as_str().unwrap();
            let told = |record: &&String| record.starts_with("warning/") && record.contains(words);
            if records.iter().find(told).is_none() {
                wrong.push(format!("{name}: missing warning {words}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The same findings, one object a line, and nothing else on standard output.
#[test]
fn tools_get_json_lines() {
    let cases = cases();
    let answers = for_all(&cases, |case| {
        (
            validate(&files_of(case), &[]),
            validate(&files_of(case), &["--format", "json"]),
        )
    });
    for (case, (text, json)) in cases.iter().zip(&answers) {
        let name = &case["id"];
        assert_eq!(text.code, json.code, "{name}");
        let lines: Vec<Value> = json
            .text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {e}: {line}"))
            })
            .collect();
        let (summary, findings) = lines.split_last().unwrap();
        assert_eq!(summary["type"], "summary", "{name}");
        assert_eq!(summary["valid"], json.code == Some(0), "{name}");
        let of = |severity: &str| {
            let found = findings.iter().filter(|it| it["severity"] == severity);
            found.cloned().collect::<Vec<_>>()
        };
        let errors = of("critical");
        let told = errors.len() as u64 + summary["not_shown"].as_u64().unwrap();
        assert_eq!(summary["errors"], told, "{name}");
        assert_eq!(summary["warnings"], of("warning").len(), "{name}");
        for error in &errors {
            assert_ne!(error["code"], "", "{name}: {error}");
            let head = format!(
                "critical/config: Error: {}",
                error["message"].as_str().unwrap()
            );
            assert!(text.text.contains(&head), "{name}: {head}");
            if error["line"].is_number() {
                assert!(
                    error["column"].is_number() && error["excerpt"].is_string(),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn a_finding_has_everything_a_tool_needs() {
    let text = "template Host \"t\" {\n  check_comand = \"x\"\n}\nobject Host \"a\" {\n  import \"t\"\n}\n";
    let answer = validate(&config(text), &["--format", "json"]);
    let finding: Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
    assert_eq!(
        finding,
        json!({
            "type": "finding",
            "severity": "critical",
            "facility": "config",
            "code": "unknown-attribute",
            "message": "Attribute 'check_comand' does not exist.",
            "file": "main.conf",
            "line": 2,
            "column": 3,
            "end_line": 2,
            "end_column": 20,
            "object": { "type": "Host", "name": "a" },
            "attribute": "check_comand",
            "suggestion": "check_command",
            "suggestions": ["check_command"],
            "notes": [],
            "excerpt": "main.conf(1): template Host \"t\" {\n\
                        main.conf(2):   check_comand = \"x\"\n\
                        \x20               ^^^^^^^^^^^^^^^^^^\n\
                        main.conf(3): }\n\
                        main.conf(4): object Host \"a\" {\n",
        })
    );
}

#[test]
fn a_missing_file_is_json_as_well() {
    let answer = validate(&BTreeMap::new(), &["--format", "json"]);
    let lines: Vec<Value> = answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answer.code, Some(1));
    assert_eq!(lines.len(), 2, "{}", answer.text);
    assert_eq!(lines[0]["code"], "unreadable-file");
    assert_eq!(lines[1]["valid"], false);
}

/// One mistake in a template is one error, however many objects import it.
#[test]
fn many_errors_are_counted() {
    let mut text = "object CheckCommand \"ok\" { command = [ \"x\" ] }\n\
                    template Host \"t\" {\n  check_command = \"okk\"\n}\n"
        .to_owned();
    for number in 0..500 {
        text.push_str(&format!("object Host \"h{number}\" {{ import \"t\" }}\n"));
    }
    let answer = validate(&config(&text), &[]);
    let records = records(&answer.text);
    let errors = records
        .iter()
        .filter(|it| it.starts_with("critical/config: Error: "));
    assert_eq!(errors.count(), 3, "{}", answer.text);
    assert!(
        answer.text.contains("497 more objects with the same error"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("critical/config: 500 errors\n"),
        "{}",
        answer.text
    );

    // Different ones: a hundred are shown.
    let mut text = String::new();
    for number in 0..300 {
        text.push_str(&format!(
            "object Host \"h{number}\" {{\n  bad{number} = 1\n}}\n"
        ));
    }
    let answer = validate(&config(&text), &[]);
    assert!(
        answer
            .text
            .contains("critical/config: ... and 200 more errors\n"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("critical/config: 300 errors\n"),
        "{}",
        answer.text
    );
}

/// Colours are for terminals; `--color` asks for them.
#[test]
fn marks_are_coloured_only_when_asked() {
    let plain = validate(&config("objct Host \"a\" { }\n"), &[]);
    assert!(!plain.text.contains('\x1b'), "{}", plain.text);
    let colored = validate(&config("objct Host \"a\" { }\n"), &["--color"]);
    assert!(
        colored
            .text
            .contains("\x1b[31m\x1b[1mcritical\x1b[0m/config"),
        "{}",
        colored.text
    );
    assert!(colored.text.contains("^^^^\x1b[0m"), "{}", colored.text);
}

#[test]
fn the_console_answers_in_json_as_well() {
    let answer = |expression: &str| -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bheka"));
        command.args(["console", "--format", "json", "--eval", expression]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let lines = answer("log(\"x\"); [ 1, \"a\" ]");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        (&lines[0]["type"], &lines[0]["message"]),
        (&json!("log"), &json!("x"))
    );
    assert_eq!(lines[1], json!({ "type": "value", "value": [1, "a"] }));
    let lines = answer("Math.flor(1.5)");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["code"], "unknown-function");
    assert_eq!(lines[0]["suggestion"], "floor");
}
