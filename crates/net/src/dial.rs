//! Outbound connections.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bheka_value::Timestamp;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::connection::{Connection, StepTimes};
use crate::error::{Failure, Fault, Phase, io_text};
use crate::lane::Side;
use crate::{DialError, Identity, Lane};

/// How long each step of a connection may take; `total` bounds their sum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deadlines {
    /// Name resolution.
    pub resolve: Duration,
    /// The TCP connection to one of the addresses.
    pub tcp: Duration,
    /// The TLS handshake: `tls_handshake_timeout`.
    pub tls: Duration,
    /// Everything up to the first byte of the peer: `connect_timeout`.
    pub total: Duration,
}

impl Default for Deadlines {
    /// Icinga 2's: 10 s for TLS, 15 s for everything.
    fn default() -> Self {
        Self::new(Duration::from_secs(15), Duration::from_secs(10))
    }
}

impl Deadlines {
    /// From the attributes of the ApiListener.
    #[must_use]
    pub fn new(connect_timeout: Duration, tls_handshake_timeout: Duration) -> Self {
        Self {
            resolve: connect_timeout,
            tcp: connect_timeout,
            tls: tls_handshake_timeout,
            total: connect_timeout,
        }
    }
}

/// Whom to dial.
#[derive(Clone, Debug)]
pub struct DialTarget {
    /// The name of the Endpoint object: it is sent as SNI, and the certificate must be of it.
    pub endpoint_name: String,
    /// `Endpoint.host`: a name or an address.
    pub host: String,
    /// `Endpoint.port`.
    pub port: u16,
    /// The payload of the first message (`icinga::Hello`), sent as soon as the certificate is seen
    /// to be of the endpoint, because the acceptor waits for the dialler to speak. With it, the
    /// connection counts as made only when the peer has answered with a byte.
    pub hello: Option<Vec<u8>>,
}

/// Wait this long for one address before the next one is tried beside it (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);
/// Resolving blocks a thread each; a dead name server must not take all of them.
static RESOLVING: Semaphore = Semaphore::const_new(64);

