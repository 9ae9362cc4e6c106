//! `bheka storm`: what does a master do when thousands of agents come at once?
//!
//! A fleet of simulated agents, a master that somebody else runs or that is started just for this,
//! and a report: when which share of the agents was connected, what failed in which phase, how the
//! API answered meanwhile, what the master used. Afterwards waves of departures, a cut of the
//! network, reloads.

mod options;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bheka_fleet::{
    ApiClient, Clock, Dial, Fleet, MasterConfig, Observed, Observer, Options, Probe, TrialMaster,
    TrialOptions, free_port,
};
use bheka_net::pki::{CertificateAuthority, KeyKind, PrivateKey};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

pub(crate) use self::options::StormOptions;
use self::report::{Report, describe};
use crate::daemon::clock;
use crate::screen::Screen;

/// Where a master that is started listens.
const LOOPBACK: &str = "127.0.0.1";
/// What the API is asked for.
const STATUS: &str = "/v1/status/ApiListener";
/// Descriptors besides those of agents.
const DESCRIPTORS_SPARE: u64 = 200;
/// How long to watch after a reload is in force, for what it breaks later.
const SETTLE: Duration = Duration::from_secs(3);
/// The same when nobody tells that it is.
const SETTLE_BLINDLY: Duration = Duration::from_secs(15);
/// Between two looks at whether a master is up.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Between two changes of what the screen shows.
const SHOW: Duration = Duration::from_millis(200);

