//! The console of a running node, by its API. (Manual, chapters 11 "CLI command: Console" and 12
//! "Debug Console".)

use std::cell::Cell;
use std::collections::VecDeque;

use bheka_lang::Sandbox;
use bheka_value::{Location, Value, to_json};

use crate::api_url::ApiUrl;
use crate::client::{Client, at};
use crate::config::{Excerpts, Finding};
use crate::log::Severity;

use super::complaint::Input;
use super::target::{Complaint, Failure};

/// Inputs that are kept to show them with errors of functions that they defined.
const SENT_MAX: usize = 100;

/// A session in a node.
pub(super) struct Remote {
    client: Client,
    address: String,
    session: String,
    sandboxed: bool,
    is_interruptible: Cell<bool>,
    /// Names and texts of the latest inputs.
    sent: VecDeque<(String, String)>,
    runtime: tokio::runtime::Runtime,
}

impl Remote {
    /// A session at `https://user:password@host:port/`. The environment variables
    /// `ICINGA2_API_USERNAME` and `ICINGA2_API_PASSWORD` win over what stands in the URL.
    ///
    /// # Errors
    /// When the URL cannot be read, or TLS cannot be set up.
    pub(super) fn new(url: &str, sandbox: Sandbox) -> anyhow::Result<Self> {
        let address = ApiUrl::with_environment(url)?;
        Ok(Self {
            client: Client::new(
                &address.host,
                address.port,
                &address.user,
                &address.password,
            )?,
            address: format!("host '{}' port '{}'", address.host, address.port),
            session: uuid::Uuid::new_v4().to_string(),
            sandboxed: sandbox != Sandbox::Off,
            is_interruptible: Cell::new(false),
            sent: VecDeque::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Has Ctrl-C end a request, from now on, and not the program.
    pub(super) fn interrupt_by_keyboard(&self) {
        self.is_interruptible.set(true);
    }

    /// Finds out whether the node answers this user. Nothing is evaluated, so that the node counts
    /// the inputs as they are counted here.
    pub(super) fn probe(&self) -> Result<(), Failure> {
        self.ask("auto-complete-script", "null").map(|_| ())
    }

    /// The value of an input.
    pub(super) fn evaluate(&mut self, input: &Input) -> Result<Value, Failure> {
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent
            .push_back((input.name.clone(), input.text.clone()));
        let result = self.ask("execute-script", &input.text)?;
        let code = at(&result, "code").and_then(|code| code.as_number());
        if code.is_some_and(|code| (200.0..300.0).contains(&code)) {
            return Ok(at(&result, "result").unwrap_or_default());
        }
        Err(Failure::Script(self.complaint(input, &result)))
    }

    /// What the node says of an input, as it would be said here.
    fn complaint(&self, input: &Input, result: &Value) -> Box<Complaint> {
        let status = text_at(result, "status");
        let status = status.unwrap_or_else(|| format!("unexpected answer: {}", to_json(result)));
        let told = Told::read(&status, result, &self.sent);
        let is_syntax = told.message.starts_with("syntax error");
        let mut finding = Finding::new(
            Severity::Critical,
            "config",
            if is_syntax { "syntax" } else { "evaluation" },
            told.message,
        );
        finding.location = told.location;
        // Only Bheka says more.
        finding.excerpt = text_at(result, "diagnostic.excerpt");
        finding.advice.suggestions = texts_at(result, "diagnostic.suggestions");
        finding.advice.notes = texts_at(result, "diagnostic.notes");
        let earlier = |path: &str| {
            let mut sent = self.sent.iter().rev();
            sent.find(|(name, _)| name == path)
                .map(|(_, text)| text.clone())
        };
        let complaint = Complaint::new(input, &finding, &mut Excerpts::elsewhere(), earlier);
        match text_at(result, "diagnostic.code") {
            Some(code) => complaint.with_code(&code),
            None => complaint,
        }
    }

    /// The words that begin as this one does; none when the node cannot be asked.
    pub(super) fn complete(&self, word: &str) -> Vec<String> {
        let Ok(result) = self.ask("auto-complete-script", word) else {
            return Vec::new();
        };
        texts_at(&result, "suggestions")
    }

    /// The first of the results of a request.
    fn ask(&self, method: &str, command: &str) -> Result<Value, Failure> {
        let body = to_json(&Value::dictionary([
            ("session", Value::string(self.session.as_str())),
            ("command", Value::string(command)),
            ("diagnostics", Value::Number(1.0)),
            (
                "sandboxed",
                Value::Number(f64::from(u8::from(self.sandboxed))),
            ),
        ]));
        let path = format!("/v1/console/{method}");
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = self.client.post(&path, body) => Some(answer),
                Ok(()) = tokio::signal::ctrl_c(), if self.is_interruptible.get() => None,
            }
        });
        let Some(answer) = answer else {
            let text = "Interrupted. The node may still be busy with it.";
            return Err(Failure::Unreachable(text.to_owned()));
        };
        let answer = answer.map_err(|error| {
            let cause = crate::cli::explain(&error);
            Failure::Unreachable(format!(
                "Cannot connect to REST API on {}: {cause}",
                self.address
            ))
        })?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body);
            // Whoever lacks the permission is told that there is no such path.
            let cause = match answer.status {
                404 => ", or the user lacks the permission 'console'",
                _ => "",
            };
            return Err(Failure::Unreachable(format!(
                "HTTP request failed{cause}; Code: {}; Body: {}",
                answer.reason,
                body.trim_end()
            )));
        }
        let results = answer.json().map_err(|error| {
            Failure::Unreachable(format!("cannot read the answer of the node: {error:#}"))
        })?;
        at(&results, "results.0").ok_or_else(|| {
            Failure::Unreachable("the answer of the node holds no result".to_owned())
        })
    }
}

