//! The fleet as a whole: counters that cost the same for ten endpoints and ten thousand, and the
//! hooks by which the events of single endpoints reach them.

use std::collections::BTreeMap;

use bheka_value::{Str, Timestamp};

use crate::api::{Direction, LinkId, Severity};
use crate::cluster::Cluster;
use crate::digest::{self, Digest, Standing};
use crate::facts::{DialFailure, PeerState, Traffic};
use crate::rate::Rate;
use crate::status::LinkDirection;
use crate::storm::{Failures, Happening, StormReport, Storms};
use crate::timers::Timer;

/// Seconds of TLS handshakes in classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS_S.len()],
    /// All that were measured.
    pub count: u64,
    /// Their sum.
    pub sum_s: f64,
}

impl Histogram {
    /// Upper bounds of the classes, inclusive.
    pub const BOUNDS_S: [f64; 13] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];

    /// Adds one.
    pub fn add(&mut self, seconds: f64) {
        if let Some(index) = Self::BOUNDS_S.iter().position(|bound| seconds <= *bound) {
            self.counts[index] += 1;
        }
        self.count += 1;
        self.sum_s += seconds;
    }

    /// For each bound, how many were not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut sum = 0;
        Self::BOUNDS_S
            .into_iter()
            .zip(self.counts)
            .map(move |(bound, count)| {
                sum += count;
                (bound, sum)
            })
    }
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndedBy {
    /// The peer took its leave.
    Peer,
    /// The network, or a peer that broke off.
    Loss,
    /// This node closed it.
    Here,
}

impl EndedBy {
    /// The name in metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Loss => "loss",
            Self::Here => "here",
        }
    }
}

/// A connection's way and whether its TLS session was resumed.
pub type Way = (LinkDirection, bool);

/// Counters of all endpoints together since this process began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetCounters {
    /// Dials begun.
    pub dials: u64,
    /// Dials that came to nothing.
    pub failures: Failures,
    /// Connections of endpoints.
    pub connects: BTreeMap<Way, u64>,
    /// Those that ended.
    pub disconnects: BTreeMap<EndedBy, u64>,
    /// TLS handshakes of those connections.
    pub handshakes: BTreeMap<Way, Histogram>,
    /// What was sent to endpoints, by method.
    pub sent: BTreeMap<&'static str, Traffic>,
    /// What came from them, by method.
    pub received: BTreeMap<&'static str, Traffic>,
}

/// The fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetStatus {
    /// Endpoints other than this node, by state.
    pub states: BTreeMap<PeerState, usize>,
    /// Endpoints of the own, the parent and the direct child zones, without this node.
    pub neighbours: usize,
    /// Counters since start.
    pub counters: FleetCounters,
    /// Dials a second over the last minute.
    pub dials_per_second: f64,
    /// Failed dials a second over the last minute.
    pub failures_per_second: f64,
    /// Connections a second over the last minute.
    pub connects_per_second: f64,
    /// Storms since start, with the one under way.
    pub storms: u64,
    /// The storm that is under way.
    pub storm: Option<StormReport>,
    /// The last one that is over.
    pub last_storm: Option<StormReport>,
}

impl FleetStatus {
    /// Endpoints in a state.
    #[must_use]
    pub fn in_state(&self, state: PeerState) -> usize {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// Endpoints with a connection.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.in_state(PeerState::Connected) + self.in_state(PeerState::Syncing)
    }
}

/// What the cluster keeps of the fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    counters: FleetCounters,
    dials: Rate,
    failures: Rate,
    connects: Rate,
    states: BTreeMap<PeerState, usize>,
    /// Endpoints that are dialled, not connected, and have failed several times in a row.
    hopeless: usize,
    pub(crate) neighbours: usize,
    storms: Storms,
    digest: Digest,
    /// Whether [`Timer::Digest`] is set.
    is_timed: bool,
}

impl Fleet {
    pub(crate) fn connected(&self) -> usize {
        self.count(PeerState::Connected) + self.count(PeerState::Syncing)
    }

