//! A client of the REST API, for commands that ask a running node.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use bheka_net::{Deadlines, Identity, dial_http};
use bheka_value::{Value, from_json_with_depth};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;

use crate::daemon::clock;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How deep an answer may nest.
const ANSWER_DEPTH_MAX: usize = 100;

/// How long a request may take.
const REQUEST_PATIENCE: Duration = Duration::from_secs(60);

/// Where a node is and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    host: String,
    port: u16,
    authorization: String,
    identity: Arc<Identity>,
}

impl Client {
    /// A client that asks as an ApiUser with a password.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(host: &str, port: u16, user: &str, password: &str) -> anyhow::Result<Self> {
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Ok(Self {
            host: host.to_owned(),
            port,
            authorization: format!("Basic {credentials}"),
            identity: Arc::new(Identity::anonymous().context("cannot set up TLS")?),
        })
    }

    /// `GET` of a path; the answer, whatever its status.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub(crate) async fn ask(&self, path: &str) -> anyhow::Result<Answer> {
        let request = self.start(hyper::Method::GET, path).body(Full::default())?;
        self.send(request).await
    }

    /// `GET` of a path with parameters as JSON, of which a URL would be too long; the answer,
    /// whatever its status.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub(crate) async fn query(&self, path: &str, body: String) -> anyhow::Result<Answer> {
        let request = self
            .start(hyper::Method::POST, path)
            .header("X-HTTP-Method-Override", "GET")
            .header("Content-Type", "application/json")
            .body(Full::from(body))?;
        self.send(request).await
    }

    /// `GET` of a path; the JSON of an answer with status 200.
    ///
    /// # Errors
    /// When there is no such answer within a minute.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.ask(path).await?;
        if !(200..300).contains(&answer.status) {
            bail!(
                "'{path}' was answered with {} {}",
                answer.status,
                answer.reason
            );
        }
        answer.json()
    }

    /// `POST` of JSON to a path; the answer, whatever its status.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub(crate) async fn post(&self, path: &str, body: String) -> anyhow::Result<Answer> {
        let request = self
            .start(hyper::Method::POST, path)
            .header("Content-Type", "application/json")
            .body(Full::from(body))?;
        self.send(request).await
    }

    fn start(&self, method: hyper::Method, path: &str) -> hyper::http::request::Builder {
        hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("Host", &self.host)
            .header("Accept", "application/json")
            .header("Authorization", &self.authorization)
            .header("Connection", "close")
    }

    async fn send(&self, request: hyper::Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let answer = tokio::time::timeout(REQUEST_PATIENCE, self.exchange(request));
        answer.await.context("no answer within a minute")?
    }

    async fn exchange(&self, request: hyper::Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let deadlines = Deadlines::default();
        let connection = dial_http(
            &self.host,
            self.port,
            &self.identity,
            &deadlines,
            clock::now(),
        )
        .await?;
        let stream = TokioIo::new(connection.stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = match Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
        {
            Ok(body) => body.to_bytes(),
            Err(error) => bail!("cannot read the answer: {error}"),
        };
        driver.abort();
        Ok(Answer {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
            body,
        })
    }
}

/// What a node answers.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Its usual words (`Not Found`).
    pub(crate) reason: &'static str,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        from_json_with_depth(&self.body, ANSWER_DEPTH_MAX).context("the answer is no JSON")
    }
}

/// The value at a path of keys and indexes (`results.0.status`).
pub(crate) fn at(value: &Value, path: &str) -> Option<Value> {
    let mut value = value.clone();
    for step in path.split('.') {
        value = match &value {
            Value::Dictionary(dictionary) => dictionary.get(step)?,
            Value::Array(array) => array.read().get(step.parse::<usize>().ok()?)?.clone(),
            _ => return None,
        };
    }
    Some(value)
}
