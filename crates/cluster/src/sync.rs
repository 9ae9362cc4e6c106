//! What a peer is sent when it comes: requests for certificates, configuration, and what it
//! missed. Live messages wait until then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, LinkId, Severity};
use crate::cluster::Cluster;
use crate::config_sync::{self, ZoneFiles};
use crate::log::{LogFile, LogPage};
use crate::message::Message;
use crate::receive::Outcome;
use crate::topology::Relation;

/// A replay under way; one page is asked for at a time.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// The peer has, or need not have, everything up to here.
    pub(crate) position: Timestamp,
    pub(crate) file: LogFile,
    pub(crate) offset: u64,
    /// Records sent.
    pub(crate) sent: u64,
    /// Records that were in the log when the page was asked for.
    pub(crate) appended: u64,
}

impl Cluster {
    pub(crate) fn begin_sync(&mut self, link: LinkId, endpoint: &Str) {
        let relation = self
            .topology
            .endpoint(endpoint)
            .map(|endpoint| endpoint.relation);
        let asks_for_certificates = match relation {
            Some(Relation::Parent) => true,
            Some(Relation::Own) => self.topology.parent_zone().is_none(),
            _ => false,
        };
        if asks_for_certificates {
            self.send(link, &self.ticket_request());
            let pending: Vec<Value> = self.pki.pending.values().cloned().collect();
            for params in pending {
                self.send(link, &Message::call("pki::RequestCertificate", params));
            }
        }
        if let Some(params) = self.update_params_for(endpoint) {
            self.send(link, &Message::call("config::Update", params));
        }
        self.begin_replay(link, endpoint);
    }

    /// What `config::Update` says to an endpoint; `None` for those that get none from this node.
    fn update_params_for(&self, endpoint: &str) -> Option<Value> {
        let relation = self.topology.endpoint(endpoint)?.relation;
        if !matches!(
            relation,
            Relation::Own | Relation::Child | Relation::Descendant
        ) {
            return None;
        }
        let zone = self.topology.zone_of(endpoint)?;
        Some(config_sync::update_params(
            &self.zone_files,
            &self.topology,
            zone,
        ))
    }

    /// Other files of zones are in force. Icinga 2 sends them when the links come back after its
    /// reload; here links stay, so whom it concerns is told at once.
    pub(crate) fn replace_zone_files(
        &mut self,
        zones: Arc<BTreeMap<Str, ZoneFiles>>,
        authoritative: BTreeSet<Str>,
    ) {
        let linked = self.peers.iter();
        let linked: Vec<(Str, LinkId)> = linked
            .filter_map(|(endpoint, peer)| Some((endpoint.clone(), peer.link?)))
            .collect();
        let before: Vec<Option<Value>> = linked
            .iter()
            .map(|(endpoint, _)| self.update_params_for(endpoint))
            .collect();
        self.zone_files = zones;
        self.authoritative = authoritative;
        for ((endpoint, link), before) in linked.into_iter().zip(before) {
            match self.update_params_for(&endpoint) {
                Some(params) if before.as_ref() != Some(&params) => {
                    self.send(link, &Message::call("config::Update", params));
                }
                _ => {}
            }
        }
    }

    fn begin_replay(&mut self, link: LinkId, endpoint: &Str) {
        let log_duration_s = self
            .topology
            .endpoint(endpoint)
            .map_or(0.0, |endpoint| endpoint.log_duration_s);
        let start = self.replay_start(endpoint, log_duration_s);
        let Some(position) = start.filter(|start| self.catalogue.last_timestamp > *start) else {
            self.finish_sync(link, 0);
            return;
        };
        let file = self.catalogue.first_file(position);
        let replay = Replay {
            position,
            file,
            offset: 0,
            sent: 0,
            appended: self.catalogue.appended,
        };
        if let Some(of) = self.links.get_mut(&link) {
            of.replay = Some(replay);
        }
        let text = format!("Sending replay log for endpoint '{endpoint}'.");
        self.log_event(Severity::Information, "ApiListener", text);
        self.effects.push(Effect::ReadLog {
            link,
            file,
            offset: 0,
        });
    }

