//! Time, and what happens in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_cluster::log::{LogFile, LogPage};
use bheka_cluster::{
    DialFailure, DialPhase, Direction, DownCause, FailureKind, Input as ClusterInput, LinkId,
    LinkUp, Message, PhaseTimes, TlsFacts,
};
use bheka_model::Generation;
use bheka_monitor::{Finished, Input as MonitorInput, RunId};
use bheka_value::{Str, Timestamp};

use crate::config::Site;
use crate::journal::{Journal, Violation};
use crate::network::{Network, pair};
use crate::node::Node;
use crate::random::Random;
use crate::wiring::{Work, translate};

/// Virtual time begins here, in seconds since 1970.
pub(crate) const START: f64 = 1_795_400_000.0;

/// How fast things go, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Shortest way of a frame.
    pub delay_min_s: f64,
    /// Longest.
    pub delay_max_s: f64,
    /// Longest run of a plugin.
    pub plugin_max_s: f64,
    /// Between two savings of the state.
    pub save_interval_s: f64,
}

impl Default for Speed {
    fn default() -> Self {
        Self {
            delay_min_s: 0.001,
            delay_max_s: 0.3,
            plugin_max_s: 2.0,
            save_interval_s: 30.0,
        }
    }
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Happening {
    Wake {
        node: String,
        life: u64,
    },
    Save {
        node: String,
        life: u64,
    },
    Dialled {
        node: String,
        life: u64,
        endpoint: Str,
    },
    DialTimedOut {
        node: String,
        life: u64,
        endpoint: Str,
    },
    Frame {
        connection: u64,
        side: usize,
        bytes: Vec<u8>,
    },
    Down {
        connection: u64,
        side: usize,
        cause: DownCause,
    },
    Plugin {
        node: String,
        life: u64,
        run: RunId,
        outcome: Finished,
    },
    Page {
        node: String,
        life: u64,
        link: LinkId,
        page: LogPage,
    },
    Revive {
        node: String,
    },
    Heal {
        one: String,
        other: String,
    },
}

/// All nodes, the network between them, and time.
#[derive(Debug)]
pub struct World {
    /// The seed of this run.
    pub seed: u64,
    /// Notes.
    pub journal: Journal,
    pub(crate) random: Random,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) network: Network,
    pub(crate) speed: Speed,
    pub(crate) now: f64,
    agenda: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    is_traced: bool,
}

impl World {
    /// All nodes of a site, started within the first two seconds.
    #[must_use]
    pub fn new(site: &Site, seed: u64, speed: Speed) -> Self {
        let nodes = site
            .generations
            .iter()
            .map(|(name, generation)| (name.clone(), Node::new(name, Arc::clone(generation))))
            .collect();
        let mut world = Self {
            seed,
            journal: Journal::default(),
            random: Random::new(seed),
            nodes,
            network: Network::default(),
            speed,
            now: START,
            agenda: BTreeMap::new(),
            sequence: 0,
            is_traced: false,
        };
        let names: Vec<String> = world.nodes.keys().cloned().collect();
        for node in names {
            let delay = world.random.between(0.0, 2.0);
            world.plan(delay, Happening::Revive { node });
        }
        world
    }

    /// Seconds since the start.
    #[must_use]
    pub fn elapsed(&self) -> f64 {
        self.now - START
    }

    /// From now on tells on standard error what happens.
    pub const fn trace_all(&mut self) {
        self.is_traced = true;
    }

    /// Lets time pass.
    pub fn run(&mut self, seconds: f64) {
        let end = self.now + seconds;
        let mut steps = 0u64;
        while let Some(entry) = self.agenda.first_entry() {
            let at = micros_to_seconds(entry.key().0);
            if at > end {
                break;
            }
            let happening = entry.remove();
            self.now = self.now.max(at);
            self.happen(happening);
            steps += 1;
            if steps > STEPS_MAX {
                self.violate("the run does not come to rest".to_owned());
                break;
            }
        }
        self.now = end;
    }

    /// Puts another configuration in force on a running node.
    pub fn reconfigure(&mut self, node: &str, generation: Arc<Generation>) {
        let Some(of) = self.nodes.get_mut(node) else {
            return;
        };
        of.generation = Arc::clone(&generation);
        if of.brain.is_some() {
            self.monitor_input(node, MonitorInput::Reconfigure(Arc::clone(&generation)));
            self.cluster_input(node, ClusterInput::Reconfigure(generation));
        }
    }

