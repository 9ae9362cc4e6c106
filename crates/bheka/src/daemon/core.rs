//! The writer: the one thread that owns all live state.
//!
//! It takes [`Job`]s from a bounded queue, runs the pure decision code of `monitor` and `cluster`,
//! and carries out their effects by handing them to the parts of the edge. It never waits for a
//! peer, a process or a request; only a replay log that does not keep up can hold it up.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bheka_cluster::{Cluster, LinkId};
use bheka_model::{Board, CheckableName, Origin};
use bheka_monitor::Monitor;
use bheka_value::{Str, Timestamp};
use tokio::sync::mpsc;

use super::certificates::Certificates;
use super::clock;
use super::job::{Exchange, Job, Jobs, Swapped};
use super::links::{Dialler, LinkHandle};
use super::reload::{Cause, Reloader, Request};
use super::replay::{Operation, ReplayLog};
use super::runner::Runner;
use super::saving::Saving;
use super::status::{Collector, Figures};

/// Jobs taken from the queue at once, before effects and timers get their turn again.
const BATCH_LEN_MAX: usize = 256;

/// How often the figures for status, metrics and internal checks are made anew.
const FIGURES_EVERY_S: f64 = 0.5;

/// What the writer is made of.
pub(crate) struct Core {
    pub(crate) monitor: Monitor,
    pub(crate) cluster: Cluster,
    pub(crate) board: Arc<Board>,
    pub(crate) figures: Arc<ArcSwap<Figures>>,
    pub(crate) collector: Collector,
    pub(crate) runner: Runner,
    pub(crate) dialler: Dialler,
    pub(crate) certificates: Certificates,
    pub(crate) replay: ReplayLog,
    pub(crate) saving: Saving,
    pub(crate) jobs: Jobs,
    pub(crate) reloader: Reloader,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) links: HashMap<LinkId, LinkHandle>,
    pub(crate) node_name: Str,
    pub(crate) last_reload_failed: Timestamp,
    pub(crate) logs: Arc<crate::log::LogSinks>,
}

/// Inputs that effects led to, in order.
#[derive(Default)]
struct Agenda {
    work: VecDeque<Work>,
    changed: HashSet<CheckableName>,
}

enum Work {
    Monitor(bheka_monitor::Input),
    Cluster(bheka_cluster::Input),
}

