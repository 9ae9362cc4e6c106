//! Connections: who is at the other end, and how long it may stay.

use bheka_value::{Str, Timestamp, Value};

use crate::api::{CloseReason, Direction, DownCause, Effect, LinkId, LinkUp, Severity};
use crate::cluster::{Cluster, PeerPositions};
use crate::dial::Parting;
use crate::facts::{
    DialFailure, DialPhase, FailureKind, PeerFacts, PeerState, PhaseTimes, TlsFacts,
};
use crate::fleet::EndedBy;
use crate::message::Message;
use crate::netstring::{ANONYMOUS_BYTES_MAX, FramingError};
use crate::rate::Rate;
use crate::sync::Replay;
use crate::timers::Timer;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// The endpoint at the other end; `None` for an anonymous peer.
    pub(crate) endpoint: Option<Str>,
    /// The endpoint that was dialled and could not prove that it is the one.
    pub(crate) unproven: Option<Str>,
    pub(crate) identity: Option<Str>,
    pub(crate) certificate: Option<Str>,
    pub(crate) address: Str,
    pub(crate) direction: Direction,
    pub(crate) tls: TlsFacts,
    pub(crate) times: PhaseTimes,
    pub(crate) since: Timestamp,
    pub(crate) last_received: Timestamp,
    /// Whether anything has come.
    pub(crate) is_heard: bool,
    /// The replay under way.
    pub(crate) replay: Option<Replay>,
    pub(crate) complaints: Complaints,
}

impl Link {
    /// Who it is, for logs.
    pub(crate) fn name(&self) -> &str {
        self.identity.as_deref().unwrap_or("anonymous")
    }
}

/// What is known of an endpoint of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) positions: PeerPositions,
    pub(crate) link: Option<LinkId>,
    /// A second connection; see [`Cluster::spare_due`].
    pub(crate) spare: Option<LinkId>,
    pub(crate) syncing: bool,
    /// Where a dial is under way to.
    pub(crate) dialling: Option<(Str, Str)>,
    pub(crate) dial_due: Option<Timestamp>,
    /// A connection to somebody who could not prove to be this endpoint.
    pub(crate) unproven: Option<LinkId>,
    /// Dials that failed in a row.
    pub(crate) failures: u32,
    /// Whether it is in the own, the parent or a direct child zone.
    pub(crate) is_neighbour: bool,
    pub(crate) last_sent: Timestamp,
    pub(crate) last_received: Timestamp,
    pub(crate) messages_sent: Rate,
    pub(crate) messages_received: Rate,
    pub(crate) bytes_sent: Rate,
    pub(crate) bytes_received: Rate,
    pub(crate) facts: PeerFacts,
}

impl Peer {
    /// How it stands; `queued` is whether its dial waits for a place.
    pub(crate) fn state(&self, queued: bool) -> PeerState {
        if self.link.is_some() {
            if self.syncing {
                PeerState::Syncing
            } else {
                PeerState::Connected
            }
        } else if self.unproven.is_some() {
            PeerState::Unproven
        } else if self.dialling.is_some() {
            PeerState::Connecting
        } else if queued {
            PeerState::Queued
        } else if self.dial_due.is_some() {
            PeerState::Waiting
        } else {
            PeerState::Absent
        }
    }
}

/// Keeps a peer that errs all the time from filling the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Complaints {
    since: Timestamp,
    count: u32,
}

impl Complaints {
    /// Whether one more may be logged, and how many were not since the last one.
    fn admit(&mut self, now: Timestamp) -> Option<u32> {
        let expired = (now - self.since).abs() > COMPLAINT_INTERVAL_S;
        if expired {
            let suppressed = self.count.saturating_sub(COMPLAINTS_MAX);
            *self = Self {
                since: now,
                count: 1,
            };
            return Some(suppressed);
        }
        self.count = self.count.saturating_add(1);
        (self.count <= COMPLAINTS_MAX).then_some(0)
    }
}

/// Who is at the other end.
enum Verdict {
    Endpoint(Str),
    /// The endpoint has a connection, and no second one yet.
    Spare(Str),
    Anonymous,
    Refused {
        reason: CloseReason,
        severity: Severity,
        hello: Hello,
    },
}