    /// Loads a text and puts it in force on a running node.
    ///
    /// # Errors
    /// When the text is no valid configuration; the old one stays in force.
    pub fn reload(&mut self, node: &str, text: &str) -> Result<(), crate::SiteError> {
        let number = self
            .nodes
            .get(node)
            .map_or(1, |node| node.generation.number + 1);
        let generation = crate::config::load_node(node, text, number)?;
        self.reconfigure(node, generation);
        Ok(())
    }

    /// Kills a node; it comes back after so many seconds with what its disk kept.
    pub fn crash(&mut self, node: &str, down_s: f64) {
        let Some(of) = self.nodes.get_mut(node) else {
            return;
        };
        if of.brain.take().is_none() {
            return;
        }
        self.journal.faults += 1;
        // A record that was not written whole is lost; the daemon cuts it off.
        if self.random.chance(0.3) {
            let torn = self.random.below(40);
            if let Some(of) = self.nodes.get_mut(node) {
                of.disk.tear(torn);
            }
        }
        let open: Vec<u64> = self
            .network
            .connections
            .iter()
            .filter(|(_, connection)| connection.ends.iter().any(|end| end.node == node))
            .map(|(id, _)| *id)
            .collect();
        for connection in open {
            self.break_connection(connection, "connection reset by peer");
        }
        self.trace(&format!("{node} crashes"));
        self.plan(
            down_s,
            Happening::Revive {
                node: node.to_owned(),
            },
        );
    }

    /// Breaks one of the open connections at random.
    pub fn cut_any(&mut self) {
        let open: Vec<u64> = self.network.connections.keys().copied().collect();
        if let Some(connection) = open.get(self.random.below(open.len())) {
            self.journal.faults += 1;
            self.break_connection(*connection, "broken pipe");
        }
    }

    /// Nothing gets from one node to the other for so many seconds; connections stay open and
    /// what is sent arrives late, as with TCP.
    pub fn part(&mut self, one: &str, other: &str, seconds: f64) {
        if one != other && self.network.blocked.insert(pair(one, other)) {
            self.journal.faults += 1;
            self.trace(&format!("{one} and {other} are parted"));
            let heal = Happening::Heal {
                one: one.to_owned(),
                other: other.to_owned(),
            };
            self.plan(seconds, heal);
        }
    }

    /// Sends a message as if `from` had made it up.
    pub fn forge(&mut self, from: &str, to: &str, json: &str) -> bool {
        let link = self.network.connections.values().find_map(|connection| {
            let side = connection.ends.iter().position(|end| end.node == from)?;
            let there = &connection.ends[1 - side];
            (there.node == to && there.is_up).then(|| connection.ends[side].link)
        });
        let Some(link) = link else { return false };
        self.journal.forged += 1;
        self.transmit(link, json.as_bytes());
        true
    }

    /// Names of the nodes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// What a node knows; `None` while it is down.
    #[must_use]
    pub fn monitor(&self, node: &str) -> Option<&bheka_monitor::Monitor> {
        self.nodes
            .get(node)?
            .brain
            .as_ref()
            .map(|brain| &brain.monitor)
    }

    /// What a node thinks of the others; `None` while it is down.
    #[must_use]
    pub fn cluster(&self, node: &str) -> Option<&bheka_cluster::Cluster> {
        self.nodes
            .get(node)?
            .brain
            .as_ref()
            .map(|brain| &brain.cluster)
    }

    /// The configuration of a node.
    #[must_use]
    pub fn generation(&self, node: &str) -> Option<&Arc<Generation>> {
        self.nodes.get(node).map(|node| &node.generation)
    }

    /// Numbers of the open connections.
    #[must_use]
    pub fn open_connections(&self) -> Vec<u64> {
        self.network.connections.keys().copied().collect()
    }

    /// Rotated files of a node's replay log and records in all its files.
    #[must_use]
    pub fn log_of(&self, node: &str) -> (Vec<u64>, usize) {
        let Some(node) = self.nodes.get(node) else {
            return (Vec::new(), 0);
        };
        let rotated = node.disk.log.keys().filter_map(|file| match file {
            LogFile::Rotated(number) => Some(*number),
            LogFile::Current => None,
        });
        (rotated.collect(), node.disk.record_count())
    }

