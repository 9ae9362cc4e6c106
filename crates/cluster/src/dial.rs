//! Whom to dial and when.
//!
//! Endpoints of the own, the parent and the direct child zones that have a `host` are dialled: at
//! once when they appear, again after a pause that grows with each failure and is never the same,
//! so that many nodes do not call at the same moment, nor two each other.

use std::sync::Arc;

use bheka_value::{Str, Timestamp};

use crate::api::{CloseReason, Direction, Effect, Severity};
use crate::cluster::Cluster;
use crate::dial_queue::Class;
use crate::facts::DialFailure;
use crate::timers::Timer;
use crate::topology::{Endpoint, Topology};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// The peer said so.
    Announced,
    /// It broke, or this node closed it.
    Sudden,
}

impl Cluster {
    /// Brings the peers in line with a new topology; whose endpoint has not changed notices
    /// nothing.
    pub(crate) fn reconcile_peers(&mut self, before: &Topology) {
        let local = self.settings.local_endpoint.clone();
        let gone: Vec<Str> = self
            .peers
            .keys()
            .filter(|name| self.topology.endpoint(name).is_none() || **name == local)
            .cloned()
            .collect();
        for name in gone {
            self.dials.remove(&name);
            let peer = &self.peers[&name];
            for link in [peer.spare, peer.link].into_iter().flatten() {
                self.close(
                    link,
                    CloseReason::Reconfigured("removed"),
                    Severity::Information,
                );
            }
            self.forget_peer(&name);
        }
        let next = Arc::clone(&self.topology);
        for (name, endpoint) in next.endpoints().filter(|(name, _)| **name != local) {
            match before.endpoint(name) {
                None => {
                    self.peers.entry(name.clone()).or_default();
                    self.plan_dial(name, self.now);
                }
                Some(old) if old == endpoint => {}
                Some(old) => self.reconcile_peer(name, old, endpoint),
            }
        }
    }

    fn reconcile_peer(&mut self, name: &Str, old: &Endpoint, new: &Endpoint) {
        let moved = old.zone != new.zone;
        let readdressed = (&old.host, &old.port) != (&new.host, &new.port);
        if (moved || readdressed)
            && let Some(peer) = self.peers.get_mut(name)
        {
            peer.failures = 0;
        }
        let link = self.peers.get(name).and_then(|peer| peer.link);
        if let Some(link) = link {
            // An address says nothing about a connection that the peer made.
            let dialled = self
                .links
                .get(&link)
                .is_some_and(|link| matches!(link.direction, Direction::Dialled { .. }));
            if moved || (readdressed && dialled) {
                if let Some(spare) = self.peers.get(name).and_then(|peer| peer.spare) {
                    self.close(
                        spare,
                        CloseReason::Reconfigured("changed"),
                        Severity::Information,
                    );
                }
                self.close(
                    link,
                    CloseReason::Reconfigured("changed"),
                    Severity::Information,
                );
            } else if old.relation != new.relation {
                let bytes = new.relation.frame_bytes_max();
                self.effects.push(Effect::SetLimit { link, bytes });
            }
        }
        if moved || readdressed || old.relation != new.relation {
            self.plan_dial(name, self.now);
        }
    }

    /// Dials an endpoint at a time, when it is to be dialled and nothing is under way.
    pub(crate) fn plan_dial(&mut self, name: &Str, at: Timestamp) {
        let Some(endpoint) = self.topology.endpoint(name) else {
            return;
        };
        let wanted = endpoint.relation.is_neighbour() && endpoint.host.is_some();
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let busy = peer.link.is_some() || peer.dialling.is_some() || peer.unproven.is_some();
        if !wanted || busy {
            peer.dial_due = None;
            self.dials.remove(name);
            self.note_state(name);
            return;
        }
        peer.dial_due = Some(at);
        self.note_state(name);
        self.timers.set(at, Timer::Dial(name.clone()));
        if at.seconds() <= self.now.seconds() {
            self.dial_due(name, at);
        }
    }

