//! How an endpoint came to be connected, or why it is not: the attribute `connection` of
//! `/v1/objects/endpoints`, which Icinga 2 does not have.

use bheka_value::{Str, Timestamp, Value};

/// What is known of the connection of an endpoint, and of the attempts to make it.
#[derive(Debug, Clone, Default)]
pub struct ConnectionStatus {
    /// How it stands, in one word (see `docs/fleet.md`).
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Who began the connection that there is: `in` the peer, `out` this node.
    pub direction: Option<&'static str>,
    /// `[address]:port` of the peer of that connection.
    pub address: Option<Str>,
    /// What TLS agreed on, of the last connection.
    pub tls: Option<TlsStatus>,
    /// How long that one took to make: looking up the name, in milliseconds.
    pub resolve_ms: Option<f64>,
    /// See above: the TCP connection.
    pub tcp_ms: Option<f64>,
    /// See above: the TLS handshake, with the wait for its turn.
    pub handshake_ms: Option<f64>,
    /// Dials since it was connected last.
    pub attempts: u32,
    /// When it is dialled next.
    pub next_attempt: Option<Timestamp>,
    /// The last dial that failed.
    pub last_error: Option<DialError>,
    /// Connections since start.
    pub connects: u64,
    /// Connections ended since start.
    pub disconnects: u64,
    /// When the last one ended, and why.
    pub last_disconnect: Option<(Timestamp, Str)>,
    /// Sent since start.
    pub messages_sent: u64,
    /// Received since start.
    pub messages_received: u64,
    /// Sent since start, frames without TLS.
    pub bytes_sent: u64,
    /// Received since start, frames without TLS.
    pub bytes_received: u64,
    /// Messages sent since start, by method.
    pub sent_per_type: Vec<(&'static str, u64)>,
    /// Messages received since start, by method.
    pub received_per_type: Vec<(&'static str, u64)>,
}

/// What TLS agreed on.
#[derive(Debug, Clone, Default)]
pub struct TlsStatus {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Name of the cipher suite.
    pub suite: Str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// A dial that came to nothing.
#[derive(Debug, Clone, Default)]
pub struct DialError {
    /// When.
    pub at: Timestamp,
    /// How far it had come, in one word.
    pub phase: &'static str,
    /// The kind of cause, in one word.
    pub kind: &'static str,
    /// The cause in words.
    pub cause: Str,
    /// Where, once there was a connection.
    pub address: Option<Str>,
    /// How long it took.
    pub elapsed_ms: f64,
    /// How often in a row.
    pub count: u32,
}

impl ConnectionStatus {
    /// The form that the API shows.
    pub(crate) fn to_value(&self) -> Value {
        let text = |text: &Option<Str>| text.clone().map_or(Value::Empty, Value::String);
        let milliseconds = |ms: Option<f64>| ms.map_or(Value::Empty, Value::Number);
        let tls = self.tls.as_ref().map_or(Value::Empty, |tls| {
            Value::dictionary([
                ("version", Value::string(tls.version)),
                ("suite", Value::String(tls.suite.clone())),
                ("resumed", Value::Boolean(tls.resumed)),
            ])
        });
        let last_error = self.last_error.as_ref().map_or(Value::Empty, |error| {
            Value::dictionary([
                ("at", Value::Number(error.at.seconds())),
                ("phase", Value::string(error.phase)),
                ("kind", Value::string(error.kind)),
                ("cause", Value::String(error.cause.clone())),
                ("address", text(&error.address)),
                ("elapsed_ms", Value::Number(error.elapsed_ms)),
                ("count", Value::Number(f64::from(error.count))),
            ])
        });
        let disconnect = self.last_disconnect.as_ref();
        let last_disconnect = disconnect.map_or(Value::Empty, |(at, cause)| {
            Value::dictionary([
                ("at", Value::Number(at.seconds())),
                ("cause", Value::String(cause.clone())),
            ])
        });
        Value::dictionary([
            ("state", Value::string(self.state)),
            ("since", Value::Number(self.since.seconds())),
            (
                "direction",
                self.direction.map_or(Value::Empty, Value::string),
            ),
            ("address", text(&self.address)),
            ("tls", tls),
            ("resolve_ms", milliseconds(self.resolve_ms)),
            ("tcp_ms", milliseconds(self.tcp_ms)),
            ("handshake_ms", milliseconds(self.handshake_ms)),
            ("attempts", Value::Number(f64::from(self.attempts))),
            (
                "next_attempt",
                self.next_attempt
                    .map_or(Value::Empty, |at| Value::Number(at.seconds())),
            ),
            ("last_error", last_error),
            ("connects", number(self.connects)),
            ("disconnects", number(self.disconnects)),
            ("last_disconnect", last_disconnect),
            ("messages_sent", number(self.messages_sent)),
            ("messages_received", number(self.messages_received)),
            ("bytes_sent", number(self.bytes_sent)),
            ("bytes_received", number(self.bytes_received)),
            ("messages_sent_per_type", per_type(&self.sent_per_type)),
        ])
    }

    /// Icinga 2's `messages_received_per_type` (since 2.15).
    pub(crate) fn received_per_type(&self) -> Value {
        per_type(&self.received_per_type)
    }
}

fn per_type(counts: &[(&'static str, u64)]) -> Value {
    Value::dictionary(counts.iter().map(|(name, count)| (*name, number(*count))))
}

#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn number(number: u64) -> Value {
    Value::Number(number as f64)
}
