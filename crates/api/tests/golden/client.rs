//! A client as the recorder was one: bytes on a stream, and answers read off it.

use std::sync::Arc;
use std::time::Duration;

use bheka_api::{Api, PeerInfo, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// How long the recorder waited for more answers.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection.
pub(crate) struct Client {
    stream: DuplexStream,
    buffer: Vec<u8>,
}

/// A response off the wire.
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The server ended the connection.
    Closed,
    /// Nothing came in time.
    Silent,
}

impl Client {
    /// Connects, with the certificate of that name.
    pub(crate) fn connect(api: &Arc<Api>, certificate: Option<&str>) -> Self {
        // The recorder's certificates; its CA vouches for all but `unknown`.
        let verified_cn = match certificate {
            Some("client") => Some("golden-client".to_owned()),
            Some("sat") => Some("sat1".to_owned()),
            _ => None,
        };
        let (stream, server) = tokio::io::duplex(64 << 10);
        let peer = PeerInfo {
            verified_cn,
            remote: "test".into(),
        };
        tokio::spawn(serve(server, peer, Arc::clone(api)));
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes; that nobody takes them shows when reading.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads one response to a request of that method.
    pub(crate) async fn response(&mut self, method: &str) -> Result<Answer, Silence> {
        let end = loop {
            if let Some(end) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break end;
            }
            self.read().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut status_line = lines.next().unwrap().splitn(3, ' ');
        let version = status_line
            .next()
            .unwrap()
            .strip_prefix("HTTP/")
            .unwrap()
            .to_owned();
        let status = status_line.next().unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, length)| length.parse().unwrap());
        let length = if method == "HEAD" { 0 } else { length };
        while self.buffer.len() < length {
            self.read().await?;
        }
        let body = self.buffer.drain(..length).collect();
        Ok(Answer {
            version,
            status,
            headers,
            body,
        })
    }

    async fn read(&mut self) -> Result<(), Silence> {
        let mut block = [0; 16 << 10];
        match timeout(PATIENCE, self.stream.read(&mut block)).await {
            Ok(Ok(length)) if length > 0 => {
                self.buffer.extend_from_slice(&block[..length]);
                Ok(())
            }
            Ok(_) => Err(Silence::Closed),
            Err(_) => Err(Silence::Silent),
        }
    }
}
