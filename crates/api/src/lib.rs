//! The REST API: requests to queries and commands; permissions; filters. (Manual, chapter 12.)
//!
//! [`Api::respond`] is pure routing: it reads one [`Generation`](bheka_model::Generation) and the
//! published live state through a [`Backend`], and yields a [`Response`] together with the
//! [`Command`](bheka_model::Command)s that make it true. [`serve`] speaks HTTP/1.1 on a stream
//! that has been decrypted already, has commands applied before their answer is sent, and keeps
//! one slow client from costing others anything.
//!
//! HTTP status codes live in this crate only. It knows nothing of TLS, of peers or of how the
//! monitor works.
//!
//! *Error bodies.* What a user must not see does not exist: a lacking permission, an object that
//! is not there and a filter that fails all answer 404, and `verbose=1` tells them apart.

mod actions;
mod auth;
mod backend;
mod builtin;
mod connection;
mod console;
mod fleet;
mod http;
mod info;
mod json_error;
mod metrics;
mod objects;
mod params;
mod permission;
mod query;
mod reload;
mod request;
mod response;
mod router;
mod server;
mod status;
mod templates;
mod types;
mod variables;
mod view;

pub use backend::{
    ApplicationStatus, Backend, CheckCounts, CheckStatistics, CheckTotals, CheckerStatus,
    EndpointStatus, ListenerStatus, Listing, Openings, ProcessOrder, Refresh, Resources,
    Submission, SubmitError, Template, TimePeriodStatus, ZoneStatus,
};
pub use connection::{ConnectionStatus, DialError, TlsStatus};
pub use fleet::{Failures, FleetStatus, Handshakes, Storm, Traffic, Way};
pub use reload::{ReloadFailure, ReloadReport, ReloadStatus};
pub use request::{PeerInfo, Request};
pub use response::Response;
pub use router::{Admission, Api};
pub use server::serve;
