//! Failures of connections, sorted by fault, with the phase in which they happened.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::PeerIdentity;

/// How far a connection had come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Asking for the addresses of a name.
    Resolve,
    /// Making the TCP connection.
    Tcp,
    /// Waiting to be let in: too many connections are being opened.
    Admission,
    /// The TLS handshake.
    Tls,
    /// Looking at the peer's certificate.
    Identity,
    /// Waiting for the first byte of the peer.
    FirstByte,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "name resolution",
            Self::Tcp => "TCP connect",
            Self::Admission => "admission",
            Self::Tls => "TLS handshake",
            Self::Identity => "certificate check",
            Self::FirstByte => "waiting for the first byte",
        })
    }
}

/// Who has to act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The peer misbehaved.
    Peer,
    /// The network or the operating system failed.
    Environment,
    /// The configuration asks for something that can't be.
    User,
}

/// Why an outbound connection did not come about.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{phase} failed: {cause}")]
pub struct DialError {
    /// How far it came.
    pub phase: Phase,
    /// Who has to act.
    pub fault: Fault,
    /// The cause in words.
    pub cause: String,
    /// Whether a deadline passed.
    pub timed_out: bool,
    /// What the operating system called it, if it was the one to fail.
    pub io: Option<io::ErrorKind>,
    /// Where it failed, once there was a TCP connection.
    pub remote: Option<SocketAddr>,
    /// The peer, when the handshake was done.
    pub peer: Option<Box<PeerIdentity>>,
}

/// Why an inbound connection came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{phase} failed: {cause}")]
pub struct AcceptError {
    /// How far it came.
    pub phase: Phase,
    /// Who has to act.
    pub fault: Fault,
    /// The cause in words.
    pub cause: String,
    /// Whether a deadline passed.
    pub timed_out: bool,
    /// The peer closed the connection in good order without sending anything, as port checks and
    /// `pki save-cert` do.
    pub closed_silently: bool,
    /// Where it came from.
    pub remote: Option<SocketAddr>,
    /// The peer, when the handshake was done.
    pub peer: Option<Box<PeerIdentity>>,
}

/// A failure within a phase, before it is known whose connection it was.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) cause: String,
    pub(crate) timed_out: bool,
    pub(crate) io: Option<io::ErrorKind>,
}

impl Failure {
    pub(crate) fn new(fault: Fault, cause: impl Into<String>) -> Self {
        Self {
            fault,
            cause: cause.into(),
            timed_out: false,
            io: None,
        }
    }

    pub(crate) fn timeout(seconds: f64, what: &str) -> Self {
        Self {
            fault: Fault::Environment,
            cause: format!("timeout after {} s {what}", (seconds * 10.0).round() / 10.0),
            timed_out: true,
            io: None,
        }
    }

    /// A failure of the operating system.
    pub(crate) fn io(fault: Fault, kind: io::ErrorKind, cause: impl Into<String>) -> Self {
        Self {
            io: Some(kind),
            ..Self::new(fault, cause)
        }
    }

    /// An error of the handshake: rustls wraps its own in those of the operating system.
    pub(crate) fn tls(error: &io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(error) => tls_failure(error),
            None => Self::io(Fault::Environment, error.kind(), io_text(error)),
        }
    }

    pub(crate) fn dial(self, phase: Phase) -> DialError {
        DialError {
            phase,
            fault: self.fault,
            cause: self.cause,
            timed_out: self.timed_out,
            io: self.io,
            remote: None,
            peer: None,
        }
    }

    pub(crate) fn accept(self, phase: Phase, remote: Option<SocketAddr>) -> AcceptError {
        AcceptError {
            phase,
            fault: self.fault,
            cause: self.cause,
            timed_out: self.timed_out,
            closed_silently: false,
            remote,
            peer: None,
        }
    }
}

/// The words of the operating system without its number, or what is meant by "early eof".
pub(crate) fn io_text(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "peer closed the connection".to_owned();
    }
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn tls_failure(error: &rustls::Error) -> Failure {
    use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};
    let cause = match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "peer does not speak TLS".to_owned()
        }
        Error::InvalidMessage(message) => format!("peer sent a malformed TLS message: {message:?}"),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            "no cipher suite in common with the peer; see cipher_list".to_owned()
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "no TLS version in common with the peer; see tls_protocolmin".to_owned(),
        Error::PeerIncompatible(reason) => format!("peer's TLS is incompatible: {reason:?}"),
        Error::PeerMisbehaved(reason) => format!("peer violates the TLS protocol: {reason:?}"),
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "peer refuses our TLS versions (alert protocol_version); see tls_protocolmin".to_owned()
        }
        Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            "peer refuses the handshake (alert handshake_failure), perhaps for want of a common \
             cipher suite"
                .to_owned()
        }
        Error::AlertReceived(alert) => format!("peer refuses the handshake (alert {alert:?})"),
        Error::InvalidCertificate(reason) => {
            format!("peer's certificate is unusable for a handshake: {reason:?}")
        }
        Error::DecryptError => "peer's records can't be decrypted".to_owned(),
        Error::PeerSentOversizedRecord => "peer sent an oversized TLS record".to_owned(),
        Error::General(text) => return Failure::new(Fault::Environment, text.clone()),
        other => return Failure::new(Fault::Environment, other.to_string()),
    };
    Failure::new(Fault::Peer, cause)
}

/// Why reading or writing frames ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer sent something that is no frame, or one that is too long for it.
    #[error("{0}")]
    Framing(#[from] bheka_cluster::netstring::FramingError),
    /// The peer violated the TLS protocol.
    #[error("{0}")]
    Tls(String),
    /// The connection ended within a frame.
    #[error("connection ended within a message, after {bytes} of its bytes")]
    Truncated {
        /// Bytes of the unfinished frame that had come.
        bytes: usize,
    },
    /// The peer takes nothing any more.
    #[error("timeout after {seconds} s writing to the peer")]
    WriteTimeout {
        /// The deadline.
        seconds: f64,
    },
    /// The network failed.
    #[error("{0}")]
    Io(String),
}

impl FrameError {
    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Framing(_) | Self::Tls(_) | Self::Truncated { .. } => Fault::Peer,
            Self::WriteTimeout { .. } | Self::Io(_) => Fault::Environment,
        }
    }

    pub(crate) fn from_io(error: &io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(error) => Self::Tls(tls_failure(error).cause),
            None => Self::Io(io_text(error)),
        }
    }
}