/// Dials an endpoint: all addresses of its host, TLS with the endpoint's name, a look at the
/// certificate, Hello.
///
/// A peer whose certificate has the right common name but can't be verified is connected
/// nonetheless, with the reason in [`Connection::peer`]: that is how nodes get their certificate.
///
/// # Errors
/// When a step fails or takes too long, or the certificate is of another name; then nothing was
/// sent.
pub async fn dial(
    target: &DialTarget,
    identity: &Identity,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<Connection, DialError> {
    let reached = reach(target, deadlines).await?;
    secure(reached, target, identity, deadlines, None, || {}, now).await
}

/// A TCP connection to one of the addresses of an endpoint.
#[derive(Debug)]
pub struct Reached {
    tcp: TcpStream,
    end: Instant,
    times: StepTimes,
}

/// The first half of [`dial()`]: up to the TCP connection. It costs this node next to nothing, and
/// with an address that does not answer it takes until the deadline.
///
/// # Errors
/// When the host cannot be resolved, or none of its addresses answers in time.
pub async fn reach(target: &DialTarget, deadlines: &Deadlines) -> Result<Reached, DialError> {
    let begun = Instant::now();
    let end = begun + deadlines.total;
    let addresses = resolve(
        &target.host,
        target.port,
        end.min(Instant::now() + deadlines.resolve),
    )
    .await
    .map_err(|failure| failure.dial(Phase::Resolve))?;
    let resolved = Instant::now();
    let tcp_end = end.min(resolved + deadlines.tcp);
    let tcp = connect_any(addresses, tcp_end, deadlines.tcp)
        .await
        .map_err(|failure| failure.dial(Phase::Tcp))?;
    let times = StepTimes {
        resolve: Some(resolved - begun),
        tcp: Some(resolved.elapsed()),
        tls: None,
    };
    Ok(Reached { tcp, end, times })
}

/// The second half of [`dial()`]: everything from TLS on, computed on a lane when there is one.
/// `begun` is called when the handshake's turn has come.
///
/// # Errors
/// As [`dial()`].
pub async fn secure(
    reached: Reached,
    target: &DialTarget,
    identity: &Identity,
    deadlines: &Deadlines,
    lane: Option<&Lane>,
    begun: impl FnOnce() + Send,
    now: Timestamp,
) -> Result<Connection, DialError> {
    let Reached { tcp, end, times } = reached;
    let remote = tcp.peer_addr().ok();
    // From here the peer's own limit runs; waiting for the lane is a part of it.
    let started = Instant::now();
    let limits = (end.min(started + deadlines.tls), deadlines.tls);
    let lane = (lane, begun);
    let mut connection = handshake(tcp, target, identity, limits, lane, now)
        .await
        .map_err(|failure| DialError {
            remote,
            ..failure.dial(Phase::Tls)
        })?;
    connection.times = StepTimes {
        tls: Some(started.elapsed()),
        ..times
    };
    check_name(&connection, &target.endpoint_name)?;
    match &target.hello {
        Some(hello) => greet(connection, hello, (end, deadlines.total)).await,
        None => Ok(connection),
    }
}

async fn handshake(
    tcp: TcpStream,
    target: &DialTarget,
    identity: &Identity,
    (end, allowed): (Instant, Duration),
    (lane, begun): (Option<&Lane>, impl FnOnce() + Send),
    now: Timestamp,
) -> Result<Connection, Failure> {
    let environment = |error: io::Error| Failure::new(Fault::Environment, io_text(&error));
    let addresses = (
        tcp.local_addr().map_err(environment)?,
        tcp.peer_addr().map_err(environment)?,
    );
    let permit = match lane {
        Some(lane) => Some(lane.admit(Side::Outbound, end.into_std()).await?),
        None => None,
    };
    begun();
    let config = identity
        .client_config()
        .map_err(|error| Failure::new(Fault::User, error.to_string()))?;
    let connect = TlsConnector::from(config).connect(server_name(&target.endpoint_name), tcp);
    let computed = async {
        match permit {
            // It panicked; the cause is in the log.
            Some(permit) => permit
                .run(connect)
                .await
                .unwrap_or_else(|| Err(io::Error::other("the handshake ended unexpectedly"))),
            None => connect.await,
        }
    };
    let tls = match timeout_at(end, computed).await {
        Ok(Ok(tls)) => tls.into(),
        Ok(Err(error)) => return Err(Failure::tls(&error)),
        Err(_) => {
            return Err(Failure::timeout(
                allowed.as_secs_f64(),
                "in the TLS handshake",
            ));
        }
    };
    if let Err(error) = identity.refresh_crl() {
        tracing::warn!(target: "ApiListener", "cannot use the revocation list: {error}");
    }
    let endpoint = Some(target.endpoint_name.as_str());
    Ok(Connection::established(
        tls, addresses, identity, endpoint, now,
    ))
}

/// The identity is the common name, compared byte for byte. On a mismatch nothing is sent.
fn check_name(connection: &Connection, endpoint_name: &str) -> Result<(), DialError> {
    let cause = match &connection.peer.cn {
        Some(cn) if cn == endpoint_name => return Ok(()),
        Some(cn) => format!(
            "unexpected certificate common name while connecting to endpoint '{endpoint_name}': \
             got '{cn}'"
        ),
        None => format!(
            "certificate of endpoint '{endpoint_name}' has no usable common name: {}",
            connection.peer.remark()
        ),
    };
    Err(DialError {
        peer: Some(Box::new(connection.peer.clone())),
        remote: Some(connection.remote),
        ..Failure::new(Fault::Peer, cause).dial(Phase::Identity)
    })
}

async fn greet(
    mut connection: Connection,
    hello: &[u8],
    (end, allowed): (Instant, Duration),
) -> Result<Connection, DialError> {
    let peer = Some(Box::new(connection.peer.clone()));
    let mut first = [0; 512];
    let exchange = async {
        connection
            .stream
            .write_all(&bheka_cluster::netstring::encode(hello))
            .await?;
        connection.stream.flush().await?;
        connection.stream.read(&mut first).await
    };
    let failure = match timeout_at(end, exchange).await {
        Ok(Ok(0)) => Failure::new(Fault::Peer, "peer closed the connection without an answer"),
        Ok(Ok(count)) => {
            connection.unread(&first[..count]);
            return Ok(connection);
        }
        Ok(Err(error)) => Failure::tls(&error),
        Err(_) => Failure::timeout(allowed.as_secs_f64(), "without a byte from the peer"),
    };
    Err(DialError {
        peer,
        remote: Some(connection.remote),
        ..failure.dial(Phase::FirstByte)
    })
}

/// SNI is the endpoint's name. One that can't be a DNS name is not sent, but sessions must be kept
/// apart by it all the same, so an address made from its hash stands for it (addresses are never
/// sent as SNI).
pub(crate) fn server_name(endpoint_name: &str) -> ServerName<'static> {
    if let Ok(name @ ServerName::DnsName(_)) = ServerName::try_from(endpoint_name.to_owned()) {
        return name;
    }
    let hash = digest::digest(&digest::SHA256, endpoint_name.as_bytes());
    let mut octets = [0; 16];
    octets.copy_from_slice(&hash.as_ref()[..16]);
    ServerName::IpAddress(std::net::IpAddr::from(octets).into())
}

