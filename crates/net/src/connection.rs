//! A connection once its handshake is done and it is known to carry JSON-RPC.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bheka_value::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::frames::{FrameReader, FrameWriter, LinkCounters};
use crate::{Identity, PeerIdentity};

/// The TLS parameters that were agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The name of the cipher suite.
    pub suite: String,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The name that the dialling side asked for (SNI).
    pub server_name: Option<String>,
}

impl TlsInfo {
    fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, state) = stream.get_ref();
        let server_name = match stream {
            TlsStream::Server(server) => server.get_ref().1.server_name().map(str::to_owned),
            TlsStream::Client(_) => None,
        };
        Self {
            version: match state.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "unknown",
            },
            suite: state
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str().map(str::to_owned))
                .unwrap_or_default(),
            resumed: state.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
            server_name,
        }
    }
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.version, self.suite)?;
        if self.resumed {
            f.write_str(", resumed")
        } else {
            Ok(())
        }
    }
}

/// How long each step to a connection took; `None` for steps that there were not.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct StepTimes {
    /// Name resolution.
    pub resolve: Option<Duration>,
    /// The TCP connection.
    pub tcp: Option<Duration>,
    /// The TLS handshake, with the wait for its turn.
    pub tls: Option<Duration>,
}

/// A TLS connection whose first bytes may have been looked at already: reading yields them again.
pub struct PeekedStream {
    tls: TlsStream<TcpStream>,
    peeked: Vec<u8>,
    offset: usize,
}

impl PeekedStream {
    pub(crate) fn new(tls: TlsStream<TcpStream>, peeked: Vec<u8>) -> Self {
        Self {
            tls,
            peeked,
            offset: 0,
        }
    }
}

impl AsyncRead for PeekedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.offset < self.peeked.len() {
            let rest = &self.peeked[self.offset..];
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.offset += count;
            if self.offset == self.peeked.len() {
                self.peeked = Vec::new();
                self.offset = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeekedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}

/// A connection that carries JSON-RPC.
pub struct Connection {
    /// Who is at the other end.
    pub peer: PeerIdentity,
    /// The address at the other end.
    pub remote: SocketAddr,
    /// The own address.
    pub local: SocketAddr,
    /// What TLS agreed on.
    pub tls: TlsInfo,
    /// How long it took to make.
    pub times: StepTimes,
    pub(crate) stream: PeekedStream,
}

/// A connection that carries HTTP.
pub struct HttpConnection {
    /// Who is at the other end.
    pub peer: PeerIdentity,
    /// The address at the other end.
    pub remote: SocketAddr,
    /// The own address.
    pub local: SocketAddr,
    /// What TLS agreed on.
    pub tls: TlsInfo,
    /// The stream, from the first byte on.
    pub stream: PeekedStream,
}

impl Connection {
    /// Judges the peer of a finished handshake. The verdict is made here for every connection,
    /// because a resumed session skips the verifiers of the TLS library.
    pub(crate) fn established(
        tls: TlsStream<TcpStream>,
        addresses: (SocketAddr, SocketAddr),
        identity: &Identity,
        endpoint: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let peer = identity.judge(tls.get_ref().1.peer_certificates(), endpoint, now);
        let (local, remote) = addresses;
        let info = TlsInfo::of(&tls);
        Self {
            peer,
            remote,
            local,
            tls: info,
            times: StepTimes::default(),
            stream: PeekedStream::new(tls, Vec::new()),
        }
    }

    /// Gives the first bytes back, for whoever reads next.
    pub(crate) fn unread(&mut self, bytes: &[u8]) {
        self.stream.peeked = bytes.to_vec();
        self.stream.offset = 0;
    }

    pub(crate) fn into_http(self) -> HttpConnection {
        let Self {
            peer,
            remote,
            local,
            tls,
            stream,
            ..
        } = self;
        HttpConnection {
            peer,
            remote,
            local,
            tls,
            stream,
        }
    }

    /// Splits it into the two directions. `limit` is the size of the largest message that the peer
    /// may send, see [`FrameReader::set_limit`].
    #[must_use]
    pub fn split(self, limit: usize) -> (FrameReader, FrameWriter) {
        let counters = Arc::new(LinkCounters::default());
        let (read, write) = tokio::io::split(self.stream);
        (
            FrameReader::new(read, limit, counters.clone()),
            FrameWriter::new(write, counters),
        )
    }

    /// The plain stream of bytes, from the first one on.
    #[must_use]
    pub fn into_stream(self) -> PeekedStream {
        self.stream
    }

    /// Says goodbye without having sent anything.
    pub async fn close(mut self, cap: std::time::Duration) {
        let _ = tokio::time::timeout(cap, self.stream.shutdown()).await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Connection({:?}, {}, {})",
            self.peer.cn, self.remote, self.tls
        )
    }
}

impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HttpConnection({:?}, {}, {})",
            self.peer.cn, self.remote, self.tls
        )
    }
}