    /// The time now.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// Notes that a rule was broken.
    pub fn violate(&mut self, text: String) {
        let at = format!("{:.3} s", self.elapsed());
        if self.journal.violations.len() < VIOLATIONS_MAX {
            self.journal.violations.push(Violation { text, at });
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { node, life } => {
                if self.is_alive(&node, life) {
                    if let Some(of) = self.nodes.get_mut(&node) {
                        of.wake_at = None;
                    }
                    self.monitor_input(&node, MonitorInput::Tick);
                    self.cluster_input(&node, ClusterInput::Tick);
                }
            }
            Happening::Save { node, life } => {
                if self.is_alive(&node, life) {
                    if let Some(of) = self.nodes.get_mut(&node) {
                        of.save();
                    }
                    self.plan(self.speed.save_interval_s, Happening::Save { node, life });
                }
            }
            Happening::Dialled {
                node,
                life,
                endpoint,
            } => self.dialled(&node, life, &endpoint),
            Happening::DialTimedOut {
                node,
                life,
                endpoint,
            } => {
                if self.is_alive(&node, life) {
                    let (phase, kind) = (DialPhase::Tcp, FailureKind::Timeout);
                    let failure = DialFailure::new(phase, kind, "timed out");
                    self.cluster_input(&node, ClusterInput::DialFailed { endpoint, failure });
                }
            }
            Happening::Frame {
                connection,
                side,
                bytes,
            } => self.arrive(connection, side, &bytes),
            Happening::Down {
                connection,
                side,
                cause,
            } => self.down(connection, side, cause),
            Happening::Plugin {
                node,
                life,
                run,
                outcome,
            } => {
                if self.is_alive(&node, life) {
                    self.monitor_input(&node, MonitorInput::CheckFinished { run, outcome });
                }
            }
            Happening::Page {
                node,
                life,
                link,
                page,
            } => {
                if self.is_alive(&node, life) {
                    self.cluster_input(&node, ClusterInput::LogPage { link, page });
                }
            }
            Happening::Revive { node } => self.revive(&node),
            Happening::Heal { one, other } => self.heal(&one, &other),
        }
    }

    fn revive(&mut self, node: &str) {
        let seed = self.random.bits();
        let now = Timestamp(self.now);
        let Some(of) = self.nodes.get_mut(node) else {
            return;
        };
        if of.brain.is_some() {
            return;
        }
        of.revive(seed, now);
        let life = of.life;
        let generation = Arc::clone(&of.generation);
        let files = of.disk.log.keys().filter_map(|file| match file {
            LogFile::Rotated(number) => Some(*number),
            LogFile::Current => None,
        });
        let log_state = ClusterInput::LogState {
            files: files.collect(),
            current_records: of.disk.records.get(&LogFile::Current).copied().unwrap_or(0),
            last_timestamp: of.disk.last_timestamp,
        };
        self.trace(&format!("{node} starts (life {life})"));
        self.cluster_input(node, log_state);
        self.monitor_input(node, MonitorInput::Reconfigure(Arc::clone(&generation)));
        self.cluster_input(node, ClusterInput::Reconfigure(generation));
        // The monitor holds its checks until the cluster has spoken, as the daemon has it.
        let authority = self
            .cluster(node)
            .map(|cluster| cluster.authority().clone());
        if let Some(authority) = authority {
            self.monitor_input(node, MonitorInput::Authority(translate(&authority)));
        }
        let node = node.to_owned();
        self.plan(self.speed.save_interval_s, Happening::Save { node, life });
    }

    fn heal(&mut self, one: &str, other: &str) {
        self.network.blocked.remove(&pair(one, other));
        self.trace(&format!("{one} and {other} meet again"));
        let mut late = Vec::new();
        for connection in self.network.connections.values_mut() {
            if pair(&connection.ends[0].node, &connection.ends[1].node) == pair(one, other) {
                for side in 0..2 {
                    let link = connection.ends[side].link;
                    let held = std::mem::take(&mut connection.held[side]);
                    late.extend(held.into_iter().map(|bytes| (link, bytes)));
                }
            }
        }
        for (link, bytes) in late {
            self.put_on_wire(link, bytes);
        }
    }