/// Whether a refused peer is greeted first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hello {
    Yes,
    No,
}

impl Cluster {
    pub(crate) fn link_up(&mut self, mut up: LinkUp) {
        up.address = bracketed(&up.address);
        if self.links.contains_key(&up.link) {
            return;
        }
        let fresh_dial = self.end_dial(&up.direction);
        let verdict = self.judge(&up, fresh_dial);
        self.log_connection(&up, &verdict);
        self.note_refusal(&up, &verdict);
        match verdict {
            Verdict::Refused {
                reason,
                severity,
                hello,
            } => {
                let name = up.identity.as_deref().unwrap_or("anonymous");
                let text = format!(
                    "Closing connection to '{name}' at {}: {reason}.",
                    up.address
                );
                self.log_event(severity, "ApiListener", text);
                if hello == Hello::Yes {
                    self.push_send(up.link, &self.hello());
                }
                self.effects.push(Effect::Close {
                    link: up.link,
                    reason,
                });
                self.redial_refused(&up.direction);
            }
            Verdict::Anonymous => {
                let unproven = match &up.direction {
                    Direction::Dialled { endpoint } => Some(endpoint.clone()),
                    Direction::Accepted => None,
                };
                if let Some(peer) = unproven.as_ref().and_then(|name| self.peers.get_mut(name)) {
                    peer.unproven = Some(up.link);
                }
                if let Some(name) = &unproven {
                    self.note_state(name);
                }
                self.anonymous += 1;
                let id = self.keep(up, None, unproven);
                self.effects.push(Effect::SetLimit {
                    link: id,
                    bytes: ANONYMOUS_BYTES_MAX,
                });
                self.push_send(id, &self.hello());
                self.timers
                    .set(self.now + ANONYMOUS_LIFE_S, Timer::Anonymous(id));
            }
            Verdict::Endpoint(endpoint) => {
                let was_dialled = up.direction != Direction::Accepted;
                let id = self.keep(up, Some(endpoint.clone()), None);
                if was_dialled {
                    let limit = self.now + self.listener.hello_s;
                    self.timers.set(limit, Timer::Hello(id));
                } else {
                    self.cancel_dial(&endpoint);
                }
                self.attach(id, &endpoint);
            }
            Verdict::Spare(endpoint) => {
                let id = self.keep(up, Some(endpoint.clone()), None);
                self.keep_spare(id, &endpoint);
            }
        }
    }

    pub(crate) fn link_down(&mut self, link: LinkId, cause: &DownCause) {
        let Some(gone) = self.links.get(&link) else {
            return;
        };
        let name = gone.name().to_owned();
        let (severity, text) = match (cause, &gone.endpoint) {
            (DownCause::Announced, Some(_)) => (
                Severity::Information,
                format!("API client disconnected for identity '{name}'."),
            ),
            (DownCause::Lost(reason), Some(_)) => (
                Severity::Warning,
                format!(
                    "Connection to identity '{name}' at {} was lost: {reason}.",
                    gone.address
                ),
            ),
            (_, None) => (
                Severity::Notice,
                format!(
                    "API client disconnected for identity '{name}' at {}.",
                    gone.address
                ),
            ),
        };
        self.log_event(severity, "JsonRpcConnection", text);
        let (parting, by, cause) = match cause {
            DownCause::Announced => {
                let cause = "the peer closed the connection".into();
                (Parting::Announced, EndedBy::Peer, cause)
            }
            DownCause::Lost(reason) => (Parting::Sudden, EndedBy::Loss, reason.clone()),
        };
        self.detach(link, parting, by, cause);
    }

    pub(crate) fn malformed(&mut self, link: LinkId, error: &str, bytes: usize) {
        self.count_received(link, bytes);
        let Some(of) = self.links.get(&link) else {
            return;
        };
        if of.endpoint.is_some() {
            let text = format!("Skipping a message that cannot be read: {error}");
            self.complain(link, &text);
        } else {
            self.close(
                link,
                CloseReason::Malformed(error.into()),
                Severity::Warning,
            );
        }
    }

    pub(crate) fn bad_frame(&mut self, link: LinkId, error: FramingError) {
        self.close(link, CloseReason::Framing(error), Severity::Warning);
    }

