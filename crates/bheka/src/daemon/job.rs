//! What the writer is asked to do, and the one way to ask.

use std::sync::Arc;
use std::time::Duration;

use bheka_cluster::Topology;
use bheka_model::{Command, Generation};
use bheka_monitor::Prepared;
use bheka_value::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::links::LinkHandle;

/// Jobs that may wait. Who makes more than that waits: a reader task of a link (so that the peer's
/// window closes), a finished check, an API request.
const JOBS_LEN_MAX: usize = 16_384;

/// Work for the writer.
pub(crate) enum Job {
    /// For the monitor.
    Monitor(bheka_monitor::Input),
    /// For the cluster.
    Cluster(bheka_cluster::Input),
    /// A connection is up; its handle comes along.
    LinkUp(bheka_cluster::LinkUp, LinkHandle),
    /// Commands of the API; answered when all are applied.
    Submit(Vec<Command>, oneshot::Sender<()>),
    /// The next generation; answered once it is in force.
    Reconfigure(Exchange, oneshot::Sender<Swapped>),
    /// Bring what is known of single endpoints up to date; answered when it is.
    Look(oneshot::Sender<()>),
    /// A reload was refused at this time.
    ReloadFailed(Timestamp),
    /// Save everything and end.
    Finish,
}

/// A generation, with all that could be worked out about it in advance.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The generation, and what the monitor needs of it.
    pub(crate) prepared: Arc<Prepared>,
    /// Its zones and endpoints as this node sees them.
    pub(crate) topology: Arc<Topology>,
}

impl Exchange {
    /// From the generation before it, if there is one, to another one. Goes over all objects.
    pub(crate) fn prepare(
        generation: Arc<Generation>,
        node_name: &str,
        local_endpoint: &str,
        before: Option<&Self>,
    ) -> Self {
        let topology = Topology::new(&generation, local_endpoint);
        let before = before.map(|before| &*before.prepared);
        Self {
            topology: Arc::new(topology),
            prepared: Arc::new(Prepared::new(generation, node_name, before)),
        }
    }

    /// The generation.
    pub(crate) fn generation(&self) -> &Arc<Generation> {
        self.prepared.generation()
    }
}

/// What an exchange of generations did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Swapped {
    /// How long the writer did nothing else.
    pub(crate) took: Duration,
    /// Links of endpoints that live on.
    pub(crate) links_kept: usize,
    /// Links that were closed because address or zone of their endpoint changed.
    pub(crate) links_reconnected: usize,
    /// Links that were closed because their endpoint is gone.
    pub(crate) links_closed: usize,
}

/// The way to the writer.
#[derive(Clone, Debug)]
pub(crate) struct Jobs(mpsc::Sender<Job>);

impl Jobs {
    /// The queue and its other end.
    pub(crate) fn queue() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(JOBS_LEN_MAX);
        (Self(sender), receiver)
    }

    /// Hands a job over, waiting while the queue is full. False when the writer has ended.
    pub(crate) async fn send(&self, job: Job) -> bool {
        self.0.send(job).await.is_ok()
    }

    /// Hands a job over, unless the queue is full.
    pub(crate) fn try_send(&self, job: Job) -> bool {
        self.0.try_send(job).is_ok()
    }

    /// As [`Jobs::send`], from a thread that may block.
    pub(crate) fn send_blocking(&self, job: Job) -> bool {
        self.0.blocking_send(job).is_ok()
    }

    /// Jobs that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}
