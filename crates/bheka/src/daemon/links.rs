//! Connections: dialling, accepting, and the two tasks that own each link.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bheka_cluster::netstring::ANONYMOUS_BYTES_MAX;
use bheka_cluster::{
    DialFailure, DialPhase, Direction, DownCause, FailureKind, Input, LinkId, LinkUp, Message,
};
use bheka_net::{
    Accepted, Connection, Deadlines, DialError, DialTarget, FrameError, FrameReader, FrameWriter,
    Gate, HttpConnection, Identity, Lane, LaneStatus,
};
use bheka_value::Str;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::job::{Job, Jobs};
use super::{clock, facts};

/// Frames that may wait for a peer. Replayed messages come in pages that wait for each other, so
/// only a peer that does not read gets here.
const QUEUE_LEN_MAX: usize = 20_000;

/// Bytes that may wait for a peer, apart from a single larger message.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a link may take to write what is queued when it is closed, and to say goodbye.
const CLOSE_CAP: Duration = Duration::from_secs(5);

/// How often a link that receives bytes but no whole message is reported alive.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// TCP connections that are being made, or are made and wait for the handshake lane. Those that
/// have waited for [`SLOW_AFTER`] no longer count: most likely nobody answers there, and others must
/// not wait for them. How many dials there are in all is the cluster's decision.
const REACHING_MAX: usize = 256;
const SLOW_AFTER: Duration = Duration::from_millis(500);

/// Connections that have not yet shown what they are: each is a descriptor, and memory.
const UNFINISHED_MAX: usize = 16_384;

/// How much less the threads of the handshake lane are preferred than all others (`nice`). With 5
/// they get a quarter of a core for which others compete.
const LANE_NICENESS: i32 = 5;

/// HTTP connections at the same time.
const HTTP_CLIENTS_MAX: usize = 1024;

/// The writer's side of a link.
pub(crate) struct LinkHandle {
    queue: mpsc::Sender<Outgoing>,
    queued_bytes: Arc<AtomicUsize>,
    limit: watch::Sender<usize>,
    address: Str,
}

enum Outgoing {
    /// One message.
    Frame(Arc<str>),
    /// Tell when everything before is written.
    Mark(oneshot::Sender<()>),
}

impl LinkHandle {
    /// Queues a message.
    ///
    /// # Errors
    /// Why the link is of no use any more.
    pub(crate) fn send(&self, payload: Arc<str>) -> Result<(), &'static str> {
        let waiting = self
            .queued_bytes
            .fetch_add(payload.len(), Ordering::Relaxed);
        if waiting > QUEUE_BYTES_MAX {
            return Err("the peer does not read: too many bytes are waiting for it");
        }
        self.queue
            .try_send(Outgoing::Frame(payload))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    "the peer does not read: too many messages are waiting for it"
                }
                mpsc::error::TrySendError::Closed(_) => "the connection is closed",
            })
    }

    /// Done when everything queued before is written.
    pub(crate) fn written(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        // When the queue is full or gone the sender is dropped, which ends the wait as well.
        let _ = self.queue.try_send(Outgoing::Mark(sender));
        receiver
    }

    /// Changes how large a message of this peer may be.
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.send_replace(bytes);
    }

    /// Ends the link: what is queued is written, then it is closed. Both tasks end by themselves,
    /// because their ends of the channels are gone.
    pub(crate) fn close(self, why: &str) {
        tracing::debug!(target: "ApiListener", "Closing connection with {}: {why}", self.address);
    }
}

/// What links need to know of the configuration; a reload swaps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkSettings {
    pub(crate) deadlines: Deadlines,
}

/// Makes links.
#[derive(Clone)]
pub(crate) struct Dialler(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    runtime: tokio::runtime::Handle,
    identity: Arc<Identity>,
    settings: ArcSwap<LinkSettings>,
    reaching: Semaphore,
    dials: Mutex<HashMap<Str, (u64, AbortHandle)>>,
    next_dial: AtomicU64,
    next_link: AtomicU64,
    lane: Lane,
    lane_runtime: Option<Runtime>,
    gate: Gate,
    http_clients: Arc<AtomicUsize>,
    http_places: Arc<Semaphore>,
}

