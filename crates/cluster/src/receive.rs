//! What a peer says, and whether it may.

use bheka_model::Origin;
use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, LinkId, Severity};
use crate::cluster::Cluster;
use crate::config_sync;
use crate::events::{self, Access};
use crate::message::Message;
use crate::topology::Relation;

/// Methods that are answered; all others are unknown.
const METHODS: [&str; 27] = [
    "config::DeleteObject",
    "config::Update",
    "config::UpdateObject",
    "event::CheckResult",
    "event::ClearAcknowledgement",
    "event::ClearLastNotifiedStatePerUser",
    "event::ExecuteCommand",
    "event::ExecutedCommand",
    "event::Heartbeat",
    "event::NotificationSentToAllUsers",
    "event::NotificationSentUser",
    "event::SendNotifications",
    "event::SetAcknowledgement",
    "event::SetForceNextCheck",
    "event::SetForceNextNotification",
    "event::SetLastCheckStarted",
    "event::SetNextCheck",
    "event::SetNextNotification",
    "event::SetRemovalInfo",
    "event::SetStateBeforeSuppression",
    "event::SetSuppressedNotificationTypes",
    "event::SetSuppressedNotifications",
    "event::UpdateExecutions",
    "event::UpdateLastNotifiedStatePerUser",
    "icinga::Hello",
    "log::SetLogPosition",
    "pki::RequestCertificate",
];

/// Named apart because only a configured endpoint may call it (fixed in 2.14.10 and later).
const UPDATE_CERTIFICATE: &str = "pki::UpdateCertificate";

/// What comes of a call.
pub(crate) enum Outcome {
    /// It was dealt with, or dropped; `null` is the result.
    Done,
    /// It failed.
    Failed(String),
    /// The reply is sent later.
    Later,
}

impl Cluster {
    pub(crate) fn receive(&mut self, link: LinkId, message: Message, bytes: usize) {
        self.count_received(link, bytes);
        let Some(of) = self.links.get(&link) else {
            return;
        };
        let endpoint = of.endpoint.clone();
        if let (Some(name), Some(ts)) = (&endpoint, message.ts)
            && !self.advance_position(name, ts)
        {
            return;
        }
        let Some(method) = message.method.clone() else {
            if message.id.is_some() {
                self.complain(link, "unexpected response");
            }
            return;
        };
        let Some(known) = known_method(&method) else {
            let name = self.name_of(link);
            let text = format!("Call to non-existent function '{method}' of '{name}'.");
            self.log(Severity::Notice, "JsonRpcConnection", text);
            if let Some(id) = message.id {
                self.send(link, &Message::reply_unknown(id));
            }
            return;
        };
        if let Some(name) = &endpoint {
            self.note_received(name, known, bytes as u64);
        }
        let id = message.id.clone();
        let outcome = match &message.params {
            Value::Empty => Outcome::Done,
            Value::Dictionary(_) => self.call(link, endpoint.as_ref(), known, &message),
            other => Outcome::Failed(format!(
                "parameters of '{method}' must be a dictionary, not of type {}",
                other.type_name()
            )),
        };
        match outcome {
            Outcome::Done => {
                if let Some(id) = id {
                    self.send(link, &Message::reply(id, Value::Empty));
                }
            }
            Outcome::Failed(text) => {
                self.complain(link, &text);
                if let Some(id) = id {
                    self.send(link, &Message::reply_error(id, text));
                }
            }
            Outcome::Later => {}
        }
    }

    fn call(
        &mut self,
        link: LinkId,
        endpoint: Option<&Str>,
        method: &'static str,
        message: &Message,
    ) -> Outcome {
        match (method, endpoint) {
            ("event::Heartbeat", _) => Outcome::Done,
            ("icinga::Hello", _) => self.hello_received(endpoint, message),
            ("pki::RequestCertificate", _) => self.certificate_requested(link, message),
            (_, None) => {
                let name = self.name_of(link);
                self.discard(
                    method,
                    &name,
                    "invalid endpoint origin (client not allowed)",
                );
                Outcome::Done
            }
            ("log::SetLogPosition", Some(endpoint)) => self.position_confirmed(endpoint, message),
            (UPDATE_CERTIFICATE, Some(endpoint)) => self.certificate_received(endpoint, message),
            ("config::Update", Some(endpoint)) => self.config_received(endpoint, message),
            ("config::UpdateObject" | "config::DeleteObject", Some(endpoint)) => {
                self.object_received(endpoint, method, message)
            }
            ("event::ExecuteCommand", Some(endpoint)) => self.execute_requested(endpoint, message),
            ("event::ExecutedCommand", Some(endpoint)) => self.executed_received(endpoint, message),
            (_, Some(endpoint)) => self.event_received(endpoint, method, message),
        }
    }