    pub(crate) fn log_page(&mut self, link: LinkId, page: LogPage) {
        let Some(of) = self.links.get_mut(&link) else {
            return;
        };
        let (Some(mut replay), Some(endpoint)) = (of.replay.take(), of.endpoint.clone()) else {
            return;
        };
        if let Some(damage) = &page.damage {
            let text = format!("Cannot read replay log to its end, skipping the rest: {damage}");
            self.log(Severity::Warning, "ApiListener", text);
        }
        for record in page.records {
            if record.timestamp <= replay.position {
                continue;
            }
            replay.position = record.timestamp;
            let is_visible = record
                .object
                .as_ref()
                .is_none_or(|object| self.may_see(&endpoint, &object.type_name, &object.name));
            // As live messages, it does not go back to the zone that it came from.
            let zone = self.topology.zone_of(&endpoint);
            if is_visible && !zone.is_some_and(|zone| record.came_from(zone)) {
                self.send_payload(link, record.message);
                replay.sent += 1;
            }
        }
        let is_whole = replay.file == LogFile::Current
            && page.end
            && replay.appended == self.catalogue.appended;
        if is_whole {
            self.finish_sync(link, replay.sent);
            return;
        }
        replay.offset = page.next_offset;
        if page.end
            && let LogFile::Rotated(number) = replay.file
        {
            replay.file = self.catalogue.file_after(number);
            replay.offset = 0;
        }
        replay.appended = self.catalogue.appended;
        let (file, offset) = (replay.file, replay.offset);
        if let Some(of) = self.links.get_mut(&link) {
            of.replay = Some(replay);
        }
        self.effects.push(Effect::ReadLog { link, file, offset });
    }

    fn finish_sync(&mut self, link: LinkId, sent: u64) {
        let Some(endpoint) = self.links.get(&link).and_then(|link| link.endpoint.clone()) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&endpoint) {
            peer.syncing = false;
        }
        if sent > 0 {
            self.log_event(
                Severity::Information,
                "ApiListener",
                format!("Replayed {sent} messages."),
            );
        }
        let text = format!("Finished syncing endpoint '{endpoint}'.");
        self.log_event(Severity::Information, "ApiListener", text);
        self.tell_peer(&endpoint);
        let relation = self
            .topology
            .endpoint(&endpoint)
            .map(|endpoint| endpoint.relation);
        if relation == Some(Relation::Own) {
            self.update_authority();
        }
    }

    fn may_see(&self, endpoint: &str, type_name: &str, name: &str) -> bool {
        let Some(zone) = self.topology.zone_of(endpoint) else {
            return false;
        };
        if type_name == "Zone" {
            return self.topology.can_access(zone, Some(name));
        }
        match self.generation.get(type_name, name) {
            Some(object) => self.topology.can_access(zone, object.zone.as_deref()),
            None => false,
        }
    }

    /// Tells each peer up to where its messages have been taken.
    pub(crate) fn announce_positions(&mut self) {
        let connected: Vec<(LinkId, Timestamp)> = self
            .peers
            .values()
            .filter(|peer| !peer.positions.remote_log_position.is_never())
            .filter_map(|peer| Some((peer.link?, peer.positions.remote_log_position)))
            .collect();
        for (link, position) in connected {
            let params = Value::dictionary([("log_position", Value::Number(position.seconds()))]);
            self.send(link, &Message::call("log::SetLogPosition", params));
        }
    }

    /// A peer says up to where it has taken messages. It cannot have taken more than it was sent:
    /// during a replay stock nodes announce positions of their own log, which would make the rest
    /// of the replay look done if the connection broke.
    pub(crate) fn position_confirmed(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        let Some(position) = message.number_param("log_position") else {
            return Outcome::Failed("parameter 'log_position' must be a number".into());
        };
        let Some(peer) = self.peers.get_mut(endpoint) else {
            return Outcome::Done;
        };
        let replay = peer
            .link
            .and_then(|link| self.links.get(&link)?.replay.as_ref());
        let sent = replay.map_or(self.last_ts, |replay| replay.position);
        let confirmed = &mut peer.positions.local_log_position;
        *confirmed = confirmed.max(Timestamp(position).min(sent));
        Outcome::Done
    }
}
