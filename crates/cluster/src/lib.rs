//! The cluster protocol as pure state: what a node of an Icinga 2 cluster says to which other
//! node, and what it believes of what it hears.
//!
//! * Frames: [`netstring`]; JSON-RPC envelopes: [`message`].
//! * [`Topology`]: zones and endpoints seen from this node; [`Authority`]: who of a zone takes
//!   care of which object.
//! * [`events`]: messages to and from the model's commands and events, and who may send what.
//! * [`log`]: the replay log; [`pki`]: who gets a certificate; [`config_sync`]: files of zones.
//! * [`Cluster`] puts them together: [`Input`]s in, [`Effect`]s out.
//!
//! This crate knows no sockets, no TLS, no files and no clock: bytes, times and the verdicts of
//! the TLS layer are handed in. It knows no rules of states either: what a result means is the
//! monitor's.
//!
//! *Faults.* What a peer does wrong costs that peer a message (a warning names the cause) or, when
//! the stream cannot be read on, its connection; never another one. What the environment does
//! wrong (a dial that fails, a damaged log) is logged and tried again.

mod api;
mod authority;
mod cluster;
pub mod config_sync;
mod dial;
mod dial_queue;
mod digest;
pub mod events;
mod execute;
mod facts;
mod fleet;
mod link;
pub mod log;
pub mod message;
pub mod netstring;
pub mod pki;
mod rate;
mod receive;
mod relay;
mod requests;
mod status;
mod storm;
mod sync;
mod timers;
mod topology;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use api::{
    CloseReason, Direction, DownCause, Effect, Input, LinkId, LinkUp, Logged, PROTOCOL_VERSION,
    SecurityObject, Settings, Severity,
};
pub use authority::{Authority, HostPinned, sdbm};
pub use cluster::{Cluster, PeerPositions};
pub use dial_queue::DialLimits;
pub use facts::{
    DialFailure, DialPhase, FailureKind, LastDisconnect, LastError, PeerFacts, PeerState,
    PhaseTimes, TlsFacts, Traffic,
};
pub use fleet::{EndedBy, FleetCounters, FleetStatus, Histogram, Way};
pub use message::{Message, MessageError};
pub use status::{ApiStatus, ConnectionStatus, EndpointStatus, LinkDirection, ZoneStatus};
pub use storm::{Failures, StormEnd, StormReport};
pub use topology::{Endpoint, Relation, Topology, Zone};

/// Bits of `capabilities` in `icinga::Hello`.
pub mod capability {
    /// Understands `event::ExecuteCommand` with `source` (2.13).
    pub const EXECUTE_ARBITRARY_COMMAND: u64 = 1;
    /// Understands the check command `ifw-api` (2.14).
    pub const IFW_API_CHECK_COMMAND: u64 = 2;
    /// Services follow their host to the member that takes care of it (2.15).
    pub const HOST_CHILDREN_INHERIT_AUTHORITY: u64 = 4;
}
