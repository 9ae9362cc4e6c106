//! Answers for tools: one JSON object a line, in the form of `daemon -C --format json`.

use std::process::ExitCode;

use bheka_value::{Value, to_json};
use serde_json::{Value as Json, json};

use super::complaint::Input;
use super::target::{Failure, Target};
use crate::cli::print;
use crate::config::{Excerpts, Finding};
use crate::log::Severity;

/// Evaluates an input: what it logs, then its value or what is wrong with it.
pub(super) fn evaluate_once(target: &mut Target, input: &Input) -> ExitCode {
    let outcome = match target {
        Target::Here(console, sandbox) => {
            let outcome = console.evaluate(&input.name, &input.text, *sandbox);
            for line in console.take_log() {
                show(&json!({
                    "type": "log",
                    "severity": line.severity.as_str(),
                    "facility": line.facility,
                    "message": line.message,
                }));
            }
            outcome.map_err(|error| Finding::from(&error))
        }
        Target::There(remote) => remote.evaluate(&input.text).map_err(|failure| {
            let (code, text) = match failure {
                Failure::Script(complaint) => ("evaluation", complaint.text),
                Failure::Unreachable(text) => ("unreachable", text),
            };
            Finding::new(Severity::Critical, "config", code, text)
        }),
    };
    match outcome {
        Ok(value) => {
            show(&json!({ "type": "value", "value": as_json(&value) }));
            ExitCode::SUCCESS
        }
        Err(finding) => {
            show(&finding.json(&mut Excerpts::default()));
            ExitCode::FAILURE
        }
    }
}

/// The value as the console prints it.
fn as_json(value: &Value) -> Json {
    serde_json::from_str(&to_json(value)).unwrap_or(Json::Null)
}

fn show(object: &Json) {
    print(&format!("{object}\n"));
}