impl Core {
    /// Works until [`Job::Finish`].
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH_LEN_MAX);
        let mut next_figures = clock::now();
        loop {
            let now = clock::now();
            let wake = self
                .next_wakeup()
                .map_or(next_figures, |wake| wake.min(next_figures));
            let wait = Duration::from_secs_f64((wake - now).clamp(0.0, 60.0));
            let runtime = self.runtime.clone();
            let received = runtime.block_on(async {
                tokio::time::timeout(wait, queue.recv_many(&mut batch, BATCH_LEN_MAX)).await
            });
            if matches!(received, Ok(0)) {
                self.finish();
                return;
            }
            let mut agenda = Agenda::default();
            for job in batch.drain(..) {
                if matches!(job, Job::Finish) {
                    self.finish();
                    return;
                }
                self.take(job, &mut agenda);
            }
            let now = clock::now();
            if now >= next_figures {
                self.refresh_figures(now, &mut agenda);
                next_figures = now + FIGURES_EVERY_S;
            }
            self.tick(now, &mut agenda);
            self.publish_changed(&mut agenda);
        }
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        let wakes = [
            self.monitor.next_wakeup(),
            self.cluster.next_wakeup(),
            Some(self.saving.next_wakeup()),
        ];
        wakes.into_iter().flatten().reduce(Timestamp::min)
    }

    fn tick(&mut self, now: Timestamp, agenda: &mut Agenda) {
        if self.monitor.next_wakeup().is_some_and(|wake| wake <= now) {
            agenda
                .work
                .push_back(Work::Monitor(bheka_monitor::Input::Tick));
        }
        if self.cluster.next_wakeup().is_some_and(|wake| wake <= now) {
            agenda
                .work
                .push_back(Work::Cluster(bheka_cluster::Input::Tick));
        }
        self.settle(agenda);
        self.saving.save_when_due(&self.monitor, &self.cluster, now);
    }

    fn take(&mut self, job: Job, agenda: &mut Agenda) {
        match job {
            Job::Monitor(input) => agenda.work.push_back(Work::Monitor(input)),
            Job::Cluster(input) => {
                if let bheka_cluster::Input::LinkDown { link, .. } = &input
                    && self.links.remove(link).is_none()
                {
                    // Closed by this side before: the cluster has forgotten it already.
                    return;
                }
                self.note_message(&input);
                if let bheka_cluster::Input::Received { link, .. } = &input {
                    let (link, begun) = (*link, Instant::now());
                    agenda.work.push_back(Work::Cluster(input));
                    self.settle(agenda);
                    let seconds = begun.elapsed().as_secs_f64();
                    self.cluster.note_processing(link, seconds);
                    return;
                }
                agenda.work.push_back(Work::Cluster(input));
            }
            Job::LinkUp(up, handle) => {
                self.links.insert(up.link, handle);
                agenda
                    .work
                    .push_back(Work::Cluster(bheka_cluster::Input::LinkUp(up)));
            }
            Job::Submit(commands, done) => {
                for command in commands {
                    let origin = Origin::local();
                    let input = bheka_monitor::Input::Command { command, origin };
                    agenda.work.push_back(Work::Monitor(input));
                }
                self.settle(agenda);
                self.publish_changed(agenda);
                let _ = done.send(());
                return;
            }
            Job::Reconfigure(next, done) => {
                let swapped = self.reconfigure(next, agenda);
                let _ = done.send(swapped);
                return;
            }
            Job::Look(done) => {
                let mut figures = Figures::clone(&self.figures.load());
                figures.detail = Arc::clone(self.collector.detail(&self.cluster, clock::now()));
                self.figures.store(Arc::new(figures));
                let _ = done.send(());
                return;
            }
            Job::ReloadFailed(at) => {
                self.last_reload_failed = at;
                return;
            }
            Job::Finish => return,
        }
        self.settle(agenda);
    }

    /// Every message in the notice log, in Icinga 2's words: how operators follow a link.
    fn note_message(&self, input: &bheka_cluster::Input) {
        if let bheka_cluster::Input::Received { link, message, .. } = input
            && self.logs.wants(crate::log::Severity::Notice)
        {
            let identity = self.cluster.endpoint_of(*link).map_or("", Str::as_str);
            let text = format!(
                "Received '{}' message from identity '{identity}'.",
                message.method_name()
            );
            self.logs
                .write(crate::log::Severity::Notice, "JsonRpcConnection", text);
        }
    }

    fn reconfigure(&mut self, next: Exchange, agenda: &mut Agenda) -> Swapped {
        let begun = Instant::now();
        let Exchange { prepared, topology } = next;
        let generation = Arc::clone(prepared.generation());
        let is_first = self.monitor.generation().number == 0;
        let has_gone = !prepared.removed().is_empty();
        let links: Vec<(LinkId, Str)> = self
            .links
            .keys()
            .filter_map(|link| Some((*link, self.cluster.endpoint_of(*link)?.clone())))
            .collect();
        self.last_reload_failed = Timestamp::NEVER;
        // The board first: effects of the swap are published on the new generation.
        self.board
            .exchange_generation(Arc::clone(&generation), prepared.removed());
        let input = bheka_cluster::Input::Exchange(Arc::clone(&generation), topology);
        agenda.work.push_back(Work::Cluster(input));
        self.settle(agenda);
        // The cluster tells of changes only; what holds at the start is none. Who checks what must
        // be known before there is anything to check.
        let authority = super::status::authority(self.cluster.authority());
        agenda
            .work
            .push_back(Work::Monitor(bheka_monitor::Input::Authority(authority)));
        let input = bheka_monitor::Input::Exchange(prepared);
        agenda.work.push_back(Work::Monitor(input));
        self.settle(agenda);
        self.publish_changed(agenda);
        self.collector.forget();
        if is_first {
            // A check right after the start must not see a node without endpoints.
            self.refresh_figures(clock::now(), agenda);
            self.settle(agenda);
        }
        if is_first || has_gone {
            self.saving.mark_all();
        }
        let mut swapped = Swapped::default();
        for (link, endpoint) in links {
            let count = if self.links.contains_key(&link) {
                &mut swapped.links_kept
            } else if generation.get("Endpoint", &endpoint).is_some() {
                &mut swapped.links_reconnected
            } else {
                &mut swapped.links_closed
            };
            *count += 1;
        }
        swapped.took = begun.elapsed();
        swapped
    }

    /// Works off the agenda: every effect may lead to further inputs.
    fn settle(&mut self, agenda: &mut Agenda) {
        while let Some(work) = agenda.work.pop_front() {
            let now = clock::now();
            match work {
                Work::Monitor(input) => {
                    for effect in self.monitor.handle(input, now) {
                        self.carry_out_monitor(effect, agenda);
                    }
                }
                Work::Cluster(input) => {
                    for effect in self.cluster.handle(input, now) {
                        self.carry_out_cluster(effect, agenda);
                    }
                }
            }
        }
    }

    fn carry_out_monitor(&mut self, effect: bheka_monitor::Effect, agenda: &mut Agenda) {
        use bheka_cluster::Input;
        use bheka_monitor::Effect;
        match effect {
            Effect::Run(line) => self.runner.start(line),
            Effect::ExecuteRemote { endpoint, params } => {
                let method = "event::ExecuteCommand".into();
                agenda.work.push_back(Work::Cluster(Input::Send {
                    endpoint,
                    method,
                    params,
                }));
            }
            Effect::ReplyRemote {
                endpoint,
                method,
                params,
            } => {
                let method = method.into();
                agenda.work.push_back(Work::Cluster(Input::Send {
                    endpoint,
                    method,
                    params,
                }));
            }
            Effect::Emit(event) => agenda
                .work
                .push_back(Work::Cluster(Input::LocalEvent(event))),
            Effect::Publish(name) => {
                self.saving.mark(&name);
                agenda.changed.insert(name);
            }
            Effect::Log {
                severity,
                facility,
                text,
            } => {
                self.logs.write(severity.into(), facility, text);
            }
        }
    }

    fn carry_out_cluster(&mut self, effect: bheka_cluster::Effect, agenda: &mut Agenda) {
        use bheka_cluster::Effect;
        use bheka_monitor::Input;
        match effect {
            Effect::Send { link, payload } => self.send(link, payload, agenda),
            Effect::SetLimit { link, bytes } => {
                if let Some(handle) = self.links.get(&link) {
                    handle.set_limit(bytes);
                }
            }
            Effect::Close { link, reason } => {
                if let Some(handle) = self.links.remove(&link) {
                    handle.close(&reason.to_string());
                }
            }
            Effect::Dial {
                endpoint,
                host,
                port,
            } => self.dialler.dial(endpoint, &host, &port),
            Effect::CancelDial { endpoint } => self.dialler.cancel(&endpoint),
            Effect::Command { command, origin } => {
                agenda
                    .work
                    .push_back(Work::Monitor(Input::Command { command, origin }));
            }
            Effect::RemoteExecute { endpoint, params } => {
                agenda
                    .work
                    .push_back(Work::Monitor(Input::RemoteExecute { endpoint, params }));
            }
            Effect::PeerChanged {
                endpoint,
                connected,
                syncing,
            } => {
                self.collector.link_changed();
                let input = Input::PeerChanged {
                    endpoint,
                    connected,
                    syncing,
                };
                agenda.work.push_back(Work::Monitor(input));
            }
            Effect::Authority(authority) => {
                let input = Input::Authority(super::status::authority(&authority));
                agenda.work.push_back(Work::Monitor(input));
            }
            Effect::AppendLog(record) => self.replay.push(Operation::Append(record)),
            Effect::RotateLog { number } => self.replay.push(Operation::Rotate(number)),
            Effect::DeleteLog { number } => self.replay.push(Operation::Delete(number)),
            Effect::ReadLog { link, file, offset } => self.read_log(link, file, offset),
            Effect::Pki(order) => self.certificates.carry_out(order),
            Effect::ConfigUpdate { endpoint, update } => {
                let cause = Cause::Update(endpoint, update);
                self.reloader.ask(Request { cause, done: None });
            }
            Effect::Log {
                severity,
                facility,
                text,
            } => {
                self.logs.write(severity.into(), facility, text);
            }
        }
    }

    /// Queues a frame. A peer that does not read loses its link; the replay log keeps what it
    /// misses from then on.
    fn send(&mut self, link: LinkId, payload: Arc<str>, agenda: &mut Agenda) {
        let Some(handle) = self.links.get(&link) else {
            return;
        };
        if let Err(why) = handle.send(payload) {
            if let Some(handle) = self.links.remove(&link) {
                handle.close(why);
            }
            let cause = bheka_cluster::DownCause::Lost(why.into());
            let input = bheka_cluster::Input::LinkDown { link, cause };
            agenda.work.push_back(Work::Cluster(input));
        }
    }

    /// Reads a page of the replay log now (so that rotations keep their order) and hands it in
    /// once what was sent to the link before is written.
    fn read_log(&self, link: LinkId, file: bheka_cluster::log::LogFile, offset: u64) {
        let Some(handle) = self.links.get(&link) else {
            return;
        };
        let written = handle.written();
        let (jobs, runtime) = (self.jobs.clone(), self.runtime.clone());
        let then = Box::new(move |page| {
            runtime.spawn(async move {
                // An error means that the link is gone; the cluster ignores the page then.
                let _ = written.await;
                jobs.send(Job::Cluster(bheka_cluster::Input::LogPage { link, page }))
                    .await;
            });
        });
        self.replay.push(Operation::Read { file, offset, then });
    }

    fn refresh_figures(&mut self, now: Timestamp, agenda: &mut Agenda) {
        let mut figures = self.collector.figures(&self.monitor, &self.cluster, now);
        figures.http_clients = self.dialler.http_clients();
        figures.lane = self.dialler.lane();
        figures.last_reload_failed = self.last_reload_failed;
        let input =
            bheka_monitor::Input::Surroundings(Box::new(self.collector.surroundings(&figures)));
        agenda.work.push_back(Work::Monitor(input));
        self.figures.store(Arc::new(figures));
    }

    fn publish_changed(&self, agenda: &mut Agenda) {
        for name in agenda.changed.drain() {
            if let Some(state) = self.monitor.shared_state(&name) {
                self.board.publish_shared(&name, state);
            }
        }
    }

    /// Rotates the log, takes leave of the peers, saves the state.
    fn finish(mut self) {
        let mut agenda = Agenda::default();
        agenda
            .work
            .push_back(Work::Cluster(bheka_cluster::Input::Shutdown));
        self.settle(&mut agenda);
        for (_, handle) in self.links.drain() {
            handle.close("this node is shutting down");
        }
        self.saving.finish(&self.monitor, &self.cluster);
        self.replay.finish();
        tracing::debug!(target: "Application", "the writer of '{}' has ended", self.node_name);
    }
}
