//! Inbound connections: from the TCP connection to the knowledge of who speaks which protocol.
//!
//! Everything here is for peers that nobody knows yet, so everything is bounded: by deadlines, by
//! the [`Gate`], and by never waiting for one peer while another could be served.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bheka_value::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use crate::connection::{Connection, HttpConnection};
use crate::error::{Failure, Fault, Phase, io_text};
use crate::lane::Side;
use crate::{AcceptError, Deadlines, Identity, Lane};

/// What an accepted connection carries.
#[derive(Debug)]
pub enum Accepted {
    /// The first byte was a digit: cluster messages.
    JsonRpc(Box<Connection>),
    /// Anything else.
    Http(Box<HttpConnection>),
}

/// Bounds what strangers can take: how many connections may be unfinished, in all and from one
/// address, and how many handshakes are computed at the same time.
///
/// A handshake holds its permit only while this node computes (the signature, milliseconds); a
/// slow or silent peer holds nothing but its place among the unfinished ones, until its deadline.
#[derive(Clone, Debug)]
pub struct Gate {
    unfinished: Arc<Semaphore>,
    computing: Arc<Semaphore>,
    by_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
    by_source_max: usize,
    /// Where handshakes of peers are computed that ask for this name, in lower case.
    lane: Option<(Lane, Arc<str>)>,
}

impl Gate {
    /// `unfinished_max` connections may wait for their handshake or first byte, at most half of
    /// them from one address (all of them from loopback); `computing_max` handshakes are computed
    /// at a time, for which one less than there are threads is a good number.
    #[must_use]
    pub fn new(unfinished_max: usize, computing_max: usize) -> Self {
        Self {
            unfinished: Arc::new(Semaphore::new(unfinished_max.max(1))),
            computing: Arc::new(Semaphore::new(computing_max.max(1))),
            by_source: Arc::default(),
            by_source_max: unfinished_max.div_ceil(2).max(1),
            lane: None,
        }
    }

    /// Has handshakes of peers that ask for this name (SNI) computed on a lane: those of nodes of
    /// the cluster, which dial by the name of the endpoint. Others (browsers and scripts, as a
    /// rule) do not wait behind a fleet that comes back.
    #[must_use]
    pub fn with_lane(mut self, lane: Lane, endpoint_name: &str) -> Self {
        self.lane = Some((lane, endpoint_name.to_lowercase().into()));
        self
    }

    /// Done when there is room for one more connection. Whoever waits here before it accepts leaves
    /// the others in the queue of the kernel, instead of refusing them.
    pub async fn room(&self) {
        // It is never closed.
        let _ = self.unfinished.acquire().await;
    }

    fn lane_for(&self, name: Option<&str>) -> Option<&Lane> {
        let (lane, own) = self.lane.as_ref()?;
        (**own == *name?).then_some(lane)
    }

    /// Connections that are not finished yet.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        let by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        by_source.values().sum()
    }

    fn enter(&self, source: IpAddr) -> Result<Admission, Failure> {
        let busy = |cause: String| Failure::new(Fault::Environment, cause);
        let permit = self.unfinished.clone().try_acquire_owned().map_err(|_| {
            busy("too many connections are waiting for their TLS handshake".to_owned())
        })?;
        let source = source.to_canonical();
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = by_source.entry(source).or_insert(0);
        if *count >= self.by_source_max && !source.is_loopback() {
            return Err(busy(format!(
                "too many connections from {source} are waiting for their TLS handshake"
            )));
        }
        *count += 1;
        drop(by_source);
        Ok(Admission {
            gate: self.clone(),
            source,
            _permit: permit,
        })
    }
}

impl Default for Gate {
    /// 4096 unfinished connections, two handshakes at a time.
    fn default() -> Self {
        Self::new(4096, 2)
    }
}

