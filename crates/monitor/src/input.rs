//! What goes into the monitor and what comes out: plain data.

use std::sync::Arc;

use bheka_model::{CheckableName, CheckableState, Command, Event, Generation, Origin};
use bheka_value::{Str, Timestamp, Value};

/// Names one started command, for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// How bad a log line is; the names are Icinga 2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Severity {
    Debug,
    Notice,
    Information,
    Warning,
    Critical,
}

/// Who checks what in the own zone (high availability).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Authority {
    /// This node alone checks everything of its zone.
    #[default]
    Alone,
    /// Nobody else has been seen yet shortly after the start: nothing is checked for now.
    Hold,
    /// Connected members of the zone share by name.
    Shared {
        /// The connected endpoints of the own zone and this node, in any order.
        candidates: Vec<Str>,
        /// Whether services follow their host (all members have that capability, 2.15).
        by_host: bool,
    },
}

/// What the edge hands in.
#[derive(Clone, Debug)]
pub enum Input {
    /// Someone wants live state changed.
    Command {
        /// The change.
        command: Command,
        /// Who wants it.
        origin: Origin,
    },
    /// The next configuration is in force.
    Reconfigure(Arc<Generation>),
    /// The same, with what could be worked out in advance: for large configurations.
    Exchange(Arc<crate::Prepared>),
    /// A link to another node came up, went down, or began or ended its replay.
    PeerChanged {
        /// Name of its Endpoint object.
        endpoint: Str,
        /// Whether there is a link.
        connected: bool,
        /// Whether it is still being sent what it missed.
        syncing: bool,
    },
    /// A command that [`Effect::Run`] asked for has ended.
    CheckFinished {
        /// Which.
        run: RunId,
        /// How.
        outcome: Finished,
    },
    /// `event::ExecuteCommand` of a peer; the cluster has checked that it may ask.
    RemoteExecute {
        /// Who asks and gets the answer.
        endpoint: Str,
        /// `params` of the message.
        params: Value,
    },
    /// Who checks what has changed.
    Authority(Authority),
    /// Numbers for the internal checks `icinga`, `cluster` and `cluster-zone`.
    Surroundings(Box<Surroundings>),
    /// The time of [`crate::Monitor::next_wakeup`] has come.
    Tick,
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// The exit status; meaningless after a signal.
    pub exit_status: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Whether it was killed for exceeding its timeout.
    pub timed_out: bool,
    /// Why it could not be started (the system's words, e.g. `No such file or directory`).
    pub spawn_error: Option<String>,
    /// What it printed, standard output and standard error.
    pub output: Vec<u8>,
    /// Its process id, 0 when unknown.
    pub pid: u32,
    /// When it was started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

/// Why a command line is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// An active check.
    Check,
    /// A check or command for a peer.
    Remote,
    /// An event handler; its output is of no interest.
    Event,
}

/// A command line to start.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandLine {
    /// Goes back with [`Input::CheckFinished`].
    pub run: RunId,
    /// Why.
    pub kind: RunKind,
    /// For whom, for logs: the full name of the checkable.
    pub subject: Str,
    /// Program and arguments; never empty.
    pub argv: Vec<String>,
    /// Additions to the environment.
    pub env: Vec<(String, String)>,
    /// Seconds until it is killed.
    pub timeout_s: f64,
}

/// What the edge is to do, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start this command line.
    Run(CommandLine),
    /// Send `event::ExecuteCommand` directly to this connected endpoint.
    ExecuteRemote {
        /// The command endpoint.
        endpoint: Str,
        /// `params` of the message.
        params: Value,
    },
    /// Send this answer directly to the endpoint that asked.
    ReplyRemote {
        /// Who asked.
        endpoint: Str,
        /// `event::CheckResult`, `event::ExecutedCommand` or `event::UpdateExecutions`.
        method: &'static str,
        /// `params` of the message.
        params: Value,
    },
    /// Tell the cluster, the event streams and the outputs.
    Emit(Event),
    /// This checkable's state has changed: publish [`crate::Monitor::state`].
    Publish(CheckableName),
    /// Write a log line.
    Log {
        /// How bad.
        severity: Severity,
        /// Whose (`CheckerComponent`, `Checkable`, …).
        facility: &'static str,
        /// The line.
        text: String,
    },
}

/// What the monitor cannot know by itself but the internal checks show. The edge refreshes it,
/// about once a second is plenty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// The version shown to operators, e.g. `r2.13.6-1`.
    pub version: Str,
    /// Whether the last reload failed, and when; never when it did not.
    pub last_reload_failed: Timestamp,
    /// Numbers of the API listener for `icinga`, `cluster` and `cluster-zone`.
    pub api: ApiNumbers,
    /// Performance data of other features for `icinga` (label, value), shown as they are.
    pub features: Vec<(Str, f64)>,
    /// What is known of the links, for `cluster` and `cluster-zone`, in the order of the names. It
    /// may be older than the rest: there may be very many.
    pub peers: Arc<[PeerNumbers]>,
}

/// Counters of the API listener.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct ApiNumbers {
    pub num_endpoints: f64,
    pub num_conn_endpoints: f64,
    pub num_not_conn_endpoints: f64,
    pub num_json_rpc_anonymous_clients: f64,
    pub num_json_rpc_relay_queue_item_rate: f64,
    pub num_json_rpc_relay_queue_items: f64,
    pub num_json_rpc_sync_queue_item_rate: f64,
    pub num_json_rpc_sync_queue_items: f64,
    pub num_json_rpc_work_queue_item_rate: f64,
    pub num_http_clients: f64,
}

/// One endpoint as the link layer sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeerNumbers {
    /// Name of the Endpoint object.
    pub endpoint: Str,
    /// Whether it is in the own, the parent or a direct child zone.
    pub neighbour: bool,
    /// Up to when we have its messages.
    pub remote_log_position: Timestamp,
    /// Messages and bytes a second in both directions over the last minute.
    pub messages_sent_per_second: f64,
    /// See above.
    pub messages_received_per_second: f64,
    /// See above.
    pub bytes_sent_per_second: f64,
    /// See above.
    pub bytes_received_per_second: f64,
    /// When the last message was sent or received.
    pub last_message_sent: Timestamp,
    /// See above.
    pub last_message_received: Timestamp,
}

/// Saved state of one checkable, for [`crate::Monitor::restore`].
pub type Saved = (CheckableName, CheckableState);
