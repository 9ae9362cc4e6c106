//! The only door to TLS: sockets, certificates, and the detection of JSON-RPC or HTTP on one port.
//!
//! [`dial()`] and [`accept()`] turn an address or a TCP connection into a [`Connection`]: a stream of
//! messages with a verdict about who is at the other end. [`Identity`] is who we are; [`pki`] makes
//! and reads what identities consist of, in Icinga 2's layout; [`request`] asks a parent for it.
//!
//! *Identity rules.* A handshake never fails because of a bad certificate: Icinga 2 lets strangers
//! in so that they can ask for a certificate. The verdict ([`PeerIdentity::verified`]) is made
//! after each handshake, resumed ones included, and is up to the caller to act on. What the
//! handshake does prove is that the peer holds the key of the certificate that it shows.
//!
//! *Resumption.* Peers that come back, in either direction, do so without a signature. Tickets for
//! those that dial us are made with keys that outlive the process ([`TicketKeys`]); sessions with
//! those that we dial end with it, because the TLS library cannot write them down.
//!
//! *What this crate never knows:* what a message means, what HTTP is, what is monitored. It reads
//! no wall clock: the time is an argument.

mod accept;
mod admission;
mod ciphers;
mod connection;
mod dial;
mod error;
mod frames;
mod http;
mod identity;
mod lane;
mod listen;
mod peer;
pub mod pki;
pub mod request;
mod sessions;
mod tickets;
mod verifier;

pub use accept::{Accepted, Gate, accept, accept_by_name};
pub use connection::{Connection, HttpConnection, PeekedStream, StepTimes, TlsInfo};
pub use dial::{Deadlines, DialTarget, Reached, dial, reach, secure};
pub use error::{AcceptError, DialError, Fault, FrameError, Phase};
pub use frames::{FrameReader, FrameWriter, LinkCounters};
pub use http::dial_http;
pub use identity::{Identity, IdentityError, IdentityFiles, IdentityParts, TlsSettings};
pub use lane::{Lane, LaneStatus};
pub use listen::listen;
pub use peer::PeerIdentity;
pub use tickets::TicketKeys;
