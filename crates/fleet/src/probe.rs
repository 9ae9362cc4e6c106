//! How a master's API answers meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bheka_net::{Deadlines, Identity, dial_http};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{Clock, Distribution, FleetError, Histogram, Quantiles};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests at the same time: enough that slow answers do not keep the next question from being
/// asked, few enough that a master that does not answer is not buried by them.
const IN_FLIGHT_MAX: usize = 8;

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct ApiTarget {
    /// The master's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name of an ApiUser.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// A client of the REST API: a TLS connection for each request, as most scripts make it.
#[derive(Clone, Debug)]
pub struct ApiClient {
    target: Arc<ApiTarget>,
    authorization: Arc<str>,
    identity: Arc<Identity>,
    clock: Clock,
}

/// Asks the same over and over again, and keeps the times.
#[derive(Debug)]
pub struct Probe {
    state: Arc<State>,
    /// Dropping it ends them.
    _tasks: JoinSet<()>,
}

/// How an API answered in a span of time.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ApiReport {
    /// Times from the begin of a request, with a TCP connection and TLS, to the end of its answer.
    pub latency: Quantiles,
    /// Requests that were not answered with 200.
    pub errors: u64,
    /// The last of their causes.
    pub last_error: Option<String>,
    /// The longest time without the end of an answer, in seconds.
    pub longest_silence_s: f64,
    /// From the begin of the span to the first answer, in seconds.
    pub first_answer_s: Option<f64>,
}

#[derive(Debug)]
struct State {
    latencies: Histogram,
    span: Mutex<Span>,
}

#[derive(Debug)]
struct Span {
    began: Instant,
    latencies_before: Distribution,
    errors: u64,
    last_error: Option<String>,
    first_answer: Option<Duration>,
    last_answer: Instant,
    longest_silence: Duration,
}

impl ApiClient {
    /// A client of this master.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(target: ApiTarget, clock: Clock) -> Result<Self, FleetError> {
        let credentials = format!("{}:{}", target.user, target.password);
        let credentials = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Self {
            target: Arc::new(target),
            authorization: format!("Basic {credentials}").into(),
            identity: Arc::new(Identity::anonymous()?),
            clock,
        })
    }

    /// `GET` of a path: the body of an answer with status 200.
    ///
    /// # Errors
    /// With the cause in words, when there is none within 30 s.
    pub async fn get(&self, path: &str) -> Result<Bytes, String> {
        match timeout(PATIENCE, self.exchange(path)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn exchange(&self, path: &str) -> Result<Bytes, String> {
        let target = &self.target;
        let deadlines = Deadlines::new(PATIENCE, PATIENCE);
        let now = self.clock.now();
        let connection = dial_http(&target.host, target.port, &self.identity, &deadlines, now);
        let connection = connection.await.map_err(|error| error.to_string())?;
        let request = hyper::Request::get(path)
            .header("Host", &target.host)
            .header("Accept", "application/json")
            .header("Authorization", &*self.authorization)
            .header("Connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let stream = TokioIo::new(connection.stream);
        let (mut sender, driver) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(|error| error.to_string())?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| error.to_string())?;
            if status == hyper::StatusCode::OK {
                Ok(body.to_bytes())
            } else {
                Err(format!("answered with {status}"))
            }
        };
        // The connection is driven as long as somebody wants its answer.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            result = &mut exchange => result,
            _ = driver => exchange.await,
        }
    }
}

impl Probe {
    /// Asks for a path at this interval; at most eight requests wait for their answer.
    #[must_use]
    pub fn start(client: ApiClient, path: &str, every: Duration) -> Self {
        let state = Arc::new(State {
            latencies: Histogram::default(),
            span: Mutex::new(Span::new(Distribution::default())),
        });
        let mut tasks = JoinSet::new();
        let (path, shared): (Arc<str>, _) = (path.into(), state.clone());
        tasks.spawn(ask_for_ever(client, path, every, shared));
        Self {
            state,
            _tasks: tasks,
        }
    }

    /// What was measured since the start, or since it was last taken; then it begins anew.
    #[must_use]
    pub fn take(&self) -> ApiReport {
        let latencies = self.state.latencies.distribution();
        let mut span = self.state.lock();
        let old = std::mem::replace(&mut *span, Span::new(latencies.clone()));
        drop(span);
        let silence = old.longest_silence.max(old.last_answer.elapsed());
        ApiReport {
            latency: latencies.since(&old.latencies_before).quantiles(),
            errors: old.errors,
            last_error: old.last_error,
            longest_silence_s: silence.as_secs_f64(),
            first_answer_s: old.first_answer.map(|it| it.as_secs_f64()),
        }
    }
}

impl Span {
    fn new(latencies_before: Distribution) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            latencies_before,
            errors: 0,
            last_error: None,
            first_answer: None,
            last_answer: now,
            longest_silence: Duration::ZERO,
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Span> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, began: Instant, result: Result<Bytes, String>) {
        if result.is_ok() {
            self.latencies.record(began.elapsed());
        }
        let mut span = self.lock();
        match result {
            Ok(_) => {
                let now = Instant::now();
                let silence = now.saturating_duration_since(span.last_answer);
                span.longest_silence = span.longest_silence.max(silence);
                span.last_answer = now;
                let since = now.saturating_duration_since(span.began);
                span.first_answer.get_or_insert(since);
            }
            Err(cause) => {
                span.errors += 1;
                span.last_error = Some(cause);
            }
        }
    }
}

async fn ask_for_ever(client: ApiClient, path: Arc<str>, every: Duration, state: Arc<State>) {
    let mut requests = JoinSet::new();
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        while requests.len() >= IN_FLIGHT_MAX {
            requests.join_next().await;
        }
        while requests.try_join_next().is_some() {}
        let began = Instant::now();
        let (client, path, state) = (client.clone(), path.clone(), state.clone());
        requests.spawn(async move {
            let result = client.get(&path).await;
            state.note(began, result);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_taken_begins_anew() {
        let state = Arc::new(State {
            latencies: Histogram::default(),
            span: Mutex::new(Span::new(Distribution::default())),
        });
        let probe = Probe {
            state: state.clone(),
            _tasks: JoinSet::new(),
        };
        let due = Instant::now();
        state.note(due, Ok(Bytes::new()));
        state.note(due, Err("nobody there".into()));
        let report = probe.take();
        assert_eq!((report.latency.count, report.errors), (1, 1));
        assert_eq!(report.last_error.as_deref(), Some("nobody there"));
        assert!(report.first_answer_s.is_some());
        let report = probe.take();
        assert_eq!((report.latency.count, report.errors), (0, 0));
        assert_eq!(report.first_answer_s, None);
    }
}