/// Runs a storm. The exit code is success when all agents that can be connected were in the end.
///
/// # Errors
/// When something could not be prepared or the master ended.
pub(crate) fn run(options: &StormOptions) -> anyhow::Result<ExitCode> {
    crate::daemon::limits::raise();
    let limit = crate::daemon::limits::limit();
    let needed = options.agents as u64 + DESCRIPTORS_SPARE;
    if limit.is_some_and(|limit| limit < needed) {
        bail!(
            "{} agents need {needed} open files, and this process may have {}; raise its limit \
             with 'ulimit -Hn {needed}' as root, or run fewer",
            options.agents,
            limit.unwrap_or_default()
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime for input and output")?;
    let code = runtime.block_on(async {
        let mut storm = Storm::prepare(options).await?;
        let result = storm.play().await;
        let code = result.and_then(|()| storm.report());
        storm.clear_away().await;
        code
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    code
}

struct Storm<'a> {
    options: &'a StormOptions,
    screen: Screen,
    fleet: Fleet,
    /// How many agents can be connected.
    expected: u64,
    master: Option<TrialMaster>,
    client: Option<ApiClient>,
    probe: Option<Probe>,
    interrupts: Interrupts,
    interrupted: bool,
    parts: Vec<Observed>,
    /// Removed with everything in it when it is dropped.
    _temporary: Option<tempfile::TempDir>,
}

struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl<'a> Storm<'a> {
    async fn prepare(options: &'a StormOptions) -> anyhow::Result<Self> {
        let interrupts = Interrupts {
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot wait for signals")?,
        };
        let mut screen = match options.is_quiet() {
            true => Screen::silent(),
            false => Screen::new(),
        };
        let (folder, temporary) = folder(options)?;
        let authority = authority(options, &folder)?;
        screen.line(&format!(
            "Making {} agents with certificates of their own ...",
            options.agents
        ));
        let clock = Clock::new(clock::now);
        let fleet = Fleet::start(Options {
            prefix: options.prefix.clone(),
            rsa_percent: options.rsa_percent,
            keys_max: Some(options.keys_max),
            listen: options.listen,
            roles: options.roles,
            delay: options.delay,
            handshake_delay: options.handshake_delay,
            slow_pause: options.slow_pause,
            ..Options::new(options.agents, authority.clone(), clock.clone())
        })
        .await
        .context("cannot start the agents")?;
        let mut storm = Self {
            options,
            screen,
            fleet,
            expected: options.roles.connectable(options.agents) as u64,
            master: None,
            client: None,
            probe: None,
            interrupts,
            interrupted: false,
            parts: Vec::new(),
            _temporary: temporary,
        };
        storm.tell_where()?;
        let mut api = options.api.clone();
        if let Some(program) = &options.start {
            let master = storm.prepare_master(program, &folder, &authority)?;
            api = Some(master.api());
            storm.master = Some(master);
        } else {
            storm.write_for_another_master(&folder, &authority)?;
        }
        if let Some(target) = api {
            let client = ApiClient::new(target, clock).context("cannot set up the API's client")?;
            storm.probe = Some(Probe::start(client.clone(), STATUS, options.api_interval));
            storm.client = Some(client);
        }
        Ok(storm)
    }

    fn tell_where(&mut self) -> anyhow::Result<()> {
        if let Some(listen) = self.options.listen {
            let address = self.fleet.address().context("the agents do not listen")?;
            self.screen.line(&format!(
                "The agents wait at {}, port {}.",
                listen.addresses,
                address.port()
            ));
        }
        if let Some(path) = &self.options.config {
            let config = MasterConfig {
                parent_zone: self.options.zone.clone(),
                check_interval_s: self.options.check_interval_s,
            };
            let objects = config.objects(&self.fleet.endpoints(self.options.roles));
            std::fs::write(path, objects)
                .with_context(|| format!("cannot write '{}'", path.display()))?;
            self.screen.line(&format!(
                "Their endpoints and zones are in '{}': include it in the master's configuration.",
                path.display()
            ));
        }
        Ok(())
    }

    fn prepare_master(
        &mut self,
        program: &Path,
        folder: &Path,
        authority: &CertificateAuthority,
    ) -> anyhow::Result<TrialMaster> {
        let trial = TrialOptions {
            folder: folder.join("master"),
            name: self.options.master.clone(),
            host: LOOPBACK.to_owned(),
            port: free_port(LOOPBACK)?,
            password: uuid::Uuid::new_v4().to_string(),
            key: PrivateKey::generate(KeyKind::EcP256).context("cannot make a key")?,
            check_interval_s: self.options.check_interval_s,
        };
        let endpoints = self.fleet.endpoints(self.options.roles);
        // This very program, whether or not it is installed.
        let program = match program.to_str() {
            Some(crate::version::PROGRAM) => {
                std::env::current_exe().context("cannot find this program's own file")?
            }
            _ => program.to_owned(),
        };
        let master = TrialMaster::prepare(trial, &program, authority, &endpoints, clock::now());
        master.context("cannot prepare the master")
    }

    /// A certificate for a master that somebody else runs, when nobody else can make it.
    fn write_for_another_master(
        &mut self,
        folder: &Path,
        authority: &CertificateAuthority,
    ) -> anyhow::Result<()> {
        if self.options.ca.is_some() {
            return Ok(());
        }
        let certs = folder.join("certs");
        let name = &self.options.master;
        let key_file = certs.join(format!("{name}.key"));
        if !key_file.exists() {
            std::fs::create_dir_all(&certs)
                .with_context(|| format!("cannot create '{}'", certs.display()))?;
            let key = PrivateKey::generate(KeyKind::EcP256).context("cannot make a key")?;
            let certificate = authority.issue(name, &key, clock::now())?;
            certificate.write(&certs.join(format!("{name}.crt")))?;
            authority.certificate().write(&certs.join("ca.crt"))?;
            key.write(&key_file)?;
        }
        self.screen.line(&format!(
            "The master '{name}' needs the certificates in '{}' (its DataDir/certs).",
            certs.display()
        ));
        Ok(())
    }

    async fn play(&mut self) -> anyhow::Result<()> {
        self.connect().await?;
        for number in 1..=self.options.waves {
            let (percent, parting) = (self.options.wave_percent, self.options.parting);
            let begin = |fleet: &Fleet, _: Option<&mut TrialMaster>| {
                fleet.wave(percent, parting);
                Ok(())
            };
            self.part(&format!("wave {number}"), begin, is_back).await?;
        }
        if let Some(cut) = self.options.cut {
            let begin = |fleet: &Fleet, _: Option<&mut TrialMaster>| {
                fleet.cut(true);
                Ok(())
            };
            let is_over = |observer: &Observer<'_>| observer.elapsed() >= cut;
            self.part("network cut", begin, is_over).await?;
            let mend = |fleet: &Fleet, _: Option<&mut TrialMaster>| {
                fleet.cut(false);
                Ok(())
            };
            self.part("network mended", mend, is_back).await?;
        }
        for number in 1..=self.options.reloads {
            self.reload(number).await?;
        }
        if !self.options.hold.is_zero() {
            let hold = self.options.hold;
            let is_over = |observer: &Observer<'_>| observer.elapsed() >= hold;
            self.part("hold", |_, _| Ok(()), is_over).await?;
        }
        Ok(())
    }

    async fn connect(&mut self) -> anyhow::Result<()> {
        let mut name = "connect";
        if let Some(master) = &mut self.master {
            master.start()?;
            name = "start of the master";
        } else if self.options.listen.is_some() {
            self.screen
                .line("Waiting for the master; Ctrl-C ends it with a report.");
        }
        if self.options.dials {
            let (host, port) = match (&self.master, &self.options.dial) {
                (Some(master), _) => (master.api().host, master.api().port),
                (None, Some(target)) => target.clone(),
                (None, None) => bail!("agents that dial need to know whom: --dial HOST:PORT"),
            };
            let plan = Dial {
                retry: self.options.retry,
                spread: self.options.spread,
                ..Dial::new(&self.options.master, &host, port)
            };
            if self.options.listen.is_none() {
                self.wait_for_the_api().await?;
                name = "connect";
            }
            if !self.interrupted {
                self.fleet.call(plan).await;
            }
        }
        self.part(name, |_, _| Ok(()), |observer| observer.is_complete())
            .await
    }

    /// Agents that dial a master which has just been started would all come too early, and try
    /// again only after their pause.
    async fn wait_for_the_api(&mut self) -> anyhow::Result<()> {
        let (Some(master), Some(client)) = (&mut self.master, &self.client) else {
            return Ok(());
        };
        let end = Instant::now() + self.options.patience;
        while client.get(STATUS).await.is_err() {
            master.expect_alive()?;
            if Instant::now() > end {
                bail!("the API of the master that was started does not answer");
            }
            tokio::select! {
                () = sleep(ASK_AGAIN) => {}
                () = self.interrupts.next() => {
                    self.interrupted = true;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn reload(&mut self, number: u32) -> anyhow::Result<()> {
        let in_force = Arc::new(OnceLock::new());
        let mut asking = JoinSet::new();
        let (client, pid) = (self.client.clone(), self.options.pid);
        let begin = |_: &Fleet, master: Option<&mut TrialMaster>| {
            let began = Instant::now();
            match (master, client, pid) {
                (Some(master), Some(client), _) => {
                    let path = master.reload()?;
                    let in_force = in_force.clone();
                    asking.spawn(async move {
                        client.wait_for(&path).await;
                        let _ = in_force.set(began.elapsed());
                    });
                    Ok(())
                }
                (_, _, Some(pid)) => {
                    // Nobody tells when it is in force.
                    let _ = in_force.set(SETTLE_BLINDLY);
                    hang_up(pid)
                }
                _ => bail!("--reloads needs to know the master's process: --start, or --pid"),
            }
        };
        let is_over = |observer: &Observer<'_>| {
            let settled = in_force.get().map(|in_force| *in_force + SETTLE);
            settled.is_some_and(|settled| observer.elapsed() > settled) && observer.is_complete()
        };
        self.part(&format!("reload {number}"), begin, is_over)
            .await?;
        if self.master.is_some()
            && let Some(part) = self.parts.last_mut()
            && let Some(in_force) = in_force.get()
        {
            part.in_force_s = Some(in_force.as_secs_f64());
            self.screen.line(&format!(
                "  new configuration in force after {:.2} s",
                in_force.as_secs_f64()
            ));
        }
        Ok(())
    }

    /// One part of the storm: begins it, watches until it is over, keeps and shows what was seen.
    /// Nothing is done after an interrupt.
    async fn part(
        &mut self,
        name: &str,
        begin: impl FnOnce(&Fleet, Option<&mut TrialMaster>) -> anyhow::Result<()>,
        is_over: impl Fn(&Observer<'_>) -> bool,
    ) -> anyhow::Result<()> {
        if self.interrupted {
            return Ok(());
        }
        let started = self.master.as_ref().and_then(TrialMaster::id);
        let pid = started.or(self.options.pid);
        let (fleet, screen) = (&self.fleet, &mut self.screen);
        let mut observer = Observer::begin(fleet, self.expected, self.probe.as_ref(), pid);
        begin(fleet, self.master.as_mut())?;
        let cut = self.options.cut.unwrap_or_default();
        let patience = self.options.patience.max(self.options.hold).max(cut);
        let mut shown = Instant::now();
        while !is_over(&observer) {
            if observer.elapsed() > patience {
                screen.line(&format!("{name}: not all agents are connected in time."));
                break;
            }
            if let Some(master) = &mut self.master {
                master.expect_alive()?;
            }
            if shown.elapsed() >= SHOW {
                shown = Instant::now();
                let connected = fleet.snapshot().connected;
                let text = format!("{name}: {connected} of {} connected", self.expected);
                screen.bar(connected, self.expected, &text);
            }
            tokio::select! {
                () = observer.look() => {}
                () = self.interrupts.next() => {
                    self.interrupted = true;
                    break;
                }
            }
        }
        if !self.interrupted {
            observer.drain().await;
        }
        let observed = observer.end(name);
        screen.line(describe(&observed).trim_end());
        self.parts.push(observed);
        Ok(())
    }

    fn report(&mut self) -> anyhow::Result<ExitCode> {
        let connected = self.fleet.snapshot().connected;
        let report = Report {
            options: self.options,
            connectable: self.expected,
            connected,
            parts: &self.parts,
        };
        self.screen.line(&report.conclusion());
        if let Some(path) = &self.options.json {
            let text = serde_json::to_string_pretty(&report.json())? + "\n";
            if self.options.is_quiet() {
                crate::cli::print(&text);
            } else {
                std::fs::write(path, text)
                    .with_context(|| format!("cannot write '{}'", path.display()))?;
            }
        }
        Ok(if self.interrupted {
            // 128 + SIGINT, as shells have it.
            ExitCode::from(130)
        } else if connected >= self.expected {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn clear_away(mut self) {
        drop(self.probe.take());
        if let Some(master) = &mut self.master {
            master.stop().await;
        }
        self.fleet.stop().await;
    }
}

/// Whether those who left had time to do so, and all are connected again.
fn is_back(observer: &Observer<'_>) -> bool {
    observer.elapsed() > SETTLE && observer.is_complete()
}

fn hang_up(pid: u32) -> anyhow::Result<()> {
    let id = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let id = id.with_context(|| format!("{pid} is not the number of a process"))?;
    rustix::process::kill_process(id, rustix::process::Signal::HUP)
        .with_context(|| format!("cannot send SIGHUP to process {pid}; is it the master's?"))
}

/// Where everything is kept.
fn folder(options: &StormOptions) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(directory) = &options.directory {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create '{}'", directory.display()))?;
        // The master's words hold it, and it is started elsewhere.
        let directory = std::path::absolute(directory)
            .with_context(|| format!("cannot find '{}'", directory.display()))?;
        return Ok((directory, None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("bheka-storm-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn authority(options: &StormOptions, folder: &Path) -> anyhow::Result<CertificateAuthority> {
    if let Some(given) = &options.ca {
        return CertificateAuthority::load(given)
            .context("cannot use the authority that --ca names");
    }
    let own = folder.join("ca");
    if CertificateAuthority::exists(&own) {
        return CertificateAuthority::load(&own).context("cannot use the authority of --directory");
    }
    CertificateAuthority::create(&own, KeyKind::EcP256, clock::now()).context("cannot make a CA")
}
