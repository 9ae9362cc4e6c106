//! What becomes of the effects of monitor and cluster, as the daemon wires them.

use std::collections::VecDeque;

use bheka_cluster::pki::{PkiAnswer, PkiOrder, RequestFacts, StoredRequest, TicketVerdict};
use bheka_cluster::{Effect as ClusterEffect, Input as ClusterInput};
use bheka_model::EventKind;
use bheka_monitor::{Authority, Effect as MonitorEffect, Finished, Input as MonitorInput, RunId};
use bheka_value::Timestamp;

use crate::journal::{Journal, is_authorised};
use crate::world::{Happening, World};

/// What a node still has to deal with, in order.
pub(crate) enum Work {
    Cluster(ClusterEffect),
    Monitor(MonitorEffect),
}

impl World {
    pub(crate) fn work_off(&mut self, node: &str, mut work: VecDeque<Work>) {
        while let Some(next) = work.pop_front() {
            let more = match next {
                Work::Cluster(effect) => self.cluster_effect(node, effect),
                Work::Monitor(effect) => self.monitor_effect(node, effect),
            };
            // What follows from an effect comes before what is left, as in the daemon.
            for item in more.into_iter().rev() {
                work.push_front(item);
            }
        }
        self.plan_wakeup(node);
    }

    fn cluster_effect(&mut self, node: &str, effect: ClusterEffect) -> Vec<Work> {
        match effect {
            ClusterEffect::Send { link, payload } => self.transmit(link, payload.as_bytes()),
            ClusterEffect::SetLimit { link, bytes } => {
                if let Some((connection, side)) = self.network.by_link.get(&link).copied()
                    && let Some(of) = self.network.connections.get_mut(&connection)
                {
                    of.ends[side].decoder.set_limit(bytes);
                }
            }
            ClusterEffect::Close { link, .. } => self.close(link),
            ClusterEffect::Dial { endpoint, .. } => {
                let Some(life) = self.nodes.get(node).map(|node| node.life) else {
                    return Vec::new();
                };
                let delay = self
                    .random
                    .between(self.speed.delay_min_s, self.speed.delay_max_s);
                let node = node.to_owned();
                self.plan(
                    delay,
                    Happening::Dialled {
                        node,
                        life,
                        endpoint,
                    },
                );
            }
            // It may come too late in the real world, too.
            ClusterEffect::CancelDial { .. } => {}
            ClusterEffect::Command { command, origin } => {
                let generation = self.generation(node).cloned().unwrap_or_default();
                if !is_authorised(&generation, node, &command, &origin) {
                    let text = format!("{node} takes {command:?} from {origin:?}");
                    self.violate(text);
                }
                return self.ask_monitor(node, MonitorInput::Command { command, origin });
            }
            ClusterEffect::RemoteExecute { endpoint, params } => {
                return self.ask_monitor(node, MonitorInput::RemoteExecute { endpoint, params });
            }
            ClusterEffect::PeerChanged {
                endpoint,
                connected,
                syncing,
            } => {
                let input = MonitorInput::PeerChanged {
                    endpoint,
                    connected,
                    syncing,
                };
                return self.ask_monitor(node, input);
            }
            ClusterEffect::Authority(authority) => {
                return self.ask_monitor(node, MonitorInput::Authority(translate(&authority)));
            }
            ClusterEffect::AppendLog(record) => {
                if let Some(of) = self.nodes.get_mut(node) {
                    of.disk.append(&record);
                    let count = of.disk.record_count();
                    self.journal.log_records_max = self.journal.log_records_max.max(count);
                }
            }
            ClusterEffect::RotateLog { number } => {
                if let Some(of) = self.nodes.get_mut(node) {
                    of.disk.rotate(number);
                }
            }
            ClusterEffect::DeleteLog { number } => {
                if let Some(of) = self.nodes.get_mut(node) {
                    of.disk.delete(number);
                }
            }
            ClusterEffect::ReadLog { link, file, offset } => {
                let Some(of) = self.nodes.get(node) else {
                    return Vec::new();
                };
                let (page, life) = (of.disk.page(file, offset), of.life);
                let delay = self.random.between(0.0, 0.05);
                let node = node.to_owned();
                self.plan(
                    delay,
                    Happening::Page {
                        node,
                        life,
                        link,
                        page,
                    },
                );
            }
            ClusterEffect::Pki(order) => return self.pki(node, order),
            ClusterEffect::ConfigUpdate { .. } => {}
            ClusterEffect::Log { text, .. } => self.trace(&format!("{node}: {text}")),
        }
        Vec::new()
    }

