//! What a fleet counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bheka_net::Phase;
use serde::Serialize;

use crate::Histogram;

/// The sums over all agents at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Agents.
    pub agents: u64,
    /// Agents that are connected now.
    pub connected: u64,
    /// Connections that were begun: accepted from the master, or dialled.
    pub attempts: u64,
    /// Connections that were ever made.
    pub connects: u64,
    /// Connections that ended by the master's doing or by the network's while the fleet ran.
    pub drops: u64,
    /// Connections that agents ended themselves, in a wave.
    pub left: u64,
    /// Checks that were answered.
    pub checks_answered: u64,
    /// Connections that did not get through TLS and its checks, and failed dials; the sum of
    /// `failures`.
    pub handshake_failures: u64,
    /// The same by phase.
    pub failures: Failures,
    /// Peers that showed no trusted certificate.
    pub strangers: u64,
    /// Connections to an agent that had one already.
    pub duplicates: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages that could not be read.
    pub messages_malformed: u64,
    /// Handshakes that resumed a session.
    pub resumed: u64,
}

/// Failed connections by the phase in which they failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Failures {
    /// The master's name has no address.
    pub resolve: u64,
    /// There was no TCP connection.
    pub tcp: u64,
    /// Too many connections were unfinished at the same time.
    pub admission: u64,
    /// The TLS handshake failed or took too long.
    pub tls: u64,
    /// The peer's certificate is of another name, or asked was for an agent that does not exist.
    pub identity: u64,
    /// The peer said nothing after the handshake.
    pub first_byte: u64,
    /// How many of all these were deadlines that passed.
    pub timed_out: u64,
}

impl Snapshot {
    /// What was counted since an earlier snapshot; `agents` and `connected` stay those of now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let than = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            agents: self.agents,
            connected: self.connected,
            attempts: than(self.attempts, earlier.attempts),
            connects: than(self.connects, earlier.connects),
            drops: than(self.drops, earlier.drops),
            left: than(self.left, earlier.left),
            checks_answered: than(self.checks_answered, earlier.checks_answered),
            handshake_failures: than(self.handshake_failures, earlier.handshake_failures),
            failures: Failures {
                resolve: than(self.failures.resolve, earlier.failures.resolve),
                tcp: than(self.failures.tcp, earlier.failures.tcp),
                admission: than(self.failures.admission, earlier.failures.admission),
                tls: than(self.failures.tls, earlier.failures.tls),
                identity: than(self.failures.identity, earlier.failures.identity),
                first_byte: than(self.failures.first_byte, earlier.failures.first_byte),
                timed_out: than(self.failures.timed_out, earlier.failures.timed_out),
            },
            strangers: than(self.strangers, earlier.strangers),
            duplicates: than(self.duplicates, earlier.duplicates),
            messages_received: than(self.messages_received, earlier.messages_received),
            messages_malformed: than(self.messages_malformed, earlier.messages_malformed),
            resumed: than(self.resumed, earlier.resumed),
        }
    }

    /// The share of connections that resumed a session, from 0 to 1.
    #[must_use]
    pub fn resumed_share(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a share for the eye")]
        let share = self.resumed as f64 / self.connects.max(1) as f64;
        share
    }
}

/// The connection of one agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentConnection {
    /// The agent.
    pub name: String,
    /// How often it was connected so far.
    pub connects: u64,
    /// The own and the master's address of the connection that it has now. Together with
    /// `connects` this is the identity of the connection: when both are as before, it is the same.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// Results sent by it.
    pub checks_answered: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) attempts: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) drops: AtomicU64,
    pub(crate) left: AtomicU64,
    pub(crate) checks_answered: AtomicU64,
    pub(crate) strangers: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) messages_received: AtomicU64,
    pub(crate) messages_malformed: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) connected: AtomicU64,
    /// From the begin of a connection to its first message.
    pub(crate) handshakes: Histogram,
    failures: [AtomicU64; 6],
    timed_out: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// Counts a connection that came to nothing.
    pub(crate) fn fail(&self, phase: Phase, timed_out: bool) {
        let place = match phase {
            Phase::Resolve => 0,
            Phase::Tcp => 1,
            Phase::Admission => 2,
            Phase::Tls => 3,
            Phase::Identity => 4,
            Phase::FirstByte => 5,
        };
        count(&self.failures[place]);
        if timed_out {
            count(&self.timed_out);
        }
    }

    pub(crate) fn snapshot(&self, agents: usize) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [resolve, tcp, admission, tls, identity, first_byte] =
            [0, 1, 2, 3, 4, 5].map(|place: usize| read(&self.failures[place]));
        Snapshot {
            agents: agents as u64,
            connected: read(&self.connected),
            attempts: read(&self.attempts),
            connects: read(&self.connects),
            drops: read(&self.drops),
            left: read(&self.left),
            checks_answered: read(&self.checks_answered),
            handshake_failures: resolve + tcp + admission + tls + identity + first_byte,
            failures: Failures {
                resolve,
                tcp,
                admission,
                tls,
                identity,
                first_byte,
                timed_out: read(&self.timed_out),
            },
            strangers: read(&self.strangers),
            duplicates: read(&self.duplicates),
            messages_received: read(&self.messages_received),
            messages_malformed: read(&self.messages_malformed),
            resumed: read(&self.resumed),
        }
    }
}

/// The connection state of one agent.
#[derive(Debug, Default)]
pub(crate) struct LinkState {
    addresses: Mutex<Option<(SocketAddr, SocketAddr)>>,
    connects: AtomicU64,
    pub(crate) checks_answered: AtomicU64,
}

impl LinkState {
    /// Takes the one place for a connection; `false` when the agent has one already.
    pub(crate) fn occupy(&self, addresses: (SocketAddr, SocketAddr)) -> bool {
        let mut place = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return false;
        }
        *place = Some(addresses);
        count(&self.connects);
        true
    }

    pub(crate) fn vacate(&self) {
        *self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn describe(&self, name: &str) -> AgentConnection {
        AgentConnection {
            name: name.to_owned(),
            connects: self.connects.load(Ordering::Relaxed),
            addresses: *self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            checks_answered: self.checks_answered.load(Ordering::Relaxed),
        }
    }
}
