//! A fleet of simulated agents: real sockets, real TLS, real messages, no Icinga 2 needed.
//!
//! All agents share one listening socket; the name that a master dials (SNI) chooses the agent and
//! its certificate. Each speaks as a stock agent of 2.13.6 does: Hello, a request for renewal,
//! heartbeats, log positions, and an answer to each `event::ExecuteCommand` whose state depends on
//! the names only, so that runs can be repeated. With [`Mode::Dial`] they call the master instead.
//!
//! [`Fleet::connections`] tells for each agent how often it was connected and the 4-tuple of its
//! connection: the proof that a reload lost none.
//!
//! *What this crate never knows:* how a master decides anything. It reads no wall clock; the
//! caller hands one in.

mod agent;
mod certificates;
mod counters;
mod fleet;
mod options;

pub use counters::{AgentConnection, Snapshot};
pub use fleet::Fleet;
pub use options::{Clock, Mode, Options, StateMix};

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
    /// The work could not be done in parallel.
    #[error("cannot make the certificates: {0}")]
    Work(String),
}
