//! `bheka demo`: the main job on one machine, from nothing.
//!
//! In a temporary directory it makes a CA, starts a master as a process of its own and a fleet of
//! simulated agents with real TLS, shows them connecting and being checked, then changes the
//! configuration, reloads, and proves by addresses and counters that no connection was lost.

mod master;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bheka_fleet::{AgentConnection, Clock, Fleet, Options};
use bheka_net::pki::{CertificateAuthority, KeyKind};
use bheka_value::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::master::{Master, Step};
use crate::client::at;
use crate::daemon::clock;
use crate::screen::Screen;

/// How long to wait for all agents, for each hundred of them; a busy machine is slow.
const CONNECT_PATIENCE: Duration = Duration::from_secs(120);

/// How long all first checks may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(120);

/// Hosts that are checked once an hour, so that their plan can be compared around the reload; they
/// need not have been checked by then.
const HOURLY: f64 = 1.0;

/// How long a reload may take.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// Most agents that one demo starts: each takes two descriptors on this machine.
const AGENTS_MAX: usize = 20_000;

/// What the command line says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DemoOptions {
    /// How many agents.
    pub(crate) agents: usize,
    /// End after the reload instead of waiting for Ctrl-C.
    pub(crate) once: bool,
}

/// Runs the demo. The exit code is success when all agents connected and no connection was lost.
///
/// # Errors
/// When something could not be started or took too long.
pub(crate) fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    if options.agents == 0 || options.agents > AGENTS_MAX {
        bail!("--agents takes a number from 1 to {AGENTS_MAX}");
    }
    crate::daemon::limits::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for input and output")?;
    let code = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let mut stage = Stage::set(options).await?;
        let code = tokio::select! {
            code = stage.play(options) => code,
            _ = interrupt.recv() => Ok(stage.interrupted()),
            _ = terminate.recv() => Ok(stage.interrupted()),
        };
        stage.clear_away().await;
        code
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

/// Master, fleet and screen.
struct Stage {
    fleet: Fleet,
    master: Master,
    screen: Screen,
    agents: usize,
    folder: tempfile::TempDir,
}

/// Hosts and services by state, as the master's API counts them.
#[derive(Clone, Copy, Debug, Default)]
struct States {
    up: f64,
    down: f64,
    ok: f64,
    warning: f64,
    critical: f64,
    unknown: f64,
    pending: f64,
}