pub(crate) async fn resolve(
    host: &str,
    port: u16,
    end: Instant,
) -> Result<Vec<SocketAddr>, Failure> {
    let started = Instant::now();
    let lookup = async {
        let _permit = if host.parse::<std::net::IpAddr>().is_ok() {
            None
        } else {
            RESOLVING.acquire().await.ok()
        };
        tokio::net::lookup_host((host, port)).await
    };
    match timeout_at(end, lookup).await {
        Ok(Ok(found)) => {
            let addresses = interleave(found.collect());
            if addresses.is_empty() {
                return Err(Failure::new(
                    Fault::User,
                    format!("host '{host}' has no address"),
                ));
            }
            Ok(addresses)
        }
        Ok(Err(error)) => Err(Failure::io(
            Fault::User,
            error.kind(),
            format!("cannot resolve host '{host}': {}", io_text(&error)),
        )),
        Err(_) => {
            let seconds = (Instant::now() - started).as_secs_f64();
            Err(Failure::timeout(
                seconds,
                &format!("resolving host '{host}'"),
            ))
        }
    }
}

/// Alternates between the address families, beginning with the resolver's favourite.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let first_is_ipv6 = first.is_ipv6();
    let (mut favourites, mut others): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut ordered = Vec::new();
    while !favourites.is_empty() || !others.is_empty() {
        ordered.extend(favourites.pop_front());
        ordered.extend(others.pop_front());
    }
    ordered.dedup();
    ordered
}

/// Tries all addresses, the next one when the last did not answer within [`STAGGER`] or failed;
/// the first connection wins.
pub(crate) async fn connect_any(
    addresses: Vec<SocketAddr>,
    end: Instant,
    allowed: Duration,
) -> Result<TcpStream, Failure> {
    let mut waiting = VecDeque::from(addresses);
    let mut attempts = JoinSet::new();
    let mut failures: Vec<String> = Vec::new();
    let mut last = io::ErrorKind::Other;
    let mut pending: Vec<SocketAddr> = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            pending.push(address);
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        if attempts.is_empty() {
            let cause = failures.join("; ");
            return Err(Failure::io(Fault::Environment, last, cause));
        }
        let pause = if waiting.is_empty() {
            end
        } else {
            end.min(Instant::now() + STAGGER)
        };
        let (address, result) = match timeout_at(pause, attempts.join_next()).await {
            Ok(Some(Ok(finished))) => finished,
            Ok(Some(Err(error))) => {
                return Err(Failure::new(Fault::Environment, error.to_string()));
            }
            Ok(None) => continue,
            Err(_) if pause < end => continue,
            Err(_) => {
                let silent: Vec<String> = pending.iter().map(ToString::to_string).collect();
                let what = format!("connecting to {}", silent.join(", "));
                let mut failure = Failure::timeout(allowed.as_secs_f64(), &what);
                for other in failures {
                    failure.cause.push_str("; ");
                    failure.cause.push_str(&other);
                }
                return Err(failure);
            }
        };
        pending.retain(|other| *other != address);
        match result {
            Ok(stream) => {
                // Messages are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                last = error.kind();
                failures.push(format!("{address}: {}", io_text(&error)));
            }
        }
    }
}

/// Dials without an endpoint's name, for the commands: SNI is the host.
pub(crate) async fn dial_host(
    host: &str,
    port: u16,
    identity: &Arc<Identity>,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<Connection, DialError> {
    let end = Instant::now() + deadlines.total;
    let addresses = resolve(host, port, end)
        .await
        .map_err(|failure| failure.dial(Phase::Resolve))?;
    let tcp = connect_any(addresses, end, deadlines.total)
        .await
        .map_err(|failure| failure.dial(Phase::Tcp))?;
    let target = DialTarget {
        endpoint_name: host.to_owned(),
        host: host.to_owned(),
        port,
        hello: None,
    };
    let tls_end = end.min(Instant::now() + deadlines.tls);
    handshake(
        tcp,
        &target,
        identity,
        (tls_end, deadlines.tls),
        (None, || {}),
        now,
    )
    .await
    .map_err(|failure| failure.dial(Phase::Tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]
            .map(address)
            .to_vec();
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(address);
        assert_eq!(interleave(all), expected);
        assert!(interleave(Vec::new()).is_empty());
    }

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_living_one() {
        let living = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![dead.local_addr().unwrap(), living.local_addr().unwrap()];
        drop(dead);
        let end = Instant::now() + Duration::from_secs(30);
        let tcp = connect_any(addresses.clone(), end, Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), addresses[1]);
        drop(living);
        let failure = connect_any(addresses, end, Duration::from_secs(30))
            .await
            .unwrap_err();
        assert_eq!(
            failure.cause.matches("Connection refused").count(),
            2,
            "{}",
            failure.cause
        );
    }

    #[test]
    fn names_that_are_not_sent_still_differ() {
        let (one, other) = (server_name("host 1"), server_name("host 2"));
        assert!(matches!(one, ServerName::IpAddress(_)));
        assert_ne!(one, other);
        assert!(matches!(server_name("agent-1"), ServerName::DnsName(_)));
    }
}
