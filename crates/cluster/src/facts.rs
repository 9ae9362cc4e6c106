//! What is remembered of each endpoint so that it can say why it is not connected: how its dials
//! went, when it came and went, and what passed.

use std::collections::BTreeMap;
use std::fmt;

use bheka_value::{Str, Timestamp};

/// How far a dial had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialPhase {
    /// Asking for the addresses of the host.
    Resolve,
    /// Making the TCP connection.
    Tcp,
    /// The TLS handshake, and the look at the certificate.
    Tls,
    /// From there to a peer that is accepted as the endpoint.
    Hello,
}

impl DialPhase {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Resolve, Self::Tcp, Self::Tls, Self::Hello];

    /// The name in API, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Hello => "hello",
        }
    }
}

/// Why a dial failed, in few kinds that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// A deadline passed.
    Timeout,
    /// Nobody listens there.
    Refused,
    /// There is no way there.
    Unreachable,
    /// The peer, or somebody between, ended the connection.
    Closed,
    /// The host has no address.
    NoAddress,
    /// The peer speaks no TLS, or none in common.
    Protocol,
    /// The certificate is of another name, or not of a trusted authority.
    Identity,
    /// Something here is used up: descriptors, ports.
    Limit,
    /// The configuration asks for what cannot be.
    Configuration,
    /// All else.
    Other,
}

impl FailureKind {
    /// All.
    pub const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Refused,
        Self::Unreachable,
        Self::Closed,
        Self::NoAddress,
        Self::Protocol,
        Self::Identity,
        Self::Limit,
        Self::Configuration,
        Self::Other,
    ];

    /// The name in API, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::NoAddress => "no_address",
            Self::Protocol => "protocol",
            Self::Identity => "identity",
            Self::Limit => "limit",
            Self::Configuration => "configuration",
            Self::Other => "other",
        }
    }
}

/// A dial that came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct DialFailure {
    /// How far it came.
    pub phase: DialPhase,
    /// The kind of cause.
    pub kind: FailureKind,
    /// The cause in words.
    pub cause: Str,
    /// `address:port` where it failed, when there was one.
    pub address: Option<Str>,
    /// How long it took, in seconds, without the wait for its turn.
    pub elapsed_s: f64,
}

impl DialFailure {
    /// One of which no more is known.
    #[must_use]
    pub fn new(phase: DialPhase, kind: FailureKind, cause: impl Into<Str>) -> Self {
        Self {
            phase,
            kind,
            cause: cause.into(),
            address: None,
            elapsed_s: 0.0,
        }
    }
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match (self.phase, self.kind) {
            (_, FailureKind::Configuration) => return f.write_str(&self.cause),
            (DialPhase::Resolve, _) => "name resolution",
            (DialPhase::Tcp, _) => "TCP connect",
            (_, FailureKind::Identity) => "certificate check",
            (DialPhase::Tls, _) => "TLS handshake",
            (DialPhase::Hello, _) => "waiting for the first byte",
        };
        write!(f, "{step} failed: {}", self.cause)
    }
}

/// What TLS agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`; empty when unknown.
    pub version: &'static str,
    /// Name of the cipher suite; empty when unknown.
    pub suite: Str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// How long the phases of a connection took, in seconds; `None` for those that there were not
/// (a peer that calls is not resolved).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhaseTimes {
    /// Name resolution.
    pub resolve_s: Option<f64>,
    /// TCP connect.
    pub tcp_s: Option<f64>,
    /// TLS handshake.
    pub tls_s: Option<f64>,
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    /// There is a connection, and it has everything.
    Connected,
    /// There is a connection, and it is being sent what it missed.
    Syncing,
    /// It is being dialled.
    Connecting,
    /// It is to be dialled and waits for its turn.
    Queued,
    /// There is a connection to somebody who could not prove to be this endpoint: it waits for its
    /// certificate.
    Unproven,
    /// It will be dialled again at a set time.
    Waiting,
    /// It is not dialled from here: it has no `host`, or is no neighbour. It may call.
    #[default]
    Absent,
}

impl PeerState {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Connected,
        Self::Syncing,
        Self::Connecting,
        Self::Queued,
        Self::Unproven,
        Self::Waiting,
        Self::Absent,
    ];

    /// The name in API, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Syncing => "syncing",
            Self::Connecting => "connecting",
            Self::Queued => "queued",
            Self::Unproven => "unproven",
            Self::Waiting => "waiting",
            Self::Absent => "absent",
        }
    }
}

/// The last dial that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct LastError {
    /// When.
    pub at: Timestamp,
    /// What.
    pub failure: DialFailure,
    /// How often in a row: with the same phase and kind, and no connection between.
    pub count: u32,
}

/// How the last connection ended.
#[derive(Clone, Debug, PartialEq)]
pub struct LastDisconnect {
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub cause: Str,
}

/// Messages and bytes of frames, without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// What is remembered of an endpoint since this process began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerFacts {
    /// How it stands.
    pub state: PeerState,
    /// Since when.
    pub since: Timestamp,
    /// Dials since the last connection.
    pub attempts: u32,
    /// Those among them that came to nothing.
    pub failures: u32,
    /// The last dial that failed; it stays when a later one succeeds.
    pub last_error: Option<LastError>,
    /// Connections made, either way.
    pub connects: u64,
    /// Connections ended.
    pub disconnects: u64,
    /// How the last one ended.
    pub last_disconnect: Option<LastDisconnect>,
    /// What TLS agreed on, of the last connection.
    pub tls: TlsFacts,
    /// How long its phases took.
    pub times: PhaseTimes,
    /// All that was sent.
    pub sent: Traffic,
    /// All that came.
    pub received: Traffic,
    /// Seconds spent on what came.
    pub processing_s: f64,
    /// Messages sent by method.
    pub sent_per_method: BTreeMap<&'static str, u64>,
    /// Messages received by method.
    pub received_per_method: BTreeMap<&'static str, u64>,
}

impl PeerFacts {
    /// Notes how it stands now; `since` moves when that is something else than before.
    pub(crate) fn stands(&mut self, state: PeerState, now: Timestamp) {
        if self.state != state || self.since.is_never() {
            self.state = state;
            self.since = now;
        }
    }

    pub(crate) fn failed(&mut self, failure: DialFailure, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let again = self.last_error.as_ref().filter(|last| {
            (last.failure.phase, last.failure.kind) == (failure.phase, failure.kind)
        });
        let count = again.map_or(0, |last| last.count).saturating_add(1);
        self.last_error = Some(LastError {
            at: now,
            failure,
            count,
        });
    }

    pub(crate) fn connected(&mut self, tls: TlsFacts, times: PhaseTimes) {
        self.connects += 1;
        self.attempts = 0;
        self.failures = 0;
        if let Some(last) = &mut self.last_error {
            // The next failure of this kind begins a new row.
            last.count = 0;
        }
        self.tls = tls;
        self.times = times;
    }

    /// Whether it is dialled in vain for so long that nobody should wait for it.
    pub(crate) fn is_hopeless(&self) -> bool {
        let is_dialled = matches!(
            self.state,
            PeerState::Connecting | PeerState::Queued | PeerState::Unproven | PeerState::Waiting
        );
        is_dialled && self.failures >= HOPELESS_FAILURES
    }

    pub(crate) fn disconnected(&mut self, cause: Str, now: Timestamp) {
        self.disconnects += 1;
        self.last_disconnect = Some(LastDisconnect { at: now, cause });
    }
}

/// After so many failures in a row an endpoint does not count as one that is about to come.
const HOPELESS_FAILURES: u32 = 3;