    fn count(&self, state: PeerState) -> usize {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// Dialled and not connected.
    fn missing(&self) -> usize {
        [
            PeerState::Connecting,
            PeerState::Queued,
            PeerState::Unproven,
            PeerState::Waiting,
        ]
        .map(|state| self.count(state))
        .iter()
        .sum()
    }

    fn enter(&mut self, state: PeerState, hopeless: bool) {
        *self.states.entry(state).or_default() += 1;
        self.hopeless += usize::from(hopeless);
    }

    fn leave(&mut self, state: PeerState, hopeless: bool) {
        if let Some(count) = self.states.get_mut(&state) {
            *count = count.saturating_sub(1);
        }
        self.hopeless = self.hopeless.saturating_sub(usize::from(hopeless));
    }

    pub(crate) fn shift(&mut self, seconds: f64) {
        self.storms.shift(seconds);
    }
}

impl Cluster {
    /// The fleet as a whole; costs the same however many endpoints there are.
    #[must_use]
    pub fn fleet(&self, now: Timestamp) -> FleetStatus {
        let fleet = &self.fleet;
        FleetStatus {
            states: PeerState::ALL
                .into_iter()
                .map(|state| (state, fleet.count(state)))
                .collect(),
            neighbours: fleet.neighbours,
            counters: fleet.counters.clone(),
            dials_per_second: fleet.dials.per_second(now),
            failures_per_second: fleet.failures.per_second(now),
            connects_per_second: fleet.connects.per_second(now),
            storms: fleet.storms.count(),
            storm: fleet.storms.current().map(|current| StormReport {
                missing: fleet.missing() as u64,
                ..current.clone()
            }),
            last_storm: fleet.storms.last().cloned(),
        }
    }

    /// Remembers since when an endpoint stands as it does now. To be called after each change of
    /// what [`crate::link::Peer::state`] looks at.
    pub(crate) fn note_state(&mut self, name: &str) {
        let queued = self.dials.is_waiting(name);
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let facts = &mut peer.facts;
        if !facts.since.is_never() {
            self.fleet.leave(facts.state, facts.is_hopeless());
        }
        let state = peer.state(queued);
        let facts = &mut peer.facts;
        facts.stands(state, self.now);
        self.fleet.enter(state, facts.is_hopeless());
    }

    /// An endpoint is no longer in the configuration.
    pub(crate) fn forget_peer(&mut self, name: &str) {
        if let Some(peer) = self.peers.remove(name)
            && !peer.facts.since.is_never()
        {
            self.fleet.leave(peer.facts.state, peer.facts.is_hopeless());
        }
    }

    /// A dial begins.
    pub(crate) fn note_dial(&mut self, name: &str) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(name) {
            let fresh = peer.facts.attempts == 0;
            peer.facts.attempts = peer.facts.attempts.saturating_add(1);
            self.fleet.counters.dials += 1;
            self.fleet.dials.add(1, now);
            self.happened(Happening::Dialled { fresh });
        }
        self.note_state(name);
    }

    /// A dial came to nothing.
    pub(crate) fn note_failure(&mut self, name: &str, failure: DialFailure) {
        let (now, key) = (self.now, (failure.phase, failure.kind));
        let queued = self.dials.is_waiting(name);
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        if !peer.facts.since.is_never() {
            // What it fails at may change whether there is hope for it.
            self.fleet.leave(peer.facts.state, peer.facts.is_hopeless());
        }
        peer.facts.failed(failure, now);
        let state = peer.state(queued);
        peer.facts.stands(state, now);
        self.fleet.enter(state, peer.facts.is_hopeless());
        *self.fleet.counters.failures.entry(key).or_default() += 1;
        self.fleet.failures.add(1, now);
        self.happened(Happening::Failed(key.0, key.1));
    }

    /// A connection has become that of an endpoint. The state follows.
    pub(crate) fn note_connected(&mut self, name: &str, link: LinkId) {
        let now = self.now;
        let (Some(link), Some(peer)) = (self.links.get(&link), self.peers.get_mut(name)) else {
            return;
        };
        let fresh = peer.facts.attempts == 0;
        let way = ((&link.direction).into(), link.tls.resumed);
        if peer.facts.is_hopeless() {
            // It stays counted under its old state until the new one is noted.
            self.fleet.hopeless = self.fleet.hopeless.saturating_sub(1);
        }
        peer.facts.connected(link.tls.clone(), link.times);
        let counters = &mut self.fleet.counters;
        *counters.connects.entry(way).or_default() += 1;
        if let Some(seconds) = link.times.tls_s {
            counters.handshakes.entry(way).or_default().add(seconds);
        }
        self.fleet.connects.add(1, now);
        self.happened(Happening::Connected { fresh });
    }

