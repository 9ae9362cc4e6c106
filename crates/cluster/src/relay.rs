//! Who is told of what happens: routing between zones.

use std::sync::Arc;

use bheka_model::{Event, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, LinkId, Logged, SecurityObject};
use crate::cluster::Cluster;
use crate::events;
use crate::log::{FILE_RECORDS_MAX, LogFile, LogRecord};
use crate::message::Message;

/// Where a message goes.
#[derive(Debug, Default)]
struct Route {
    links: Vec<LinkId>,
    /// Connected peers that get it another way.
    skipped: Vec<Str>,
    /// Whether somebody who may see it is absent.
    is_incomplete: bool,
}

impl Cluster {
    pub(crate) fn relay_event(&mut self, event: &Event) {
        if self.peers.is_empty() {
            // Nobody to tell, but counted as Icinga 2 does, which queues it all the same.
            if events::is_told(&event.kind) {
                self.relayed.add(1, self.now);
            }
            return;
        }
        let Some(encoded) = events::encode(event) else {
            return;
        };
        let object = encoded.by_object.then(|| SecurityObject {
            type_name: event.checkable.type_name().into(),
            name: event.checkable.full(),
        });
        self.relay(
            &event.origin,
            object,
            encoded.method,
            encoded.params,
            Logged::Yes,
        );
    }

    pub(crate) fn relay_own(
        &mut self,
        object: Option<SecurityObject>,
        method: &str,
        params: Value,
        logged: Logged,
    ) {
        self.relay(&Origin::local(), object, method, params, logged);
    }

    /// Offers a message to the zone of the object (the own zone when there is none) and to all
    /// zones above it.
    pub(crate) fn relay(
        &mut self,
        origin: &Origin,
        object: Option<SecurityObject>,
        method: &str,
        params: Value,
        logged: Logged,
    ) {
        self.relayed.add(1, self.now);
        let Some(target) = self.target_zone(object.as_ref()) else {
            return;
        };
        let route = self.route(&target, origin);
        let is_logged = logged == Logged::Yes && route.is_incomplete;
        if route.links.is_empty() && !is_logged {
            return;
        }
        let ts = self.next_ts();
        let message = Message {
            method: Some(method.into()),
            params,
            ts: Some(ts),
            origin_zone: origin.zone.clone(),
            ..Message::default()
        };
        let payload: Arc<str> = message.to_json().into();
        for link in &route.links {
            self.send_payload(*link, Arc::clone(&payload));
        }
        for name in &route.skipped {
            if let Some(peer) = self.peers.get_mut(name) {
                let position = &mut peer.positions.local_log_position;
                *position = position.max(ts);
            }
        }
        if is_logged {
            self.append_log(LogRecord {
                timestamp: ts,
                object,
                message: payload,
            });
        }
    }

    fn target_zone(&self, object: Option<&SecurityObject>) -> Option<Str> {
        let zone = match object {
            Some(object) if *object.type_name == *"Zone" => Some(object.name.clone()),
            Some(object) => self
                .generation
                .get(&object.type_name, &object.name)?
                .zone
                .clone(),
            None => None,
        };
        zone.or_else(|| self.topology.local_zone().cloned())
    }

    fn route(&self, target: &str, origin: &Origin) -> Route {
        let mut route = Route::default();
        let master = self.zone_master();
        for name in self.topology.lineage(target) {
            let Some(zone) = self.topology.zone(name) else {
                continue;
            };
            if zone.global {
                self.route_zone(self.topology.local_zone(), &master, origin, &mut route);
                for child in self.topology.children() {
                    self.route_zone(Some(child), &master, origin, &mut route);
                }
            } else if self.topology.relation_of_zone(Some(name)).is_neighbour() {
                self.route_zone(Some(name), &master, origin, &mut route);
            }
        }
        route
    }