    fn monitor_effect(&mut self, node: &str, effect: MonitorEffect) -> Vec<Work> {
        match effect {
            MonitorEffect::Run(line) => self.run_plugin(node, line.run),
            MonitorEffect::ExecuteRemote { endpoint, params } => {
                let method = "event::ExecuteCommand".into();
                let input = ClusterInput::Send {
                    endpoint,
                    method,
                    params,
                };
                return self.ask_cluster(node, input);
            }
            MonitorEffect::ReplyRemote {
                endpoint,
                method,
                params,
            } => {
                let input = ClusterInput::Send {
                    endpoint,
                    method: method.into(),
                    params,
                };
                return self.ask_cluster(node, input);
            }
            MonitorEffect::Emit(event) => {
                if let EventKind::CheckResult(result) = &event.kind
                    && let Some(id) = Journal::result_of(&result.output)
                {
                    let of = (event.checkable.clone(), result.execution_end.seconds());
                    self.journal.results.entry(id).or_insert(of);
                    *self
                        .journal
                        .applied
                        .entry((id, node.to_owned()))
                        .or_default() += 1;
                }
                return self.ask_cluster(node, ClusterInput::LocalEvent(event));
            }
            MonitorEffect::Log { text, .. } => self.trace(&format!("{node}: {text}")),
            MonitorEffect::Publish(_) => {}
        }
        Vec::new()
    }

    fn ask_monitor(&mut self, node: &str, input: MonitorInput) -> Vec<Work> {
        let now = Timestamp(self.now);
        let brain = self
            .nodes
            .get_mut(node)
            .and_then(|node| node.brain.as_mut());
        let effects = brain
            .map(|brain| brain.monitor.handle(input, now))
            .unwrap_or_default();
        effects.into_iter().map(Work::Monitor).collect()
    }

    fn ask_cluster(&mut self, node: &str, input: ClusterInput) -> Vec<Work> {
        let now = Timestamp(self.now);
        let brain = self
            .nodes
            .get_mut(node)
            .and_then(|node| node.brain.as_mut());
        let effects = brain
            .map(|brain| brain.cluster.handle(input, now))
            .unwrap_or_default();
        effects.into_iter().map(Work::Cluster).collect()
    }

    /// All certificates are good for a long time yet.
    fn pki(&mut self, node: &str, order: PkiOrder) -> Vec<Work> {
        let PkiOrder::Inspect { id, .. } = order else {
            return Vec::new();
        };
        let facts = RequestFacts {
            fingerprint: "00".into(),
            common_name: "peer".into(),
            ca: "CA".into(),
            is_signed_by_us: true,
            is_up_to_date: true,
            needs_new_root: false,
            stored: StoredRequest::Undecided,
            ticket: TicketVerdict::Missing,
        };
        let answer = PkiAnswer::Inspected {
            id,
            facts: Ok(Box::new(facts)),
        };
        self.ask_cluster(node, ClusterInput::Pki(answer))
    }

    fn run_plugin(&mut self, node: &str, run: RunId) {
        let Some(life) = self.nodes.get(node).map(|node| node.life) else {
            return;
        };
        self.journal.executed += 1;
        let exit_status = if self.random.chance(0.8) { 0 } else { 2 };
        let duration = self.random.between(0.01, self.speed.plugin_max_s);
        let outcome = Finished {
            exit_status,
            output: format!("result #{} of {node}|a=1", self.journal.executed).into_bytes(),
            start: Timestamp(self.now),
            end: Timestamp(self.now + duration),
            ..Finished::default()
        };
        let node = node.to_owned();
        self.plan(
            duration,
            Happening::Plugin {
                node,
                life,
                run,
                outcome,
            },
        );
    }
}

pub(crate) fn translate(authority: &bheka_cluster::Authority) -> Authority {
    if authority.is_held() {
        Authority::Hold
    } else if authority.candidates().len() < 2 {
        Authority::Alone
    } else {
        Authority::Shared {
            candidates: authority.candidates().to_vec(),
            by_host: authority.is_host_pinned(),
        }
    }
}
