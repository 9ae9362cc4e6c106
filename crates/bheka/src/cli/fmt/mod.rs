//! `fmt`: formats configuration files in place, or says which ones would change.

mod diff;
mod replace;

use std::fs;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use bheka_syntax::format::{Style, format};
use bheka_syntax::{Diagnostic, LineIndex, Severity as Weight, excerpt_in};

use crate::cli::{Invocation, explain, print, say};
use crate::log::Severity;

/// Formats what the operands name: files, directories, `-` for standard input.
pub(super) fn run(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let mut paths = invocation.operands();
    if paths.is_empty() {
        if io::stdin().is_terminal() {
            bail!("name files or directories to format, or '-' for standard input");
        }
        paths.push(STDIN.to_owned());
    }
    let mut job = Job {
        check: invocation.flag("check"),
        diff: invocation.flag("diff"),
        differing: 0,
        failed: 0,
    };
    for path in paths {
        job.path(&path);
    }
    Ok(match (job.failed, job.check && job.differing > 0) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::FAILURE,
        _ => ExitCode::from(CODE_FAILED),
    })
}

/// The operand that means standard input.
const STDIN: &str = "-";
/// What standard input is called in messages.
const STDIN_NAME: &str = "<stdin>";
/// The exit code when something could not be formatted; 1 says that `--check` found differences.
const CODE_FAILED: u8 = 2;
/// Errors shown of one file.
const ERRORS_SHOWN: usize = 10;

struct Job {
    check: bool,
    diff: bool,
    differing: usize,
    failed: usize,
}

impl Job {
    fn path(&mut self, path: &str) {
        if path == STDIN {
            return self.standard_input();
        }
        let given = Path::new(path);
        if !given.is_dir() {
            return self.file(given);
        }
        let mut found = Vec::new();
        self.files_below(given, &mut found);
        found.sort();
        for path in found {
            self.file(&path);
        }
    }

    /// All `*.conf` in a directory and those below. Links are left alone: what they lead to has a
    /// place of its own. Hidden files and directories belong to other programs.
    fn files_below(&mut self, directory: &Path, found: &mut Vec<PathBuf>) {
        let mut waiting = vec![directory.to_owned()];
        while let Some(directory) = waiting.pop() {
            let entries =
                fs::read_dir(&directory).and_then(|it| it.collect::<io::Result<Vec<_>>>());
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    let why = explain(&error.into());
                    let name = directory.display();
                    self.fail(&format!("cannot read directory '{name}': {why}"));
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                match entry.file_type() {
                    _ if is_hidden => {}
                    Ok(kind) if kind.is_dir() => waiting.push(path),
                    Ok(kind)
                        if kind.is_file() && path.extension().is_some_and(|it| it == "conf") =>
                    {
                        found.push(path);
                    }
                    _ => {}
                }
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let file = match replace::File::read(path) {
            Ok(file) => file,
            Err(error) => {
                let why = explain(&error);
                return self.fail(&format!("cannot format '{name}': {why}"));
            }
        };
        let Some((old, new)) = self.text(&name, &file.bytes) else {
            return;
        };
        if old == new {
            return;
        }
        self.differing += 1;
        if self.diff {
            print(&diff::unified(&name, old, &new));
        } else if self.check {
            print(&format!("{name}\n"));
        } else if let Err(error) = file.replace(&new) {
            self.fail(&format!("cannot write '{name}': {}", explain(&error)));
        } else {
            say(
                Severity::Information,
                "cli",
                &format!("Formatted '{name}'."),
            );
        }
    }

    fn standard_input(&mut self) {
        let mut bytes = Vec::new();
        if let Err(error) = io::stdin().lock().read_to_end(&mut bytes) {
            let why = explain(&error.into());
            return self.fail(&format!("cannot read standard input: {why}"));
        }
        let Some((old, new)) = self.text(STDIN_NAME, &bytes) else {
            return;
        };
        self.differing += usize::from(old != new);
        match (self.diff, self.check) {
            (true, _) => print(&diff::unified(STDIN_NAME, old, &new)),
            (false, true) if old != new => print(&format!("{STDIN_NAME}\n")),
            (false, true) => {}
            (false, false) => print(&new),
        }
    }

    /// A text as it is and as it should be; says what is wrong with it otherwise.
    fn text<'b>(&mut self, name: &str, bytes: &'b [u8]) -> Option<(&'b str, String)> {
        let old = match std::str::from_utf8(bytes) {
            Ok(old) => old,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                self.fail(&format!(
                    "{name}:{line}: this line is not UTF-8, so the file is left as it is; convert \
                     it first, for example with iconv"
                ));
                return None;
            }
        };
        match format(old, &Style::default()) {
            Ok(new) => Some((old, new)),
            Err(diagnostics) => {
                self.fail(&report(name, old, &diagnostics));
                None
            }
        }
    }

    fn fail(&mut self, text: &str) {
        self.failed += 1;
        // Standard output may be the formatted text. If this fails there is nobody left to tell.
        let line = format!("{}/cli: {text}\n", Severity::Critical.name());
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The errors of a text with their places.
fn report(name: &str, source: &str, diagnostics: &[Diagnostic]) -> String {
    let lines = LineIndex::new(source);
    let errors = diagnostics.iter().filter(|it| it.severity == Weight::Error);
    let mut texts: Vec<String> = errors
        .clone()
        .take(ERRORS_SHOWN)
        .map(|error| {
            let (line, column) = lines.line_column(error.span.start);
            let mut text = format!("{name}:{line}:{column}: {}\n", error.message);
            text.push_str(&excerpt_in(name, source, error.span));
            for note in &error.notes {
                text.push_str(&format!("note: {note}\n"));
            }
            text
        })
        .collect();
    let more = errors.count().saturating_sub(ERRORS_SHOWN);
    if more > 0 {
        texts.push(format!("and {more} more errors"));
    }
    texts.join("").trim_end().to_owned()
}