    fn dialled(&mut self, node: &str, life: u64, endpoint: &Str) {
        if !self.is_alive(node, life) {
            return;
        }
        if self.network.is_blocked(node, endpoint) {
            let again = Happening::DialTimedOut {
                node: node.to_owned(),
                life,
                endpoint: endpoint.clone(),
            };
            self.plan(CONNECT_TIMEOUT_S, again);
            return;
        }
        let there = self
            .nodes
            .get(&**endpoint)
            .filter(|there| there.brain.is_some());
        let Some(there_life) = there.map(|there| there.life) else {
            let (phase, kind) = (DialPhase::Tcp, FailureKind::Refused);
            let failure = DialFailure::new(phase, kind, "connection refused");
            let endpoint = endpoint.clone();
            self.cluster_input(node, ClusterInput::DialFailed { endpoint, failure });
            return;
        };
        let id = self.network.connect((node, life), (endpoint, there_life));
        self.journal.connections += 1;
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        connection.ends[0].is_up = true;
        let link = connection.ends[0].link;
        let direction = Direction::Dialled {
            endpoint: endpoint.clone(),
        };
        self.cluster_input(
            node,
            ClusterInput::LinkUp(link_up(link, direction, endpoint)),
        );
    }

    fn arrive(&mut self, connection: u64, side: usize, bytes: &[u8]) {
        let Some(of) = self.network.connections.get_mut(&connection) else {
            return;
        };
        let peer = of.ends[1 - side].node.clone();
        let end = &mut of.ends[side];
        if !end.is_open {
            return;
        }
        let (node, life, link) = (end.node.clone(), end.life, end.link);
        if !self.is_alive(&node, life) {
            return;
        }
        let Some(of) = self.network.connections.get_mut(&connection) else {
            return;
        };
        let end = &mut of.ends[side];
        if !end.is_up {
            end.is_up = true;
            let up = link_up(link, Direction::Accepted, &peer);
            self.cluster_input(&node, ClusterInput::LinkUp(up));
        }
        self.decode(connection, side, bytes, &node, link);
    }

    fn decode(&mut self, connection: u64, side: usize, bytes: &[u8], node: &str, link: LinkId) {
        let mut fresh = Some(bytes);
        loop {
            let Some(of) = self.network.connections.get_mut(&connection) else {
                return;
            };
            let end = &mut of.ends[side];
            if !end.is_open {
                return;
            }
            if let Some(bytes) = fresh.take() {
                end.decoder.push(bytes);
            }
            let input = match end.decoder.next() {
                Ok(None) => return,
                Err(error) => ClusterInput::BadFrame { link, error },
                Ok(Some(payload)) => match Message::from_bytes(&payload) {
                    Ok(message) => ClusterInput::Received {
                        link,
                        message,
                        bytes: payload.len() + 2,
                    },
                    Err(error) => {
                        let error = error.to_string().into();
                        ClusterInput::Malformed {
                            link,
                            error,
                            bytes: payload.len() + 2,
                        }
                    }
                },
            };
            self.cluster_input(node, input);
        }
    }

    fn down(&mut self, connection: u64, side: usize, cause: DownCause) {
        let Some(of) = self.network.connections.get_mut(&connection) else {
            return;
        };
        let end = &mut of.ends[side];
        let was_open = std::mem::replace(&mut end.is_open, false);
        let (node, life, link, is_up) = (end.node.clone(), end.life, end.link, end.is_up);
        self.network.forget_closed(connection);
        if was_open && is_up && self.is_alive(&node, life) {
            self.journal.disconnections += 1;
            self.cluster_input(&node, ClusterInput::LinkDown { link, cause });
        }
    }

    fn break_connection(&mut self, connection: u64, reason: &str) {
        for side in 0..2 {
            let delay = self
                .random
                .between(self.speed.delay_min_s, self.speed.delay_max_s);
            let cause = DownCause::Lost(reason.into());
            self.plan(
                delay,
                Happening::Down {
                    connection,
                    side,
                    cause,
                },
            );
        }
    }

    pub(crate) fn cluster_input(&mut self, node: &str, input: ClusterInput) {
        let now = Timestamp(self.now);
        let Some(brain) = self
            .nodes
            .get_mut(node)
            .and_then(|node| node.brain.as_mut())
        else {
            return;
        };
        let effects = brain.cluster.handle(input, now);
        self.work_off(node, effects.into_iter().map(Work::Cluster).collect());
    }

    pub(crate) fn monitor_input(&mut self, node: &str, input: MonitorInput) {
        let now = Timestamp(self.now);
        let Some(brain) = self
            .nodes
            .get_mut(node)
            .and_then(|node| node.brain.as_mut())
        else {
            return;
        };
        let effects = brain.monitor.handle(input, now);
        self.work_off(node, effects.into_iter().map(Work::Monitor).collect());
    }

