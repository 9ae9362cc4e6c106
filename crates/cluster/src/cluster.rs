//! The state and its one door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bheka_model::Generation;
use bheka_value::{Str, Timestamp};

use crate::api::{Effect, Input, LinkId, Settings, Severity};
use crate::authority::{Authority, HostPinned};
use crate::capability::HOST_CHILDREN_INHERIT_AUTHORITY;
use crate::config_sync::ZoneFiles;
use crate::dial_queue::DialQueue;
use crate::execute::Executions;
use crate::fleet::Fleet;
use crate::link::{Link, Peer};
use crate::log::Catalogue;
use crate::pki::PkiState;
use crate::rate::Rate;
use crate::requests::Requests;
use crate::timers::{Jitter, Timer, Timers};
use crate::topology::{Relation, Topology};

/// The cluster as one node sees it.
///
/// Call [`Cluster::handle`] with each input, carry out the effects in their order, and hand in
/// [`Input::Tick`] at [`Cluster::next_wakeup`].
#[derive(Debug)]
pub struct Cluster {
    pub(crate) settings: Settings,
    pub(crate) generation: Arc<Generation>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) listener: Listener,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) peers: BTreeMap<Str, Peer>,
    /// Links without endpoint.
    pub(crate) anonymous: usize,
    pub(crate) timers: Timers,
    pub(crate) dials: DialQueue,
    pub(crate) jitter: Jitter,
    pub(crate) catalogue: Catalogue,
    pub(crate) authority: Authority,
    pub(crate) zone_files: Arc<BTreeMap<Str, ZoneFiles>>,
    pub(crate) authoritative: BTreeSet<Str>,
    pub(crate) pki: PkiState,
    pub(crate) requests: Requests,
    pub(crate) executions: Executions,
    pub(crate) received: Rate,
    pub(crate) relayed: Rate,
    pub(crate) fleet: Fleet,
    pub(crate) last_ts: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
    configured: bool,
}

/// What of the `ApiListener` object matters here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listener {
    pub(crate) accept_config: bool,
    /// `None` for no limit.
    pub(crate) anonymous_max: Option<usize>,
    /// `connect_timeout`, seconds: how long a peer that was dialled may take for its first word.
    pub(crate) hello_s: f64,
}

impl Default for Listener {
    /// Of a node without an `ApiListener`.
    fn default() -> Self {
        Self {
            accept_config: false,
            anonymous_max: None,
            hello_s: HELLO_S,
        }
    }
}

/// Icinga 2's `connect_timeout`.
const HELLO_S: f64 = 15.0;

/// What is kept of an endpoint across a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerPositions {
    /// Up to when the peer has confirmed this node's messages.
    pub local_log_position: Timestamp,
    /// The highest `ts` that was taken from it.
    pub remote_log_position: Timestamp,
    /// The version it said, 0 for unknown.
    pub icinga_version: u32,
    /// The capabilities it said.
    pub capabilities: u64,
}

