//! Numbers for `/v1/status/ApiListener`, endpoint attributes and the checks `cluster` and
//! `cluster-zone`.

use std::collections::BTreeMap;

use bheka_value::{Str, Timestamp};

use crate::api::LinkId;
use crate::cluster::Cluster;
use crate::facts::PeerFacts;
use crate::link::Peer;

/// Runtime attributes of an endpoint, those that Icinga 2 has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EndpointStatus {
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether a dial is under way.
    pub connecting: bool,
    /// Whether it is being sent what it missed.
    pub syncing: bool,
    /// Up to when it has confirmed this node's messages.
    pub local_log_position: Timestamp,
    /// The highest `ts` taken from it.
    pub remote_log_position: Timestamp,
    /// The version it said, 0 for unknown.
    pub icinga_version: u32,
    /// The capabilities it said.
    pub capabilities: u64,
    /// When it was last sent a message.
    pub last_message_sent: Timestamp,
    /// When its last message came.
    pub last_message_received: Timestamp,
    /// Over the last minute.
    pub messages_sent_per_second: f64,
    /// Over the last minute.
    pub messages_received_per_second: f64,
    /// Over the last minute, frames without TLS.
    pub bytes_sent_per_second: f64,
    /// Over the last minute, frames without TLS.
    pub bytes_received_per_second: f64,
    /// Whether it is in the own, the parent or a direct child zone.
    pub neighbour: bool,
    /// Seconds spent on its messages.
    pub processing_s: f64,
}

/// How an endpoint came to be connected, or why it is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionStatus {
    /// What is remembered since start.
    pub facts: PeerFacts,
    /// When it is dialled next.
    pub next_attempt: Option<Timestamp>,
    /// Who began the connection that there is.
    pub direction: Option<LinkDirection>,
    /// `[address]:port` of the peer of that connection.
    pub address: Option<Str>,
}

/// Who began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkDirection {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

impl LinkDirection {
    /// The name in API, metrics and documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "in",
            Self::Outbound => "out",
        }
    }
}

/// A neighbour zone, or the own one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ZoneStatus {
    /// Whether any endpoint is connected; also for a zone that is this node alone.
    pub connected: bool,
    /// Seconds by which the log lags behind.
    pub client_log_lag: f64,
    /// All endpoints.
    pub endpoints: Vec<Str>,
    /// The parent; empty for none.
    pub parent_zone: Str,
}

/// What `/v1/status/ApiListener` shows, apart from HTTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiStatus {
    /// This node's endpoint.
    pub identity: Str,
    /// Connected endpoints of the own, parent and direct child zones.
    pub conn_endpoints: Vec<Str>,
    /// Those that are not.
    pub not_conn_endpoints: Vec<Str>,
    /// The same zones.
    pub zones: BTreeMap<Str, ZoneStatus>,
    /// Anonymous connections.
    pub anonymous_clients: usize,
    /// Messages to be relayed a second over the last minute, also those that nobody is there to
    /// receive. There is no queue for them.
    pub relay_queue_item_rate: f64,
    /// Dials that are due and wait for a place.
    pub dials_waiting: usize,
    /// Dials under way.
    pub dials_running: usize,
    /// Received messages a second over the last minute.
    pub work_queue_item_rate: f64,
}

impl Peer {
    fn status(&self, now: Timestamp) -> EndpointStatus {
        EndpointStatus {
            connected: self.link.is_some(),
            connecting: self.dialling.is_some(),
            syncing: self.syncing,
            local_log_position: self.positions.local_log_position,
            remote_log_position: self.positions.remote_log_position,
            icinga_version: self.positions.icinga_version,
            capabilities: self.positions.capabilities,
            last_message_sent: self.last_sent,
            last_message_received: self.last_received,
            messages_sent_per_second: self.messages_sent.per_second(now),
            messages_received_per_second: self.messages_received.per_second(now),
            bytes_sent_per_second: self.bytes_sent.per_second(now),
            bytes_received_per_second: self.bytes_received.per_second(now),
            neighbour: self.is_neighbour,
            processing_s: self.facts.processing_s,
        }
    }
}