    pub(crate) fn anonymous_expired(&mut self, link: LinkId) {
        if self
            .links
            .get(&link)
            .is_some_and(|link| link.endpoint.is_none())
        {
            self.close(link, CloseReason::AnonymousExpired, Severity::Information);
        }
    }

    pub(crate) fn heartbeat(&mut self, link: LinkId) {
        if self.links.contains_key(&link) {
            self.timers
                .set(self.now + HEARTBEAT_INTERVAL_S, Timer::Heartbeat(link));
            let empty = Value::dictionary::<&str>([]);
            self.send(link, &Message::call("event::Heartbeat", empty));
        }
    }

    pub(crate) fn close_silent(&mut self) {
        let now = self.now;
        let is_silent = |link: &Link| now - link.last_received > SILENCE_MAX_S;
        let is_syncing = |link: &Link| {
            link.endpoint
                .as_ref()
                .is_some_and(|name| self.peers[name].syncing)
        };
        let silent: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| is_silent(link) && !is_syncing(link))
            .map(|(id, _)| *id)
            .collect();
        for link in silent {
            self.close(
                link,
                CloseReason::Silent(SILENCE_MAX_S as u64),
                Severity::Information,
            );
        }
    }

    pub(crate) fn drop_links(&mut self, reason: &Str) {
        // Second connections first, or they would take the place of the others.
        let spares = self.peers.values().filter_map(|peer| peer.spare);
        let mut all: Vec<LinkId> = spares.collect();
        all.extend(self.links.keys());
        for link in all {
            self.close(
                link,
                CloseReason::Dropped(reason.clone()),
                Severity::Information,
            );
        }
    }

    /// Closes a connection and says why.
    pub(crate) fn close(&mut self, link: LinkId, reason: CloseReason, severity: Severity) {
        let Some(of) = self.links.get(&link) else {
            return;
        };
        let text = format!(
            "Closing connection to '{}' at {}: {reason}.",
            of.name(),
            of.address
        );
        self.log_event(severity, "JsonRpcConnection", text);
        let cause = reason.to_string().into();
        self.effects.push(Effect::Close { link, reason });
        self.detach(link, Parting::Sudden, EndedBy::Here, cause);
    }

    /// Sends a message on a connection, and counts it.
    pub(crate) fn send(&mut self, link: LinkId, message: &Message) {
        self.send_payload(link, message.to_json().into());
    }

    pub(crate) fn send_payload(&mut self, link: LinkId, payload: std::sync::Arc<str>) {
        let of = self.links.get(&link);
        if let Some(name) = of.and_then(|link| link.endpoint.clone()) {
            self.note_sent(&name, method_of(&payload), frame_bytes(payload.len()));
        }
        self.effects.push(Effect::Send { link, payload });
    }

    /// Counts what came, before it is looked at.
    pub(crate) fn count_received(&mut self, link: LinkId, bytes: usize) {
        let now = self.now;
        self.received.add(1, now);
        let Some(link) = self.links.get_mut(&link) else {
            return;
        };
        link.last_received = now;
        link.is_heard = true;
        let Some(peer) = link
            .endpoint
            .as_ref()
            .and_then(|name| self.peers.get_mut(name))
        else {
            return;
        };
        peer.last_received = now;
        peer.messages_received.add(1, now);
        peer.bytes_received.add(bytes as u64, now);
        peer.facts.received.add(bytes as u64);
    }

    /// Logs what a peer did wrong, though not without end.
    pub(crate) fn complain(&mut self, link: LinkId, text: &str) {
        let now = self.now;
        let Some(of) = self.links.get_mut(&link) else {
            return;
        };
        let Some(suppressed) = of.complaints.admit(now) else {
            return;
        };
        let mut line = format!("Error while processing message of '{}': {text}", of.name());
        if suppressed > 0 {
            line.push_str(&format!(" ({suppressed} more were not logged)"));
        }
        self.log(Severity::Warning, "JsonRpcConnection", line);
    }

    fn judge(&self, up: &LinkUp, fresh_dial: bool) -> Verdict {
        let refused = |reason, hello| Verdict::Refused {
            reason,
            severity: Severity::Warning,
            hello,
        };
        if let Direction::Dialled { endpoint } = &up.direction {
            if self.topology.endpoint(endpoint).is_none() || !fresh_dial {
                let change = if fresh_dial { "removed" } else { "changed" };
                return refused(CloseReason::Reconfigured(change), Hello::No);
            }
            if up.identity.as_ref() != Some(endpoint) {
                let expected = endpoint.clone();
                let found = up.identity.clone();
                return refused(CloseReason::WrongName { expected, found }, Hello::No);
            }
        }
        let (Some(identity), Ok(())) = (&up.identity, &up.verified) else {
            return self.judge_anonymous();
        };
        if *identity == self.settings.local_endpoint {
            return refused(CloseReason::OwnName(identity.clone()), Hello::No);
        }
        if self.topology.endpoint(identity).is_none() {
            return refused(CloseReason::UnknownEndpoint(identity.clone()), Hello::Yes);
        }
        let Some(peer) = self.peers.get(identity).filter(|peer| peer.link.is_some()) else {
            return Verdict::Endpoint(identity.clone());
        };
        if peer.spare.is_some() {
            return Verdict::Refused {
                reason: CloseReason::Duplicate,
                severity: Severity::Information,
                hello: Hello::Yes,
            };
        }
        Verdict::Spare(identity.clone())
    }

    fn judge_anonymous(&self) -> Verdict {
        match self.listener.anonymous_max {
            Some(limit) if self.anonymous >= limit => Verdict::Refused {
                reason: CloseReason::TooManyAnonymous(limit),
                severity: Severity::Notice,
                hello: Hello::Yes,
            },
            _ => Verdict::Anonymous,
        }
    }

    fn log_connection(&mut self, up: &LinkUp, verdict: &Verdict) {
        let way = match &up.direction {
            Direction::Dialled { .. } => "to",
            Direction::Accepted => "from",
        };
        let note = match (&up.identity, &up.verified, verdict) {
            (None, ..) => " (no client certificate)".to_owned(),
            (_, Err(reason), _) => format!(" (certificate validation failed: {reason})"),
            (
                _,
                Ok(()),
                Verdict::Refused {
                    reason: CloseReason::UnknownEndpoint(_),
                    ..
                },
            ) => " (no Endpoint object found for identity)".to_owned(),
            _ => String::new(),
        };
        let whose = match up.identity.as_deref() {
            Some(identity) => format!(" for identity '{identity}'"),
            None => String::new(),
        };
        let text = format!("New client connection{whose} {way} {}{note}", up.address);
        // One that is refused gets a line that says why; anonymous ones come in crowds.
        let severity = if matches!(verdict, Verdict::Refused { .. }) {
            Severity::Notice
        } else {
            Severity::Information
        };
        self.log_event(severity, "ApiListener", text);
    }

    fn keep(&mut self, up: LinkUp, endpoint: Option<Str>, unproven: Option<Str>) -> LinkId {
        let link = Link {
            endpoint,
            unproven,
            identity: up.identity,
            certificate: up.certificate,
            address: up.address,
            direction: up.direction,
            tls: up.tls,
            times: up.times,
            since: self.now,
            last_received: self.now,
            is_heard: false,
            replay: None,
            complaints: Complaints::default(),
        };
        self.links.insert(up.link, link);
        self.timers
            .set(self.now + HEARTBEAT_INTERVAL_S, Timer::Heartbeat(up.link));
        up.link
    }

    fn attach(&mut self, link: LinkId, endpoint: &Str) {
        let peer = self.peers.entry(endpoint.clone()).or_default();
        peer.link = Some(link);
        peer.syncing = true;
        peer.dial_due = None;
        let relation = self
            .topology
            .endpoint(endpoint)
            .map(|endpoint| endpoint.relation);
        let bytes = relation.map_or(ANONYMOUS_BYTES_MAX, |relation| relation.frame_bytes_max());
        self.effects.push(Effect::SetLimit { link, bytes });
        self.note_connected(endpoint, link);
        self.tell_peer(endpoint);
        self.push_send(link, &self.hello());
        self.begin_sync(link, endpoint);
    }

    /// A second connection to an endpoint: both nodes have dialled at the same moment, or the first
    /// one is dead and the peer has noticed it earlier.
    ///
    /// Which one stays is decided a little later. A stock Icinga 2 closes the one that came second
    /// *to it* at once, so the other one is left; two Bhekas wait, and then decide alike.
    fn keep_spare(&mut self, spare: LinkId, endpoint: &Str) {
        let Some(peer) = self.peers.get_mut(endpoint) else {
            return;
        };
        peer.spare = Some(spare);
        peer.dial_due = None;
        self.dials.remove(endpoint);
        let relation = self
            .topology
            .endpoint(endpoint)
            .map(|endpoint| endpoint.relation);
        let bytes = relation.map_or(ANONYMOUS_BYTES_MAX, |relation| relation.frame_bytes_max());
        self.effects.push(Effect::SetLimit { link: spare, bytes });
        self.push_send(spare, &self.hello());
        self.timers
            .set(self.now + SPARE_PAUSE_S, Timer::Spare(spare));
        self.spare_at(spare, endpoint, SpareAt::Arrival);
    }

    /// Looks again which of two connections stays.
    pub(crate) fn spare_due(&mut self, spare: LinkId) {
        let Some(endpoint) = self
            .links
            .get(&spare)
            .and_then(|link| link.endpoint.clone())
        else {
            return;
        };
        self.spare_at(spare, &endpoint, SpareAt::Timer);
    }

    fn spare_at(&mut self, spare: LinkId, endpoint: &Str, at: SpareAt) {
        let Some(first) = self
            .peers
            .get(endpoint)
            .filter(|peer| peer.spare == Some(spare))
            .and_then(|peer| peer.link)
        else {
            return;
        };
        let (Some(old), Some(new)) = (self.links.get(&first), self.links.get(&spare)) else {
            return;
        };
        let silence = self.now - old.last_received;
        let loser = if silence > SPARE_SILENCE_S {
            // A node that lives sends something every 20 seconds.
            Some(first)
        } else if at == SpareAt::Arrival {
            None
        } else if new.since - old.since < SPARE_YOUNG_S && old.direction != new.direction {
            // Both came up together: the connection stays that the lesser name has made.
            let own_stays = self.settings.local_endpoint < *endpoint;
            let old_is_own = old.direction != Direction::Accepted;
            Some(if old_is_own == own_stays {
                spare
            } else {
                first
            })
        } else if old.last_received > new.since {
            // The first one lives.
            Some(spare)
        } else {
            None
        };
        match loser {
            Some(loser) => self.close(loser, CloseReason::Duplicate, Severity::Information),
            None if at == SpareAt::Timer => {
                self.timers
                    .set(self.now + SPARE_PAUSE_S, Timer::Spare(spare));
            }
            None => {}
        }
    }

    /// A peer that was dialled has had time enough for its first word.
    pub(crate) fn hello_due(&mut self, link: LinkId) {
        if self.links.get(&link).is_some_and(|link| !link.is_heard) {
            let reason = CloseReason::NoHello(self.listener.hello_s as u64);
            let failure = DialFailure {
                elapsed_s: self.listener.hello_s,
                ..DialFailure::new(DialPhase::Hello, FailureKind::Timeout, reason.to_string())
            };
            let endpoint = self.endpoint_of(link).cloned();
            self.close(link, reason, Severity::Warning);
            if let Some(endpoint) = endpoint {
                self.note_failure(&endpoint, failure);
            }
        }
    }

    /// Forgets a connection, and goes about getting a new one.
    fn detach(&mut self, link: LinkId, parting: Parting, by: EndedBy, cause: Str) {
        let Some(gone) = self.links.remove(&link) else {
            return;
        };
        self.requests.forget_link(link);
        if let Some(endpoint) = &gone.endpoint {
            let Some(peer) = self.peers.get_mut(endpoint) else {
                return;
            };
            if peer.spare == Some(link) {
                peer.spare = None;
                return;
            }
            peer.link = None;
            peer.syncing = false;
            let spare = peer.spare.take();
            self.note_disconnected(endpoint, by, cause);
            self.tell_peer(endpoint);
            match spare {
                Some(spare) => self.attach(spare, endpoint),
                None => self.redial_lost(endpoint, self.now - gone.since, parting),
            }
            return;
        }
        self.anonymous = self.anonymous.saturating_sub(1);
        if let Some(endpoint) = &gone.unproven {
            if let Some(peer) = self.peers.get_mut(endpoint) {
                peer.unproven = None;
            }
            self.redial_failed(endpoint);
        }
    }

    /// Tells how an endpoint stands now.
    pub(crate) fn tell_peer(&mut self, endpoint: &Str) {
        self.note_state(endpoint);
        let peer = self.peers.get(endpoint);
        self.effects.push(Effect::PeerChanged {
            endpoint: endpoint.clone(),
            connected: peer.is_some_and(|peer| peer.link.is_some()),
            syncing: peer.is_some_and(|peer| peer.syncing),
        });
    }

    /// A dial led to a connection that is no good.
    fn note_refusal(&mut self, up: &LinkUp, verdict: &Verdict) {
        let Direction::Dialled { endpoint } = &up.direction else {
            return;
        };
        let (phase, kind, cause) = match verdict {
            Verdict::Endpoint(_)
            | Verdict::Spare(_)
            | Verdict::Refused {
                // It is connected, or will be dialled as it is configured now.
                reason: CloseReason::Duplicate | CloseReason::Reconfigured(_),
                ..
            } => return,
            Verdict::Anonymous => {
                let cause = match &up.verified {
                    Err(reason) => format!("certificate validation failed: {reason}"),
                    Ok(()) => "no certificate".to_owned(),
                };
                (DialPhase::Tls, FailureKind::Identity, cause)
            }
            Verdict::Refused { reason, .. } => {
                let kind = match reason {
                    CloseReason::TooManyAnonymous(_) => FailureKind::Limit,
                    _ => FailureKind::Identity,
                };
                (DialPhase::Hello, kind, reason.to_string())
            }
        };
        let failure = DialFailure {
            address: Some(up.address.clone()),
            ..DialFailure::new(phase, kind, cause)
        };
        self.note_failure(endpoint, failure);
    }

    fn hello(&self) -> Message {
        #[allow(clippy::cast_precision_loss)]
        let capabilities = Value::Number(self.settings.capabilities as f64);
        let version = Value::Number(f64::from(self.settings.version));
        let params = Value::dictionary([("capabilities", capabilities), ("version", version)]);
        Message::call("icinga::Hello", params)
    }

    fn push_send(&mut self, link: LinkId, message: &Message) {
        self.send_payload(link, message.to_json().into());
    }
}

