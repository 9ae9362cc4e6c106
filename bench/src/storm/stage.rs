//! One master of one program, and what is done to it.

use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use bheka_fleet::{
    ApiClient, Clock, Dial, Fleet, Observed, Observer, Probe, Roles, TrialMaster, TrialOptions,
    Usage, free_port,
};
use bheka_net::pki::{CertificateAuthority, PrivateKey};
use serde::Serialize;
use tokio::task::JoinSet;

use super::bare::{self, Bare};
use super::{Options, Program, Scenario, now};

const LOOPBACK: &str = "127.0.0.1";
const NAME: &str = "storm-master";
const STATUS: &str = "/v1/status/ApiListener";
/// How long to watch after a reload, for what it breaks later.
const SETTLE: Duration = Duration::from_secs(3);
/// The same between two of many.
const SETTLE_SHORT: Duration = Duration::from_millis(500);
/// Who misbehaves in the scenario `blackhole`.
const BAD: Roles = Roles {
    blackhole: 10,
    mute: 0,
    refuse: 5,
    slow: 0,
};

/// What one scenario did to one master in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) program: &'static str,
    pub(crate) scenario: Scenario,
    pub(crate) round: usize,
    /// How many agents could be connected.
    pub(crate) expected: u64,
    pub(crate) observed: Observed,
    /// Of each reload: when it was in force, in seconds.
    pub(crate) in_force_s: Vec<f64>,
    /// After each reload, or at the begin and end: resident bytes and open files of the master.
    pub(crate) usage: Vec<(u64, u64)>,
    /// When the network was mended, in seconds.
    pub(crate) mended_s: Option<f64>,
}

/// The place of action.
pub(crate) struct Stage<'a> {
    pub(crate) options: &'a Options,
    pub(crate) program: &'a Program,
    pub(crate) round: usize,
    pub(crate) fleet: &'a Fleet,
    pub(crate) authority: &'a CertificateAuthority,
    pub(crate) master_key: &'a PrivateKey,
    pub(crate) folder: &'a Path,
    pub(crate) master: Option<Running>,
}

/// A master that was prepared, and its API's probe.
pub(crate) struct Running {
    master: TrialMaster,
    client: ApiClient,
    probe: Probe,
    expected: u64,
}

/// How a master knows its agents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agents {
    /// It dials all of them.
    Healthy,
    /// Some of them misbehave.
    Bad,
    /// It waits for them.
    Dialling,
}

