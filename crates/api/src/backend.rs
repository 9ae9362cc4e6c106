//! What the API needs from the daemon around it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bheka_lang::{Globals, MemorySources, Sources};
use bheka_model::{Board, Command, ConfigObject};
use bheka_value::{Location, Str, Timestamp, Value};

use crate::connection::ConnectionStatus;
use crate::fleet::FleetStatus;
use crate::reload::ReloadStatus;

/// The daemon as the API sees it. All calls are cheap and never wait, but for
/// [`Backend::submit`].
pub trait Backend: Send + Sync + 'static {
    /// Configuration in force and published live state.
    fn board(&self) -> &Arc<Board>;

    /// Constants and functions of the configuration in force, for filters.
    fn globals(&self) -> Option<Globals>;

    /// The clock.
    fn now(&self) -> Timestamp;

    /// What `/v1` and the `Server` header (after `Icinga/`) give as version, e.g. `r2.13.6-1`.
    fn version(&self) -> String;

    /// `/v1/status/IcingaApplication`
    fn application(&self) -> ApplicationStatus;

    /// What reloads did so far; `None` where there are none.
    fn reloads(&self) -> Option<ReloadStatus> {
        None
    }

    /// Has the process reload its configuration or end. Returns at once; the answer to whoever
    /// asked is sent already.
    fn process(&self, order: ProcessOrder, user: &str);

    /// `/v1/status/ApiListener`; `None` while there is no listener.
    fn api_listener(&self) -> Option<ListenerStatus>;

    /// The numbers of `/v1/status/CIB` that cannot be counted on the board.
    fn check_statistics(&self) -> CheckStatistics;

    /// `/v1/status/CheckerComponent`; `None` while there is no checker.
    fn checker(&self) -> Option<CheckerStatus>;

    /// Run-time attributes of an endpoint; `None` when nothing is known of it.
    fn endpoint(&self, name: &str) -> Option<EndpointStatus>;

    /// How an endpoint came to be connected, or why it is not; `None` for this node, and where
    /// nobody knows.
    fn connection(&self, _name: &str) -> Option<ConnectionStatus> {
        None
    }

    /// Has what is known of single endpoints and zones brought up to date, within a moment. The
    /// future is done then, or when it takes too long: what is known is a little older in that
    /// case.
    fn refresh(&self) -> Refresh {
        Box::pin(std::future::ready(()))
    }

    /// Memory, descriptors and such of the process; `None` where nobody knows.
    fn resources(&self) -> Option<Resources> {
        None
    }

    /// What a time period means now; `None` where nobody works it out.
    fn time_period(&self, _period: &ConfigObject) -> Option<TimePeriodStatus> {
        None
    }

    /// The templates of a type, sorted by name.
    fn templates(&self, type_name: &str) -> Vec<Template>;

    /// Files and environment variables, for scripts of the console. There are none by default.
    fn sources(&self) -> Arc<dyn Sources> {
        Arc::new(MemorySources::default())
    }

    /// Hands commands to the writer. The future is done when the writer has applied them all.
    fn submit(&self, commands: Vec<Command>) -> Submission;
}

/// What may be asked of the process as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessOrder {
    /// `restart-process`: put the configuration in force as it is on disk now.
    Reload,
    /// `shutdown-process`: end in good order.
    ShutDown,
}

/// Waits until what is known of endpoints is fresh.
pub type Refresh = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the process uses of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// Seconds of processor time, of the user and the system.
    pub cpu_s: f64,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub open_fds: u64,
    /// How many it may open; `None` for no limit.
    pub max_fds: Option<u64>,
}

/// Waits until commands are applied.
pub type Submission = Pin<Box<dyn Future<Output = Result<(), SubmitError>> + Send>>;

/// Commands were not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitError {
    /// The writer has too much to do; try again.
    Busy,
    /// The daemon is ending.
    Stopped,
}

/// The process as a whole.
#[derive(Debug, Clone, Default)]
pub struct ApplicationStatus {
    /// The name of this node.
    pub node_name: Str,
    /// The deprecated constant `Environment`, usually empty.
    pub environment: Str,
    /// The process.
    pub pid: u32,
    /// When it started.
    pub program_start: Timestamp,
    /// Whether event handlers run at all.
    pub enable_event_handlers: bool,
    /// Whether flapping is detected at all.
    pub enable_flapping: bool,
    /// Whether hosts are checked at all.
    pub enable_host_checks: bool,
    /// Whether notifications are sent at all.
    pub enable_notifications: bool,
    /// Whether performance data are processed at all.
    pub enable_perfdata: bool,
    /// Whether services are checked at all.
    pub enable_service_checks: bool,
}

