//! What goes into the cluster and what comes out.
//!
//! The edge hands in [`Input`]s one at a time and carries out the [`Effect`]s in their order.
//! Nothing here blocks, and nothing is kept that grows with what a peer sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bheka_model::{Command, Event, Generation, Origin};
use bheka_value::{Str, Timestamp, Value};

use crate::authority::Authority;
use crate::config_sync::{ConfigUpdate, ZoneFiles};
use crate::dial_queue::DialLimits;
use crate::facts::{DialFailure, PhaseTimes, TlsFacts};
use crate::log::{LogFile, LogPage, LogRecord};
use crate::message::Message;
use crate::netstring::FramingError;
use crate::pki::{PkiAnswer, PkiOrder, PkiState};

/// A connection, named by the edge; a number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Who began a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This node, because of [`Effect::Dial`] for that endpoint.
    Dialled {
        /// Name of the Endpoint object.
        endpoint: Str,
    },
    /// The peer.
    Accepted,
}

/// A connection with TLS up and, when accepted, known to speak JSON-RPC.
#[derive(Clone, Debug)]
pub struct LinkUp {
    /// Its name from now on.
    pub link: LinkId,
    /// Who began it.
    pub direction: Direction,
    /// Common name of the peer's certificate; `None` without certificate or name.
    pub identity: Option<Str>,
    /// Whether the certificate is good (chain, and host name when dialled), or why it is not.
    pub verified: Result<(), Str>,
    /// PEM of the peer's certificate, for requests that refer to it.
    pub certificate: Option<Str>,
    /// `[address]:port` of the peer.
    pub address: Str,
    /// What TLS agreed on.
    pub tls: TlsFacts,
    /// How long it took to get here.
    pub times: PhaseTimes,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownCause {
    /// The peer took its leave with a TLS close; it is likely to be back soon.
    Announced,
    /// The connection broke: the system's words.
    Lost(Str),
}

/// The object that decides who may see a relayed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityObject {
    /// Type, e.g. `Host`; for the type `Zone` the object itself is the target zone.
    pub type_name: Str,
    /// Full name.
    pub name: Str,
}

/// What the edge hands in.
#[derive(Debug)]
pub enum Input {
    /// The next configuration is in force. Also the first one; nothing is dialled before.
    Reconfigure(Arc<Generation>),
    /// The same, with the generation's [`Topology`](crate::Topology) as this node sees it: making it
    /// goes over all endpoints, which need not hold up everything else.
    Exchange(Arc<Generation>, Arc<crate::Topology>),
    /// A connection came up.
    LinkUp(LinkUp),
    /// A connection ended without being told to.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why.
        cause: DownCause,
    },
    /// An [`Effect::Dial`] failed.
    DialFailed {
        /// Name of the Endpoint object.
        endpoint: Str,
        /// What failed and why.
        failure: DialFailure,
    },
    /// A message came.
    Received {
        /// On which connection.
        link: LinkId,
        /// The message.
        message: Message,
        /// Bytes of its frame.
        bytes: usize,
    },
    /// A frame came that holds no message ([`crate::MessageError`] as text).
    Malformed {
        /// On which connection.
        link: LinkId,
        /// What is wrong.
        error: Str,
        /// Bytes of its frame.
        bytes: usize,
    },
    /// What came is no netstring.
    BadFrame {
        /// On which connection.
        link: LinkId,
        /// What is wrong.
        error: FramingError,
    },
    /// Bytes came that do not make a whole frame yet. Once in ten seconds is enough.
    Alive {
        /// On which connection.
        link: LinkId,
    },
    /// Something happened here, or was brought about here by a peer: tell whom it concerns.
    LocalEvent(Event),
    /// Send a message directly to a connected endpoint, without `ts` and log; it is dropped while
    /// there is no connection or the endpoint is syncing.
    Send {
        /// Name of the Endpoint object.
        endpoint: Str,
        /// Method.
        method: Str,
        /// Parameters.
        params: Value,
    },
    /// Relay a message of the own making to all zones that may see the object.
    Relay {
        /// Who may see it; `None` for the own zone and its ancestors.
        object: Option<SecurityObject>,
        /// Method.
        method: Str,
        /// Parameters.
        params: Value,
        /// Whether absent endpoints get it later.
        logged: Logged,
    },
    /// A page that [`Effect::ReadLog`] asked for.
    LogPage {
        /// For which connection.
        link: LinkId,
        /// What was read.
        page: LogPage,
    },
    /// What the directory of the replay log holds, at start.
    LogState {
        /// Rotated files by their number.
        files: BTreeSet<u64>,
        /// Records in the current file.
        current_records: usize,
        /// `log_message_timestamp` as saved, or that of the last record found.
        last_timestamp: Timestamp,
    },
    /// Synced and authoritative files of zones, as they are now on disk.
    ZoneFiles {
        /// By zone.
        zones: Arc<BTreeMap<Str, ZoneFiles>>,
        /// Zones whose files this node itself is the source of.
        authoritative: BTreeSet<Str>,
    },
    /// What is known of own certificates and requests.
    PkiState(PkiState),
    /// Ask above once more for the own certificate and for whatever is pending.
    RequestCertificates,
    /// The answer to a [`Effect::Pki`].
    Pki(PkiAnswer),
    /// All connections must be made anew (own certificate replaced).
    DropLinks {
        /// Why.
        reason: Str,
    },
    /// The node is about to end: rotate the log.
    Shutdown,
    /// The time of [`crate::Cluster::next_wakeup`] has come.
    Tick,
}