impl Cluster {
    /// Runtime attributes of an endpoint; all at rest for one that is not configured, and for
    /// this node.
    #[must_use]
    pub fn endpoint_status(&self, name: &str, now: Timestamp) -> EndpointStatus {
        let peer = self.peers.get(name);
        peer.map_or_else(EndpointStatus::default, |peer| peer.status(now))
    }

    /// Runtime attributes of all endpoints but this node, by name.
    pub fn endpoint_statuses(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Str, EndpointStatus)> {
        let peers = self.peers.iter();
        peers.map(move |(name, peer)| (name, peer.status(now)))
    }

    /// How an endpoint came to be connected, or why it is not; `None` for one that is not
    /// configured, and for this node.
    #[must_use]
    pub fn connection_status(&self, name: &str) -> Option<ConnectionStatus> {
        self.peers.get(name).map(|peer| self.connection_of(peer))
    }

    /// The same of all endpoints but this node, by name.
    pub fn connection_statuses(&self) -> impl Iterator<Item = (&Str, ConnectionStatus)> {
        let peers = self.peers.iter();
        peers.map(|(name, peer)| (name, self.connection_of(peer)))
    }

    fn connection_of(&self, peer: &Peer) -> ConnectionStatus {
        let link = peer.link.or(peer.unproven);
        let link = link.and_then(|link| self.links.get(&link));
        ConnectionStatus {
            facts: peer.facts.clone(),
            next_attempt: peer.dial_due,
            direction: link.map(|link| (&link.direction).into()),
            address: link.map(|link| link.address.clone()),
        }
    }

    /// The edge has worked for so many seconds on what came on a connection.
    pub fn note_processing(&mut self, link: LinkId, seconds: f64) {
        let endpoint = self
            .links
            .get(&link)
            .and_then(|link| link.endpoint.as_ref());
        if let Some(peer) = endpoint.and_then(|name| self.peers.get_mut(name)) {
            peer.facts.processing_s += seconds.max(0.0);
        }
    }

    /// The state of the listener without the lists; costs the same however many endpoints there
    /// are.
    #[must_use]
    pub fn totals(&self, now: Timestamp) -> ApiStatus {
        ApiStatus {
            identity: self.settings.local_endpoint.clone(),
            anonymous_clients: self.anonymous,
            relay_queue_item_rate: self.relayed.per_second(now),
            work_queue_item_rate: self.received.per_second(now),
            dials_waiting: self.dials.waiting(),
            dials_running: self.dials.running(),
            ..ApiStatus::default()
        }
    }

    /// The state of the listener.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> ApiStatus {
        let mut status = self.totals(now);
        for name in self.topology.neighbours() {
            let Some(zone) = self.topology.zone(name).filter(|zone| !zone.global) else {
                continue;
            };
            let others = || {
                zone.endpoints
                    .iter()
                    .filter(|name| **name != self.settings.local_endpoint)
            };
            for endpoint in others() {
                if self.is_connected(endpoint) {
                    status.conn_endpoints.push(endpoint.clone());
                } else {
                    status.not_conn_endpoints.push(endpoint.clone());
                }
            }
            let alone = others().next().is_none() && !zone.endpoints.is_empty();
            let lag = others()
                .map(|endpoint| self.lag(endpoint, now))
                .fold(0.0, f64::max);
            let of_zone = ZoneStatus {
                connected: alone || others().any(|endpoint| self.is_connected(endpoint)),
                client_log_lag: lag,
                endpoints: zone.endpoints.clone(),
                parent_zone: zone.parent.clone().unwrap_or_default(),
            };
            status.zones.insert(name.clone(), of_zone);
        }
        status.conn_endpoints.sort();
        status.not_conn_endpoints.sort();
        status
    }

    fn lag(&self, endpoint: &str, now: Timestamp) -> f64 {
        let Some(peer) = self.peers.get(endpoint) else {
            return 0.0;
        };
        let position = peer.positions.remote_log_position;
        let is_behind = peer.syncing || peer.link.is_none();
        if is_behind && !position.is_never() {
            now - position
        } else {
            0.0
        }
    }
}