struct Admission {
    gate: Gate,
    source: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut by_source = self
            .gate
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

/// Takes a connection through TLS to its first byte.
///
/// Nothing is sent before the peer has spoken. The first byte decides: a digit is the length of a
/// cluster message, everything else HTTP. It is not lost for whoever reads next.
///
/// # Errors
/// When the gate is full, the handshake fails, or a deadline passes.
pub async fn accept(
    tcp: TcpStream,
    identity: &Identity,
    deadlines: &Deadlines,
    gate: &Gate,
    now: Timestamp,
) -> Result<Accepted, AcceptError> {
    accept_by_name(tcp, |_| Some(identity), deadlines, gate, now).await
}

/// As [`accept`], with the identity chosen by the name that the dialler asks for (SNI, lower
/// case). `None` refuses it. This lets one socket be a whole fleet.
///
/// # Errors
/// As [`accept`].
pub async fn accept_by_name<I: AsRef<Identity>>(
    tcp: TcpStream,
    choose: impl FnOnce(Option<&str>) -> Option<I>,
    deadlines: &Deadlines,
    gate: &Gate,
    now: Timestamp,
) -> Result<Accepted, AcceptError> {
    let remote = tcp.peer_addr().ok();
    let end = Instant::now() + deadlines.total;
    let refused = |phase| move |failure: Failure| failure.accept(phase, remote);
    let addresses = addresses(&tcp).map_err(refused(Phase::Tcp))?;
    let admission = gate
        .enter(addresses.1.ip())
        .map_err(refused(Phase::Admission))?;
    let _ = tcp.set_nodelay(true);
    let begun = Instant::now();
    let tls_end = end.min(begun + deadlines.tls);
    let handshake = handshake(tcp, choose, gate, tls_end.into_std());
    let (tls, identity) = match timeout_at(tls_end, handshake).await {
        Ok(result) => result.map_err(refused(Phase::Tls))?,
        Err(_) => {
            let failure = Failure::timeout(deadlines.tls.as_secs_f64(), "in the TLS handshake");
            return Err(refused(Phase::Tls)(failure));
        }
    };
    let handshake_took = begun.elapsed();
    if let Err(error) = identity.as_ref().refresh_crl() {
        tracing::warn!(target: "ApiListener", "cannot use the revocation list: {error}");
    }
    let mut connection = Connection::established(tls, addresses, identity.as_ref(), None, now);
    connection.times.tls = Some(handshake_took);
    let accepted = first_byte(connection, end, deadlines.total).await;
    drop(admission);
    accepted
}

impl AsRef<Identity> for Identity {
    fn as_ref(&self) -> &Self {
        self
    }
}

async fn handshake<I: AsRef<Identity>>(
    tcp: TcpStream,
    choose: impl FnOnce(Option<&str>) -> Option<I>,
    gate: &Gate,
    end: std::time::Instant,
) -> Result<(TlsStream<TcpStream>, I), Failure> {
    let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp);
    let start = acceptor.await.map_err(|error| Failure::tls(&error))?;
    let name = start.client_hello().server_name().map(str::to_owned);
    let identity = choose(name.as_deref()).ok_or_else(|| {
        let name = name.as_deref().unwrap_or("no name");
        Failure::new(Fault::Peer, format!("nobody here is called '{name}'"))
    })?;
    let config = identity
        .as_ref()
        .server_config()
        .map_err(|error| Failure::new(Fault::User, error.to_string()))?;
    if let Some(lane) = gate.lane_for(name.as_deref()) {
        let permit = lane.admit(Side::Inbound, end).await?;
        if is_gone(&start.io).await {
            permit.give_up();
            return Err(Failure::new(
                Fault::Peer,
                "peer closed the connection before its handshake was computed",
            ));
        }
        let computed = permit.run(start.into_stream(config)).await;
        let result =
            computed.unwrap_or_else(|| Err(io::Error::other("the handshake ended unexpectedly")));
        let tls = result.map_err(|error| Failure::tls(&error))?;
        return Ok((tls.into(), identity));
    }
    let mut rest = pin!(start.into_stream(config));
    // The own signature is computed in the first step. Only that needs the permit: a peer that
    // stays silent afterwards must not keep others out.
    let permit = gate.computing.acquire().await;
    let first_step = poll_fn(|context| Poll::Ready(rest.as_mut().poll(context))).await;
    drop(permit);
    let result = match first_step {
        Poll::Ready(result) => result,
        Poll::Pending => rest.await,
    };
    let tls = result.map_err(|error| Failure::tls(&error))?;
    Ok((tls.into(), identity))
}

/// Whether a peer, from whom nothing is due, has closed its connection.
async fn is_gone(tcp: &TcpStream) -> bool {
    let mut byte = [0];
    // Only what is known already counts.
    match timeout(Duration::ZERO, tcp.peek(&mut byte)).await {
        Ok(Ok(count)) => count == 0,
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

async fn first_byte(
    mut connection: Connection,
    end: Instant,
    allowed: Duration,
) -> Result<Accepted, AcceptError> {
    const GOODBYE: Duration = Duration::from_secs(1);
    let remote = Some(connection.remote);
    let mut first = [0; 512];
    let count = match timeout_at(end, connection.stream.read(&mut first)).await {
        Ok(Ok(count)) => count,
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        Ok(Err(error)) => {
            let peer = Some(Box::new(connection.peer));
            let failure = Failure::tls(&error);
            return Err(AcceptError {
                peer,
                ..failure.accept(Phase::FirstByte, remote)
            });
        }
        Err(_) => {
            let _ = timeout(GOODBYE, connection.stream.shutdown()).await;
            let failure = Failure::timeout(allowed.as_secs_f64(), "without a byte from the peer");
            let peer = Some(Box::new(connection.peer));
            return Err(AcceptError {
                peer,
                ..failure.accept(Phase::FirstByte, remote)
            });
        }
    };
    match first[..count].first() {
        None => {
            let _ = timeout(GOODBYE, connection.stream.shutdown()).await;
            let failure = Failure::new(
                Fault::Peer,
                "peer closed the connection without sending anything",
            );
            Err(AcceptError {
                peer: Some(Box::new(connection.peer)),
                closed_silently: true,
                ..failure.accept(Phase::FirstByte, remote)
            })
        }
        Some(byte) => {
            let is_digit = byte.is_ascii_digit();
            connection.unread(&first[..count]);
            Ok(if is_digit {
                Accepted::JsonRpc(Box::new(connection))
            } else {
                Accepted::Http(Box::new(connection.into_http()))
            })
        }
    }
}

fn addresses(tcp: &TcpStream) -> Result<(SocketAddr, SocketAddr), Failure> {
    let failure = |error: io::Error| Failure::new(Fault::Environment, io_text(&error));
    Ok((
        tcp.local_addr().map_err(failure)?,
        tcp.peer_addr().map_err(failure)?,
    ))
}