    fn route_zone(&self, zone: Option<&Str>, master: &Str, origin: &Origin, route: &mut Route) {
        let Some((name, zone)) = zone.and_then(|name| Some((name, self.topology.zone(name)?)))
        else {
            return;
        };
        let local_endpoint = self.topology.local_endpoint();
        let is_local_zone = self.topology.is_local(name);
        let is_where_it_came_from = origin.zone.as_ref() == Some(name);
        let (mut any_absent, mut any_reached, mut is_served) = (false, false, false);
        for endpoint in zone.endpoints.iter().filter(|name| *name != local_endpoint) {
            let Some((peer, link)) = self
                .peers
                .get(endpoint)
                .and_then(|peer| Some((peer, peer.link?)))
            else {
                any_absent |= self.keeps_log_for(endpoint);
                continue;
            };
            let came_from = origin.endpoint.as_ref() == Some(endpoint) || is_where_it_came_from;
            let gets_it_from_master = master != local_endpoint && master != endpoint;
            if came_from || gets_it_from_master || (is_served && !is_local_zone) {
                any_reached = true;
                // While it is being sent what it missed, its position is the replay's.
                if !peer.syncing {
                    route.skipped.push(endpoint.clone());
                }
            } else if peer.syncing {
                // Live messages wait for the end of the replay, which brings them.
                any_absent |= self.keeps_log_for(endpoint);
            } else {
                any_reached = true;
                is_served = true;
                route.links.push(link);
            }
        }
        // Members of the own zone all need it; of another zone, one is enough, and to see to that
        // is the zone master's business, who gets the message from here.
        let is_masters_business = !is_local_zone && master != local_endpoint;
        let is_needed = is_local_zone || !any_reached;
        route.is_incomplete |= any_absent && is_needed && !is_masters_business;
    }

    fn keeps_log_for(&self, endpoint: &str) -> bool {
        self.topology
            .endpoint(endpoint)
            .is_some_and(|endpoint| endpoint.log_duration_s != 0.0)
    }

    /// The first by name of this node and the members of its zone that are connected to it.
    pub(crate) fn zone_master(&self) -> Str {
        let local = self.topology.local_endpoint();
        let zone = self
            .topology
            .local_zone()
            .and_then(|zone| self.topology.zone(zone));
        let members = zone.map_or(&[][..], |zone| &zone.endpoints);
        members
            .iter()
            .filter(|name| self.is_connected(name))
            .chain([local])
            .min()
            .unwrap_or(local)
            .clone()
    }

    fn append_log(&mut self, record: LogRecord) {
        self.catalogue.last_timestamp = record.timestamp;
        self.catalogue.current_records += 1;
        self.catalogue.appended += 1;
        self.effects.push(Effect::AppendLog(record));
        if self.catalogue.current_records > FILE_RECORDS_MAX {
            self.rotate_log();
        }
    }

    pub(crate) fn rotate_log(&mut self) {
        let Some(number) = self.catalogue.rotation() else {
            return;
        };
        self.catalogue.files.insert(number);
        self.catalogue.current_records = 0;
        self.effects.push(Effect::RotateLog { number });
        let replays = self
            .links
            .values_mut()
            .filter_map(|link| link.replay.as_mut());
        for replay in replays.filter(|replay| replay.file == LogFile::Current) {
            replay.file = LogFile::Rotated(number);
        }
    }

    /// Deletes rotated files that nobody needs any more.
    pub(crate) fn clean_log(&mut self) {
        if self.catalogue.files.is_empty() {
            return;
        }
        let oldest_needed = self
            .topology
            .endpoints()
            .filter(|(name, endpoint)| {
                endpoint.relation.is_neighbour() && *name != self.topology.local_endpoint()
            })
            .filter_map(|(name, endpoint)| self.replay_start(name, endpoint.log_duration_s))
            .fold(f64::INFINITY, |oldest, start| oldest.min(start.seconds()));
        let being_read = self.links.values().filter_map(|link| match &link.replay {
            Some(replay) => match replay.file {
                LogFile::Rotated(number) => Some(number),
                LogFile::Current => None,
            },
            None => None,
        });
        let keep_from = being_read.min().unwrap_or(u64::MAX);
        #[allow(clippy::cast_precision_loss)]
        let is_needed = |number: u64| number as f64 > oldest_needed || number >= keep_from;
        let unneeded: Vec<u64> = self
            .catalogue
            .files
            .iter()
            .copied()
            .filter(|number| !is_needed(*number))
            .collect();
        for number in unneeded {
            self.catalogue.files.remove(&number);
            self.effects.push(Effect::DeleteLog { number });
        }
    }

    /// From when on a peer lacks messages; `None` when none are kept for it.
    pub(crate) fn replay_start(&self, endpoint: &str, log_duration_s: f64) -> Option<Timestamp> {
        if log_duration_s == 0.0 {
            return None;
        }
        let position = self
            .peers
            .get(endpoint)
            .map(|peer| peer.positions.local_log_position);
        let position = position.unwrap_or(Timestamp::NEVER);
        if log_duration_s < 0.0 {
            return Some(position);
        }
        Some(position.max(self.now - log_duration_s))
    }
}
