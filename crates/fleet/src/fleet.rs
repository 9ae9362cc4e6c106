//! Starting and stopping all of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bheka_net::{
    Accepted, Connection, Deadlines, DialTarget, Gate, Identity, Phase, accept_by_name, dial,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::agent::{Agent, Arrival, Ending, Shared, hello};
use crate::certificates::identities;
use crate::counters::{Counters, LinkState, count};
use crate::signals::{Order, Signals};
use crate::sockets::{Door, Ports, Sockets, Traps};
use crate::{
    Addresses, AgentConnection, AgentEndpoint, Dial, Distribution, FleetError, Options, Parting,
    Role, Roles, Snapshot,
};

/// How long a fleet may take to say goodbye.
const STOP_CAP: Duration = Duration::from_secs(5);

/// A running fleet. Dropping it ends all connections at once; [`Fleet::stop`] says goodbye.
#[derive(Debug)]
pub struct Fleet {
    agents: Arc<Vec<Arc<Agent>>>,
    shared: Arc<Shared>,
    roles: Roles,
    place: Option<Place>,
    signals: Signals,
    order: watch::Sender<Order>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    calls: Mutex<Option<Calls>>,
}

/// Where the agents wait.
#[derive(Debug)]
struct Place {
    addresses: Addresses,
    ports: Ports,
    _traps: Traps,
}

/// Agents that dial.
#[derive(Debug)]
struct Calls {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Makes the certificates and starts the agents.
    ///
    /// # Errors
    /// When a certificate can't be made or a socket can't be opened.
    pub async fn start(options: Options) -> Result<Self, FleetError> {
        let names = options.names();
        let shared = Arc::new(Shared {
            counters: Counters::default(),
            clock: options.clock.clone(),
            delay: options.delay,
            handshake_delay: options.handshake_delay,
            slow_pause: options.slow_pause,
            states: options.states,
        });
        let (listen, dial, roles) = (options.listen, options.dial.clone(), options.roles);
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
        let (order, orders) = watch::channel(Order::default());
        let mut fleet = Self {
            agents,
            shared,
            roles,
            place: None,
            signals: Signals::new(stopping, orders),
            order,
            stop,
            tasks: JoinSet::new(),
            calls: Mutex::new(None),
        };
        if let Some(listen) = listen {
            fleet.wait_at(Sockets::open(listen).await?);
        }
        if let Some(dial) = dial {
            fleet.call(dial).await;
        }
        Ok(fleet)
    }

    fn wait_at(&mut self, sockets: Sockets) {
        // SNI comes in lower case.
        let by_name = self
            .agents
            .iter()
            .map(|agent| (agent.name.to_lowercase(), agent.clone()));
        let by_name = Arc::new(by_name.collect());
        for (door, slow) in [(sockets.healthy, false), (sockets.slow, true)] {
            let reception = Reception {
                by_name: Arc::clone(&by_name),
                shared: self.shared.clone(),
                slow,
            };
            let signals = self.signals.clone();
            self.tasks.spawn(accept_all(door, reception, signals));
        }
        self.tasks.spawn(hold_all(
            sockets.mute,
            self.shared.clone(),
            self.signals.clone(),
        ));
        self.place = Some(Place {
            addresses: sockets.addresses,
            ports: sockets.ports,
            _traps: sockets.traps,
        });
    }

    /// Lets the agents dial a master; those that dialled another one before hang up.
    pub async fn call(&self, plan: Dial) {
        self.hang_up().await;
        let (stop, stopping) = watch::channel(false);
        let signals = self.signals.with_stop(stopping);
        let mut tasks = JoinSet::new();
        let permits = Arc::new(Semaphore::new(
            plan.at_once_max
                .unwrap_or(self.agents.len())
                .clamp(1, Semaphore::MAX_PERMITS),
        ));
        let plan = Arc::new(plan);
        for (index, agent) in self.agents.iter().enumerate() {
            let role = self.roles.of(index);
            if matches!(role, Role::Blackhole | Role::Refuse) {
                continue;
            }
            #[allow(clippy::cast_precision_loss, reason = "a share of a pause")]
            let share = index as f64 / self.agents.len() as f64;
            let caller = Caller {
                agent: agent.clone(),
                plan: plan.clone(),
                permits: permits.clone(),
                first: plan.spread.mul_f64(share),
                role,
            };
            let signals = signals.clone();
            tasks.spawn(async move { signals.while_up(caller.run(signals.clone())).await });
        }
        let calls = Some(Calls { stop, tasks });
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }

    /// Ends the connections that agents dialled, and lets none dial any more.
    pub async fn hang_up(&self) {
        let calls = self
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut calls) = calls {
            let _ = calls.stop.send(true);
            end(&mut calls.tasks).await;
        }
    }

    /// Where the healthy agents listen, or the first of them when each has its own address; none
    /// when they only dial.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let place = self.place.as_ref()?;
        let port = place.ports.of(Role::Healthy);
        Some(SocketAddr::new(place.addresses.nth(0), port))
    }

    /// The names of the agents: their endpoints' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.agents.iter().map(|agent| agent.name.as_str())
    }

    /// What a master must know of the agents, when these misbehave: an agent's role is decided by
    /// the port at which it is dialled.
    #[must_use]
    pub fn endpoints(&self, roles: Roles) -> Vec<AgentEndpoint> {
        let address = |index, role| {
            let place = self.place.as_ref()?;
            let port = place.ports.of(role);
            Some(SocketAddr::new(place.addresses.nth(index), port))
        };
        let agents = self.agents.iter().enumerate();
        agents
            .map(|(index, agent)| {
                let role = roles.of(index);
                AgentEndpoint {
                    name: agent.name.clone(),
                    address: address(index, role),
                    role,
                }
            })
            .collect()
    }

    /// The sums at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.counters.snapshot(self.agents.len())
    }

    /// How long connections took from their begin to their first message, so far.
    #[must_use]
    pub fn handshakes(&self) -> Distribution {
        self.shared.counters.handshakes.distribution()
    }

    /// The connection of each agent at this moment.
    #[must_use]
    pub fn connections(&self) -> Vec<AgentConnection> {
        self.agents
            .iter()
            .map(|agent| agent.link.describe(&agent.name))
            .collect()
    }

    /// Cuts the network between the agents and their master, or mends it. While it is cut, nothing
    /// is read, answered or accepted, so the master only notices by the silence; what it sends
    /// stays in the kernel and arrives later.
    pub fn cut(&self, cut: bool) {
        self.order.send_modify(|order| order.cut = cut);
    }

    /// Lets this share of the connected agents end their connections. Who dials does so again at
    /// once; the others wait for the master.
    pub fn wave(&self, percent: u8, parting: Parting) {
        self.order.send_modify(|order| {
            order.wave += 1;
            order.percent = percent;
            order.parting = parting;
        });
    }

    /// Ends all connections in good order, within a few seconds.
    pub async fn stop(mut self) -> Snapshot {
        self.cut(false);
        let _ = self.stop.send(true);
        self.hang_up().await;
        end(&mut self.tasks).await;
        self.snapshot()
    }
}

async fn end(tasks: &mut JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(STOP_CAP, all).await.is_err() {
        tasks.abort_all();
    }
}

/// An agent as the owner of its identity, for the choice by name.
struct Chosen(Arc<Agent>);

impl AsRef<Identity> for Chosen {
    fn as_ref(&self) -> &Identity {
        &self.0.identity
    }
}

/// What is needed to receive a master.
#[derive(Clone)]
struct Reception {
    by_name: Arc<HashMap<String, Arc<Agent>>>,
    shared: Arc<Shared>,
    slow: bool,
}