/// Connections and queues of the cluster (see "Status and Statistics" in chapter 12 of the
/// manual).
#[derive(Debug, Clone, Default)]
pub struct ListenerStatus {
    /// The name of the own endpoint.
    pub identity: Str,
    /// Endpoints and zones by name.
    pub listing: Arc<Listing>,
    /// Up to where the log for peers that are away is written.
    pub log_message_timestamp: Timestamp,
    /// Anonymous JSON-RPC connections.
    pub anonymous_clients: usize,
    /// Messages that wait to be relayed.
    pub relay_queue_items: usize,
    /// Messages relayed per second over the last minute.
    pub relay_queue_item_rate: f64,
    /// Pieces of configuration that wait to be synchronised.
    pub sync_queue_items: usize,
    /// Pieces of configuration synchronised per second over the last minute.
    pub sync_queue_item_rate: f64,
    /// Messages received per second over the last minute.
    pub work_queue_item_rate: f64,
    /// Connections that are being made.
    pub openings: Openings,
    /// All endpoints together; `None` where nobody counts.
    pub fleet: Option<FleetStatus>,
}

/// Endpoints and zones by name. There may be very many: what the API shows of them is made once
/// for each look at them.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    connected_endpoints: Vec<Str>,
    disconnected_endpoints: Vec<Str>,
    zones: Vec<ZoneStatus>,
    shown: OnceLock<[Value; 3]>,
}

impl Listing {
    /// Connected endpoints of the own, the parent and the child zones; the others of those zones;
    /// those zones.
    #[must_use]
    pub fn new(
        connected_endpoints: Vec<Str>,
        disconnected_endpoints: Vec<Str>,
        zones: Vec<ZoneStatus>,
    ) -> Self {
        Self {
            connected_endpoints,
            disconnected_endpoints,
            zones,
            shown: OnceLock::new(),
        }
    }

    /// How many endpoints are connected.
    pub(crate) fn connected(&self) -> usize {
        self.connected_endpoints.len()
    }

    /// How many are not.
    pub(crate) fn disconnected(&self) -> usize {
        self.disconnected_endpoints.len()
    }

    /// `conn_endpoints`, `not_conn_endpoints` and `zones`, which nobody can change.
    pub(crate) fn shown(&self) -> &[Value; 3] {
        self.shown.get_or_init(|| {
            let names = |names: &[Str]| {
                let names = Value::array(names.iter().cloned().map(Value::String));
                names.freeze();
                names
            };
            let zones = self.zones.iter().map(|zone| {
                let fields = Value::dictionary([
                    ("client_log_lag", Value::Number(zone.client_log_lag_s)),
                    ("connected", Value::Boolean(zone.connected)),
                    ("endpoints", names(&zone.endpoints)),
                    ("parent_zone", Value::String(zone.parent_zone.clone())),
                ]);
                (zone.name.clone(), fields)
            });
            let zones = Value::dictionary(zones);
            zones.freeze();
            [
                names(&self.connected_endpoints),
                names(&self.disconnected_endpoints),
                zones,
            ]
        })
    }
}

/// Connections that are being made, and the handshakes of nodes so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Openings {
    /// Dials that are due and wait for a place.
    pub dials_waiting: usize,
    /// Dials under way, from the look-up of the name to the end of the handshake.
    pub dials_running: usize,
    /// Dials whose handshake waits for its turn.
    pub outbound_waiting: usize,
    /// Peers whose handshake waits for its turn.
    pub inbound_waiting: usize,
    /// Handshakes under way.
    pub running: usize,
    /// How many may be under way at present.
    pub running_max: usize,
    /// How long handshakes took lately.
    pub typical_s: f64,
    /// Handshakes that succeeded.
    pub finished: u64,
    /// Handshakes that were begun and failed.
    pub failed: u64,
    /// Handshakes that were not begun: their time was over, or their peer gone.
    pub given_up: u64,
}

/// A zone in [`ListenerStatus`].
#[derive(Debug, Clone, Default)]
pub struct ZoneStatus {
    /// Its name.
    pub name: Str,
    /// Whether an endpoint of it is connected, or is this node.
    pub connected: bool,
    /// Seconds by which the slowest endpoint lags behind.
    pub client_log_lag_s: f64,
    /// Its endpoints.
    pub endpoints: Vec<Str>,
    /// Its parent, empty when it has none.
    pub parent_zone: Str,
}

/// How many checks there were within a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckCounts {
    /// Within the last minute.
    pub minutes_1: f64,
    /// Within the last five minutes.
    pub minutes_5: f64,
    /// Within the last quarter of an hour.
    pub minutes_15: f64,
}