/// The method of a message in the form that [`Message::to_json`] gives it: its keys are sorted, so
/// that nothing has to be parsed for a counter.
fn method_of(payload: &str) -> &'static str {
    let Some((_, rest)) = payload.split_once(r#""jsonrpc":"2.0","#) else {
        return "other";
    };
    let Some(rest) = rest.strip_prefix(r#""method":""#) else {
        return "reply";
    };
    let method = rest.split('"').next().unwrap_or_default();
    crate::receive::known_method(method).unwrap_or("other")
}

/// Bytes of a frame with a payload of so many.
fn frame_bytes(payload: usize) -> u64 {
    let digits = payload.checked_ilog10().unwrap_or(0) + 1;
    payload as u64 + u64::from(digits) + 2
}

/// When it is decided which of two connections stays, after the second has come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpareAt {
    Arrival,
    Timer,
}

/// How long both of two connections are kept, and how often it is looked at them again. A stock
/// Icinga 2 closes one within milliseconds.
const SPARE_PAUSE_S: f64 = 3.0;
/// Connections that came up within so many seconds of each other were begun together.
const SPARE_YOUNG_S: f64 = 10.0;
/// After so much silence a connection is taken for dead when there is another one: peers send a
/// heartbeat every 20 seconds.
const SPARE_SILENCE_S: f64 = 22.0;
const HEARTBEAT_INTERVAL_S: f64 = 20.0;
const ANONYMOUS_LIFE_S: f64 = 10.0;
const SILENCE_MAX_S: f64 = 60.0;
const COMPLAINT_INTERVAL_S: f64 = 60.0;
const COMPLAINTS_MAX: u32 = 10;

/// An address as Icinga 2's log has it: `[127.0.0.1]:33452`, IPv4 in brackets as well.
fn bracketed(address: &str) -> Str {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.starts_with('[') => format!("[{host}]:{port}").into(),
        _ => address.into(),
    }
}