    /// The peer's `ts` goes on. False for a message that it has sent before, or that is older
    /// than one that it has sent: it is dropped without reply.
    fn advance_position(&mut self, endpoint: &Str, ts: Timestamp) -> bool {
        let Some(peer) = self.peers.get_mut(endpoint) else {
            return true;
        };
        let position = &mut peer.positions.remote_log_position;
        if ts < *position {
            return false;
        }
        *position = ts;
        true
    }

    fn hello_received(&mut self, endpoint: Option<&Str>, message: &Message) -> Outcome {
        let Some(endpoint) = endpoint else {
            return Outcome::Done;
        };
        let version = message
            .number_param("version")
            .unwrap_or(0.0)
            .clamp(0.0, 99_999_999.0);
        let capabilities = message.number_param("capabilities").unwrap_or(0.0).max(0.0);
        let Some(peer) = self.peers.get_mut(endpoint) else {
            return Outcome::Done;
        };
        peer.positions.icinga_version = version as u32;
        peer.positions.capabilities = capabilities as u64;
        match self
            .topology
            .endpoint(endpoint)
            .map(|endpoint| endpoint.relation)
        {
            Some(Relation::Child) => self.compare_version(endpoint, version as u32),
            Some(Relation::Own) => self.update_authority(),
            _ => {}
        }
        Outcome::Done
    }

    fn compare_version(&mut self, endpoint: &Str, theirs: u32) {
        let ours = self.settings.version;
        let is_expected = ours / 10_000 == theirs / 10_000
            && matches!((ours / 100).checked_sub(theirs / 100), Some(0 | 1));
        if !is_expected {
            let shown = |version: u32| {
                format!(
                    "{}.{}.{}",
                    version / 10_000,
                    version / 100 % 100,
                    version % 100
                )
            };
            let text = format!(
                "Endpoint '{endpoint}' speaks Icinga {}, this node {}",
                shown(theirs),
                shown(ours)
            );
            // Bheka works with all of them, so it is no fault; stock Icinga 2 warns.
            self.log(Severity::Notice, "ApiListener", text);
        }
    }