/// Numbers of the scheduler.
#[derive(Debug, Clone, Default)]
pub struct CheckStatistics {
    /// Active checks of hosts.
    pub active_host: CheckCounts,
    /// Passive results for hosts.
    pub passive_host: CheckCounts,
    /// Active checks of services.
    pub active_service: CheckCounts,
    /// Passive results for services.
    pub passive_service: CheckCounts,
    /// Checks that run now.
    pub current_concurrent_checks: usize,
    /// Callbacks that wait to run.
    pub current_pending_callbacks: usize,
    /// Checks for others that wait to run.
    pub remote_check_queue: usize,
    /// Results since start.
    pub totals: Vec<CheckTotals>,
}

/// Results of one kind since start.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckTotals {
    /// `host` or `service`.
    pub of: &'static str,
    /// `active` or `passive`.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
    /// Seconds that they waited beyond being due, together.
    pub latency_s: f64,
    /// Seconds that they took to make, together.
    pub execution_s: f64,
}

/// The queue of the scheduler.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckerStatus {
    /// Checkables that wait until they are due.
    pub idle: usize,
    /// Checkables whose check runs.
    pub pending: usize,
}

/// What is known of an endpoint now.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndpointStatus {
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether one is being made.
    pub connecting: bool,
    /// Whether messages that it missed are being sent.
    pub syncing: bool,
    /// What it has acknowledged of our messages.
    pub local_log_position: Timestamp,
    /// What we have acknowledged of its messages.
    pub remote_log_position: Timestamp,
    /// Its version as a number, e.g. 21306.
    pub icinga_version: f64,
    /// Bits of what it can do.
    pub capabilities: f64,
    /// When the last message was sent.
    pub last_message_sent: Timestamp,
    /// When the last message came.
    pub last_message_received: Timestamp,
    /// Over the last minute.
    pub messages_sent_per_second: f64,
    /// Over the last minute.
    pub messages_received_per_second: f64,
    /// Over the last minute.
    pub bytes_sent_per_second: f64,
    /// Over the last minute.
    pub bytes_received_per_second: f64,
    /// Seconds spent on its messages since start.
    pub seconds_processing_messages: f64,
}

impl EndpointStatus {
    /// The value of an attribute; `None` when it is not one of these.
    pub(crate) fn attribute(&self, name: &str) -> Option<Value> {
        Some(match name {
            "connected" => Value::Boolean(self.connected),
            "connecting" => Value::Boolean(self.connecting),
            "syncing" => Value::Boolean(self.syncing),
            "local_log_position" => Value::Number(self.local_log_position.seconds()),
            "remote_log_position" => Value::Number(self.remote_log_position.seconds()),
            "icinga_version" => Value::Number(self.icinga_version),
            "capabilities" => Value::Number(self.capabilities),
            "last_message_sent" => Value::Number(self.last_message_sent.seconds()),
            "last_message_received" => Value::Number(self.last_message_received.seconds()),
            "messages_sent_per_second" => Value::Number(self.messages_sent_per_second),
            "messages_received_per_second" => Value::Number(self.messages_received_per_second),
            "bytes_sent_per_second" => Value::Number(self.bytes_sent_per_second),
            "bytes_received_per_second" => Value::Number(self.bytes_received_per_second),
            "seconds_processing_messages" => Value::Number(self.seconds_processing_messages),
            _ => return None,
        })
    }
}

/// A time period worked out for now.
#[derive(Debug, Clone, Default)]
pub struct TimePeriodStatus {
    /// Whether now is inside.
    pub is_inside: bool,
    /// Begin and end of its times.
    pub segments: Vec<(Timestamp, Timestamp)>,
    /// From when on the segments are complete.
    pub valid_begin: Timestamp,
    /// Until when the segments are complete.
    pub valid_end: Timestamp,
}

impl TimePeriodStatus {
    /// The value of an attribute; `None` when it is not one of these.
    pub(crate) fn attribute(&self, name: &str) -> Option<Value> {
        Some(match name {
            "is_inside" => Value::Boolean(self.is_inside),
            "segments" => Value::array(self.segments.iter().map(|(begin, end)| {
                Value::dictionary([
                    ("begin", Value::Number(begin.seconds())),
                    ("end", Value::Number(end.seconds())),
                ])
            })),
            "valid_begin" => Value::Number(self.valid_begin.seconds()),
            "valid_end" => Value::Number(self.valid_end.seconds()),
            _ => return None,
        })
    }
}

/// A template, for `/v1/templates`.
#[derive(Debug, Clone)]
pub struct Template {
    /// Its name.
    pub name: Str,
    /// Where it was declared.
    pub location: Location,
}
