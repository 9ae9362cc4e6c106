//! `POST /v1/actions/NAME`

use std::sync::Arc;

use bheka_model::{CheckResult, CheckableName, Command, ConfigObject};
use bheka_value::{Timestamp, Value};

use crate::backend::ProcessOrder;
use crate::objects::NO_OBJECTS;
use crate::params::{Params, to_number};
use crate::permission;
use crate::query::{self, Objects};
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// Answers an action.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    name: &str,
    params: &Params,
) -> Handled {
    let run: Run = match name {
        "process-check-result" => process_check_result,
        "reschedule-check" => reschedule_check,
        _ => {
            let text = format!("Action '{name}' does not exist.");
            return Response::error(404, params, &text, None);
        }
    };
    let catalogue = bheka_model::catalogue();
    let types: Vec<_> = ["Host", "Service"]
        .iter()
        .filter_map(|name| catalogue.type_info(name))
        .collect();
    let source = Objects::new(snapshot, &types);
    let objects = match query::select(&source, user, &format!("actions/{name}"), params) {
        Ok(objects) => objects,
        Err(miss) => return miss.answer(params, NO_OBJECTS),
    };
    let verbose = params.flag("verbose")?;
    let mut writer = ResultsWriter::new(params)?;
    let mut commands = Vec::new();
    let mut codes = Codes::default();
    for object in &objects {
        let outcome = run(snapshot, object, params).unwrap_or_else(|error| Outcome {
            code: 500,
            status: format!("Action execution failed: 'Error: {error}'."),
            diagnostics: Some(query::diagnostic(error)),
            commands: Vec::new(),
        });
        codes.add(outcome.code);
        commands.extend(outcome.commands);
        let mut entry = vec![
            ("code", Value::Number(f64::from(outcome.code))),
            ("status", Value::from(outcome.status)),
        ];
        if let Some(diagnostics) = outcome.diagnostics.filter(|_| verbose) {
            entry.push(("diagnostic_information", Value::from(diagnostics)));
        }
        writer.value(&Value::dictionary(entry));
    }
    Ok(Response {
        commands,
        ..Response::json_text(codes.status(), writer.finish())
    })
}

/// What an action asks of the process, when it is one of those without objects.
pub(crate) fn process_order(name: &str) -> Option<ProcessOrder> {
    match name {
        "restart-process" => Some(ProcessOrder::Reload),
        "shutdown-process" => Some(ProcessOrder::ShutDown),
        _ => None,
    }
}

/// Answers such an action; types and filters of the request mean nothing to it. `None` without the
/// permission: to that Icinga 2 answers as to a path that does not exist.
pub(crate) fn process(
    user: &ConfigObject,
    name: &str,
    order: ProcessOrder,
    params: &Params,
) -> Option<Handled> {
    let permission = format!("actions/{name}");
    if !permission::has(user, &permission) {
        tracing::warn!(target: "FilterUtility", "Missing permission: {permission}");
        return None;
    }
    let status = match order {
        ProcessOrder::Reload => "Restarting Icinga 2.",
        ProcessOrder::ShutDown => "Shutting down Icinga 2.",
    };
    let write = || {
        let mut writer = ResultsWriter::new(params)?;
        writer.value(&Value::dictionary([
            ("code", Value::Number(200.0)),
            ("status", Value::string(status)),
        ]));
        Ok(Response {
            process: Some(order),
            ..Response::json_text(200, writer.finish())
        })
    };
    Some(write())
}

/// An action on one object; an error is what it stumbled over.
type Run = fn(&Snapshot, &Arc<ConfigObject>, &Params) -> Result<Outcome, String>;

struct Outcome {
    code: u16,
    status: String,
    diagnostics: Option<String>,
    commands: Vec<Command>,
}

impl Outcome {
    fn refused(code: u16, status: impl Into<String>) -> Self {
        Self {
            code,
            status: status.into(),
            diagnostics: None,
            commands: Vec::new(),
        }
    }
}

/// From the codes of the objects to the code of the response: theirs when they agree, that of the
/// failures when those agree, else (or when nothing was done) 500.
#[derive(Default)]
struct Codes {
    good: Vec<u16>,
    bad: Vec<u16>,
}

impl Codes {
    fn add(&mut self, code: u16) {
        let codes = if (200..300).contains(&code) {
            &mut self.good
        } else {
            &mut self.bad
        };
        if !codes.contains(&code) {
            codes.push(code);
        }
    }

    fn status(&self) -> u16 {
        match (&self.good[..], &self.bad[..]) {
            ([code], []) | (_, [code]) => *code,
            _ => 500,
        }
    }
}

