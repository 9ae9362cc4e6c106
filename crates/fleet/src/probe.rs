//! How a master's API answers meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bheka_net::{Deadlines, Identity, Phase, dial_http};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::{Clock, Distribution, FleetError, Histogram, Point, Quantiles, Timeline};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions of who waits for something.
const ASK_AGAIN: Duration = Duration::from_millis(50);
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
    /// Requests that were not answered with 200; those that were refused before the first answer,
    /// because the master was not up yet, are not among them.
    pub errors: u64,
    /// Those that were.
    pub refused_before_first: u64,
    /// The last of their causes.
    pub last_error: Option<String>,
    /// The longest time without the end of an answer, in seconds.
    pub longest_silence_s: f64,
    /// From the begin of the span to the first answer, in seconds.
    pub first_answer_s: Option<f64>,
    /// How many endpoints the master said to be connected, over time, when it was asked for that.
    pub connected: Vec<Point>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ApiError {
    /// The cause in words.
    pub cause: String,
    /// Whether nobody listens there.
    pub refused: bool,
}

impl ApiError {
    fn new(cause: impl ToString) -> Self {
        Self {
            cause: cause.to_string(),
            refused: false,
        }
    }
}

#[derive(Debug)]
struct State {
    latencies: Histogram,
    /// Requests that wait for their answer.
    pending: AtomicUsize,
    is_paused: AtomicBool,
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
    refused_before_first: u64,
    connected: Timeline,
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
    /// When there is none within 30 s.
    pub async fn get(&self, path: &str) -> Result<Bytes, ApiError> {
        match timeout(PATIENCE, self.exchange(path)).await {
            Ok(result) => result,
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                Err(ApiError::new(format!("no answer within {seconds} s")))
            }
        }
    }

    /// Asks for a path until there is an answer with status 200.
    pub async fn wait_for(&self, path: &str) -> Bytes {
        loop {
            match self.get(path).await {
                Ok(body) => return body,
                Err(_) => sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn exchange(&self, path: &str) -> Result<Bytes, ApiError> {
        let target = &self.target;
        let deadlines = Deadlines::new(PATIENCE, PATIENCE);
        let now = self.clock.now();
        let connection = dial_http(&target.host, target.port, &self.identity, &deadlines, now);
        let connection = connection.await.map_err(|error| ApiError {
            refused: error.phase == Phase::Tcp && !error.timed_out,
            cause: error.to_string(),
        })?;
        let request = hyper::Request::get(path)
            .header("Host", &target.host)
            .header("Accept", "application/json")
            .header("Authorization", &*self.authorization)
            .header("Connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(ApiError::new)?;
        let stream = TokioIo::new(connection.stream);
        let (mut sender, driver) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(ApiError::new)?;
        let exchange = async {
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(ApiError::new)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(ApiError::new)?;
            if status == hyper::StatusCode::OK {
                Ok(body.to_bytes())
            } else {
                Err(ApiError::new(format!("answered with {status}")))
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
        let state = Arc::new(State::new());
        let mut tasks = JoinSet::new();
        let (path, shared): (Arc<str>, _) = (path.into(), state.clone());
        tasks.spawn(ask_for_ever(client, path, every, shared));
        Self {
            state,
            _tasks: tasks,
        }
    }

    /// Begins no new request any more, or does so again. Those that wait go on waiting.
    pub fn pause(&self, is_paused: bool) {
        self.state.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// How many requests wait for their answer.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.state.pending.load(Ordering::Relaxed)
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
            refused_before_first: old.refused_before_first,
            connected: old.connected.points().to_vec(),
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
            refused_before_first: 0,
            connected: Timeline::new(0),
        }
    }
}

impl State {
    fn new() -> Self {
        Self {
            latencies: Histogram::default(),
            pending: AtomicUsize::new(0),
            is_paused: AtomicBool::new(false),
            span: Mutex::new(Span::new(Distribution::default())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Span> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, began: Instant, result: Result<Bytes, ApiError>) {
        if result.is_ok() {
            self.latencies.record(began.elapsed());
        }
        let mut span = self.lock();
        match result {
            Ok(body) => {
                let now = Instant::now();
                let silence = now.saturating_duration_since(span.last_answer);
                span.longest_silence = span.longest_silence.max(silence);
                span.last_answer = now;
                let since = now.saturating_duration_since(span.began);
                span.first_answer.get_or_insert(since);
                if let Some(connected) = connected_endpoints(&body) {
                    span.connected.note(since, connected);
                }
            }
            Err(error) if error.refused && span.first_answer.is_none() => {
                span.refused_before_first += 1;
            }
            Err(error) => {
                span.errors += 1;
                span.last_error = Some(error.cause);
            }
        }
    }
}

/// The number in the status of the ApiListener. With thousands of endpoints that is megabytes of
/// JSON, several times a second, so it is not parsed as a whole.
fn connected_endpoints(body: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"num_conn_endpoints\":";
    let start = body.windows(KEY.len()).position(|part| part == KEY)? + KEY.len();
    let rest = body[start..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

async fn ask_for_ever(client: ApiClient, path: Arc<str>, every: Duration, state: Arc<State>) {
    let mut requests = JoinSet::new();
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if state.is_paused.load(Ordering::Relaxed) {
            continue;
        }
        while requests.len() >= IN_FLIGHT_MAX {
            requests.join_next().await;
        }
        while requests.try_join_next().is_some() {}
        let began = Instant::now();
        let (client, path, state) = (client.clone(), path.clone(), state.clone());
        state.pending.fetch_add(1, Ordering::Relaxed);
        requests.spawn(async move {
            let result = client.get(&path).await;
            state.note(began, result);
            state.pending.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_taken_begins_anew() {
        let state = Arc::new(State::new());
        let probe = Probe {
            state: state.clone(),
            _tasks: JoinSet::new(),
        };
        let due = Instant::now();
        let refused = ApiError {
            cause: "not yet up".into(),
            refused: true,
        };
        state.note(due, Err(refused.clone()));
        let body = Bytes::from_static(br#"{"api":{"num_conn_endpoints": 17.0,"x":1}}"#);
        state.note(due, Ok(body));
        state.note(due, Err(ApiError::new("nobody there")));
        let report = probe.take();
        assert_eq!((report.latency.count, report.errors), (1, 1));
        assert_eq!(report.last_error.as_deref(), Some("nobody there"));
        assert!(report.first_answer_s.is_some());
        assert_eq!(report.refused_before_first, 1);
        assert_eq!(report.connected[0].connected, 17);
        let report = probe.take();
        assert_eq!((report.latency.count, report.errors), (0, 0));
        assert!(report.connected.is_empty());
        assert_eq!(report.first_answer_s, None);
    }
}
