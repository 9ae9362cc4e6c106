//! A fleet of simulated agents: real sockets, real TLS, real messages, no Icinga 2 needed.
//!
//! All agents share one listening socket; the name that a master dials (SNI) chooses the agent and
//! its certificate. Each speaks as a stock agent of 2.13.6 does: Hello, a request for renewal,
//! heartbeats, log positions, and an answer to each `event::ExecuteCommand` whose state depends on
//! the names only, so that runs can be repeated. With [`Dial`] they call the master, too, or
//! instead.
//!
//! Agents can misbehave ([`Roles`]): answer no SYN, no TLS, refuse, read slowly. The network can be
//! cut ([`Fleet::cut`]), and agents can come and go ([`Fleet::wave`]).
//!
//! What is to be known of the master under the storm is measured from outside: its processes
//! ([`Usage`]), its API ([`Probe`]), and how many agents were connected when ([`Timeline`]); all
//! together by an [`Observer`]. A [`TrialMaster`] is a master just for that.
//!
//! [`Fleet::connections`] tells for each agent how often it was connected and the 4-tuple of its
//! connection: the proof that a reload lost none.
//!
//! *What this crate never knows:* how a master decides anything. It reads no wall clock; the
//! caller hands one in.

mod addresses;
mod agent;
mod certificates;
mod counters;
mod fleet;
mod histogram;
mod master;
mod observe;
mod options;
mod probe;
mod signals;
mod sockets;
mod timeline;
mod trial;
mod usage;

pub use addresses::{Addresses, AddressesError};
pub use counters::{AgentConnection, Failures, Snapshot};
pub use fleet::Fleet;
pub use histogram::{Distribution, Histogram, Quantiles};
pub use master::MasterConfig;
pub use observe::{MasterUse, Observed, Observer};
pub use options::{AgentEndpoint, Clock, Dial, Listen, Options, Role, Roles, StateMix};
pub use probe::{ApiClient, ApiError, ApiReport, ApiTarget, Probe};
pub use signals::Parting;
pub use timeline::{Milestones, Point, Timeline};
pub use trial::{TrialMaster, TrialOptions, free_port};
pub use usage::Usage;

/// Why a fleet can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A certificate can't be made.
    #[error(transparent)]
    Pki(#[from] bheka_net::pki::PkiError),
    /// An identity can't be set up.
    #[error(transparent)]
    Identity(#[from] bheka_net::IdentityError),
    /// The socket can't be opened.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        cause: std::io::Error,
    },
    /// A file can't be written.
    #[error("cannot {action} '{}': {cause}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A master of a trial does not do what it should.
    #[error("the master '{}' {cause}", program.display())]
    Master {
        /// Its program.
        program: std::path::PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The work could not be done in parallel.
    #[error("cannot make the certificates: {0}")]
    Work(String),
}