    /// The timer of a dial has come up: it waits for a place.
    pub(crate) fn dial_due(&mut self, name: &Str, at: Timestamp) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        if peer.dial_due != Some(at) {
            return;
        }
        peer.dial_due = None;
        let class = Class::of(peer.failures);
        self.dials.push(name, class, self.jitter.bits());
        self.note_state(name);
    }

    /// Begins the dials for which there are places.
    pub(crate) fn begin_dials(&mut self) {
        while let Some(name) = self.dials.begin() {
            self.begin_dial(&name);
        }
    }

    fn begin_dial(&mut self, name: &Str) {
        let target = self.target_of(name);
        let (Some((host, port)), Some(peer)) = (target, self.peers.get_mut(name)) else {
            self.dials.end(name);
            return;
        };
        if peer.link.is_some() || peer.unproven.is_some() {
            self.dials.end(name);
            return;
        }
        peer.dialling = Some((host.clone(), port.clone()));
        self.note_dial(name);
        let text = format!("Reconnecting to endpoint '{name}' via host '{host}' and port '{port}'");
        self.log_event(Severity::Information, "ApiListener", text);
        self.effects.push(Effect::Dial {
            endpoint: name.clone(),
            host,
            port,
        });
    }

    pub(crate) fn dial_failed(&mut self, name: &Str, failure: DialFailure) {
        self.dials.end(name);
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let Some((host, port)) = peer.dialling.take() else {
            // It was removed from the configuration, and is there again.
            self.plan_dial(name, self.now);
            return;
        };
        let text = format!(
            "Cannot connect to endpoint '{name}' on host '{host}' and port '{port}': {failure}"
        );
        self.log_event(Severity::Critical, "ApiListener", text);
        self.note_failure(name, failure);
        let target = Some((host, port));
        if self.target_of(name) == target {
            self.redial_failed(name);
        } else {
            self.plan_dial(name, self.now);
        }
    }

    /// A dial has led to a connection. False when its address is no longer the endpoint's.
    pub(crate) fn end_dial(&mut self, direction: &Direction) -> bool {
        let Direction::Dialled { endpoint } = direction else {
            return true;
        };
        self.dials.end(endpoint);
        let target = self.target_of(endpoint);
        let Some(peer) = self.peers.get_mut(endpoint) else {
            return true;
        };
        let dialled = peer.dialling.take();
        dialled.is_none() || dialled == target
    }

    /// What was dialled was not kept.
    pub(crate) fn redial_refused(&mut self, direction: &Direction) {
        let Direction::Dialled { endpoint } = direction else {
            return;
        };
        // Who is connected has not failed.
        if !self.is_connected(endpoint) {
            self.redial_failed(endpoint);
        }
    }

    /// The peer has connected by itself: the own dial is not needed, and its handshake would be in
    /// vain. Of two nodes that dial each other only the one with the greater name gives in, or
    /// both would.
    pub(crate) fn cancel_dial(&mut self, name: &Str) {
        self.dials.remove(name);
        if *name >= self.settings.local_endpoint {
            return;
        }
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        if peer.dialling.take().is_some() {
            self.dials.end(name);
            self.effects.push(Effect::CancelDial {
                endpoint: name.clone(),
            });
        }
    }

    /// Tries again, later each time.
    pub(crate) fn redial_failed(&mut self, name: &Str) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.failures = peer.failures.saturating_add(1);
        let pause = PAUSE_FIRST_S * 2f64.powi(peer.failures.min(8).cast_signed() - 1);
        let pause = pause.min(PAUSE_MAX_S);
        let at = self.now + self.jitter.between(PAUSE_MIN_S, pause);
        self.plan_dial(name, at);
    }

    /// A connection is gone: soon again, unless it was a short one; at once when the peer has taken
    /// its leave, for then it is being restarted.
    pub(crate) fn redial_lost(&mut self, name: &Str, lived_s: f64, parting: Parting) {
        if lived_s < LIFE_SHORT_S {
            self.redial_failed(name);
            return;
        }
        if let Some(peer) = self.peers.get_mut(name) {
            peer.failures = 0;
        }
        let pause_max = match parting {
            Parting::Announced => 0.0,
            Parting::Sudden => RETURN_PAUSE_MAX_S,
        };
        let at = self.now + self.jitter.between(0.0, pause_max);
        self.plan_dial(name, at);
    }

    fn target_of(&self, name: &str) -> Option<(Str, Str)> {
        let endpoint = self.topology.endpoint(name)?;
        Some((endpoint.host.clone()?, endpoint.port.clone()))
    }
}

/// Pause after the first failure, before spreading.
const PAUSE_FIRST_S: f64 = 5.0;
/// Longest pause.
const PAUSE_MAX_S: f64 = 30.0;
/// Shortest pause: pauses are spread from here to their length, so that many endpoints that failed
/// together are not dialled together again.
const PAUSE_MIN_S: f64 = 1.0;
/// A connection that lasted less counts as a failure: the peer refused it, as a rule.
const LIFE_SHORT_S: f64 = 15.0;
/// Longest pause after a good connection broke without a word.
const RETURN_PAUSE_MAX_S: f64 = 3.0;
