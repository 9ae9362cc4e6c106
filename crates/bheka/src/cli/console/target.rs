//! Where inputs are evaluated.

use std::io::IsTerminal as _;

use bheka_lang::{Console, LogLine, Sandbox};
use bheka_value::Value;
use serde_json::Value as Json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::print;
use crate::config::{Excerpts, Finding};
use crate::log::Severity;

use super::complaint::Input;
use super::remote::Remote;

/// Here, or in a running node.
pub(super) enum Target {
    /// In this process.
    Here(Box<Console>, Sandbox),
    /// Behind the API of a node.
    There(Box<Remote>),
}

/// There is no value.
pub(super) enum Failure {
    /// The script is wrong.
    Script(Box<Complaint>),
    /// The node cannot be asked, or does not answer.
    Unreachable(String),
}

/// What is wrong with a script.
pub(super) struct Complaint {
    /// The message with its place.
    text: String,
    /// How to mend it.
    help: Vec<String>,
    /// The finding, for tools.
    object: Json,
}

impl Complaint {
    /// A finding about an input; `earlier` knows the texts of those before it.
    pub(super) fn new(
        input: &Input,
        finding: &Finding,
        excerpts: &mut Excerpts,
        earlier: impl Fn(&str) -> Option<String>,
    ) -> Box<Self> {
        let object = finding.json(excerpts);
        let lines = object.get("excerpt").and_then(Json::as_str);
        let location = finding.location.as_ref();
        Box::new(Self {
            text: input.complaint(&finding.message, location, lines, earlier),
            help: finding.advice.lines(),
            object,
        })
    }

    /// The same with another kind of error, for tools.
    pub(super) fn with_code(mut self: Box<Self>, code: &str) -> Box<Self> {
        if let Some(object) = self.object.as_object_mut() {
            object.insert("code".to_owned(), code.into());
        }
        self
    }

    /// Shows it. Programs get what Icinga 2 prints, people what helps.
    pub(super) fn show(&self) {
        print(&format!("{}\n", self.text));
        if std::io::stdout().is_terminal() {
            self.help
                .iter()
                .for_each(|line| print(&format!("{line}\n")));
        }
    }

    /// The finding, for tools.
    pub(super) fn json(&self) -> &Json {
        &self.object
    }
}

impl Target {
    /// The value of an input.
    pub(super) fn evaluate(&mut self, input: &Input) -> Result<Value, Failure> {
        match self {
            Self::Here(console, sandbox) => {
                let outcome = console.evaluate(&input.name, &input.text, *sandbox);
                outcome.map_err(|error| {
                    let earlier = |path: &str| console.text(path).map(str::to_owned);
                    let excerpts = &mut Excerpts::default();
                    let finding = Finding::from(&error);
                    Failure::Script(Complaint::new(input, &finding, excerpts, earlier))
                })
            }
            Self::There(remote) => remote.evaluate(input),
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
            Self::There(remote) => remote.probe(),
        }
    }

    /// What was logged since the last call, as far as it is as important as `least`.
    pub(super) fn take_log(&mut self, least: Severity) -> Vec<LogLine> {
        let mut lines = match self {
            Self::Here(console, _) => console.take_log(),
            Self::There(_) => Vec::new(),
        };
        lines.retain(|line| Severity::from(line.severity) >= least);
        lines
    }

    /// Has Ctrl-C end what is being evaluated, from now on, and not the program.
    pub(super) fn interrupt_by_keyboard(&self) -> anyhow::Result<()> {
        let interrupter = match self {
            Self::Here(console, _) => console.interrupter(),
            Self::There(remote) => {
                remote.interrupt_by_keyboard();
                return Ok(());
            }
        };
        let Some(interrupter) = interrupter else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let interrupt = SignalKind::interrupt();
        let mut pressed = runtime.block_on(async { signal(interrupt) })?;
        std::thread::Builder::new()
            .name("interrupt".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while pressed.recv().await.is_some() {
                        interrupter.interrupt();
                    }
                });
            })?;
        Ok(())
    }
}

/// A line of the log with the place that it is about, unless it names that itself.
pub(super) fn logged(line: &LogLine) -> String {
    let place = line.location.as_ref().map(ToString::to_string);
    match place.filter(|place| !line.message.contains(place)) {
        Some(place) => format!("{line}\nLocation: {place}\n"),
        None => format!("{line}\n"),
    }
}
