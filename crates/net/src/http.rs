//! The dialling side of HTTP: a TLS stream to the port that also speaks JSON-RPC.

use std::sync::Arc;

use bheka_value::Timestamp;

use crate::dial::dial_host;
use crate::{Deadlines, DialError, HttpConnection, Identity};

/// Connects for HTTP: the one who dials speaks first, so the other side sees by the first byte
/// what is spoken. The verdict about the peer's certificate is in the result, for the caller to
/// act on.
///
/// # Errors
/// When a phase fails or its deadline passes.
pub async fn dial_http(
    host: &str,
    port: u16,
    identity: &Arc<Identity>,
    deadlines: &Deadlines,
    now: Timestamp,
) -> Result<HttpConnection, DialError> {
    Ok(dial_host(host, port, identity, deadlines, now)
        .await?
        .into_http())
}