/// Whether a relayed message goes to the replay log for those who are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Logged {
    Yes,
    No,
}

/// Why a connection is closed by this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer dialled is somebody else.
    #[error("certificate names '{}' instead of '{expected}'", found.as_deref().unwrap_or(""))]
    WrongName {
        /// The endpoint dialled.
        expected: Str,
        /// Who answered.
        found: Option<Str>,
    },
    /// The certificate is good, but no Endpoint object has that name.
    #[error("no Endpoint object named '{0}'")]
    UnknownEndpoint(Str),
    /// The peer has this node's own name.
    #[error("peer has this node's own name '{0}'")]
    OwnName(Str),
    /// The endpoint has a connection already.
    #[error("endpoint is already connected")]
    Duplicate,
    /// Anonymous connections live 10 seconds.
    #[error("anonymous connections are closed after 10 seconds")]
    AnonymousExpired,
    /// `max_anonymous_clients`
    #[error("too many anonymous connections (max_anonymous_clients = {0})")]
    TooManyAnonymous(usize),
    /// The peer was dialled, and has not said a word.
    #[error("peer has not sent a message within {0} seconds")]
    NoHello(u64),
    /// Nothing came for too long.
    #[error("no messages received for {0} seconds")]
    Silent(u64),
    /// No netstring.
    #[error("{0}")]
    Framing(FramingError),
    /// No message, from a peer that is not authenticated.
    #[error("{0}")]
    Malformed(Str),
    /// The configuration has changed and with it this endpoint.
    #[error("endpoint was {0} in the configuration")]
    Reconfigured(&'static str),
    /// [`Input::DropLinks`]
    #[error("{0}")]
    Dropped(Str),
}

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

