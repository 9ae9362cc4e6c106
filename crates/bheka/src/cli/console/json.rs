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
pub(super) fn evaluate_once(target: &mut Target, input: &Input, least: Severity) -> ExitCode {
    let outcome = target.evaluate(input);
    for line in target.take_log(least) {
        show(&json!({
            "type": "log",
            "severity": line.severity.as_str(),
            "facility": line.facility,
            "message": line.message,
        }));
    }
    match outcome {
        Ok(value) => {
            show_value(&value);
            ExitCode::SUCCESS
        }
        Err(Failure::Script(complaint)) => {
            show(complaint.json());
            ExitCode::FAILURE
        }
        Err(Failure::Unreachable(text)) => fail("unreachable", text),
    }
}

/// An input that cannot be evaluated at all.
pub(super) fn fail(code: &'static str, text: String) -> ExitCode {
    let finding = Finding::new(Severity::Critical, "config", code, text);
    show(&finding.json(&mut Excerpts::default()));
    ExitCode::FAILURE
}

/// The value as the console prints it.
fn as_json(value: &Value) -> Json {
    serde_json::from_str(&to_json(value)).unwrap_or(Json::Null)
}

pub(super) fn show_value(value: &Value) {
    show(&json!({ "type": "value", "value": as_json(value) }));
}

pub(super) fn show(object: &Json) {
    print(&format!("{object}\n"));
}
