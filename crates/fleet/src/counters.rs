//! What a fleet counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The sums over all agents at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Agents.
    pub agents: u64,
    /// Agents that are connected now.
    pub connected: u64,
    /// Connections that were ever made.
    pub connects: u64,
    /// Connections that ended while the fleet ran.
    pub drops: u64,
    /// Results sent.
    pub checks_answered: u64,
    /// Connections that did not get through TLS and its checks, and failed dials.
    pub handshake_failures: u64,
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
    pub(crate) connects: AtomicU64,
    pub(crate) drops: AtomicU64,
    pub(crate) checks_answered: AtomicU64,
    pub(crate) handshake_failures: AtomicU64,
    pub(crate) strangers: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) messages_received: AtomicU64,
    pub(crate) messages_malformed: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) connected: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn snapshot(&self, agents: usize) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            agents: agents as u64,
            connected: read(&self.connected),
            connects: read(&self.connects),
            drops: read(&self.drops),
            checks_answered: read(&self.checks_answered),
            handshake_failures: read(&self.handshake_failures),
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
