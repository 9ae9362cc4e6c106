//! Messages in and out of a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bheka_cluster::netstring::{self, Decoder};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf};

use crate::FrameError;
use crate::connection::PeekedStream;

/// What went over a link, readable from anywhere while it lives.
#[derive(Debug, Default)]
pub struct LinkCounters {
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    frames_received: AtomicU64,
    frames_sent: AtomicU64,
}

impl LinkCounters {
    /// Bytes received, frames included. While this grows, the peer lives, also within one long
    /// message.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received.load(Ordering::Relaxed)
    }

    /// Bytes handed to the connection.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// Whole messages received.
    #[must_use]
    pub fn frames_received(&self) -> u64 {
        self.frames_received.load(Ordering::Relaxed)
    }

    /// Messages handed to the connection.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.frames_sent.load(Ordering::Relaxed)
    }
}

/// Bytes that an idle link reserves for what comes next.
const READ_BYTES_IDLE: usize = 512;
/// Bytes read at once while a peer has much to say.
const READ_BYTES_BUSY: usize = 16 * 1024;
/// How long one write may take.
const WRITE_SECONDS: u64 = 30;

/// The receiving direction.
#[derive(Debug)]
pub struct FrameReader<S = ReadHalf<PeekedStream>> {
    stream: S,
    decoder: Decoder,
    counters: Arc<LinkCounters>,
    /// Small while the link idles, because there are thousands of them.
    buffer: Vec<u8>,
    ended: bool,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    /// Reads frames from a stream.
    #[must_use]
    pub fn new(stream: S, limit: usize, counters: Arc<LinkCounters>) -> Self {
        let buffer = vec![0; READ_BYTES_IDLE];
        Self {
            stream,
            decoder: Decoder::new(limit),
            counters,
            buffer,
            ended: false,
        }
    }

    /// Changes the size of the largest message that the peer may send, once it is known who it
    /// is: see the constants in `bheka_cluster::netstring`.
    pub fn set_limit(&mut self, limit: usize) {
        self.decoder.set_limit(limit);
    }

    /// What went over the link.
    #[must_use]
    pub fn counters(&self) -> &Arc<LinkCounters> {
        &self.counters
    }

    /// The payload of the next frame; `None` when the peer ended the connection between two
    /// frames. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the peer sends something that is no frame or too long, ends within a frame, or the
    /// network fails. The link is of no use after that.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                self.counters
                    .frames_received
                    .fetch_add(1, Ordering::Relaxed);
                return Ok(Some(frame));
            }
            if self.ended {
                return self.end();
            }
            let count = match std::future::poll_fn(|context| self.poll_fill(context)).await {
                Ok(count) => count,
                // Many peers end the TCP connection without saying goodbye in TLS. Frames tell by
                // themselves whether they are whole, so nothing can be cut off unnoticed.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(FrameError::from_io(&error)),
            };
            if count == 0 {
                self.ended = true;
                continue;
            }
            self.counters
                .bytes_received
                .fetch_add(count as u64, Ordering::Relaxed);
            self.decoder.push(&self.buffer[..count]);
            self.resize(count);
        }
    }

    fn end(&self) -> Result<Option<Vec<u8>>, FrameError> {
        match self.decoder.buffered() {
            0 => Ok(None),
            bytes => Err(FrameError::Truncated { bytes }),
        }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn resize(&mut self, count: usize) {
        if count == self.buffer.len() && count < READ_BYTES_BUSY {
            self.buffer = vec![0; READ_BYTES_BUSY];
        } else if count < READ_BYTES_IDLE && self.buffer.len() > READ_BYTES_IDLE {
            self.buffer = vec![0; READ_BYTES_IDLE];
        }
    }
}

/// The sending direction.
#[derive(Debug)]
pub struct FrameWriter<S = WriteHalf<PeekedStream>> {
    stream: S,
    counters: Arc<LinkCounters>,
    deadline: Duration,
}

impl<S: AsyncWrite + Unpin> FrameWriter<S> {
    /// Writes frames to a stream.
    #[must_use]
    pub fn new(stream: S, counters: Arc<LinkCounters>) -> Self {
        Self {
            stream,
            counters,
            deadline: Duration::from_secs(WRITE_SECONDS),
        }
    }

    /// Changes how long one write may take; 30 s at first. A peer that takes nothing for so long
    /// is as good as dead.
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// What went over the link.
    #[must_use]
    pub fn counters(&self) -> &Arc<LinkCounters> {
        &self.counters
    }

    /// Sends one message and sees that it leaves.
    ///
    /// # Errors
    /// When the peer is gone or takes nothing. The link is of no use after that.
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        self.feed(payload).await?;
        self.flush().await
    }

    /// Hands one message to the connection without waiting until it has left; call
    /// [`Self::flush`] after the last one.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn feed(&mut self, payload: &[u8]) -> Result<(), FrameError> {
        let frame = netstring::encode(payload);
        let deadline = self.deadline;
        within(deadline, self.stream.write_all(&frame)).await?;
        self.counters
            .bytes_sent
            .fetch_add(frame.len() as u64, Ordering::Relaxed);
        self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until everything has left.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn flush(&mut self) -> Result<(), FrameError> {
        let deadline = self.deadline;
        within(deadline, self.stream.flush()).await
    }

    /// Says goodbye: what was handed over still leaves, then `close_notify`, then the end of the
    /// TCP direction; all within `cap`.
    pub async fn close(mut self, cap: Duration) {
        let _ = tokio::time::timeout(cap, self.stream.shutdown()).await;
    }
}

async fn within(
    deadline: Duration,
    work: impl Future<Output = io::Result<()>>,
) -> Result<(), FrameError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(FrameError::from_io(&error)),
        Err(_) => Err(FrameError::WriteTimeout {
            seconds: deadline.as_secs_f64(),
        }),
    }
}