impl Dialler {
    /// A maker of links under an identity, for the node of that endpoint.
    pub(crate) fn new(
        jobs: Jobs,
        runtime: tokio::runtime::Handle,
        identity: Arc<Identity>,
        local_endpoint: &str,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lane_runtime = lane_runtime(cores);
        let lane = Lane::new(
            lane_runtime
                .as_ref()
                .map_or_else(|| runtime.clone(), |lane| lane.handle().clone()),
            cores,
        );
        let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(usize::MAX);
        let unfinished = UNFINISHED_MAX.min(descriptors / 2);
        let gate = Gate::new(unfinished, cores.saturating_sub(1).max(1))
            .with_lane(lane.clone(), local_endpoint);
        Self(Arc::new(Inner {
            jobs,
            runtime,
            identity,
            settings: ArcSwap::default(),
            reaching: Semaphore::new(REACHING_MAX),
            dials: Mutex::default(),
            next_dial: AtomicU64::new(1),
            next_link: AtomicU64::new(1),
            lane,
            lane_runtime,
            gate,
            http_clients: Arc::default(),
            http_places: Arc::new(Semaphore::new(HTTP_CLIENTS_MAX)),
        }))
    }

    /// Puts other settings in force for links made from now on.
    pub(crate) fn set_settings(&self, settings: LinkSettings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// Open HTTP connections.
    pub(crate) fn http_clients(&self) -> usize {
        self.0.http_clients.load(Ordering::Relaxed)
    }

    /// How it stands with handshakes.
    pub(crate) fn lane(&self) -> LaneStatus {
        self.0.lane.status()
    }

    /// Connects to an endpoint; the core hears of it either way, unless it is cancelled.
    pub(crate) fn dial(&self, endpoint: Str, host: &str, port: &str) {
        let inner = Arc::clone(&self.0);
        let target = port.trim().parse().map(|port| DialTarget {
            endpoint_name: endpoint.to_string(),
            host: host.to_owned(),
            port,
            hello: None,
        });
        let reason = format!("'{port}' is no port; set 'port' of the Endpoint object");
        let number = self.0.next_dial.fetch_add(1, Ordering::Relaxed);
        // Held until the task is known, so that it cannot end unknown.
        let mut dials = self.0.lock_dials();
        let name = endpoint.clone();
        let task = self.0.runtime.spawn(async move {
            let dialled = match target {
                Ok(target) => inner.reach_and_secure(&target).await,
                Err(_) => {
                    let (phase, kind) = (DialPhase::Tcp, FailureKind::Configuration);
                    Err(DialFailure::new(phase, kind, reason))
                }
            };
            if !inner.end_dial(&endpoint, number) {
                return;
            }
            match dialled {
                // The connection outlives this task.
                Ok(connection) => {
                    let direction = Direction::Dialled { endpoint };
                    tokio::spawn(async move { inner.serve_link(connection, direction).await });
                }
                Err(failure) => {
                    let failed = Input::DialFailed { endpoint, failure };
                    inner.jobs.send(Job::Cluster(failed)).await;
                }
            }
        });
        dials.insert(name, (number, task.abort_handle()));
    }

    /// Ends a dial that is under way; the core hears nothing of it.
    pub(crate) fn cancel(&self, endpoint: &str) {
        if let Some((_, task)) = self.0.lock_dials().remove(endpoint) {
            task.abort();
        }
    }

    /// What bounds connections that have not shown yet what they are.
    pub(crate) fn gate(&self) -> Gate {
        self.0.gate.clone()
    }

    /// Serves a connection that was accepted, in a task of its own.
    pub(crate) fn welcome(&self, tcp: TcpStream, api: &Arc<bheka_api::Api>) {
        let _ = tcp.set_nodelay(true);
        let (this, api) = (self.clone(), Arc::clone(api));
        self.0.runtime.spawn(async move {
            let address = tcp.peer_addr();
            this.accept(tcp, api).await;
            if let Ok(address) = address {
                tracing::trace!(target: "ApiListener", "{address} is done");
            }
        });
    }

    async fn accept(&self, tcp: TcpStream, api: Arc<bheka_api::Api>) {
        let inner = &self.0;
        let deadlines = inner.settings.load().deadlines;
        let from = tcp
            .peer_addr()
            .map_or_else(|_| "unknown".to_owned(), |from| from.to_string());
        let accepted =
            bheka_net::accept(tcp, &inner.identity, &deadlines, &inner.gate, clock::now()).await;
        match accepted {
            // Tasks of their own, or each connection would keep the memory of its handshake, and
            // that of the cluster the memory of HTTP.
            Ok(Accepted::JsonRpc(connection)) => {
                let inner = Arc::clone(inner);
                tokio::spawn(
                    async move { inner.serve_link(*connection, Direction::Accepted).await },
                );
            }
            Ok(Accepted::Http(connection)) => {
                let inner = Arc::clone(inner);
                tokio::spawn(async move { inner.serve_http(*connection, api).await });
            }
            Err(error) if error.closed_silently => {
                tracing::debug!(target: "ApiListener", "Incoming connection from {from}: {error}");
            }
            Err(error) => {
                tracing::warn!(target: "ApiListener", "Incoming connection from {from}: {error}");
            }
        }
    }
}

/// Threads of their own for handshakes; without them, which is only slower, nothing.
fn lane_runtime(cores: usize) -> Option<Runtime> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .thread_name("bheka-tls")
        .on_thread_start(|| {
            // On Linux this is a matter of the thread.
            let _ = rustix::process::nice(LANE_NICENESS);
        })
        .build();
    match built {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            tracing::warn!(target: "ApiListener",
                "cannot start threads for TLS handshakes: {error}");
            None
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.lane_runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Inner {
    fn lock_dials(&self) -> MutexGuard<'_, HashMap<Str, (u64, AbortHandle)>> {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when the dial was cancelled.
    fn end_dial(&self, endpoint: &Str, number: u64) -> bool {
        let mut dials = self.lock_dials();
        if dials
            .get(endpoint)
            .is_none_or(|(known, _)| *known != number)
        {
            return false;
        }
        dials.remove(endpoint);
        true
    }

    async fn reach_and_secure(&self, target: &DialTarget) -> Result<Connection, DialFailure> {
        // The semaphore is never closed.
        let place = self.reaching.acquire().await.ok();
        let deadlines = self.settings.load().deadlines;
        let started = Instant::now();
        let failed = |error: DialError| facts::failure(&error, started.elapsed());
        let mut reaching = std::pin::pin!(bheka_net::reach(target, &deadlines));
        let (reached, place) = match tokio::time::timeout(SLOW_AFTER, &mut reaching).await {
            Ok(reached) => (reached, place),
            Err(_) => {
                drop(place);
                (reaching.await, None)
            }
        };
        let reached = reached.map_err(failed)?;
        let lane = Some(&self.lane);
        let begun = move || drop(place);
        let now = clock::now();
        bheka_net::secure(
            reached,
            target,
            &self.identity,
            &deadlines,
            lane,
            begun,
            now,
        )
        .await
        .map_err(failed)
    }

    async fn serve_http(&self, connection: HttpConnection, api: Arc<bheka_api::Api>) {
        let Ok(_place) = self.http_places.try_acquire() else {
            tracing::warn!(target: "HttpServerConnection",
                "refused HTTP connection from {}: {HTTP_CLIENTS_MAX} are open already",
                connection.remote);
            return;
        };
        self.http_clients.fetch_add(1, Ordering::Relaxed);
        let peer = bheka_api::PeerInfo {
            verified_cn: connection.peer.verified_cn().map(str::to_owned),
            remote: connection.remote.to_string(),
        };
        bheka_api::serve(connection.stream, peer, api).await;
        self.http_clients.fetch_sub(1, Ordering::Relaxed);
    }

    /// Introduces a connection to the core and reads from it until it ends.
    async fn serve_link(&self, connection: Connection, direction: Direction) {
        let link = LinkId(self.next_link.fetch_add(1, Ordering::Relaxed));
        let address: Str = connection.remote.to_string().into();
        let up = LinkUp {
            link,
            direction,
            identity: connection.peer.cn.as_deref().map(Str::from),
            verified: match &connection.peer.verified {
                Ok(()) => Ok(()),
                Err(reason) => Err(format!("code {}: {}", reason.code, reason.text).into()),
            },
            certificate: connection.peer.certificate_pem().map(Str::from),
            address: address.clone(),
            tls: facts::tls(&connection.tls),
            times: facts::times(&connection.times),
        };
        let (reader, writer) = connection.split(ANONYMOUS_BYTES_MAX);
        let (queue, outgoing) = mpsc::channel(QUEUE_LEN_MAX);
        let (limit, limits) = watch::channel(ANONYMOUS_BYTES_MAX);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let writing = tokio::spawn(write(writer, outgoing, Arc::clone(&queued_bytes)));
        let handle = LinkHandle {
            queue,
            queued_bytes,
            limit,
            address,
        };
        if !self.jobs.send(Job::LinkUp(up, handle)).await {
            return;
        }
        let mut writing = std::pin::pin!(writing);
        let ended = tokio::select! {
            ended = read(reader, limits, link, &self.jobs) => ended,
            lost = &mut writing => Ended::Told(match lost {
                Ok(Some(error)) => DownCause::Lost(error.to_string().into()),
                // The core closed the link.
                Ok(None) => return,
                Err(error) => DownCause::Lost(error.to_string().into()),
            }),
        };
        let input = match ended {
            Ended::Told(cause) => Input::LinkDown { link, cause },
            Ended::BadFrame(error) => Input::BadFrame { link, error },
            Ended::ByCore => return,
        };
        self.jobs.send(Job::Cluster(input)).await;
    }
}

enum Ended {
    /// The connection ended or broke.
    Told(DownCause),
    /// The peer sent something that is no netstring.
    BadFrame(bheka_cluster::netstring::FramingError),
    /// The core dropped its handle.
    ByCore,
}

/// Reads messages and hands them to the core, waiting while the core is busy: then the peer's TCP
/// window fills, and it is the peer that waits.
async fn read(
    mut reader: FrameReader,
    mut limits: watch::Receiver<usize>,
    link: LinkId,
    jobs: &Jobs,
) -> Ended {
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut bytes_seen = 0;
    // The core says first how much this peer may send: a large first message of a parent must not
    // be judged by the limit for strangers.
    if limits.changed().await.is_err() {
        return Ended::ByCore;
    }
    reader.set_limit(*limits.borrow_and_update());
    loop {
        let frame = tokio::select! {
            changed = limits.changed() => {
                if changed.is_err() {
                    // The handle is gone; the writer still sends what it has.
                    return Ended::ByCore;
                }
                reader.set_limit(*limits.borrow_and_update());
                continue;
            }
            _ = alive.tick() => {
                let bytes = reader.counters().bytes_received();
                if bytes != bytes_seen {
                    bytes_seen = bytes;
                    jobs.send(Job::Cluster(Input::Alive { link })).await;
                }
                continue;
            }
            frame = reader.next() => frame,
        };
        let payload = match frame {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ended::Told(DownCause::Announced),
            Err(FrameError::Framing(error)) => return Ended::BadFrame(error),
            Err(error) => return Ended::Told(DownCause::Lost(error.to_string().into())),
        };
        let bytes = payload.len();
        let input = match Message::from_bytes(&payload) {
            Ok(message) => Input::Received {
                link,
                message,
                bytes,
            },
            Err(error) => Input::Malformed {
                link,
                error: error.to_string().into(),
                bytes,
            },
        };
        if !jobs.send(Job::Cluster(input)).await {
            return Ended::ByCore;
        }
    }
}

/// Writes what is queued, in batches; ends with an error of the connection, or with `None` when
/// the core has dropped its handle and everything is written.
async fn write(
    mut writer: FrameWriter,
    mut outgoing: mpsc::Receiver<Outgoing>,
    queued_bytes: Arc<AtomicUsize>,
) -> Option<FrameError> {
    let mut batch = Vec::new();
    loop {
        if outgoing.recv_many(&mut batch, 64).await == 0 {
            writer.close(CLOSE_CAP).await;
            return None;
        }
        let mut marks = Vec::new();
        for item in batch.drain(..) {
            match item {
                Outgoing::Frame(payload) => {
                    let fed = writer.feed(payload.as_bytes()).await;
                    queued_bytes.fetch_sub(payload.len(), Ordering::Relaxed);
                    if let Err(error) = fed {
                        return Some(error);
                    }
                }
                Outgoing::Mark(mark) => marks.push(mark),
            }
        }
        if let Err(error) = writer.flush().await {
            return Some(error);
        }
        for mark in marks {
            let _ = mark.send(());
        }
    }
}
