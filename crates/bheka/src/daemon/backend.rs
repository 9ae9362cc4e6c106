//! What the API sees of the daemon.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bheka_api::{
    ApplicationStatus, Backend, CheckCounts, CheckStatistics, CheckTotals, CheckerStatus,
    ConnectionStatus, EndpointStatus, ListenerStatus, Openings, ProcessOrder, Refresh,
    ReloadStatus, Resources, Submission, SubmitError, Template, TimePeriodStatus,
};
use bheka_lang::{Globals, Sources};
use bheka_model::{Board, Command, ConfigObject};
use bheka_monitor::CheckRate;
use bheka_value::{Str, Timestamp};
use tokio::sync::{Notify, oneshot};

use super::job::{Job, Jobs};
use super::reload::{Cause, Reloader, Request};
use super::status::{DETAIL_AGE_S, Figures};
use super::{clock, facts, resources};
use crate::config::DiskSources;

/// Reads published figures and state, and hands commands to the writer.
pub(crate) struct DaemonBackend {
    pub(crate) board: Arc<Board>,
    pub(crate) figures: Arc<ArcSwap<Figures>>,
    pub(crate) templates: Arc<ArcSwap<Vec<(Str, Template)>>>,
    pub(crate) globals: Arc<ArcSwapOption<Globals>>,
    pub(crate) jobs: Jobs,
    pub(crate) reloader: Reloader,
    /// Ends the daemon.
    pub(crate) end: Arc<Notify>,
    pub(crate) node_name: Str,
    pub(crate) program_start: Timestamp,
}

impl Backend for DaemonBackend {
    fn board(&self) -> &Arc<Board> {
        &self.board
    }

