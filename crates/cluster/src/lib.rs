//! The cluster protocol as pure state.
//!
//! * [`netstring`]: frames.
//! * [`message`]: JSON-RPC envelopes.
//!
//! This crate knows no sockets, no TLS, no files and no clock: bytes, times and the verdicts of
//! the TLS layer are handed in.

pub mod message;
pub mod netstring;

pub use message::{Message, MessageError};
