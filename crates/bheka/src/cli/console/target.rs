//! Where inputs are evaluated.

use std::io::IsTerminal as _;

use bheka_lang::{Console, Sandbox};
use bheka_value::Value;

use crate::cli::print;

use super::complaint::Input;
use super::remote::Remote;

/// Here, or in a running node.
pub(super) enum Target {
    /// In this process.
    Here(Box<Console>, Sandbox),
    /// Behind the API of a node.
    There(Remote),
}

/// There is no value.
pub(super) enum Failure {
    /// The script is wrong: what to show.
    Script(Complaint),
    /// The node cannot be asked.
    Unreachable(String),
}

/// What is wrong with a script.
pub(super) struct Complaint {
    /// The message with its place.
    pub(super) text: String,
    /// How to mend it.
    pub(super) help: Vec<String>,
}

impl Complaint {
    /// Shows it. Programs get what Icinga 2 prints, people what helps.
    pub(super) fn show(&self) {
        print(&format!("{}\n", self.text));
        if std::io::stdout().is_terminal() {
            self.help
                .iter()
                .for_each(|line| print(&format!("{line}\n")));
        }
    }
}

impl From<String> for Complaint {
    fn from(text: String) -> Self {
        Self {
            text,
            help: Vec::new(),
        }
    }
}

impl Target {
    /// The value of an input. What it logs is printed.
    pub(super) fn evaluate(&mut self, input: &Input) -> Result<Value, Failure> {
        match self {
            Self::Here(console, sandbox) => {
                let outcome = console.evaluate(&input.name, &input.text, *sandbox);
                print_log(console);
                outcome.map_err(|error| {
                    let earlier = |path: &str| console.text(path).map(str::to_owned);
                    let place = error.location.as_ref();
                    Failure::Script(Complaint {
                        text: input.complaint(&error.message, place, earlier),
                        help: error.advice.lines(),
                    })
                })
            }
            Self::There(remote) => remote.evaluate(&input.text),
        }
    }

    /// The words that begin as this one does.
    pub(super) fn complete(&self, word: &str) -> Vec<String> {
        match self {
            Self::Here(console, sandbox) => console.complete(word, *sandbox),
            Self::There(remote) => remote.complete(word),
        }
    }

    /// Finds out whether inputs can be evaluated at all.
    pub(super) fn probe(&mut self) -> Result<(), Failure> {
        match self {
            Self::Here(..) => Ok(()),
            Self::There(remote) => remote.evaluate("").map(|_| ()),
        }
    }
}

fn print_log(console: &mut Console) {
    for line in console.take_log() {
        print(&format!("{line}\n"));
    }
}
