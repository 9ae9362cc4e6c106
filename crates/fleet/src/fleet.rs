//! Starting and stopping all of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bheka_net::{Accepted, Deadlines, DialTarget, Gate, Identity, accept_by_name, dial, listen};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::agent::{Agent, Shared, hello};
use crate::certificates::identities;
use crate::counters::{Counters, LinkState, count};
use crate::{AgentConnection, FleetError, Mode, Options, Snapshot};

/// Handshakes that agents begin at the same time when they dial.
const DIALLING_MAX: usize = 64;
/// How long a fleet may take to say goodbye.
const STOP_CAP: Duration = Duration::from_secs(5);

/// A running fleet. Dropping it ends all connections at once; [`Fleet::stop`] says goodbye.
#[derive(Debug)]
pub struct Fleet {
    agents: Arc<Vec<Arc<Agent>>>,
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Makes the certificates and starts the agents.
    ///
    /// # Errors
    /// When a certificate can't be made or the socket can't be opened.
    pub async fn start(options: Options) -> Result<Self, FleetError> {
        let names = options.names();
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            clock: options.clock.clone(),
            delay: options.delay,
            states: options.states,
        });
        let mode = options.mode.clone();
        let making = tokio::task::spawn_blocking(move || {
            identities(&options, &names).map(|identities| (names, identities))
        });
        let (names, identities) = making
            .await
            .map_err(|error| FleetError::Work(error.to_string()))??;
        let agents = names.into_iter().zip(identities).map(|(name, identity)| {
            Arc::new(Agent {
                name,
                identity,
                link: LinkState::default(),
                shared: shared.clone(),
            })
        });
        let agents: Arc<Vec<_>> = Arc::new(agents.collect());
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut address = None;
        match mode {
            Mode::Listen { address: host } => {
                let listener = listen(Some(&host), 0).and_then(|listener| {
                    address = Some(listener.local_addr()?);
                    Ok(listener)
                });
                let listener = listener.map_err(|cause| FleetError::Listen {
                    address: host,
                    cause,
                })?;
                tasks.spawn(accept_all(
                    listener,
                    agents.clone(),
                    shared.clone(),
                    stopping,
                ));
            }
            Mode::Dial {
                master,
                host,
                port,
                retry,
            } => {
                let target = DialTarget {
                    endpoint_name: master,
                    host,
                    port,
                    hello: Some(hello()),
                };
                let permits = Arc::new(Semaphore::new(DIALLING_MAX));
                for agent in agents.iter() {
                    let (agent, target) = (agent.clone(), target.clone());
                    tasks.spawn(keep_dialling(
                        agent,
                        target,
                        retry,
                        permits.clone(),
                        stopping.clone(),
                    ));
                }
            }
        }
        Ok(Self {
            agents,
            shared,
            address,
            stop,
            tasks,
        })
    }

    /// Where all agents listen; none when they dial.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The names of the agents: their endpoints' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().map(|agent| agent.name.as_str())
    }

    /// The sums at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.counters.snapshot(self.agents.len())
    }

    /// The connection of each agent at this moment.
    #[must_use]
    pub fn connections(&self) -> Vec<AgentConnection> {
        self.agents
            .iter()
            .map(|agent| agent.link.describe(&agent.name))
            .collect()
    }

    /// Ends all connections in good order, within a few seconds.
    pub async fn stop(mut self) -> Snapshot {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_CAP, all).await.is_err() {
            self.tasks.abort_all();
        }
        self.snapshot()
    }
}

/// An agent as the owner of its identity, for the choice by name.
struct Chosen(Arc<Agent>);

impl AsRef<Identity> for Chosen {
    fn as_ref(&self) -> &Identity {
        &self.0.identity
    }
}

async fn accept_all(
    listener: TcpListener,
    agents: Arc<Vec<Arc<Agent>>>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    // SNI comes in lower case.
    let by_name: HashMap<String, Arc<Agent>> = agents
        .iter()
        .map(|agent| (agent.name.to_lowercase(), agent.clone()))
        .collect();
    let by_name = Arc::new(by_name);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let gate = Gate::new(agents.len().saturating_mul(2).max(256), threads);
    let mut links = JoinSet::new();
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => tcp,
                Err(error) => {
                    // No descriptors are left, for one; trying again at once would only burn time.
                    tracing::warn!("simulated agents can't accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = links.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let (by_name, shared) = (by_name.clone(), shared.clone());
        let (gate, stop) = (gate.clone(), stop.clone());
        links.spawn(async move {
            let mut chosen = None;
            let choose = |name: Option<&str>| {
                chosen = by_name.get(name?).cloned();
                chosen.clone().map(Chosen)
            };
            let now = shared.clock.now();
            let accepted = accept_by_name(tcp, choose, &Deadlines::default(), &gate, now).await;
            match (accepted, chosen) {
                (Ok(Accepted::JsonRpc(connection)), Some(agent)) => {
                    agent.serve(*connection, false, stop).await;
                }
                (Err(error), _) => {
                    count(&shared.counters.handshake_failures);
                    tracing::debug!("handshake with simulated agents failed: {error}");
                }
                _ => count(&shared.counters.handshake_failures),
            }
        });
    }
    while links.join_next().await.is_some() {}
}

async fn keep_dialling(
    agent: Arc<Agent>,
    target: DialTarget,
    retry: Duration,
    permits: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let attempt = async {
            let _permit = permits.acquire().await;
            let now = agent.shared.clock.now();
            dial(&target, &agent.identity, &Deadlines::default(), now).await
        };
        let result = tokio::select! {
            result = attempt => result,
            () = stopped(&mut stop) => return,
        };
        match result {
            // It sees the signal itself, and says goodbye first.
            Ok(connection) => agent.serve(connection, true, stop.clone()).await,
            Err(error) => {
                count(&agent.shared.counters.handshake_failures);
                tracing::debug!(agent = %agent.name, "cannot connect: {error}");
            }
        }
        tokio::select! {
            () = sleep(retry) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// Waits for the end of the fleet.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the fleet is gone already.
    let _ = stop.wait_for(|stopping| *stopping).await;
}