impl Stage<'_> {
    /// The bare client under the conditions of a scenario.
    pub(crate) async fn bare(&self, scenario: Scenario) -> Result<Bare> {
        // Any master's certificate will do; the program only decides about the directory.
        let running = self.prepare(Agents::Healthy)?;
        drop(running);
        let _burner = (scenario == Scenario::Busy)
            .then(Burner::start)
            .transpose()?;
        let endpoints = self.fleet.endpoints(Roles::default());
        let bare = bare::measure(&self.directory(), NAME, &endpoints).await?;
        self.until_empty().await;
        Ok(bare)
    }

    /// Plays a scenario.
    pub(crate) async fn play(&mut self, scenario: Scenario) -> Result<Part> {
        if scenario.continues() && self.master.is_none() {
            self.start(Scenario::Start, Agents::Healthy).await?;
        }
        match scenario {
            Scenario::Start => self.start(scenario, Agents::Healthy).await,
            Scenario::Blackhole => self.start(scenario, Agents::Bad).await,
            Scenario::Busy => {
                let _burner = Burner::start()?;
                self.start(scenario, Agents::Healthy).await
            }
            Scenario::DialIn => self.dial_in().await,
            Scenario::Steady => self.steady().await,
            Scenario::Reload => self.reload().await,
            Scenario::Cut => self.cut().await,
            Scenario::Kill => self.kill().await,
        }
    }

    /// Ends the master that runs.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut running) = self.master.take() {
            running.master.stop().await;
        }
        self.fleet.hang_up().await;
        self.until_empty().await;
    }

    /// The agents notice the end of a master a moment later.
    async fn until_empty(&self) {
        for _ in 0..1_000 {
            if self.fleet.snapshot().connected == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn directory(&self) -> std::path::PathBuf {
        self.folder
            .join(self.program.name.replace(' ', "").to_lowercase())
    }

    fn prepare(&self, agents: Agents) -> Result<Running> {
        let directory = self.directory();
        // What an earlier master has kept must not help this one.
        std::fs::remove_dir_all(&directory).ok();
        let roles = match agents {
            Agents::Bad => BAD,
            Agents::Healthy | Agents::Dialling => Roles::default(),
        };
        let mut endpoints = self.fleet.endpoints(roles);
        if agents == Agents::Dialling {
            endpoints.iter_mut().for_each(|agent| agent.address = None);
        }
        let trial = TrialOptions {
            folder: directory,
            name: NAME.to_owned(),
            host: LOOPBACK.to_owned(),
            port: free_port(LOOPBACK)?,
            password: "storm".to_owned(),
            key: self.master_key.clone(),
            check_interval_s: self.options.checks,
        };
        let master =
            TrialMaster::prepare(trial, &self.program.path, self.authority, &endpoints, now())?;
        let client = ApiClient::new(master.api(), Clock::new(now))?;
        let every = Duration::from_secs_f64(self.options.api_interval.clamp(0.001, 3_600.0));
        Ok(Running {
            probe: Probe::start(client.clone(), STATUS, every),
            client,
            master,
            expected: roles.connectable(endpoints.len()) as u64,
        })
    }

    fn part(&self, scenario: Scenario, expected: u64, observed: Observed) -> Part {
        Part {
            program: self.program.name,
            scenario,
            round: self.round,
            expected,
            observed,
            in_force_s: Vec::new(),
            usage: Vec::new(),
            mended_s: None,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.options.patience.clamp(1.0, 1e6))
    }

    async fn start(&mut self, scenario: Scenario, agents: Agents) -> Result<Part> {
        self.stop().await;
        let mut running = self.prepare(agents)?;
        let expected = running.expected;
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), None);
        running.master.start()?;
        observer.set_master(running.master.id());
        self.until(&mut observer, &mut running.master, |observer| {
            observer.is_complete()
        })
        .await?;
        observer.drain().await;
        let observed = observer.end(scenario.name());
        self.master = Some(running);
        Ok(self.part(scenario, expected, observed))
    }

    async fn dial_in(&mut self) -> Result<Part> {
        self.stop().await;
        let mut running = self.prepare(Agents::Dialling)?;
        running.master.start()?;
        tokio::time::timeout(self.patience(), running.client.wait_for(STATUS))
            .await
            .context("the API of the master does not answer")?;
        let (expected, id) = (running.expected, running.master.id());
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), id);
        let api = running.master.api();
        self.fleet.call(Dial::new(NAME, &api.host, api.port)).await;
        self.until(&mut observer, &mut running.master, |observer| {
            observer.is_complete()
        })
        .await?;
        observer.drain().await;
        let observed = observer.end(Scenario::DialIn.name());
        running.master.stop().await;
        self.stop().await;
        Ok(self.part(Scenario::DialIn, expected, observed))
    }

    async fn steady(&mut self) -> Result<Part> {
        let mut running = self.running()?;
        let length = Duration::from_secs_f64(self.options.minutes.clamp(0.0, 1e5) * 60.0);
        let (expected, id) = (running.expected, running.master.id());
        let mut usage = vec![usage(&running.master)];
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), id);
        while observer.elapsed() < length {
            running.master.expect_alive()?;
            observer.look().await;
        }
        usage.push(self::usage(&running.master));
        observer.drain().await;
        let observed = observer.end(Scenario::Steady.name());
        self.master = Some(running);
        let part = self.part(Scenario::Steady, expected, observed);
        Ok(Part { usage, ..part })
    }

    async fn reload(&mut self) -> Result<Part> {
        let mut running = self.running()?;
        let reloads = self.options.reloads.max(1);
        let settle = if reloads == 1 { SETTLE } else { SETTLE_SHORT };
        let (expected, id) = (running.expected, running.master.id());
        let (mut in_force_s, mut usage) = (Vec::new(), vec![usage(&running.master)]);
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), id);
        for _ in 0..reloads {
            let begun = observer.elapsed();
            let path = running.master.reload()?;
            let in_force = std::sync::Arc::new(OnceLock::new());
            let mut asking = JoinSet::new();
            let (client, told) = (running.client.clone(), in_force.clone());
            asking.spawn(async move {
                let start = std::time::Instant::now();
                client.wait_for(&path).await;
                let _ = told.set(start.elapsed());
            });
            self.until(&mut observer, &mut running.master, |observer| {
                let settled = in_force.get().map(|it| begun + *it + settle);
                settled.is_some_and(|settled| observer.elapsed() > settled)
                    && observer.is_complete()
            })
            .await?;
            in_force_s.extend(in_force.get().map(Duration::as_secs_f64));
            usage.push(self::usage(&running.master));
        }
        observer.drain().await;
        let observed = observer.end(Scenario::Reload.name());
        self.master = Some(running);
        let part = self.part(Scenario::Reload, expected, observed);
        Ok(Part {
            in_force_s,
            usage,
            ..part
        })
    }

    async fn cut(&mut self) -> Result<Part> {
        let mut running = self.running()?;
        let length = Duration::from_secs_f64(self.options.cut_seconds.clamp(0.0, 1e5));
        let (expected, id) = (running.expected, running.master.id());
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), id);
        self.fleet.cut(true);
        while observer.elapsed() < length {
            running.master.expect_alive()?;
            observer.look().await;
        }
        self.fleet.cut(false);
        let mended = observer.elapsed();
        // What was lost meanwhile shows when the agents read again.
        self.until(&mut observer, &mut running.master, |observer| {
            observer.elapsed() > mended + SETTLE && observer.is_complete()
        })
        .await?;
        observer.drain().await;
        let observed = observer.end(Scenario::Cut.name());
        self.master = Some(running);
        let part = self.part(Scenario::Cut, expected, observed);
        Ok(Part {
            mended_s: Some(mended.as_secs_f64()),
            ..part
        })
    }

    async fn kill(&mut self) -> Result<Part> {
        let mut running = self.running()?;
        let expected = running.expected;
        let mut observer = Observer::begin(self.fleet, expected, Some(&running.probe), None);
        running.master.kill().await;
        running.master.start()?;
        observer.set_master(running.master.id());
        let lost = |observer: &Observer<'_>| observer.so_far().drops >= expected;
        self.until(&mut observer, &mut running.master, |observer| {
            lost(observer) && observer.is_complete()
        })
        .await?;
        observer.drain().await;
        let observed = observer.end(Scenario::Kill.name());
        self.master = Some(running);
        Ok(self.part(Scenario::Kill, expected, observed))
    }

    fn running(&mut self) -> Result<Running> {
        self.master.take().context("no master runs")
    }

    /// Watches until it is over, or patience is.
    async fn until(
        &self,
        observer: &mut Observer<'_>,
        master: &mut TrialMaster,
        is_over: impl Fn(&Observer<'_>) -> bool,
    ) -> Result<()> {
        let end = observer.elapsed() + self.patience();
        while !is_over(observer) {
            master.expect_alive()?;
            if observer.elapsed() > end {
                eprintln!("not all agents were connected in time");
                return Ok(());
            }
            observer.look().await;
        }
        Ok(())
    }
}

fn usage(master: &TrialMaster) -> (u64, u64) {
    let usage: Usage = master.usage().unwrap_or_default();
    (usage.rss_bytes, usage.descriptors)
}

/// A process that takes all of one core.
struct Burner {
    _child: tokio::process::Child,
}

impl Burner {
    fn start() -> Result<Self> {
        let child = tokio::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a process that keeps a core busy")?;
        Ok(Self { _child: child })
    }
}