impl Stage {
    async fn set(options: DemoOptions) -> anyhow::Result<Self> {
        let mut screen = Screen::new();
        let folder = tempfile::Builder::new()
            .prefix("bheka-demo-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        screen.line(&format!(
            "Everything lives in {} and goes when the demo ends.",
            folder.path().display()
        ));
        screen.line(&format!(
            "Making a CA, a master, and {} agents with certificates of their own ...",
            options.agents
        ));
        let authority =
            CertificateAuthority::create(&folder.path().join("ca"), KeyKind::EcP256, clock::now())
                .context("cannot make a CA")?;
        let fleet_options = Options::new(options.agents, authority.clone(), Clock::new(clock::now));
        let names = fleet_options.names();
        let fleet = Fleet::start(fleet_options)
            .await
            .context("cannot start the agents")?;
        let address = fleet.address().context("the agents do not listen")?;
        screen.line(&format!(
            "{} simulated agents listen on {address}.",
            options.agents
        ));
        let master = Master::prepare(folder.path(), &authority, names, address)?;
        Ok(Self {
            fleet,
            master,
            screen,
            agents: options.agents,
            folder,
        })
    }

    async fn play(&mut self, options: DemoOptions) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        self.master.start()?;
        self.connect(started).await?;
        self.check().await?;
        let is_kept = self.reload().await?;
        if options.once {
            self.summary(is_kept).await;
            return Ok(if is_kept {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        self.screen.line("The demo goes on; Ctrl-C ends it.");
        loop {
            self.live().await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until all agents are connected, and draws it.
    async fn connect(&mut self, started: Instant) -> anyhow::Result<()> {
        let hundreds = u32::try_from(self.agents / 100 + 1).unwrap_or(1);
        let end = started + CONNECT_PATIENCE * hundreds;
        let total = self.agents as u64;
        loop {
            let connected = self.fleet.snapshot().connected;
            let text = format!("{connected} of {total} agents connected");
            self.screen.bar(connected, total, &text);
            if connected >= total {
                break;
            }
            self.master.expect_alive()?;
            if Instant::now() > end {
                bail!("only {connected} of {total} agents connected in time");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.screen.line(&format!(
            "All {total} agents connected {seconds:.1} s after the start of the master, \
             {} handshakes in all.",
            self.fleet.snapshot().connects
        ));
        Ok(())
    }

    /// Shows the live summary until every check has a result.
    async fn check(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + CHECK_PATIENCE;
        loop {
            let states = self.live().await?;
            if states.is_some_and(|states| states.pending <= HOURLY) {
                break;
            }
            if Instant::now() > end {
                bail!("not every check had a result in time");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.screen
            .line("Every check on an agent has had its result.");
        Ok(())
    }

    /// One line of live figures.
    async fn live(&mut self) -> anyhow::Result<Option<States>> {
        self.master.expect_alive()?;
        let before = (Instant::now(), self.fleet.snapshot().checks_answered);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let snapshot = self.fleet.snapshot();
        #[allow(clippy::cast_precision_loss, reason = "a rate for the eye")]
        let rate = (snapshot.checks_answered - before.1) as f64 / before.0.elapsed().as_secs_f64();
        // Right after the start the API may not listen yet.
        let states = self.states().await.ok();
        let shown = states.unwrap_or_default();
        self.screen.status(&format!(
            "{}/{} connected, {} lost | {rate:.0} checks/s | hosts {} up {} down | services {} ok \
             {} warn {} crit {} unkn | {} to come",
            snapshot.connected,
            self.agents,
            snapshot.drops,
            shown.up,
            shown.down,
            shown.ok,
            shown.warning,
            shown.critical,
            shown.unknown,
            shown.pending,
        ));
        Ok(states)
    }

    async fn states(&self) -> anyhow::Result<States> {
        let answer = self.master.client().get("/v1/status/CIB").await?;
        let number = |name: &str| {
            at(&answer, &format!("results.0.status.{name}"))
                .as_ref()
                .and_then(Value::as_number)
                .unwrap_or(0.0)
        };
        let (hosts, services) = (number("num_hosts_pending"), number("num_services_pending"));
        Ok(States {
            up: number("num_hosts_up"),
            // As Icinga 2 counts, what was never checked is down or unknown; here it is not.
            down: (number("num_hosts_down") - hosts).max(0.0),
            ok: number("num_services_ok"),
            warning: number("num_services_warning"),
            critical: number("num_services_critical"),
            unknown: (number("num_services_unknown") - services).max(0.0),
            pending: hosts + services,
        })
    }

    /// Changes the configuration, reloads, and compares connections before and after.
    async fn reload(&mut self) -> anyhow::Result<bool> {
        self.screen.line(
            "Now the reload: a host with a check is added, another removed, everything else stays.",
        );
        let planned = self.master.next_check_of_the_steady_host().await?;
        let before = self.fleet.connections();
        let drops = self.fleet.snapshot().drops;
        let started = Instant::now();
        self.master.reload()?;
        self.wait_for_reload(started, Step::InForce).await?;
        let seconds = started.elapsed().as_secs_f64();
        self.wait_for_reload(started, Step::Checked).await?;
        // A connection that the reload broke would be noticed and redialled by now.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let after = self.fleet.connections();
        let kept = kept(&before, &after);
        let dropped = self.fleet.snapshot().drops - drops;
        let is_planned = self.master.next_check_of_the_steady_host().await? == planned;
        self.screen.line(&format!(
            "The new configuration was in force after {seconds:.2} s. {kept} of {} connections are the same \
             TCP connections as before (addresses and ports compared), {dropped} were dropped; \
             the next check of an untouched host {}.",
            before.len(),
            if is_planned { "did not move" } else { "moved" }
        ));
        Ok(kept == before.len() && dropped == 0 && is_planned)
    }

    async fn wait_for_reload(&mut self, started: Instant, step: Step) -> anyhow::Result<()> {
        while !self.master.has_reached(step).await {
            self.master.expect_alive()?;
            if started.elapsed() > RELOAD_PATIENCE {
                bail!("the reload did not take effect in time");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn summary(&mut self, is_kept: bool) {
        let snapshot = self.fleet.snapshot();
        let states = self.states().await.unwrap_or_default();
        self.screen.line(&format!(
            "Summary: {} agents, {} connected, {} connects, {} drops, {} checks answered; \
             {} hosts up, {} down; {} services ok, {} warning, {} critical, {} unknown. {}",
            self.agents,
            snapshot.connected,
            snapshot.connects,
            snapshot.drops,
            snapshot.checks_answered,
            states.up,
            states.down,
            states.ok,
            states.warning,
            states.critical,
            states.unknown,
            if is_kept {
                "No connection was lost."
            } else {
                "CONNECTIONS WERE LOST."
            }
        ));
    }

    fn interrupted(&mut self) -> ExitCode {
        self.screen.line("Interrupted; clearing away ...");
        // 128 + SIGINT, as shells have it.
        ExitCode::from(130)
    }

    async fn clear_away(self) {
        let Self {
            fleet,
            mut master,
            mut screen,
            folder,
            ..
        } = self;
        master.stop().await;
        fleet.stop().await;
        if let Err(error) = folder.close() {
            screen.line(&format!("cannot remove the temporary directory: {error}"));
        }
    }
}

/// How many agents have the very connection that they had.
fn kept(before: &[AgentConnection], after: &[AgentConnection]) -> usize {
    before
        .iter()
        .zip(after)
        .filter(|(before, after)| {
            before.name == after.name
                && before.connects == after.connects
                && before.addresses.is_some()
                && before.addresses == after.addresses
        })
        .count()
}