impl Reception {
    async fn receive(self, tcp: TcpStream, gate: Gate, signals: Signals) {
        let began = Instant::now();
        let counters = &self.shared.counters;
        count(&counters.attempts);
        if !self.shared.handshake_delay.is_zero() {
            sleep(self.shared.handshake_delay).await;
        }
        let (mut chosen, mut is_unknown) = (None, false);
        let choose = |name: Option<&str>| {
            chosen = name.and_then(|name| self.by_name.get(name)).cloned();
            is_unknown = chosen.is_none();
            chosen.clone().map(Chosen)
        };
        let now = self.shared.clock.now();
        let accepted = accept_by_name(tcp, choose, &Deadlines::default(), &gate, now).await;
        match (accepted, chosen) {
            (Ok(Accepted::JsonRpc(connection)), Some(agent)) => {
                let arrival = Arrival {
                    began,
                    greeted: false,
                    slow: self.slow,
                };
                agent.serve(*connection, arrival, signals).await;
            }
            (Err(error), _) => {
                let phase = if is_unknown {
                    Phase::Identity
                } else {
                    error.phase
                };
                counters.fail(phase, error.timed_out);
                tracing::debug!("handshake with simulated agents failed: {error}");
            }
            // HTTP, to which an agent has nothing to say here.
            _ => counters.fail(Phase::FirstByte, false),
        }
    }
}

async fn accept_all(door: Door, reception: Reception, mut signals: Signals) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let unfinished_max = reception.by_name.len().saturating_mul(2).max(256);
    let gate = Gate::new(unfinished_max, threads);
    let mut links = JoinSet::new();
    let mut cut = signals.clone();
    loop {
        if signals.is_cut() {
            door.cut(true);
            tokio::select! {
                () = cut.until_up() => door.cut(false),
                () = signals.stopped() => break,
            }
        }
        let tcp = tokio::select! {
            accepted = door.accept() => match accepted {
                Ok(tcp) => tcp,
                Err(error) => {
                    // No descriptors are left, for one; trying again at once would only burn time.
                    tracing::warn!("simulated agents can't accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            Some(_) = links.join_next() => continue,
            () = cut.until_cut() => continue,
            () = signals.stopped() => break,
        };
        let (reception, gate, signals) = (reception.clone(), gate.clone(), signals.clone());
        links.spawn(async move {
            signals
                .while_up(reception.receive(tcp, gate, signals.clone()))
                .await;
        });
    }
    while links.join_next().await.is_some() {}
}

/// Takes connections and says nothing until the peer gives up.
async fn hold_all(door: Door, shared: Arc<Shared>, mut signals: Signals) {
    let mut held = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept() => match accepted {
                Ok(tcp) => {
                    count(&shared.counters.attempts);
                    held.spawn(drain(tcp));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = held.join_next() => {}
            () = signals.stopped() => return,
        }
    }
}

async fn drain(mut tcp: TcpStream) {
    let mut nowhere = [0; 512];
    while let Ok(1..) = tcp.read(&mut nowhere).await {}
}

/// An agent that dials.
struct Caller {
    agent: Arc<Agent>,
    plan: Arc<Dial>,
    permits: Arc<Semaphore>,
    /// The pause before the first try.
    first: Duration,
    role: Role,
}

impl Caller {
    async fn run(self, mut signals: Signals) {
        let mut pause = self.first;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = signals.stopped() => return,
            }
            let began = Instant::now();
            let result = tokio::select! {
                result = self.dial() => result,
                () = signals.stopped() => return,
            };
            pause = self.plan.retry;
            if let Some(connection) = result {
                let arrival = Arrival {
                    began,
                    greeted: true,
                    slow: self.role == Role::Slow,
                };
                // It sees the end itself, and says goodbye first.
                let ending = self.agent.serve(connection, arrival, signals.clone());
                if ending.await == Ending::Left {
                    pause = Duration::ZERO;
                }
            }
        }
    }

    async fn dial(&self) -> Option<Connection> {
        let shared = &self.agent.shared;
        let permit = self.permits.acquire().await;
        count(&shared.counters.attempts);
        if self.role == Role::Mute {
            drop(permit);
            let address = (self.plan.host.as_str(), self.plan.port);
            if let Ok(tcp) = TcpStream::connect(address).await {
                drain(tcp).await;
            }
            return None;
        }
        let target = DialTarget {
            endpoint_name: self.plan.master.clone(),
            host: self.plan.host.clone(),
            port: self.plan.port,
            hello: Some(hello()),
        };
        let now = shared.clock.now();
        match dial(&target, &self.agent.identity, &Deadlines::default(), now).await {
            Ok(connection) => Some(connection),
            Err(error) => {
                shared.counters.fail(error.phase, error.timed_out);
                tracing::debug!(agent = %self.agent.name, "cannot connect: {error}");
                None
            }
        }
    }
}
