//! HTTP/1.1 on a decrypted stream.
//!
//! Every wait has an end: for the next request, for the rest of one, and for a client that does
//! not take its answer. Answers are built on the blocking pool, as many at a time as there are
//! processors, so that a list of all services neither stops other connections nor multiplies.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::backend::SubmitError;
use crate::http::{self, BodyReader, Head};
use crate::metrics;
use crate::request::{PeerInfo, Request};
use crate::response::Response;
use crate::router::{Admission, Api};

/// A connection on which nothing happens for so long ends (2.13.6 measured: 10 s).
const IDLE_MAX: Duration = Duration::from_secs(10);
/// A body may take this long, and longer at [`BODY_RATE_MIN`].
const BODY_TIME_BASE: Duration = Duration::from_secs(60);
/// Bytes per second.
const BODY_RATE_MIN: u64 = 16 << 10;
/// Bytes that are read or written at a time.
const BLOCK_LENGTH: usize = 64 << 10;
/// How long what a client still sends is read and thrown away after a refusal, so that the answer
/// is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// Serves requests on a stream until the client or an error ends it. The stream is shut down
/// cleanly then.
pub async fn serve<S>(stream: S, peer: PeerInfo, api: Arc<Api>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    api.clients.fetch_add(1, Ordering::Relaxed);
    let _leave = Leave(&api);
    let mut connection = Connection {
        stream,
        buffer: Vec::new(),
        peer,
        api: &api,
    };
    while let Some(Next::Another) = connection.request().await {}
    tracing::info!(
        target: "HttpServerConnection",
        "HTTP client disconnected (from {})",
        connection.peer.logged(),
    );
    connection.end().await;
}

/// Counts a connection down, whatever ends it.
struct Leave<'a>(&'a Api);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Connection<'a, S> {
    stream: S,
    /// What was read and not used yet.
    buffer: Vec<u8>,
    peer: PeerInfo,
    api: &'a Arc<Api>,
}

enum Next {
    Another,
    End,
}

