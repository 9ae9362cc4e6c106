//! The handshake lane: threads of their own for cryptography.
//!
//! A signature with RSA-4096 keeps a core busy for milliseconds; ten thousand of them in front of
//! the answers of the API and the messages of established connections are a minute of silence. So
//! handshakes of the fleet are computed elsewhere, by threads that the system prefers less, and
//! only so many at a time as finish while their peers still wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use crate::admission::Side;
use crate::admission::{Admission, Turn};
use crate::error::{Failure, Fault};

/// Where handshakes are computed, one after the other in good order. Clones are the same lane.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Handle,
    admission: Mutex<Admission<oneshot::Sender<Instant>>>,
    finished: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// How it stands with the handshakes of a lane.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct LaneStatus {
    /// Handshakes of dials that wait for their turn.
    pub outbound_waiting: usize,
    /// Handshakes of peers that wait for their turn.
    pub inbound_waiting: usize,
    /// Handshakes under way.
    pub running: usize,
    /// How many may be under way at present.
    pub width: usize,
    /// How long they took lately.
    pub typical: Duration,
    /// Handshakes that succeeded.
    pub finished: u64,
    /// Handshakes that were begun and failed.
    pub failed: u64,
    /// Handshakes that were not begun because their time was over, or their peer gone.
    pub given_up: u64,
}

impl Lane {
    /// A lane whose work is done by the threads of a runtime, on a machine with so many cores.
    #[must_use]
    pub fn new(runtime: Handle, cores: usize) -> Self {
        Self(Arc::new(Inner {
            runtime,
            admission: Mutex::new(Admission::new(cores)),
            finished: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }))
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> LaneStatus {
        let admission = self.0.lock();
        let (outbound_waiting, inbound_waiting) = admission.waiting();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LaneStatus {
            outbound_waiting,
            inbound_waiting,
            running: admission.running(),
            width: admission.width(),
            typical: admission.typical(),
            finished: read(&self.0.finished),
            failed: read(&self.0.failed),
            given_up: read(&self.0.given_up),
        }
    }

    /// Waits for the turn of a handshake that must be finished by then.
    pub(crate) async fn admit(&self, side: Side, deadline: Instant) -> Result<Permit, Failure> {
        let (sender, turn) = oneshot::channel();
        self.0.lock().offer(side, sender, Instant::now(), deadline);
        self.0.pump();
        match turn.await {
            Ok(begun) => Ok(Permit {
                inner: Arc::clone(&self.0),
                begun,
                outcome: None,
            }),
            Err(_) => Err(Failure {
                fault: Fault::Environment,
                cause: "too many handshakes are waiting on this node: its turn did not come while \
                        the peer waits"
                    .to_owned(),
                timed_out: true,
                io: None,
            }),
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Admission<oneshot::Sender<Instant>>> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in all for whom there is room.
    fn pump(&self) {
        let now = Instant::now();
        let mut admission = self.lock();
        while let Some(turn) = admission.next(now) {
            match turn {
                // Whoever waited has given up meanwhile.
                Turn::Begin(waiting) => {
                    if waiting.send(now).is_err() {
                        admission.finished(None, now);
                        self.given_up.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Turn::GiveUp(waiting) => {
                    self.given_up.fetch_add(1, Ordering::Relaxed);
                    drop(waiting);
                }
            }
        }
    }
}

/// The turn of one handshake.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
    begun: Instant,
    outcome: Option<bool>,
}

impl Permit {
    /// Computes a handshake on the threads of the lane. It ends when this future is dropped.
    pub(crate) async fn run<T, E, F>(mut self, handshake: F) -> Option<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let task = Abandoned(self.inner.runtime.spawn(handshake));
        let result = task.await;
        self.outcome = Some(matches!(result, Some(Ok(_))));
        result
    }

    /// The peer has gone before anything was computed.
    pub(crate) fn give_up(self) {
        self.inner.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let counter = match self.outcome {
            Some(true) => Some(&self.inner.finished),
            Some(false) => Some(&self.inner.failed),
            None => None,
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let now = Instant::now();
        let took = (self.outcome == Some(true)).then(|| now.duration_since(self.begun));
        self.inner.lock().finished(took, now);
        self.inner.pump();
    }
}

/// A task that ends with whoever waits for it. `None` when it panicked.
struct Abandoned<T>(JoinHandle<T>);

impl<T> Future for Abandoned<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Abandoned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn counts_what_became_of_each() {
        let lane = Lane::new(Handle::current(), 1);
        let permit = lane.admit(Side::Outbound, soon()).await.unwrap();
        assert_eq!(lane.status().running, 1);
        let result = permit.run(async { Ok::<_, ()>(7) }).await;
        assert_eq!(result, Some(Ok(7)));
        let permit = lane.admit(Side::Inbound, soon()).await.unwrap();
        assert_eq!(permit.run(async { Err::<(), _>(1) }).await, Some(Err(1)));
        let permit = lane.admit(Side::Inbound, soon()).await.unwrap();
        permit.give_up();
        let late = lane.admit(Side::Inbound, Instant::now() - Duration::from_secs(1));
        assert!(late.await.unwrap_err().timed_out);
        let status = lane.status();
        assert_eq!((status.finished, status.failed, status.given_up), (1, 1, 2));
        assert_eq!(status.running, 0);
    }

    #[tokio::test]
    async fn who_does_not_wait_any_longer_takes_no_room() {
        let lane = Lane::new(Handle::current(), 1);
        let width = lane.status().width;
        let mut held = Vec::new();
        for _ in 0..width {
            held.push(lane.admit(Side::Outbound, soon()).await.unwrap());
        }
        for _ in 0..20_000 {
            let mut waiting = Box::pin(lane.admit(Side::Outbound, soon()));
            assert!(futures_poll(&mut waiting).is_pending());
        }
        assert_eq!(lane.status().outbound_waiting, 20_000);
        held.pop();
        let status = lane.status();
        assert_eq!((status.outbound_waiting, status.running), (0, width - 1));
        lane.admit(Side::Outbound, soon()).await.unwrap();
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        let waker = std::task::Waker::noop();
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}