    /// The connection of an endpoint has ended. The state follows.
    pub(crate) fn note_disconnected(&mut self, name: &str, by: EndedBy, cause: Str) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(name) {
            peer.facts.disconnected(cause, now);
            *self.fleet.counters.disconnects.entry(by).or_default() += 1;
            self.happened(Happening::Lost);
        }
    }

    /// An endpoint is sent a message.
    pub(crate) fn note_sent(&mut self, name: &str, method: &'static str, bytes: u64) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(name) {
            peer.last_sent = now;
            peer.messages_sent.add(1, now);
            peer.bytes_sent.add(bytes, now);
            peer.facts.sent.add(bytes);
            *peer.facts.sent_per_method.entry(method).or_default() += 1;
            let counters = &mut self.fleet.counters;
            counters.sent.entry(method).or_default().add(bytes);
        }
    }

    /// What came of an endpoint is a message of this method; that something came is counted
    /// elsewhere.
    pub(crate) fn note_received(&mut self, name: &str, method: &'static str, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(name) {
            *peer.facts.received_per_method.entry(method).or_default() += 1;
            let counters = &mut self.fleet.counters;
            counters.received.entry(method).or_default().add(bytes);
        }
    }

    fn happened(&mut self, happening: Happening) {
        self.fleet.digest.note(happening);
        if self.fleet.storms.note(happening, self.now) {
            self.time_digest();
        }
    }

    fn time_digest(&mut self) {
        if !self.fleet.is_timed {
            self.fleet.is_timed = true;
            self.timers.set(self.now + DIGEST_INTERVAL_S, Timer::Digest);
        }
    }

    /// Logs what happened to a single connection: a notice, when so much happens that one line a
    /// second tells of all of it.
    pub(crate) fn log_event(&mut self, severity: Severity, facility: &'static str, text: String) {
        let storm = self.fleet.storms.is_under_way();
        if self.fleet.digest.admits(storm, self.now) {
            self.log(severity, facility, text);
            return;
        }
        self.log(severity.min(Severity::Notice), facility, text);
        self.time_digest();
    }

    /// A second has passed in which much happened.
    pub(crate) fn digest(&mut self) {
        let now = self.now;
        self.fleet.is_timed = false;
        let standing = self.standing();
        if let Some(counts) = self.fleet.digest.take(now) {
            let text = digest::line(&counts, standing);
            self.log(Severity::Information, "ApiListener", text);
        }
        let missing = self.fleet.missing();
        let hopeful = missing.saturating_sub(self.fleet.hopeless);
        if let Some(report) = self.fleet.storms.tick(missing, hopeful, now) {
            let text = digest::last_line(report, standing);
            self.log(Severity::Information, "ApiListener", text);
        }
        if self.fleet.storms.is_under_way() || self.fleet.digest.is_due() {
            self.time_digest();
        }
    }

    fn standing(&self) -> Standing {
        let fleet = &self.fleet;
        let next = self.timers.next_of(|at, timer| match timer {
            Timer::Dial(name) => {
                let peer = self.peers.get(name);
                peer.is_some_and(|peer| peer.dial_due == Some(at))
            }
            _ => false,
        });
        Standing {
            connected: fleet.connected(),
            all: fleet.neighbours.max(fleet.connected()),
            dialling: fleet.count(PeerState::Connecting),
            waiting: fleet.count(PeerState::Queued) + fleet.count(PeerState::Waiting),
            next_s: next.map(|next| next - self.now),
        }
    }
}

impl From<&Direction> for LinkDirection {
    fn from(direction: &Direction) -> Self {
        match direction {
            Direction::Accepted => Self::Inbound,
            Direction::Dialled { .. } => Self::Outbound,
        }
    }
}

const DIGEST_INTERVAL_S: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_cumulative() {
        let mut histogram = Histogram::default();
        for seconds in [0.0005, 0.001, 0.02, 3.0, 60.0] {
            histogram.add(seconds);
        }
        let classes: Vec<(f64, u64)> = histogram.cumulative().collect();
        assert_eq!(classes[0], (0.001, 2), "bounds are inclusive");
        assert_eq!(classes[4], (0.025, 3));
        assert_eq!(classes[12], (10.0, 4));
        assert_eq!(histogram.count, 5);
    }
}