/// The client is gone or too slow: there is nobody to answer.
struct Gone;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Reads and answers one request; `None` when the client is gone.
    async fn request(&mut self) -> Option<Next> {
        let head = match self.head().await {
            Ok(Ok(head)) => head,
            Ok(Err(cause)) => {
                tracing::warn!(
                    target: "HttpServerConnection",
                    "Closing HTTP connection from {}: {cause}",
                    self.peer.logged(),
                );
                let response = self.api.refuse_head(cause);
                return self.send(&response, true).await.ok().map(|()| Next::End);
            }
            Err(Gone) => {
                if !self.buffer.is_empty() {
                    tracing::info!(
                        target: "HttpServerConnection",
                        "Closing HTTP connection from {}: incomplete request",
                        self.peer.logged(),
                    );
                }
                return None;
            }
        };
        let started = Instant::now();
        let Head {
            mut request,
            framing,
            keep_alive,
            expects_continue,
        } = head;
        if expects_continue {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
        }
        let response = match self.api.admit(&request) {
            Err(response) => *response,
            Ok(admission) => match self.body(framing, admission.body_length_max).await {
                Ok(Ok(body)) => {
                    request.body = body;
                    self.answer(admission, &mut request).await
                }
                Ok(Err(cause)) => self.api.refuse_body(&request, cause),
                Err(Gone) => return None,
            },
        };
        log(&request, &response, started.elapsed());
        if response.hang_up {
            return Some(Next::End);
        }
        let sent = self.send(&response, request.method != "HEAD").await;
        if let Some(order) = response.process {
            // Behind the answer, for the process may end; also when nobody takes it any more.
            let user = response.user.as_deref().unwrap_or_default();
            self.api.backend.process(order, user);
        }
        sent.ok()?;
        Some(if keep_alive && !response.close {
            Next::Another
        } else {
            Next::End
        })
    }

    /// Builds the answer, and applies what it says.
    async fn answer(&mut self, admission: Admission, request: &mut Request) -> Response {
        if Api::tells_of_endpoints(request) {
            self.api.backend.refresh().await;
        }
        let gate = if request.target.contains("/console/") {
            &self.api.scripts
        } else if metrics::is_cheap(&request.target) {
            &self.api.scrapes
        } else {
            &self.api.builders
        };
        let Ok(permit) = Arc::clone(gate).acquire_owned().await else {
            return self.unavailable("the API is ending");
        };
        let api = Arc::clone(self.api);
        let taken = std::mem::take(request);
        let built = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let response = api.respond_to(&admission, &taken);
            (response, taken)
        })
        .await;
        let mut response = match built {
            Ok((response, taken)) => {
                *request = taken;
                response
            }
            Err(error) => {
                tracing::error!(target: "HttpServerConnection", "answering a request failed: {error}");
                return Response {
                    close: true,
                    ..self.api.dressed(Response::unhandled())
                };
            }
        };
        let commands = std::mem::take(&mut response.commands);
        if commands.is_empty() {
            return response;
        }
        match self.api.backend.submit(commands).await {
            Ok(()) => response,
            Err(SubmitError::Busy) => self.unavailable("too much to do, try again later"),
            Err(SubmitError::Stopped) => self.unavailable("the daemon is ending"),
        }
    }

    /// Reads a head: [`IDLE_MAX`] until it begins, and as long again until it is complete.
    async fn head(&mut self) -> Result<Result<Head, &'static str>, Gone> {
        if self.buffer.is_empty() {
            self.read(Instant::now() + IDLE_MAX).await?;
        }
        let deadline = Instant::now() + IDLE_MAX;
        loop {
            match http::read_head(&self.buffer, &self.peer) {
                Err(cause) => return Ok(Err(cause)),
                Ok(Some((head, length))) => {
                    self.buffer.drain(..length);
                    return Ok(Ok(head));
                }
                Ok(None) => self.read(deadline).await?,
            }
        }
    }

    async fn body(
        &mut self,
        framing: http::Framing,
        length_max: usize,
    ) -> Result<Result<Vec<u8>, &'static str>, Gone> {
        let mut reader = match BodyReader::new(framing, length_max) {
            Ok(reader) => reader,
            Err(cause) => return Ok(Err(cause)),
        };
        let started = Instant::now();
        let mut received: u64 = 0;
        loop {
            if let Err(cause) = reader.advance(&mut self.buffer) {
                return Ok(Err(cause));
            }
            if reader.is_done() {
                return Ok(Ok(reader.into_body()));
            }
            let before = self.buffer.len();
            let allowed = BODY_TIME_BASE + Duration::from_secs(received / BODY_RATE_MIN);
            self.read((started + allowed).min(Instant::now() + IDLE_MAX))
                .await?;
            received += (self.buffer.len() - before) as u64;
        }
    }

    /// Reads some bytes into the buffer.
    async fn read(&mut self, deadline: Instant) -> Result<(), Gone> {
        let mut block = [0; 8 << 10];
        match tokio::time::timeout_at(deadline, self.stream.read(&mut block)).await {
            Ok(Ok(length)) if length > 0 => {
                self.buffer.extend_from_slice(&block[..length]);
                Ok(())
            }
            _ => Err(Gone),
        }
    }

    async fn send(&mut self, response: &Response, with_body: bool) -> Result<(), Gone> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, response.reason());
        for (name, value) in &response.headers {
            // No text from outside may begin a line of its own.
            let value: String = value
                .chars()
                .filter(|it| !it.is_control() || *it == '\t')
                .collect();
            head += &format!("{name}: {value}\r\n");
        }
        if response.close {
            head += "Connection: close\r\n";
        }
        head += &format!("Content-Length: {}\r\n\r\n", response.body.len());
        self.write(head.as_bytes()).await?;
        if with_body {
            self.write(&response.body).await?;
        }
        match timeout(IDLE_MAX, self.stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Writes all, as long as the client takes some of it every now and then.
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let block = &bytes[..bytes.len().min(BLOCK_LENGTH)];
            match timeout(IDLE_MAX, self.stream.write(block)).await {
                Ok(Ok(length)) if length > 0 => bytes = &bytes[length..],
                _ => return Err(Gone),
            }
        }
        Ok(())
    }

    fn unavailable(&self, cause: &str) -> Response {
        let text = format!(r#"{{"error":503,"status":"{cause}"}}"#);
        self.api.dressed(Response::json_text(503, text))
    }

    async fn end(&mut self) {
        let _ = timeout(IDLE_MAX, self.stream.shutdown()).await;
        let mut block = [0; 8 << 10];
        let drain = async { while matches!(self.stream.read(&mut block).await, Ok(1..)) {} };
        let _ = timeout(LINGER, drain).await;
    }
}

fn log(request: &Request, response: &Response, took: Duration) {
    tracing::info!(
        target: "HttpServerConnection",
        "Request: {} {} (from {}), user: {}, agent: {}, status: {}, took {} ms",
        request.method,
        request.target,
        request.peer.logged(),
        response.user.as_deref().unwrap_or("<unauthenticated>"),
        request.header("User-Agent").unwrap_or_default(),
        response.reason(),
        took.as_millis(),
    );
}
