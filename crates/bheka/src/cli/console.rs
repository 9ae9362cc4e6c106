//! `console`: expressions of the configuration language, from the command line, a file, or line by
//! line.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use bheka_lang::{Console, ConsoleSettings, LangDiagnostic};
use bheka_value::{Location, Value, to_json};

use crate::cli::literal::literal;
use crate::cli::{Invocation, print};
use crate::config::{DiskSources, place_in};
use crate::daemon::clock::now;
use crate::settings::Settings;
use crate::version;

/// Evaluates what the options say, else what standard input says.
pub(super) fn run(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    if invocation.value("connect").is_some() {
        bail!(
            "option --connect is not built yet; evaluate the expression without it, or ask the API \
             with a filter"
        );
    }
    let (file, expression) = (invocation.nonempty("file"), invocation.value("eval"));
    let syntax_only = invocation.flag("syntax-only");
    let batch = match (file, expression) {
        (Some(file), _) => match std::fs::read(&file) {
            Ok(bytes) => Some(Input {
                text: String::from_utf8_lossy(&bytes).into_owned(),
                name: file,
                is_file: true,
            }),
            Err(_) => {
                print(&format!("Could not read file '{file}'.\n"));
                return Ok(ExitCode::FAILURE);
            }
        },
        (None, Some(expression)) => Some(Input {
            text: expression,
            name: "<1>".to_owned(),
            is_file: false,
        }),
        (None, None) => None,
    };
    match batch {
        Some(input) if syntax_only => Ok(check_syntax(&input)),
        Some(input) => Ok(evaluate_once(&input, settings, invocation.flag("sandbox"))),
        None if syntax_only => {
            eprintln!(
                "The option --syntax-only can only be used in combination with --eval or --file."
            );
            Ok(ExitCode::FAILURE)
        }
        None => Ok(converse(settings)),
    }
}

/// Something to evaluate.
struct Input {
    name: String,
    text: String,
    is_file: bool,
}

impl Input {
    /// A complaint with its place: for a file with its lines, else with a mark below the prompt.
    fn complaint(&self, message: &str, location: Option<&Location>) -> String {
        let place = match location {
            Some(location) if self.is_file => place_in(&self.text, location),
            Some(location) => marks(&self.text, location),
            None => return message.to_owned(),
        };
        format!("{place}\n{message}")
    }
}

/// The marks of a place, without the lines: those stand above, behind the prompt.
fn marks(text: &str, location: &Location) -> String {
    let (first, last) = (location.first_line as usize, location.last_line as usize);
    let lines = text
        .split('\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let marked = lines
        .filter(|(number, _)| (first..=last).contains(number))
        .map(|(number, line)| {
            let start = if number == first {
                location.first_column as usize
            } else {
                1
            };
            let end = if number == last {
                location.last_column as usize
            } else {
                line.len()
            };
            let start = start.max(1);
            let count = (end + 1).saturating_sub(start).max(1);
            format!(
                "{}{}",
                " ".repeat(PROMPT_COLUMNS + start - 1),
                "^".repeat(count)
            )
        });
    marked.collect::<Vec<_>>().join("\n")
}

/// How wide `<1> => ` is.
const PROMPT_COLUMNS: usize = 7;

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

fn check_syntax(input: &Input) -> ExitCode {
    let parsed = bheka_syntax::parse(&input.text);
    let errors = parsed.diagnostics.into_iter();
    let mut errors = errors.filter(|it| it.severity == bheka_syntax::Severity::Error);
    let Some(error) = errors.next() else {
        print("true\n");
        return ExitCode::SUCCESS;
    };
    let lines = bheka_syntax::LineIndex::new(&input.text);
    let (first_line, first_column) = lines.line_column(error.span.start);
    let last = error.span.end.saturating_sub(1).max(error.span.start);
    let (last_line, last_column) = lines.line_column(last);
    let path = input.name.as_str().into();
    let location = Location {
        path,
        first_line,
        first_column,
        last_line,
        last_column,
    };
    print(&format!(
        "{}\n",
        input.complaint(&error.message, Some(&location))
    ));
    ExitCode::FAILURE
}

fn evaluate_once(input: &Input, settings: &Settings, sandboxed: bool) -> ExitCode {
    let mut console = session(settings);
    let complaint =
        |error: &LangDiagnostic| input.complaint(&error.message, error.location.as_ref());
    let result = if sandboxed {
        sandboxed_value(input)
    } else {
        console
            .eval_as(&input.name, &input.text)
            .map_err(|error| complaint(&error))
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

fn sandboxed_value(input: &Input) -> Result<Value, String> {
    let filter = bheka_lang::Filter::compile(&input.text)
        .map_err(|error| input.complaint(&error.message, error.location.as_ref()))?;
    filter
        .eval(&[])
        .map_err(|error| input.complaint(&error.message, error.location.as_ref()))
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
                            Err(error) => {
                                let place = error.location.as_ref();
                                let place = place.map(|place| marks(&text, place));
                                format!("{}\n{}", place.unwrap_or_default(), error.message)
                            }
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