    pub(crate) fn transmit(&mut self, link: LinkId, payload: &[u8]) {
        self.journal.messages += 1;
        if let Ok(text) = std::str::from_utf8(payload)
            && text.contains("event::CheckResult")
            && let Some(id) = Journal::result_of(text)
        {
            *self.journal.sent.entry(id).or_default() += 1;
        }
        self.put_on_wire(link, bheka_cluster::netstring::encode(payload));
    }

    fn put_on_wire(&mut self, link: LinkId, bytes: Vec<u8>) {
        let Some((id, side)) = self.network.by_link.get(&link).copied() else {
            return;
        };
        let Some(connection) = self.network.connections.get(&id) else {
            return;
        };
        let is_blocked = self
            .network
            .is_blocked(&connection.ends[0].node, &connection.ends[1].node);
        let delay = self
            .random
            .between(self.speed.delay_min_s, self.speed.delay_max_s);
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        if !connection.ends[side].is_open {
            return;
        }
        if is_blocked {
            connection.held[side].push(bytes);
            return;
        }
        let there = &mut connection.ends[1 - side];
        // In order: none arrives before the one that was sent before it.
        there.arrival_last = (self.now + delay).max(there.arrival_last);
        let delay = there.arrival_last - self.now;
        // Frames come in pieces.
        let cut = if bytes.len() > 1 { bytes.len() / 2 } else { 0 };
        let (first, second) = bytes.split_at(cut);
        for piece in [first, second] {
            let bytes = piece.to_vec();
            self.plan(
                delay,
                Happening::Frame {
                    connection: id,
                    side: 1 - side,
                    bytes,
                },
            );
        }
    }

    pub(crate) fn close(&mut self, link: LinkId) {
        let Some((id, side)) = self.network.by_link.get(&link).copied() else {
            return;
        };
        let Some(connection) = self.network.connections.get_mut(&id) else {
            return;
        };
        connection.ends[side].is_open = false;
        let there = &connection.ends[1 - side];
        let delay = (there.arrival_last - self.now).max(self.speed.delay_min_s);
        self.journal.disconnections += 1;
        let cause = DownCause::Announced;
        self.plan(
            delay,
            Happening::Down {
                connection: id,
                side: 1 - side,
                cause,
            },
        );
    }

    pub(crate) fn plan_wakeup(&mut self, node: &str) {
        let Some(of) = self.nodes.get_mut(node) else {
            return;
        };
        let Some(at) = of.next_wakeup() else { return };
        let at = at.max(self.now + WAKE_MIN_S);
        if of.wake_at.is_some_and(|planned| planned <= at) {
            return;
        }
        of.wake_at = Some(at);
        let life = of.life;
        let node = node.to_owned();
        self.plan(at - self.now, Happening::Wake { node, life });
    }

    pub(crate) fn plan(&mut self, delay_s: f64, happening: Happening) {
        self.sequence += 1;
        let at = seconds_to_micros(self.now + delay_s.max(0.0));
        self.agenda.insert((at, self.sequence), happening);
    }

    fn is_alive(&self, node: &str, life: u64) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.brain.is_some() && node.life == life)
    }

    pub(crate) fn trace(&self, text: &str) {
        if self.is_traced {
            eprintln!("{:10.3} {text}", self.elapsed());
        }
    }
}

fn link_up(link: LinkId, direction: Direction, peer: &str) -> LinkUp {
    LinkUp {
        link,
        direction,
        identity: Some(peer.into()),
        verified: Ok(()),
        certificate: Some("PEM".into()),
        address: format!("[{peer}]:5665").into(),
        tls: TlsFacts::default(),
        times: PhaseTimes::default(),
    }
}

/// Times are whole microseconds after the start, so that they order and repeat exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn seconds_to_micros(at: f64) -> u64 {
    ((at - START).max(0.0) * 1e6).ceil() as u64
}

#[allow(clippy::cast_precision_loss)]
fn micros_to_seconds(micros: u64) -> f64 {
    START + micros as f64 / 1e6
}

/// A node is not woken more often than that.
const WAKE_MIN_S: f64 = 0.001;
/// A dial into nothing ends after that.
const CONNECT_TIMEOUT_S: f64 = 15.0;
/// More happenings in one run than that are a sign of a loop.
const STEPS_MAX: u64 = 20_000_000;
/// More are not noted.
const VIOLATIONS_MAX: usize = 50;