/// What the edge is to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send this JSON text as one frame.
    Send {
        /// On which connection.
        link: LinkId,
        /// The payload.
        payload: Arc<str>,
    },
    /// From now on accept frames up to so many bytes.
    SetLimit {
        /// On which connection.
        link: LinkId,
        /// The limit, inclusive.
        bytes: usize,
    },
    /// Close, after what is queued was written (within 5 seconds). No [`Input::LinkDown`] is
    /// needed for it.
    Close {
        /// Which.
        link: LinkId,
        /// Why; already logged.
        reason: CloseReason,
    },
    /// Connect to an endpoint; answered by [`Input::LinkUp`] or [`Input::DialFailed`], unless
    /// [`Effect::CancelDial`] comes first. At most [`Settings::dials`] are under way.
    Dial {
        /// Name of the Endpoint object; also the name for SNI and host check.
        endpoint: Str,
        /// Host name or address.
        host: Str,
        /// Port.
        port: Str,
    },
    /// End a dial that is under way: its endpoint has connected by itself. It is not answered.
    CancelDial {
        /// Name of the Endpoint object.
        endpoint: Str,
    },
    /// Apply this to live state; access has been checked.
    Command {
        /// The change.
        command: Command,
        /// Who wants it.
        origin: Origin,
    },
    /// Run a command for a peer, which may ask for it, and answer it with [`Input::Send`]. Whether
    /// commands are accepted at all, and how many wait, is the monitor's.
    RemoteExecute {
        /// Who asks.
        endpoint: Str,
        /// `params` of its `event::ExecuteCommand`.
        params: Value,
    },
    /// A link came up, went down, or began or ended its sync.
    PeerChanged {
        /// Name of the Endpoint object.
        endpoint: Str,
        /// Whether there is a link.
        connected: bool,
        /// Whether it is being sent what it missed.
        syncing: bool,
    },
    /// Who takes care of which object of the own zone has changed.
    Authority(Authority),
    /// Append to the current file of the replay log.
    AppendLog(LogRecord),
    /// Rename the current file of the replay log to this number and begin a new one.
    RotateLog {
        /// The number.
        number: u64,
    },
    /// Delete a rotated file of the replay log.
    DeleteLog {
        /// The number.
        number: u64,
    },
    /// Read on in the replay log for this connection, at most
    /// [`crate::log::PAGE_RECORDS_MAX`] records and [`crate::log::PAGE_BYTES_MAX`] bytes (but at
    /// least one record), once what was sent to the connection before is written. Answered by
    /// [`Input::LogPage`]. Appends, rotations and reads must be carried out in their order.
    ReadLog {
        /// For whom.
        link: LinkId,
        /// Which file.
        file: LogFile,
        /// From which byte.
        offset: u64,
    },
    /// Work with certificates and request files.
    Pki(PkiOrder),
    /// Stage, validate and perhaps put in force the configuration that a peer sent.
    ConfigUpdate {
        /// Who sent it.
        endpoint: Str,
        /// What.
        update: Box<ConfigUpdate>,
    },
    /// Write a log line.
    Log {
        /// How bad.
        severity: Severity,
        /// Whose (`ApiListener`, `JsonRpcConnection`, `ClusterEvents`).
        facility: &'static str,
        /// The line.
        text: String,
    },
}

/// What the cluster is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// This node's endpoint: the common name of its certificate.
    pub local_endpoint: Str,
    /// Version for Hello: major x 10000 + minor x 100 + patch.
    pub version: u32,
    /// Capability bits for Hello, see [`crate::capability`].
    pub capabilities: u64,
    /// Seed of the jitter of dials.
    pub seed: u64,
    /// When this process began.
    pub program_start: Timestamp,
    /// How many dials may be under way.
    pub dials: DialLimits,
}

impl Settings {
    /// For an endpoint, with the version and capabilities that this crate implements.
    #[must_use]
    pub fn new(local_endpoint: impl Into<Str>, program_start: Timestamp, seed: u64) -> Self {
        Self {
            local_endpoint: local_endpoint.into(),
            version: PROTOCOL_VERSION,
            capabilities: crate::capability::EXECUTE_ARBITRARY_COMMAND
                | crate::capability::HOST_CHILDREN_INHERIT_AUTHORITY,
            seed,
            program_start,
            dials: DialLimits::default(),
        }
    }
}

/// The version of Icinga 2 whose protocol this crate follows.
pub const PROTOCOL_VERSION: u32 = 21_605;
