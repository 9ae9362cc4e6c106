//! The console of a running node, by its API. (Manual, chapters 11 "CLI command: Console" and 12
//! "Debug Console".)

use bheka_lang::Sandbox;
use bheka_value::{Value, to_json};

use crate::api_url::ApiUrl;
use crate::client::{Client, at};

use super::target::Failure;

/// A session in a node.
pub(super) struct Remote {
    client: Client,
    address: String,
    session: String,
    sandboxed: bool,
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
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// The value of a script.
    pub(super) fn evaluate(&self, script: &str) -> Result<Value, Failure> {
        let result = self.ask("execute-script", script)?;
        let code = at(&result, "code").and_then(|code| code.as_number());
        if code.is_some_and(|code| (200.0..300.0).contains(&code)) {
            return Ok(at(&result, "result").unwrap_or_default());
        }
        let text = at(&result, "status").and_then(|it| it.as_str().map(str::to_owned));
        let text = text.unwrap_or_else(|| format!("unexpected answer: {}", to_json(&result)));
        Err(Failure::Script(text.trim_end().to_owned().into()))
    }

    /// The words that begin as this one does; none when the node cannot be asked.
    pub(super) fn complete(&self, word: &str) -> Vec<String> {
        let Ok(result) = self.ask("auto-complete-script", word) else {
            return Vec::new();
        };
        let Some(Value::Array(words)) = at(&result, "suggestions") else {
            return Vec::new();
        };
        let words = words.items().into_iter();
        words
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    }

    /// The first of the results of a request.
    fn ask(&self, method: &str, command: &str) -> Result<Value, Failure> {
        let body = to_json(&Value::dictionary([
            ("session", Value::string(self.session.as_str())),
            ("command", Value::string(command)),
            (
                "sandboxed",
                Value::Number(f64::from(u8::from(self.sandboxed))),
            ),
        ]));
        let path = format!("/v1/console/{method}");
        let answer = self.runtime.block_on(self.client.post(&path, body));
        let answer = answer.map_err(|error| {
            let cause = crate::cli::explain(&error);
            Failure::Unreachable(format!(
                "Cannot connect to REST API on {}: {cause}",
                self.address
            ))
        })?;
        if answer.status != 200 {
            let text = format!(
                "HTTP request failed; Code: {}; Body: {}",
                answer.reason,
                String::from_utf8_lossy(&answer.body).trim_end()
            );
            return Err(Failure::Script(text.into()));
        }
        let results = answer.json().map_err(|error| {
            Failure::Script(format!("cannot read the answer of the node: {error:#}").into())
        })?;
        at(&results, "results.0").ok_or_else(|| {
            Failure::Script("the answer of the node holds no result".to_owned().into())
        })
    }
}