impl Cluster {
    /// A node without configuration; the first [`Input::Reconfigure`] gives it one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            authority: Authority::held(&settings.local_endpoint),
            jitter: Jitter(settings.seed),
            dials: DialQueue::new(settings.dials),
            now: settings.program_start,
            settings,
            generation: Arc::default(),
            topology: Arc::default(),
            listener: Listener::default(),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            anonymous: 0,
            timers: Timers::default(),
            catalogue: Catalogue::default(),
            zone_files: Arc::default(),
            authoritative: BTreeSet::new(),
            pki: PkiState::default(),
            requests: Requests::default(),
            executions: Executions::default(),
            received: Rate::default(),
            relayed: Rate::default(),
            fleet: Fleet::default(),
            last_ts: Timestamp::NEVER,
            effects: Vec::new(),
            configured: false,
        }
    }

    /// Takes one input and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.observe_clock(now);
        match input {
            Input::Reconfigure(generation) => {
                let next = Topology::new(&generation, &self.settings.local_endpoint);
                self.reconfigure(generation, Arc::new(next));
            }
            Input::Exchange(generation, topology) => self.reconfigure(generation, topology),
            Input::LinkUp(up) => self.link_up(up),
            Input::LinkDown { link, cause } => self.link_down(link, &cause),
            Input::DialFailed { endpoint, failure } => self.dial_failed(&endpoint, failure),
            Input::Received {
                link,
                message,
                bytes,
            } => self.receive(link, message, bytes),
            Input::Malformed { link, error, bytes } => self.malformed(link, &error, bytes),
            Input::BadFrame { link, error } => self.bad_frame(link, error),
            Input::Alive { link } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.last_received = now;
                    link.is_heard = true;
                }
            }
            Input::LocalEvent(event) => self.relay_event(&event),
            Input::Send {
                endpoint,
                method,
                params,
            } => {
                self.send_direct(&endpoint, &method, params);
            }
            Input::Relay {
                object,
                method,
                params,
                logged,
            } => {
                self.relay_own(object, &method, params, logged);
            }
            Input::LogPage { link, page } => self.log_page(link, page),
            Input::LogState {
                files,
                current_records,
                last_timestamp,
            } => {
                self.catalogue.files = files;
                self.catalogue.current_records = current_records;
                self.catalogue.last_timestamp = last_timestamp;
                self.last_ts = self.last_ts.max(last_timestamp);
            }
            Input::ZoneFiles {
                zones,
                authoritative,
            } => self.replace_zone_files(zones, authoritative),
            Input::PkiState(state) => self.pki = state,
            Input::RequestCertificates => self.request_renewal(),
            Input::Pki(answer) => self.pki_answer(answer),
            Input::DropLinks { reason } => self.drop_links(&reason),
            Input::Shutdown => self.rotate_log(),
            Input::Tick => self.tick(),
        }
        self.begin_dials();
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Tick`] is due; `None` before the first configuration.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Zones and endpoints of the configuration in force.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Who takes care of which object of the own zone.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Sets what was kept of an endpoint, before the first configuration or after.
    pub fn restore(&mut self, endpoint: &Str, positions: PeerPositions) {
        self.peers.entry(endpoint.clone()).or_default().positions = positions;
    }

    /// What is to be kept of each endpoint.
    pub fn positions(&self) -> impl Iterator<Item = (&Str, PeerPositions)> {
        self.peers.iter().map(|(name, peer)| (name, peer.positions))
    }

    /// `log_message_timestamp` of the ApiListener, to be kept.
    #[must_use]
    pub fn log_message_timestamp(&self) -> Timestamp {
        self.catalogue.last_timestamp
    }

    /// The endpoint of a connection; `None` for anonymous and unknown ones.
    #[must_use]
    pub fn endpoint_of(&self, link: LinkId) -> Option<&Str> {
        self.links.get(&link)?.endpoint.as_ref()
    }

    /// Whether there is a connection to an endpoint.
    #[must_use]
    pub fn is_connected(&self, endpoint: &str) -> bool {
        self.peers
            .get(endpoint)
            .is_some_and(|peer| peer.link.is_some())
    }

    fn tick(&mut self) {
        while let Some((at, timer)) = self.timers.pop(self.now) {
            match timer {
                Timer::Positions => {
                    self.timers
                        .set(self.now + POSITIONS_INTERVAL_S, Timer::Positions);
                    self.announce_positions();
                    self.clean_log();
                }
                Timer::Authority => {
                    self.timers
                        .set(self.now + AUTHORITY_INTERVAL_S, Timer::Authority);
                    self.update_authority();
                }
                Timer::Liveness => {
                    self.timers
                        .set(self.now + LIVENESS_INTERVAL_S, Timer::Liveness);
                    self.close_silent();
                }
                Timer::Renewal => {
                    self.timers
                        .set(self.now + RENEWAL_INTERVAL_S, Timer::Renewal);
                    self.request_renewal();
                    self.requests.forget_stale(self.now);
                }
                Timer::Heartbeat(link) => self.heartbeat(link),
                Timer::Anonymous(link) => self.anonymous_expired(link),
                Timer::Dial(endpoint) => self.dial_due(&endpoint, at),
                Timer::Hello(link) => self.hello_due(link),
                Timer::Spare(link) => self.spare_due(link),
                Timer::Digest => self.digest(),
            }
        }
    }

    fn reconfigure(&mut self, generation: Arc<Generation>, next: Arc<Topology>) {
        let listener = generation.of_type("ApiListener").next().cloned();
        let is_alone = listener.is_none();
        self.listener = listener.map_or_else(Listener::default, |object| Listener {
            accept_config: object.boolean("accept_config"),
            anonymous_max: object
                .get("max_anonymous_clients")
                .as_number()
                .filter(|count| *count >= 0.0)
                .map(|count| count as usize),
            hello_s: object
                .get("connect_timeout")
                .as_number()
                .filter(|seconds| *seconds > 0.0)
                .unwrap_or(HELLO_S),
        });
        self.generation = generation;
        let before = std::mem::replace(&mut self.topology, next);
        if !self.configured {
            self.configured = true;
            self.timers
                .set(self.now + POSITIONS_INTERVAL_S, Timer::Positions);
            self.timers
                .set(self.now + AUTHORITY_INTERVAL_S, Timer::Authority);
            self.timers
                .set(self.now + LIVENESS_INTERVAL_S, Timer::Liveness);
            self.timers
                .set(self.now + RENEWAL_INTERVAL_S, Timer::Renewal);
            // Without a listener this node need not be an endpoint.
            if !is_alone && self.topology.local_zone().is_none() {
                let local = &self.settings.local_endpoint;
                let text = format!("Endpoint object for '{local}' is missing or in no zone.");
                self.log(Severity::Critical, "ApiListener", text);
            }
        }
        self.reconcile_peers(&before);
        self.count_neighbours();
        self.update_authority();
    }

    fn count_neighbours(&mut self) {
        self.fleet.neighbours = 0;
        for (name, endpoint) in self.topology.endpoints() {
            if let Some(peer) = self.peers.get_mut(name) {
                peer.is_neighbour = endpoint.relation.is_neighbour();
                self.fleet.neighbours += usize::from(peer.is_neighbour);
            }
        }
    }

    /// Recomputes who takes care of what, and tells when it has changed.
    pub(crate) fn update_authority(&mut self) {
        if !self.configured {
            return;
        }
        let local = &self.settings.local_endpoint;
        let members = self
            .topology
            .endpoints()
            .filter(|(name, endpoint)| endpoint.relation == Relation::Own && *name != local);
        let mut has_members = false;
        let mut connected = Vec::new();
        let mut pinned = self.settings.capabilities & HOST_CHILDREN_INHERIT_AUTHORITY != 0;
        for (name, _) in members {
            has_members = true;
            let Some(peer) = self.peers.get(name).filter(|peer| peer.link.is_some()) else {
                continue;
            };
            pinned &= peer.positions.capabilities & HOST_CHILDREN_INHERIT_AUTHORITY != 0;
            connected.push(name.clone());
        }
        let young = self.now - self.settings.program_start < COLD_START_S;
        let next = if has_members && connected.is_empty() && young {
            Authority::held(local)
        } else {
            let pinned = if pinned {
                HostPinned::Yes
            } else {
                HostPinned::No
            };
            Authority::among(local, connected, pinned)
        };
        if next != self.authority || next.is_held() != self.authority.is_held() {
            self.authority = next.clone();
            self.effects.push(Effect::Authority(next));
        }
    }

    /// A time for the next relayed message: never less than one given before, also when the clock
    /// was set back, for peers drop what is older than what they have.
    pub(crate) fn next_ts(&mut self) -> Timestamp {
        self.last_ts = self.now.max(self.last_ts + TS_STEP_S);
        self.last_ts
    }

    pub(crate) fn log(&mut self, severity: Severity, facility: &'static str, text: String) {
        self.effects.push(Effect::Log {
            severity,
            facility,
            text,
        });
    }

    /// Time goes on; when the clock was set back or this process stood still, links are not
    /// blamed for it.
    fn observe_clock(&mut self, now: Timestamp) {
        let passed = now - self.now;
        if passed < -CLOCK_TOLERANCE_S {
            self.timers.shift(passed);
            self.fleet.shift(passed);
            for peer in self.peers.values_mut() {
                peer.dial_due = peer.dial_due.map(|due| due + passed);
            }
        }
        if !(-CLOCK_TOLERANCE_S..=STALL_S).contains(&passed) {
            for link in self.links.values_mut() {
                link.last_received = now;
            }
        }
        self.now = now;
    }
}

const POSITIONS_INTERVAL_S: f64 = 5.0;
const AUTHORITY_INTERVAL_S: f64 = 10.0;
const LIVENESS_INTERVAL_S: f64 = 30.0;
const RENEWAL_INTERVAL_S: f64 = 86_400.0;
/// After start, wait so long for other members before taking care of everything alone.
const COLD_START_S: f64 = 30.0;
/// Steps between two `ts`, above the resolution of a double in this century.
const TS_STEP_S: f64 = 1e-6;
const CLOCK_TOLERANCE_S: f64 = 1.0;
/// Longer than the longest sleep of a working process (5 s) by a good measure.
const STALL_S: f64 = 20.0;