/// What the status of a failed script says: the text of an input, marks below it, and the message.
struct Told {
    message: String,
    location: Option<Location>,
}

impl Told {
    /// Takes a status apart. The node calls the inputs by its own count, which is not that of this
    /// console: their texts tell which one is meant.
    fn read(status: &str, result: &Value, sent: &VecDeque<(String, String)>) -> Self {
        let whole = Self {
            message: status.trim_end().to_owned(),
            location: None,
        };
        let Some(path) = text_at(result, "debug_info.path") else {
            return whole;
        };
        let Some(rest) = status.strip_prefix(&format!("{path}: ")) else {
            return whole;
        };
        let mut sent = sent.iter().rev();
        let found = sent.find_map(|(name, text)| {
            let rest = rest.strip_prefix(text.as_str())?.strip_prefix('\n')?;
            Some((name.as_str(), text.as_str(), rest))
        });
        // Of a file the node tells no text.
        let (name, text, rest) = found.unwrap_or((&path, "", rest.trim_start_matches('\n')));
        let Some((marks, message)) = rest.split_once('\n') else {
            return whole;
        };
        if !marks.trim_matches([' ', '^']).is_empty() {
            return whole;
        }
        let number = |name: &str| {
            let number = at(result, &format!("debug_info.{name}")).and_then(|it| it.as_number());
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "lines and columns"
            )]
            let number = number
                .unwrap_or_default()
                .clamp(0.0, f64::from(u32::MAX - 1)) as u32;
            number
        };
        // Icinga 2 counts columns from 0 in the first line, and at the end of the text.
        let lines = text.split('\n').count();
        let column = |line: u32, column: u32| {
            let is_end = line as usize == lines && text.ends_with('\n');
            column + u32::from(line <= 1 || is_end)
        };
        let (first, last) = (number("first_line"), number("last_line"));
        Self {
            message: message.trim_end().to_owned(),
            location: Some(Location {
                path: name.into(),
                first_line: first,
                first_column: column(first, number("first_column")),
                last_line: last,
                last_column: column(last, number("last_column")),
            }),
        }
    }
}

fn text_at(value: &Value, path: &str) -> Option<String> {
    at(value, path).and_then(|it| it.as_str().map(str::to_owned))
}

fn texts_at(value: &Value, path: &str) -> Vec<String> {
    let Some(Value::Array(texts)) = at(value, path) else {
        return Vec::new();
    };
    let texts = texts.items().into_iter();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