    fn globals(&self) -> Option<Globals> {
        self.globals.load().as_deref().cloned()
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn version(&self) -> String {
        crate::version::spoken()
    }

    fn application(&self) -> ApplicationStatus {
        let generation = self.board.generation();
        let application = generation.of_type("IcingaApplication").next();
        let is_enabled =
            |name: &str| application.is_none_or(|application| application.boolean(name));
        ApplicationStatus {
            node_name: self.node_name.clone(),
            environment: generation.global_string("Environment").unwrap_or_default(),
            pid: std::process::id(),
            program_start: self.program_start,
            enable_event_handlers: is_enabled("enable_event_handlers"),
            enable_flapping: is_enabled("enable_flapping"),
            enable_host_checks: is_enabled("enable_host_checks"),
            enable_notifications: is_enabled("enable_notifications"),
            enable_perfdata: is_enabled("enable_perfdata"),
            enable_service_checks: is_enabled("enable_service_checks"),
        }
    }

    fn reloads(&self) -> Option<ReloadStatus> {
        Some(self.reloader.status())
    }

    fn process(&self, order: ProcessOrder, user: &str) {
        match order {
            ProcessOrder::Reload => {
                tracing::info!(target: "Application", "API user '{user}' asks for a reload; \
                    connections and checks go on");
                let cause = Cause::Api(user.to_owned());
                self.reloader.ask(Request { cause, done: None });
            }
            ProcessOrder::ShutDown => {
                tracing::info!(target: "Application", "API user '{user}' asks to shut down");
                self.end.notify_one();
            }
        }
    }

    fn api_listener(&self) -> Option<ListenerStatus> {
        let figures = self.figures.load();
        let api = &figures.api;
        Some(ListenerStatus {
            identity: api.identity.clone(),
            listing: Arc::clone(&figures.detail.listing),
            fleet: Some(facts::fleet(&figures.fleet)),
            anonymous_clients: api.anonymous_clients,
            relay_queue_items: self.jobs.waiting(),
            relay_queue_item_rate: api.relay_queue_item_rate,
            sync_queue_items: 0,
            sync_queue_item_rate: 0.0,
            work_queue_item_rate: api.work_queue_item_rate,
            log_message_timestamp: figures.log_message_timestamp,
            openings: Openings {
                dials_waiting: api.dials_waiting,
                dials_running: api.dials_running,
                outbound_waiting: figures.lane.outbound_waiting,
                inbound_waiting: figures.lane.inbound_waiting,
                running: figures.lane.running,
                running_max: figures.lane.width,
                typical_s: figures.lane.typical.as_secs_f64(),
                finished: figures.lane.finished,
                failed: figures.lane.failed,
                given_up: figures.lane.given_up,
            },
        })
    }

    fn check_statistics(&self) -> CheckStatistics {
        let figures = self.figures.load();
        let checks = &figures.checks;
        CheckStatistics {
            active_host: counts(&checks.active_host_checks),
            passive_host: counts(&checks.passive_host_checks),
            active_service: counts(&checks.active_service_checks),
            passive_service: counts(&checks.passive_service_checks),
            current_concurrent_checks: checks.concurrent_checks,
            current_pending_callbacks: self.jobs.waiting(),
            remote_check_queue: checks.remote_check_queue,
            totals: KINDS
                .iter()
                .zip(&checks.totals)
                .map(|((of, kind), totals)| CheckTotals {
                    of,
                    kind,
                    count: totals.count,
                    latency_s: totals.latency_s,
                    execution_s: totals.execution_s,
                })
                .collect(),
        }
    }

    fn checker(&self) -> Option<CheckerStatus> {
        let generation = self.board.generation();
        generation.of_type("CheckerComponent").next()?;
        let (pending, idle) = self.figures.load().pending_and_idle;
        Some(CheckerStatus { idle, pending })
    }

    fn endpoint(&self, name: &str) -> Option<EndpointStatus> {
        let figures = self.figures.load();
        // This node is none of its own endpoints.
        let status = figures.detail.endpoint(name);
        let status = status.map(|(status, _)| *status).unwrap_or_default();
        Some(EndpointStatus {
            connected: status.connected,
            connecting: status.connecting,
            syncing: status.syncing,
            local_log_position: status.local_log_position,
            remote_log_position: status.remote_log_position,
            icinga_version: f64::from(status.icinga_version),
            #[allow(clippy::cast_precision_loss, reason = "a handful of bits")]
            capabilities: status.capabilities as f64,
            last_message_sent: status.last_message_sent,
            last_message_received: status.last_message_received,
            messages_sent_per_second: status.messages_sent_per_second,
            messages_received_per_second: status.messages_received_per_second,
            bytes_sent_per_second: status.bytes_sent_per_second,
            bytes_received_per_second: status.bytes_received_per_second,
            seconds_processing_messages: status.processing_s,
        })
    }

    fn connection(&self, name: &str) -> Option<ConnectionStatus> {
        let figures = self.figures.load();
        let (_, connection) = figures.detail.endpoint(name)?;
        Some(facts::connection(connection))
    }

    fn refresh(&self) -> Refresh {
        let age_s = clock::now() - self.figures.load().detail.at;
        if (0.0..DETAIL_AGE_S).contains(&age_s) {
            return Box::pin(std::future::ready(()));
        }
        let (done, looked) = oneshot::channel();
        if !self.jobs.try_send(Job::Look(done)) {
            return Box::pin(std::future::ready(()));
        }
        // Something old is better than to wait for a writer that has very much to do; nothing at
        // all is not.
        let patience = if age_s < TOO_OLD_S {
            PATIENCE
        } else {
            PATIENCE_AT_MOST
        };
        Box::pin(async move {
            let _ = tokio::time::timeout(patience, looked).await;
        })
    }

    fn resources(&self) -> Option<Resources> {
        Some(resources::of_process())
    }

    fn time_period(&self, period: &ConfigObject) -> Option<TimePeriodStatus> {
        let (generation, now) = (self.board.generation(), clock::now());
        let time_zone = jiff::tz::TimeZone::system();
        let worked_out = bheka_monitor::segments(period, &generation, now, &time_zone);
        Some(TimePeriodStatus {
            is_inside: bheka_monitor::is_inside_period(period, &generation, now, &time_zone),
            segments: worked_out.segments,
            valid_begin: worked_out.valid_begin,
            valid_end: worked_out.valid_end,
        })
    }

    fn templates(&self, type_name: &str) -> Vec<Template> {
        let templates = self.templates.load();
        let of_type = templates.iter().filter(|(of, _)| *of == *type_name);
        of_type.map(|(_, template)| template.clone()).collect()
    }

    fn sources(&self) -> Arc<dyn Sources> {
        Arc::new(DiskSources)
    }

    fn submit(&self, commands: Vec<Command>) -> Submission {
        let jobs = self.jobs.clone();
        Box::pin(async move {
            let (done, applied) = oneshot::channel();
            if !jobs.send(Job::Submit(commands, done)).await {
                return Err(SubmitError::Stopped);
            }
            applied.await.map_err(|_| SubmitError::Stopped)
        })
    }
}

/// What [`bheka_monitor::CheckFigures::totals`] counts, in its order.
const KINDS: [(&str, &str); 4] = [
    ("host", "active"),
    ("host", "passive"),
    ("service", "active"),
    ("service", "passive"),
];
/// How long an answer may wait for the writer to look at all endpoints.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long it may when what is known is older than [`TOO_OLD_S`].
const PATIENCE_AT_MOST: Duration = Duration::from_secs(2);
const TOO_OLD_S: f64 = 5.0;

fn counts(rate: &CheckRate) -> CheckCounts {
    CheckCounts {
        minutes_1: rate.last_1min,
        minutes_5: rate.last_5min,
        minutes_15: rate.last_15min,
    }
}