    fn event_received(
        &mut self,
        endpoint: &Str,
        method: &'static str,
        message: &Message,
    ) -> Outcome {
        let Some(origin) = self.origin(endpoint, message) else {
            self.discard(
                method,
                endpoint,
                "it comes from a zone that is not configured here",
            );
            return Outcome::Done;
        };
        if !self.may_send(&origin, method, message) {
            self.discard(method, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        let Some(checkable) = events::checkable(message) else {
            return Outcome::Done;
        };
        if self.generation.checkable(&checkable).is_none() {
            return Outcome::Done;
        }
        let command = match events::decode(method, checkable, message) {
            Ok(Some(command)) => command,
            Ok(None) => {
                let text = format!("Ignoring '{method}' message of '{endpoint}'.");
                self.log(Severity::Notice, "ClusterEvents", text);
                return Outcome::Done;
            }
            Err(text) => return Outcome::Failed(text),
        };
        self.remember_executions(&command);
        self.effects.push(Effect::Command { command, origin });
        Outcome::Done
    }

    /// Where a message comes from: a peer in another zone speaks for that zone; one in the own zone
    /// for the zone it names, or for the own. `None` when it names a zone that does not exist.
    pub(crate) fn origin(&self, endpoint: &Str, message: &Message) -> Option<Origin> {
        let zone = self.topology.zone_of(endpoint);
        let zone = match (zone, &message.origin_zone) {
            (Some(zone), named) if self.topology.is_local(zone) => match named {
                Some(named) if self.topology.is_local(named) => None,
                Some(named) => {
                    self.topology.zone(named)?;
                    Some(named.clone())
                }
                None => None,
            },
            // An endpoint that is in no zone speaks for none.
            (None, _) => return None,
            (Some(zone), _) => Some(zone.clone()),
        };
        Some(Origin {
            endpoint: Some(endpoint.clone()),
            zone,
        })
    }

    fn may_send(&self, origin: &Origin, method: &str, message: &Message) -> bool {
        let Some(rule) = events::access(method) else {
            return false;
        };
        let Some(from) = origin.zone.as_deref() else {
            return true;
        };
        if rule == Access::Local {
            return false;
        }
        if rule == Access::Parent {
            return self.is_within_reach(from);
        }
        let Some((type_name, name)) = events::subject(message) else {
            return false;
        };
        let Some(object) = self.generation.get(type_name, &name) else {
            return false;
        };
        self.topology.can_access(from, object.zone.as_deref())
            || (rule == Access::ObjectOrCommandEndpoint
                && object.optional("command_endpoint") == origin.endpoint)
    }

    /// Whether the own zone is `zone` or below it.
    pub(crate) fn is_within_reach(&self, zone: &str) -> bool {
        self.topology
            .local_zone()
            .is_some_and(|local| self.topology.is_within(local, zone))
    }

    fn config_received(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        if !origin
            .zone
            .as_deref()
            .is_none_or(|from| self.is_within_reach(from))
        {
            self.discard("config::Update", endpoint, "unauthorized access");
            return Outcome::Done;
        }
        if !self.listener.accept_config {
            let text = format!(
                "Ignoring config update from '{endpoint}': 'accept_config' is disabled in the \
                 'api' feature."
            );
            self.log(Severity::Warning, "ApiListener", text);
            return Outcome::Done;
        }
        let mut update = match config_sync::read_update(message) {
            Ok(update) => update,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let mut lines = Vec::new();
        update.zones.retain(|zone, _| {
            if self.topology.zone(zone).is_none() {
                lines.push((Severity::Warning, format!(
                    "Ignoring config update from endpoint '{endpoint}' for unknown zone '{zone}'."
                )));
                false
            } else if self.authoritative.contains(zone) {
                lines.push((
                    Severity::Information,
                    format!(
                        "Ignoring config update from endpoint '{endpoint}' for zone '{zone}': this \
                     node has its own files of it."
                    ),
                ));
                false
            } else {
                true
            }
        });
        for (severity, text) in lines {
            self.log(severity, "ApiListener", text);
        }
        if !update.zones.is_empty() {
            let endpoint = endpoint.clone();
            self.effects.push(Effect::ConfigUpdate {
                endpoint,
                update: Box::new(update),
            });
        }
        Outcome::Done
    }

    fn object_received(
        &mut self,
        endpoint: &Str,
        method: &'static str,
        message: &Message,
    ) -> Outcome {
        let from = self.topology.zone_of(endpoint);
        if !from.is_some_and(|from| self.is_within_reach(from)) {
            self.discard(method, endpoint, "unauthorized access");
        } else if !self.listener.accept_config {
            let text = format!(
                "Ignoring '{method}' from '{endpoint}': 'accept_config' is disabled in the 'api' \
                 feature."
            );
            self.log(Severity::Notice, "ApiListener", text);
        } else {
            let name = message.text_param("name").unwrap_or_default();
            let text = format!(
                "Ignoring '{method}' for '{name}' from '{endpoint}': objects made at run time are \
                 not taken over yet."
            );
            self.log(Severity::Notice, "ApiListener", text);
        }
        Outcome::Done
    }

    pub(crate) fn discard(&mut self, method: &str, name: &str, reason: &str) {
        let text = format!("Discarding '{method}' message from '{name}': {reason}.");
        self.log(Severity::Notice, "ClusterEvents", text);
    }

    pub(crate) fn name_of(&self, link: LinkId) -> String {
        self.links
            .get(&link)
            .map_or_else(String::new, |link| link.name().to_owned())
    }
}

/// The name of a method that is answered.
pub(crate) fn known_method(method: &str) -> Option<&'static str> {
    if method == UPDATE_CERTIFICATE {
        return Some(UPDATE_CERTIFICATE);
    }
    METHODS
        .binary_search(&method)
        .ok()
        .map(|index| METHODS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_sorted_and_all_events_have_a_rule() {
        assert!(METHODS.is_sorted());
        for method in METHODS
            .iter()
            .filter(|method| method.starts_with("event::"))
        {
            let special = [
                "event::Heartbeat",
                "event::ExecuteCommand",
                "event::ExecutedCommand",
            ];
            assert_eq!(
                events::access(method).is_none(),
                special.contains(method),
                "{method}"
            );
        }
    }
}
