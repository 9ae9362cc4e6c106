//! Command lines against those that Icinga 2 2.13.6 made of the same configuration.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read its cases must fail"
)]

mod loading;

use std::collections::BTreeMap;

use bheka_model::CheckableName;
use bheka_monitor::{Effect, Input, Monitor};
use bheka_value::{Map, Str, Value, from_json};

const PRELUDE: &str = r#"
object CheckerComponent "checker" { }
template Host "dsl" { check_interval = 1s; retry_interval = 1s; enable_flapping = false }
template Service "dsl" { check_interval = 1s; retry_interval = 1s; enable_flapping = false }
template Host "dsl-passive" { check_command = "dsl-none"; enable_active_checks = false }
object CheckCommand "dsl-none" { command = [ "/bin/true" ] }
"#;

struct Made {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
}

fn entries(value: &Value) -> Map {
    value.as_dictionary().unwrap().entries()
}

/// The first command line of a case, or state and output of the result without one.
fn first_outcome(id: &str, text: &str) -> Result<Result<Made, (u8, String)>, String> {
    let (generation, _globals) = loading::generation(text)?;
    let name = if generation.get("Service", &format!("{id}!svc")).is_some() {
        CheckableName::service(id, "svc")
    } else {
        CheckableName::host(id)
    };
    let mut monitor = Monitor::new("golden-master".into(), loading::START);
    let mut effects = monitor.handle(Input::Reconfigure(generation), loading::START);
    effects.extend(monitor.handle(Input::Tick, loading::START + 5.0));
    for effect in effects {
        if let Effect::Run(line) = effect
            && line.subject == name.full()
        {
            return Ok(Ok(Made {
                argv: line.argv,
                env: line.env.into_iter().collect(),
            }));
        }
    }
    let state = monitor.state(&name).ok_or("no such checkable")?;
    let result = state
        .last_check_result
        .as_ref()
        .ok_or("neither run nor result")?;
    Ok(Err((result.state, result.output.as_str().to_owned())))
}

/// Words of a shell command with nothing but blanks and quotes.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let quoted: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            ' ' => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn arguments(argv: &[String]) -> Vec<String> {
    let words = match argv {
        [sh, c, command] if sh == "sh" && c == "-c" => shell_words(command),
        words => words.to_vec(),
    };
    let words = words.get(1..).unwrap_or_default().to_vec();
    // The recording could not tell one empty word from none.
    if words == [""] { Vec::new() } else { words }
}

fn judge(id: &str, case: &Map) -> Result<(), String> {
    let text = entries(&case["files"])["main.conf"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = text
        .replace("%PLUGIN%", &format!("/plug/{id}"))
        .replace("%ID%", id);
    let expect = entries(&case["expect"]);
    let made = first_outcome(id, &format!("{PRELUDE}{text}"))?;
    match (made, expect.get("argv")) {
        (Ok(made), Some(argv)) => {
            let wanted: Vec<String> = argv
                .as_array()
                .unwrap()
                .items()
                .iter()
                .map(|word| word.as_str().unwrap().to_owned())
                .collect();
            let found = arguments(&made.argv);
            if found != wanted {
                return Err(format!("{found:?} instead of {wanted:?}"));
            }
            if let Some(env) = expect.get("env") {
                for (name, wanted) in entries(env) {
                    let found = made.env.get(name.as_str()).cloned();
                    if found.as_deref() != wanted.as_str() {
                        return Err(format!("{name} is {found:?} instead of {wanted:?}"));
                    }
                }
            }
            Ok(())
        }
        (Err((state, output)), None) => {
            let wanted = entries(&expect["not_executed"]);
            let contains = wanted
                .get("output_contains")
                .and_then(|text| text.as_str().map(Str::new));
            let shown = if case_is_service(&text) {
                state
            } else {
                u8::from(state > 1)
            };
            if Value::Number(f64::from(shown)) != wanted["state"]
                || contains.is_some_and(|contains| !output.contains(contains.as_str()))
            {
                return Err(format!("{state} {output:?} instead of {wanted:?}"));
            }
            Ok(())
        }
        (Ok(made), None) => Err(format!("{:?} instead of {:?}", made.argv, expect)),
        (Err(result), Some(wanted)) => Err(format!("{result:?} instead of {wanted:?}")),
    }
}

fn case_is_service(text: &str) -> bool {
    text.contains("object Service")
}

#[test]
fn golden_cases_of_icinga_2() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("../../../testdata/dsl/macro.jsonl").lines() {
        let case = entries(&from_json(line.as_bytes()).unwrap());
        let id = case["id"].as_str().unwrap().to_owned();
        count += 1;
        if let Err(why) = judge(&id, &case) {
            wrong.push(format!("{id}: {why}"));
        }
    }
    assert!(count >= 100, "only {count} cases");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