fn process_check_result(
    snapshot: &Snapshot,
    object: &Arc<ConfigObject>,
    params: &Params,
) -> Result<Outcome, String> {
    if !snapshot
        .attribute(object, "enable_passive_checks")
        .is_true()
    {
        let text = format!("Passive checks are disabled for object '{}'.", object.name);
        return Ok(Outcome::refused(403, text));
    }
    if !params.has("exit_status") {
        return Ok(Outcome::refused(
            400,
            "Parameter 'exit_status' is required.",
        ));
    }
    if !params.has("plugin_output") {
        return Ok(Outcome::refused(
            400,
            "Parameter 'plugin_output' is required",
        ));
    }
    let exit_status = to_number(&params.last("exit_status"))?.trunc();
    let Some(state) = state_of(object, exit_status) else {
        let text = format!("Invalid 'exit_status' for Host {}.", object.name);
        return Ok(Outcome::refused(400, text));
    };
    let time = |name: &str| -> Result<Timestamp, String> {
        let seconds = to_number(&params.last(name))?;
        Ok(if seconds == 0.0 {
            snapshot.now
        } else {
            Timestamp(seconds)
        })
    };
    let node = snapshot.backend.application().node_name;
    let check_source = params.last_text("check_source");
    let result = CheckResult {
        state,
        output: params.last_text("plugin_output"),
        performance_data: performance_data(params)?,
        command: params.get("check_command"),
        active: false,
        check_source: if check_source.is_empty() {
            node.clone()
        } else {
            check_source
        },
        scheduling_source: node,
        schedule_start: snapshot.now,
        schedule_end: snapshot.now,
        execution_start: time("execution_start")?,
        execution_end: time("execution_end")?,
        ttl: to_number(&params.last("ttl"))?,
        ..CheckResult::default()
    };
    let checkable = CheckableName::from_full(&object.name);
    Ok(Outcome {
        code: 200,
        status: format!(
            "Successfully processed check result for object '{}'.",
            object.name
        ),
        diagnostics: None,
        commands: vec![Command::ProcessResult {
            checkable,
            result: Box::new(result),
        }],
    })
}

/// The state that an exit status stands for: hosts know 0 (up) and 1 (down) only, for services
/// whatever is not 0 to 2 is unknown.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked range"
)]
fn state_of(object: &ConfigObject, exit_status: f64) -> Option<u8> {
    let known = (0.0..=3.0)
        .contains(&exit_status)
        .then_some(exit_status as u8);
    match (object.type_info.name, known) {
        ("Host", Some(0)) => Some(0),
        ("Host", Some(1)) => Some(2),
        ("Host", _) => None,
        (_, state) => Some(state.unwrap_or(3)),
    }
}

/// A list is taken as it is, a string is split at spaces outside quotes.
fn performance_data(params: &Params) -> Result<Option<Vec<Value>>, String> {
    match params.get("performance_data") {
        Value::Empty => Ok(None),
        // From the query string: one string in a list.
        Value::Array(items) => Ok(Some(items.items())),
        Value::String(text) => Ok(Some(split_performance_data(&text))),
        Value::Dictionary(_) => Err("std::bad_cast\n".to_owned()),
        other => Err(format!(
            "Cannot convert value of type '{}' to an object.\n",
            other.type_name()
        )),
    }
}

fn split_performance_data(text: &str) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quoted = false;
    for character in text.chars() {
        if character == '\'' {
            quoted = !quoted;
        }
        if character.is_whitespace() && !quoted {
            if !part.is_empty() {
                parts.push(Value::from(std::mem::take(&mut part)));
            }
        } else {
            part.push(character);
        }
    }
    if !part.is_empty() {
        parts.push(Value::from(part));
    }
    parts
}

fn reschedule_check(
    snapshot: &Snapshot,
    object: &Arc<ConfigObject>,
    params: &Params,
) -> Result<Outcome, String> {
    let checkable = CheckableName::from_full(&object.name);
    let at = if params.has("next_check") {
        Timestamp(to_number(&params.last("next_check"))?)
    } else {
        snapshot.now
    };
    let mut commands = Vec::new();
    if params.last("force").is_true() {
        commands.push(Command::SetForceNextCheck {
            checkable: checkable.clone(),
            forced: true,
        });
    }
    commands.push(Command::SetNextCheck { checkable, at });
    Ok(Outcome {
        code: 200,
        status: format!(
            "Successfully rescheduled check for object '{}'.",
            object.name
        ),
        diagnostics: None,
        commands,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn performance_data_splits_outside_quotes() {
        let split = |text: &str| {
            let parts = split_performance_data(text);
            parts.iter().map(crate::params::text_of).collect::<Vec<_>>()
        };
        assert_eq!(split("'a b'=1  c=2;3"), ["'a b'=1", "c=2;3"]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn response_codes() {
        let status = |codes: &[u16]| {
            let mut all = Codes::default();
            codes.iter().for_each(|code| all.add(*code));
            all.status()
        };
        assert_eq!(status(&[200, 200]), 200);
        assert_eq!(status(&[403, 200]), 403);
        assert_eq!(status(&[400, 400]), 400);
        assert_eq!(status(&[400, 403]), 500);
        assert_eq!(status(&[]), 500);
    }
}
