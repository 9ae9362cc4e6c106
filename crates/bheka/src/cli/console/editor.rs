//! Reading lines: from a terminal with history and completion, else as they come.

use std::cell::RefCell;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context as _;
use bheka_lang::word_start;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::cli::print;

use super::target::Target;

/// Inputs that are kept for the next time.
const HISTORY_MAX: usize = 1000;

/// What came instead of a line, or a line.
pub(super) enum Line {
    /// A line without its end.
    Text(String),
    /// Ctrl-C: what was typed is to be forgotten.
    Interrupted,
    /// Ctrl-D, or the end of the file.
    End,
}

/// Where lines come from.
pub(super) enum Lines {
    /// A terminal.
    Terminal(Box<Editor<Helping, FileHistory>>, Option<PathBuf>),
    /// A file or pipe: lines are printed, as a terminal shows what is typed.
    Stream,
}

impl Lines {
    /// Standard input.
    pub(super) fn new(target: &Rc<RefCell<Target>>) -> anyhow::Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Stream);
        }
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .tab_stop(8)
            .build();
        let mut editor = Editor::with_config(config).context("cannot use the terminal")?;
        editor.set_helper(Some(Helping(Rc::clone(target))));
        let history = history_path().filter(|path| prepare(path).is_ok());
        if let Some(path) = &history {
            // A file that cannot be read is no reason not to go on.
            let _ = editor.load_history(path);
        }
        Ok(Self::Terminal(Box::new(editor), history))
    }

    /// The next line.
    pub(super) fn next(&mut self, prompt: &str) -> anyhow::Result<Line> {
        match self {
            Self::Terminal(editor, _) => match editor.readline(prompt) {
                Ok(line) => Ok(Line::Text(line)),
                Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
                Err(ReadlineError::Eof) => Ok(Line::End),
                Err(error) => Err(error).context("cannot read from the terminal"),
            },
            Self::Stream => {
                print(prompt);
                let mut bytes = Vec::new();
                let length = io::stdin().lock().read_until(b'\n', &mut bytes)?;
                if length == 0 {
                    return Ok(Line::End);
                }
                let line = String::from_utf8_lossy(&bytes);
                let line = line.trim_end_matches(['\n', '\r']).to_owned();
                print(&format!("{line}\n"));
                Ok(Line::Text(line))
            }
        }
    }

    /// Keeps an input.
    pub(super) fn remember(&mut self, input: &str) {
        let Self::Terminal(editor, path) = self else {
            return;
        };
        let is_new = editor.add_history_entry(input).unwrap_or(false);
        if let (true, Some(path)) = (is_new, path) {
            // At once, so that nothing is lost if an evaluation is interrupted.
            let _ = editor.append_history(path);
        }
    }
}

/// `$XDG_STATE_HOME/bheka/history`, or `~/.bheka_history` where that variable is not set.
fn history_path() -> Option<PathBuf> {
    let directory = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    match directory("XDG_STATE_HOME") {
        Some(state) => Some(state.join("bheka").join("history")),
        None => Some(directory("HOME")?.join(".bheka_history")),
    }
}

/// Makes an empty file that nobody else may read: scripts hold secrets.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(parent)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)?;
    Ok(())
}

/// What the editor asks while a line is typed.
pub(super) struct Helping(Rc<RefCell<Target>>);

impl Completer for Helping {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or_default();
        let start = word_start(before);
        let word = before.get(start..).unwrap_or_default();
        // Nothing typed, or within a string: there would be hundreds.
        let target = self.0.try_borrow();
        let words = match &target {
            Ok(target) if !word.is_empty() => target.complete(word),
            _ => Vec::new(),
        };
        Ok((start, candidates(word, words)))
    }
}

/// Each word once; only what stands behind the last dot is shown.
fn candidates(word: &str, words: Vec<String>) -> Vec<Pair> {
    let base = word.rfind('.').map_or(0, |dot| dot + 1);
    let mut candidates: Vec<Pair> = Vec::with_capacity(words.len());
    let mut seen = std::collections::BTreeSet::new();
    for replacement in words {
        let display = replacement.get(base..).unwrap_or(&replacement).to_owned();
        if seen.insert(replacement.clone()) {
            candidates.push(Pair {
                display,
                replacement,
            });
        }
    }
    candidates
}

impl Hinter for Helping {
    type Hint = String;
}
impl Highlighter for Helping {}
impl Validator for Helping {}
impl Helper for Helping {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_show_what_is_behind_the_dot() {
        let words = ["a.bc", "a.bd", "a.bc"].map(str::to_owned).to_vec();
        let pairs = candidates("a.b", words);
        let shown: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.display.as_str(), pair.replacement.as_str()))
            .collect();
        assert_eq!(shown, [("bc", "a.bc"), ("bd", "a.bd")]);
    }
}
