//! `console`: expressions of the configuration language, from the command line, a file, or line by
//! line.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use bheka_lang::{Console, ConsoleSettings, LangDiagnostic};
use bheka_value::{Value, to_json};

use crate::cli::literal::literal;
use crate::cli::{Invocation, print};
use crate::config::DiskSources;
use crate::daemon::clock::now;
use crate::settings::Settings;
use crate::version;

/// Evaluates what the options say, else what standard input says.
pub(super) fn run(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    if invocation.value("connect").is_some() {
        bail!(
            "option --connect is not available; send the expression to /v1/console/execute-script \
             of the API instead"
        );
    }
    let (file, expression) = (invocation.nonempty("file"), invocation.value("eval"));
    let syntax_only = invocation.flag("syntax-only");
    let batch = match (file, expression) {
        (Some(file), _) => match std::fs::read(&file) {
            Ok(bytes) => Some((file, String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => {
                print(&format!("Could not read file '{file}'.\n"));
                return Ok(ExitCode::FAILURE);
            }
        },
        (None, Some(expression)) => Some(("<1>".to_owned(), expression)),
        (None, None) => None,
    };
    match batch {
        Some((name, text)) if syntax_only => Ok(check_syntax(&name, &text)),
        Some((name, text)) => Ok(evaluate_once(
            &name,
            &text,
            settings,
            invocation.flag("sandbox"),
        )),
        None if syntax_only => {
            eprintln!(
                "The option --syntax-only can only be used in combination with --eval or --file."
            );
            Ok(ExitCode::FAILURE)
        }
        None => Ok(converse(settings)),
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

fn check_syntax(name: &str, text: &str) -> ExitCode {
    let parsed = bheka_syntax::parse(text);
    let errors = parsed.diagnostics.into_iter();
    let mut errors = errors.filter(|it| it.severity == bheka_syntax::Severity::Error);
    match errors.next() {
        None => {
            print("true\n");
            ExitCode::SUCCESS
        }
        Some(error) => {
            let excerpt = bheka_syntax::excerpt_in(name, text, error.span);
            print(&format!(
                "{}\n{}\n",
                excerpt.trim_end_matches('\n'),
                error.message
            ));
            ExitCode::FAILURE
        }
    }
}

fn evaluate_once(name: &str, text: &str, settings: &Settings, sandboxed: bool) -> ExitCode {
    let mut console = session(settings);
    let result = if sandboxed {
        sandboxed_value(text)
    } else {
        console
            .eval_as(name, text)
            .map_err(|error| explained(&error))
    };
    print_log(&mut console);
    match result {
        Ok(value) => {
            print(&format!("{}\n", to_json(&value)));
            ExitCode::SUCCESS
        }
        Err(text) => {
            print(&format!("{text}\n"));
            ExitCode::FAILURE
        }
    }
}

fn sandboxed_value(text: &str) -> Result<Value, String> {
    let filter = bheka_lang::Filter::compile(text).map_err(|error| explained(&error))?;
    filter.eval(&[]).map_err(|error| error.message)
}

/// One input after the other until the end of standard input. An input that ends too early goes on
/// in the next line.
fn converse(settings: &Settings) -> ExitCode {
    let mut console = session(settings);
    let interactive = io::stdin().is_terminal();
    print(&format!(
        "{} (version: {})\nType $help to view available commands.\n",
        version::PROGRAM,
        version::version()
    ));
    let mut pending = String::new();
    let mut number = 1;
    let prompt = |number: u32, pending: &str| {
        let sign = if pending.is_empty() { "=>" } else { ".." };
        print(&format!("<{number}> {sign} "));
    };
    prompt(number, &pending);
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        if !interactive {
            // What is typed shows on a terminal anyway.
            print(&format!("{line}\n"));
        }
        match line.trim() {
            "$help" if pending.is_empty() => print(HELP),
            "$quit" | "$exit" if pending.is_empty() => break,
            _ => {
                pending.push_str(&line);
                pending.push('\n');
                let text = std::mem::take(&mut pending);
                match console.eval_as(&format!("<{number}>"), &text) {
                    Err(error) if is_unfinished(&error, &text) => pending = text,
                    result => {
                        print_log(&mut console);
                        let shown = match result {
                            Ok(value) => literal(&value),
                            Err(error) => explained(&error),
                        };
                        print(&format!("{shown}\n"));
                        number += 1;
                    }
                }
            }
        }
        prompt(number, &pending);
    }
    print("\n");
    ExitCode::SUCCESS
}

/// Whether an error may vanish when more is typed: it is one of syntax, behind the last word.
fn is_unfinished(error: &LangDiagnostic, text: &str) -> bool {
    let lines = text.trim_end().lines().count();
    let beyond = error
        .location
        .as_ref()
        .is_some_and(|place| place.last_line as usize >= lines);
    // An empty line is how to say that nothing more will come.
    error.is_syntax
        && beyond
        && error.message.contains("unexpected end of file")
        && !text.ends_with("\n\n")
}

fn explained(error: &LangDiagnostic) -> String {
    match &error.excerpt {
        Some(excerpt) => format!("{}\n{}", excerpt.trim_end_matches('\n'), error.message),
        None => error.message.clone(),
    }
}

fn print_log(console: &mut Console) {
    for line in console.take_log() {
        let facility = if line.facility.is_empty() {
            "config"
        } else {
            &line.facility
        };
        print(&format!("{}/{facility}: {}\n", line.severity, line.message));
    }
}

const HELP: &str = "\
An input is an expression of the configuration language; variables live on.
  $help  show this text
  $quit  end
";
