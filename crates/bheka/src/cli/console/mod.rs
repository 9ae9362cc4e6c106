//! `console`: expressions of the configuration language, from the command line, a file, or line by
//! line; here, or in a running node.

mod complaint;
mod editor;
mod json;
mod remote;
mod talk;
mod target;

use std::process::ExitCode;
use std::sync::Arc;

use bheka_lang::{Console, ConsoleSettings, Sandbox, SourceError, Sources as _};
use bheka_value::to_json;

use crate::cli::{Invocation, finding_format, print, say};
use crate::config::{DiskSources, FindingFormat};
use crate::daemon::clock::now;
use crate::log::Severity;
use crate::settings::Settings;

use complaint::{Input, check_syntax};
use remote::Remote;
use target::{Failure, Target};

/// Evaluates what the options say, else what standard input says.
pub(super) fn run(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    let sandbox = if invocation.flag("sandbox") {
        Sandbox::On
    } else {
        Sandbox::Off
    };
    let is_json = finding_format(invocation)? == FindingFormat::Json;
    let batch = match batch(invocation) {
        Ok(batch) => batch,
        Err((file, cause)) if is_json => {
            let text = format!("Could not read file '{file}': {cause}");
            return Ok(json::fail("unreadable-file", text));
        }
        Err((file, _)) => {
            print(&format!("Could not read file '{file}'.\n"));
            return Ok(ExitCode::FAILURE);
        }
    };
    if invocation.flag("syntax-only") {
        return Ok(match batch {
            Some(input) => check_syntax(&input, is_json),
            None => {
                eprintln!(
                    "The option --syntax-only can only be used in combination with --eval or \
                     --file."
                );
                ExitCode::FAILURE
            }
        });
    }
    let mut target = match invocation.value("connect") {
        Some(url) => match Remote::new(&url, sandbox) {
            Ok(remote) => Target::There(Box::new(remote)),
            Err(error) if is_json => return Ok(json::fail("unreachable", error.to_string())),
            Err(error) => {
                say(Severity::Critical, "ConsoleCommand", &error.to_string());
                return Ok(ExitCode::FAILURE);
            }
        },
        None => Target::Here(Box::new(session(settings)), sandbox),
    };
    let least = settings.console_severity;
    match batch {
        Some(input) if is_json => Ok(json::evaluate_once(&mut target, &input, least)),
        Some(input) => Ok(evaluate_once(&mut target, &input, least)),
        None => talk::talk(target, least),
    }
}

/// What `--eval` or else `--file` says.
///
/// # Errors
/// The name of a file that cannot be read, and why.
fn batch(invocation: &Invocation) -> Result<Option<Input>, (String, SourceError)> {
    if let Some(text) = invocation.value("eval") {
        return Ok(Some(Input {
            name: "<1>".to_owned(),
            text,
            is_file: false,
        }));
    }
    let Some(name) = invocation.value("file") else {
        return Ok(None);
    };
    match DiskSources.read(&name) {
        Ok(bytes) => Ok(Some(Input {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            name,
            is_file: true,
        })),
        Err(error) => Err((name, error)),
    }
}

fn session(settings: &Settings) -> Console {
    Console::new(ConsoleSettings {
        catalogue: bheka_model::catalogue(),
        sources: Arc::new(DiskSources),
        include_dirs: settings
            .include_search()
            .iter()
            .map(|dir| dir.display().to_string())
            .collect(),
        constants: settings.constants(),
        now: now(),
    })
}

fn evaluate_once(target: &mut Target, input: &Input, least: Severity) -> ExitCode {
    let outcome = target.evaluate(input);
    print_log(target, least);
    match outcome {
        Ok(value) => {
            print(&format!("{}\n", to_json(&value)));
            ExitCode::SUCCESS
        }
        Err(Failure::Script(complaint)) => {
            complaint.show();
            ExitCode::FAILURE
        }
        Err(Failure::Unreachable(text)) => {
            say(Severity::Warning, "DebugConsole", &text);
            ExitCode::FAILURE
        }
    }
}

/// Prints what was logged, as Icinga 2's log does on a terminal without the time.
fn print_log(target: &mut Target, least: Severity) {
    for line in target.take_log(least) {
        print(&target::logged(&line));
    }
}
