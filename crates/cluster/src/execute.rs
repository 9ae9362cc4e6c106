//! `event::ExecuteCommand`: commands that a parent wants run here, or further down.

use std::collections::BTreeMap;

use bheka_model::{Command, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::api::{Effect, Logged, SecurityObject};
use crate::capability::EXECUTE_ARBITRARY_COMMAND;
use crate::cluster::Cluster;
use crate::events;
use crate::message::Message;
use crate::receive::Outcome;

/// How many executions of `execute-command` are remembered for their answers.
const EXECUTIONS_MAX: usize = 10_000;

/// Executions that were sent somewhere, for the right to answer.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    known: BTreeMap<Str, Execution>,
}

/// Where an execution was sent to.
#[derive(Debug)]
struct Execution {
    endpoint: Str,
    deadline: Timestamp,
}

impl Executions {
    fn remember(&mut self, id: Str, endpoint: Str, deadline: Timestamp, now: Timestamp) {
        if self.known.len() >= EXECUTIONS_MAX {
            self.known.retain(|_, execution| execution.deadline >= now);
        }
        if self.known.len() < EXECUTIONS_MAX {
            self.known.insert(id, Execution { endpoint, deadline });
        }
    }
}

impl Cluster {
    pub(crate) fn execute_requested(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        const METHOD: &str = "event::ExecuteCommand";
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        let zone = self.topology.zone_of(endpoint);
        let is_near = zone.is_some_and(|zone| {
            self.topology.is_local(zone) || Some(zone) == self.topology.parent_zone()
        });
        if !is_near
            || !origin
                .zone
                .as_deref()
                .is_none_or(|from| self.is_within_reach(from))
        {
            self.discard(METHOD, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        if message
            .number_param("deadline")
            .is_some_and(|deadline| deadline < self.now.seconds())
        {
            self.discard(METHOD, endpoint, "its deadline has passed");
            return Outcome::Done;
        }
        match message.text_param("endpoint") {
            Some(target) if target != self.settings.local_endpoint => {
                self.forward(endpoint, &origin, &target, message)
            }
            _ => {
                let params = message.params.clone();
                self.effects.push(Effect::RemoteExecute {
                    endpoint: endpoint.clone(),
                    params,
                });
                Outcome::Done
            }
        }
    }

    /// Tells who asked why a command was not passed on. Checks of the schedule are never passed
    /// on, so only what has a `source` is answered.
    fn refuse(&mut self, endpoint: &Str, message: &Message, text: &str) {
        let (Some(checkable), Some(source)) =
            (events::checkable(message), message.text_param("source"))
        else {
            return;
        };
        let now = Value::Number(self.now.seconds());
        let fields = vec![
            ("end", now.clone()),
            ("execution", Value::String(source)),
            ("exit", Value::Number(EXIT_REFUSED)),
            ("output", Value::string(text)),
            ("start", now),
        ];
        self.send_direct(
            endpoint,
            "event::ExecutedCommand",
            events::about(&checkable, fields),
        );
    }

    /// Passes a command on to an endpoint below, if everybody on the way there understands it.
    fn forward(
        &mut self,
        endpoint: &Str,
        origin: &Origin,
        target: &Str,
        message: &Message,
    ) -> Outcome {
        let path = self.topology.zone_of(target).and_then(|zone| {
            self.topology
                .child_towards(zone)
                .map(|child| (zone.clone(), child.clone()))
        });
        let Some((zone, child)) = path else {
            let text = format!("Endpoint '{target}' is not below this node's zone.");
            self.refuse(endpoint, message, &text);
            return Outcome::Done;
        };
        let members = self
            .topology
            .zone(&child)
            .map_or(&[][..], |zone| &zone.endpoints);
        let unable = members.iter().find(|name| {
            self.peers
                .get(*name)
                .is_none_or(|peer| peer.positions.capabilities & EXECUTE_ARBITRARY_COMMAND == 0)
        });
        if let Some(unable) = unable {
            let text = format!("Endpoint '{unable}' does not support executing commands.");
            self.refuse(endpoint, message, &text);
            return Outcome::Done;
        }
        let checkable = events::checkable(message);
        let object = checkable
            .as_ref()
            .and_then(|name| self.generation.checkable(name));
        let is_accessible = object.is_some_and(|object| {
            child == zone || self.topology.can_access(&child, object.zone.as_deref())
        });
        if !is_accessible {
            let text = format!("Zone '{child}' cannot access the checkable.");
            self.refuse(endpoint, message, &text);
            return Outcome::Done;
        }
        if let Some(source) = message.text_param("source") {
            let deadline = Timestamp(message.number_param("deadline").unwrap_or(f64::MAX));
            self.executions
                .remember(source, target.clone(), deadline, self.now);
        }
        let object = Some(SecurityObject {
            type_name: "Zone".into(),
            name: zone,
        });
        self.relay(
            origin,
            object,
            "event::ExecuteCommand",
            message.params.clone(),
            Logged::Yes,
        );
        Outcome::Done
    }

    /// What an execution came to. It is taken from the zone of the endpoint that was to run it or
    /// one above, as from everybody who may touch the checkable.
    pub(crate) fn executed_received(&mut self, endpoint: &Str, message: &Message) -> Outcome {
        const METHOD: &str = "event::ExecutedCommand";
        let Some(origin) = self.origin(endpoint, message) else {
            return Outcome::Done;
        };
        let (Some(checkable), Some(id)) =
            (events::checkable(message), message.text_param("execution"))
        else {
            return Outcome::Failed("parameters 'host' and 'execution' must be texts".into());
        };
        let Some(object) = self.generation.checkable(&checkable) else {
            return Outcome::Done;
        };
        let executor = self
            .executions
            .known
            .get(&*id)
            .map(|execution| &execution.endpoint);
        let is_executor_zone = |from: &str| {
            let zone = executor.and_then(|name| self.topology.zone_of(name));
            zone.is_some_and(|zone| self.topology.is_within(zone, from))
        };
        let is_allowed = origin.zone.as_deref().is_none_or(|from| {
            self.topology.can_access(from, object.zone.as_deref()) || is_executor_zone(from)
        });
        if !is_allowed {
            self.discard(METHOD, endpoint, "unauthorized access");
            return Outcome::Done;
        }
        let copied = ["end", "exit", "output", "start"]
            .map(|field| (field, message.param(field)))
            .into_iter()
            .chain([("pending", Value::Boolean(false))]);
        let executions = Value::dictionary([(id, Value::dictionary(copied))]);
        let command = Command::UpdateExecutions {
            checkable,
            executions,
        };
        self.effects.push(Effect::Command { command, origin });
        Outcome::Done
    }

    /// Learns from `event::UpdateExecutions` which endpoint is to run what.
    pub(crate) fn remember_executions(&mut self, command: &Command) {
        let Command::UpdateExecutions { executions, .. } = command else {
            return;
        };
        let Some(executions) = executions.as_dictionary() else {
            return;
        };
        for (id, entry) in executions.entries() {
            let Some(entry) = entry.as_dictionary() else {
                continue;
            };
            if let Some(Value::String(endpoint)) = entry.get("endpoint") {
                let deadline = entry.get("deadline").and_then(|value| value.to_number());
                let deadline = Timestamp(deadline.unwrap_or(f64::MAX));
                self.executions.remember(id, endpoint, deadline, self.now);
            }
        }
    }

    pub(crate) fn send_direct(&mut self, endpoint: &str, method: &str, params: Value) {
        let Some(peer) = self.peers.get(endpoint) else {
            return;
        };
        if let Some(link) = peer.link.filter(|_| !peer.syncing) {
            self.send(link, &Message::call(method, params));
        }
    }
}

/// Exit status for what may not be run.
const EXIT_REFUSED: f64 = 126.0;
