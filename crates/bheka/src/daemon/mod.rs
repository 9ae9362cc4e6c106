//! The running daemon: start, reload, end.

pub(crate) mod account;
mod backend;
mod certificates;
pub(crate) mod clock;
mod config_sync;
mod core;
mod detach;
mod job;
mod links;
pub(crate) mod listener;
mod logging;
mod notices;
mod pidfile;
mod replay;
mod runner;
mod runtime;
mod saving;
mod status;
mod store;
mod zone_files;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::{ArcSwap, ArcSwapOption};
use bheka_api::{Api, Template};
use bheka_cluster::config_sync::ConfigUpdate;
use bheka_cluster::{Cluster, Input};
use bheka_lang::Globals;
use bheka_model::{Board, Generation};
use bheka_monitor::Monitor;
use bheka_net::IdentityFiles;
use bheka_value::{Str, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use self::backend::DaemonBackend;
use self::certificates::Certificates;
use self::core::Core;
use self::job::{Job, Jobs};
use self::links::{Dialler, LinkSettings};
use self::listener::Listener;
use self::logging::Console;
use self::pidfile::PidFile;
use self::replay::ReplayLog;
use self::runner::Runner;
use self::saving::Saving;
use self::status::Figures;
use self::store::Store;
use crate::cli::DaemonOptions;
use crate::config;
use crate::settings::Settings;

/// What a parent sent.
type Update = (Str, Box<ConfigUpdate>);

/// Updates that may wait; each is sent again with the next connection.
const UPDATES_LEN_MAX: usize = 4;

/// How long the writer may take to save everything at the end.
const FINISH_PATIENCE: Duration = Duration::from_secs(60);

/// Runs the daemon until it is told to end; with `--validate`, only checks the configuration.
///
/// # Errors
/// When it cannot start.
pub(crate) fn run(settings: Settings, options: DaemonOptions) -> anyhow::Result<ExitCode> {
    account::change(&settings.run_as_user, &settings.run_as_group)?;
    if options.daemonize && !options.validate && !detach::is_detached() {
        return detach::start_again(&settings);
    }
    detach::leave_terminal(options.daemonize)?;
    tracing::info!(target: "cli", "Icinga application loader (version: {})",
        crate::version::version());
    // First, so that a second daemon touches nothing of the one that runs.
    let pid_file = match options.validate {
        true => None,
        false => Some([
            PidFile::claim(&settings.paths.pid_path)?,
            // Another run directory does not make two daemons on the same state any better.
            PidFile::claim(&settings.paths.data_dir.join("daemon.lock"))?,
        ]),
    };
    if options.validate {
        let Some(loaded) = config::load(&settings, &options, 1)? else {
            return Ok(ExitCode::FAILURE);
        };
        // The process ends: taking a large configuration apart first would only take time.
        std::mem::forget(loaded);
        tracing::info!(target: "cli", "Finished validating the configuration file(s).");
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("bheka-io")
        .build()
        .context("cannot start the runtime for input and output")?;
    raise_descriptor_limit();
    let code = runtime.block_on(start(settings, options));
    // What still runs in the background may not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(pid_file);
    code
}

/// Loads the configuration and serves. Signals are caught before anything is loaded: a SIGHUP
/// meanwhile is worked off afterwards instead of ending the process.
async fn start(settings: Settings, options: DaemonOptions) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let loading = {
        let (settings, options) = (settings.clone(), options.clone());
        tokio::task::spawn_blocking(move || config::load(&settings, &options, 1))
    };
    let loaded = tokio::select! {
        loaded = loading => loaded.context("the configuration could not be loaded")??,
        () = signals.end() => {
            tracing::info!(target: "Application", "Told to end before the start was complete");
            return Ok(ExitCode::SUCCESS);
        }
    };
    match loaded {
        Some(loaded) => Daemon::serve(settings, options, loaded, signals).await,
        None => Ok(ExitCode::FAILURE),
    }
}

/// The parts that a reload needs.
struct Daemon {
    settings: Settings,
    options: DaemonOptions,
    jobs: Jobs,
    dialler: Dialler,
    certificates: Certificates,
    listener: Option<Listener>,
    figures: Arc<ArcSwap<Figures>>,
    templates: Arc<ArcSwap<Vec<(Str, Template)>>>,
    globals: Arc<ArcSwapOption<Globals>>,
    board: Arc<Board>,
    zone_files: Arc<zone_files::Zones>,
    generations: u64,
}

impl Daemon {
    async fn serve(
        settings: Settings,
        options: DaemonOptions,
        loaded: config::Loaded,
        mut signals: Signals,
    ) -> anyhow::Result<ExitCode> {
        let program_start = clock::now();
        let generation = Arc::new(loaded.generation);
        // Until everything stands, what is wrong must be seen on the console.
        logging::configure(&options.logs, &settings, Console::Open, &generation);
        let (jobs, queue) = Jobs::queue();
        let runtime = tokio::runtime::Handle::current();
        let (end, ending) = watch::channel(false);
        let (update_sender, mut updates) = mpsc::channel(UPDATES_LEN_MAX);
        let listener = generation.of_type("ApiListener").next().cloned();
        let node_name = node_name(&settings, &generation);
        let files = IdentityFiles::in_directory(&settings.paths.certs_dir(), &node_name);
        let identity = listener::load_identity(listener.as_deref(), &files)?;
        let local_endpoint: Str = match &listener {
            Some(_) => identity.cn().map_or_else(|| node_name.clone(), Str::from),
            None => node_name.clone(),
        };
        // The model has asked for one named like NodeName; the certificate may say otherwise.
        if listener.is_some() && generation.get("Endpoint", &local_endpoint).is_none() {
            bail!(
                "Endpoint object for '{local_endpoint}' is missing, which is this node's name in \
                 '{}'; add it to zones.conf, or run 'node setup'",
                files.certificate.display()
            );
        }
        let dialler = Dialler::new(
            jobs.clone(),
            runtime.clone(),
            Arc::clone(&identity),
            &local_endpoint,
        );
        let certificates = Certificates::new(
            &settings.paths,
            files.clone(),
            Arc::clone(&identity),
            jobs.clone(),
            runtime.clone(),
        );
        let board = Arc::new(Board::default());
        let figures = Arc::new(ArcSwap::from_pointee(Figures::default()));
        let core = start_core(CoreParts {
            settings: &settings,
            options: &options,
            jobs: &jobs,
            runtime: &runtime,
            ending,
            board: &board,
            figures: &figures,
            dialler: &dialler,
            certificates: &certificates,
            local_endpoint: &local_endpoint,
            node_name: &node_name,
            updates: update_sender,
            program_start,
        })?;
        let templates = Arc::new(ArcSwap::from_pointee(loaded.templates));
        let mut daemon = Self {
            settings,
            options,
            jobs,
            dialler,
            certificates,
            listener: None,
            figures: Arc::clone(&figures),
            templates,
            globals: Arc::default(),
            board,
            zone_files: Arc::default(),
            generations: 1,
        };
        daemon.apply_listener(&generation);
        daemon.attach(&loaded.globals);
        daemon.adopt(loaded.globals);
        crate::allocator::before_plugins();
        let (writer, found) = core.spawn(queue)?;
        daemon.introduce(found).await;
        daemon.swap(&generation).await;
        daemon.hand_in_zone_files().await;
        let backend = DaemonBackend {
            board: Arc::clone(&daemon.board),
            figures: Arc::clone(&figures),
            templates: Arc::clone(&daemon.templates),
            globals: Arc::clone(&daemon.globals),
            jobs: daemon.jobs.clone(),
            node_name: node_name.clone(),
            program_start,
        };
        let api = Arc::new(Api::new(Arc::new(backend)));
        let mut listener = Listener::new(daemon.dialler.clone(), api, identity, files, &generation);
        let bound = listener.apply(&generation, &daemon.settings).await;
        daemon.listener = Some(listener);
        notices::warn_of_what_has_no_effect(&generation);
        if let Err(error) = bound.and_then(|()| daemon.leave_console(&generation)) {
            // The writer has begun; it may not outlive the runtime.
            daemon.jobs.send(Job::Finish).await;
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            return Err(error);
        }
        notify(&[sd_notify::NotifyState::Ready]);
        detach::report_ready();
        tracing::info!(target: "cli", "Started; {} hosts, {} services",
            generation.count("Host"), generation.count("Service"));
        daemon.wait(&mut signals, &mut updates).await;
        notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!(target: "Application", "Shutting down...");
        end.send_replace(true);
        daemon.jobs.send(Job::Finish).await;
        let waiting = tokio::task::spawn_blocking(move || writer.join());
        let code = match tokio::time::timeout(FINISH_PATIENCE, waiting).await {
            Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
            _ => {
                tracing::error!(target: "Application", "the writer did not end in good order");
                ExitCode::FAILURE
            }
        };
        listener::remove_api_state(&daemon.settings);
        tracing::info!(target: "Application", "Shutdown complete");
        Ok(code)
    }

    /// With `--daemonize` or `--close-stdio`, from now on only loggers and the error log are used.
    fn leave_console(&self, generation: &Generation) -> anyhow::Result<()> {
        if Console::when_running(&self.options) == Console::Open {
            return Ok(());
        }
        let logs = &self.options.logs;
        logging::configure(logs, &self.settings, Console::Closed, generation);
        // The console's last records are written before it goes.
        logs.flush();
        detach::close_stdio(self.options.errorlog.as_deref())
    }

    /// Tells the core what lies on disk of log and certificates.
    async fn introduce(&self, found: replay::Found) {
        let input = Input::LogState {
            files: found.files,
            current_records: found.current_records,
            last_timestamp: found.last_timestamp,
        };
        self.jobs.send(Job::Cluster(input)).await;
        let certificates = self.certificates.clone();
        let state = tokio::task::spawn_blocking(move || certificates.state()).await;
        if let Ok(state) = state {
            self.jobs.send(Job::Cluster(Input::PkiState(state))).await;
        }
    }

    /// Reads the files that other nodes get of this one, and tells the core when they changed.
    async fn hand_in_zone_files(&mut self) {
        let zones_dir = self.settings.paths.zones_dir.clone();
        let before = Arc::clone(&self.zone_files);
        let reading = tokio::task::spawn_blocking(move || {
            zone_files::collect(&zones_dir, clock::now(), &before)
        });
        let Ok(zones) = reading.await else { return };
        if Arc::ptr_eq(&zones, &self.zone_files) {
            return;
        }
        self.zone_files = Arc::clone(&zones);
        let authoritative = zones.keys().cloned().collect();
        self.jobs
            .send(Job::Cluster(Input::ZoneFiles {
                zones,
                authoritative,
            }))
            .await;
    }

    /// Puts a generation in force and waits until it is.
    async fn swap(&self, generation: &Arc<Generation>) {
        let (done, applied) = oneshot::channel();
        self.jobs
            .send(Job::Reconfigure(Arc::clone(generation), done))
            .await;
        let _ = applied.await;
    }

    /// Lets functions of the configuration see the running daemon: before the first of them can be
    /// called, for without it they see no objects.
    fn attach(&self, globals: &Globals) {
        let board = Arc::clone(&self.board);
        let logs = Arc::clone(&self.options.logs);
        globals.attach(Arc::new(runtime::LiveRuntime { board, logs }));
    }

    /// Keeps the globals of the generation in force; those of the one before come free.
    fn adopt(&self, globals: Globals) {
        if let Some(before) = self.globals.swap(Some(Arc::new(globals))) {
            before.retire();
        }
    }

    /// What of the ApiListener takes effect at once.
    fn apply_listener(&self, generation: &Generation) {
        let Some(listener) = generation.of_type("ApiListener").next() else {
            return;
        };
        let deadlines = listener::deadlines(listener);
        self.dialler.set_settings(LinkSettings { deadlines });
        let salt = listener.optional("ticket_salt");
        let salt = salt.or_else(|| generation.global_string("TicketSalt"));
        self.certificates
            .set_salt(salt.as_deref().unwrap_or_default());
    }

    /// Serves signals until one says to end.
    async fn wait(&mut self, signals: &mut Signals, updates: &mut mpsc::Receiver<Update>) {
        let mut hourly = tokio::time::interval(Duration::from_secs(3600));
        let mut watchdog = tokio::time::interval(watchdog_interval());
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = watchdog.tick() => self.feed_watchdog(),
                _ = signals.hangup.recv() => {
                    tracing::info!(target: "Application", "Received HUP signal, reloading the \
                        configuration; connections and checks go on");
                    if self.reload(signals).await.is_break() {
                        return;
                    }
                }
                Some((endpoint, update)) = updates.recv() => {
                    if self.take_update(&endpoint, update, signals).await.is_break() {
                        return;
                    }
                }
                _ = signals.user1.recv() => {
                    tracing::info!(target: "Application", "Received USR1 signal, reopening \
                        application logs.");
                    self.options.logs.reopen();
                }
                _ = hourly.tick() => {
                    let certificates = self.certificates.clone();
                    tokio::task::spawn_blocking(move || {
                        certificates.clean_up();
                        certificates.renew_own();
                    });
                }
            }
        }
    }

    /// Tells systemd that the writer is alive: its figures are fresh.
    fn feed_watchdog(&self) {
        let figures = self.figures.load();
        if clock::now() - figures.at > watchdog_interval().as_secs_f64().max(10.0) {
            return;
        }
        let api = &figures.api;
        let status = format!(
            "{} of {} endpoints connected, {:.0} checks a minute",
            api.conn_endpoints.len(),
            api.conn_endpoints.len() + api.not_conn_endpoints.len(),
            (figures.checks.active_host_checks.last_1min
                + figures.checks.active_service_checks.last_1min)
                .max(0.0),
        );
        notify(&[
            sd_notify::NotifyState::Watchdog,
            sd_notify::NotifyState::Status(&status),
        ]);
    }

    /// Loads the next generation beside the running one and swaps; on any error the running one
    /// stays.
    async fn reload(&mut self, signals: &mut Signals) -> ControlFlow<()> {
        let started = std::time::Instant::now();
        notify_reloading();
        self.generations += 1;
        let (settings, options) = (self.settings.clone(), self.options.clone());
        let number = self.generations;
        let loading =
            tokio::task::spawn_blocking(move || config::load(&settings, &options, number));
        let loaded = match self.patiently(loading, signals).await? {
            Ok(Ok(Some(loaded))) => loaded,
            Ok(Ok(None)) => return self.refuse("the configuration has errors, see above").await,
            Ok(Err(error)) => return self.refuse(&format!("{error:#}")).await,
            Err(error) => return self.refuse(&error.to_string()).await,
        };
        let generation = Arc::new(loaded.generation);
        let running = self.board.generation();
        let diff = running.diff(&generation);
        let console = Console::when_running(&self.options);
        logging::configure(&self.options.logs, &self.settings, console, &generation);
        self.templates.store(Arc::new(loaded.templates));
        self.apply_listener(&generation);
        if let Some(listener) = &mut self.listener
            && let Err(error) = listener.apply(&generation, &self.settings).await
        {
            tracing::error!(target: "ApiListener", "{error:#}; the listener stays as it was");
        }
        self.attach(&loaded.globals);
        self.swap(&generation).await;
        notices::warn_of_what_has_no_effect(&generation);
        self.adopt(loaded.globals);
        self.hand_in_zone_files().await;
        notify(&[sd_notify::NotifyState::Ready]);
        tracing::info!(target: "Application", "Reloaded the configuration in {} ms: {} objects \
            added, {} changed, {} removed, {} unchanged", started.elapsed().as_millis(),
            diff.added.len(), diff.changed.len(), diff.removed.len(), diff.unchanged);
        ControlFlow::Continue(())
    }

    /// Waits for work that may take minutes. Meanwhile systemd is told that the daemon lives, and
    /// when the daemon is told to end it need not wait for the work: then the answer is `Break`.
    async fn patiently<T>(
        &self,
        mut work: tokio::task::JoinHandle<T>,
        signals: &mut Signals,
    ) -> ControlFlow<(), Result<T, tokio::task::JoinError>> {
        let mut watchdog = tokio::time::interval(watchdog_interval());
        loop {
            tokio::select! {
                done = &mut work => return ControlFlow::Continue(done),
                () = signals.end() => return ControlFlow::Break(()),
                _ = watchdog.tick() => self.feed_watchdog(),
            }
        }
    }

    /// Takes the configuration that a parent sent, when it differs and is valid as a whole.
    async fn take_update(
        &mut self,
        endpoint: &Str,
        update: Box<ConfigUpdate>,
        signals: &mut Signals,
    ) -> ControlFlow<()> {
        self.generations += 1;
        let (settings, options) = (self.settings.clone(), self.options.clone());
        let number = self.generations;
        let checking = tokio::task::spawn_blocking(move || {
            let changed = config_sync::stage(&settings.paths, &update)
                .context("cannot stage the configuration")?;
            if changed.is_empty() {
                return Ok(None);
            }
            let mut staged = settings.clone();
            staged.paths.received_zones_dir = config_sync::staging_dir(&settings.paths);
            let Some(loaded) = config::load(&staged, &options, number)? else {
                bail!("the configuration has errors, see above");
            };
            loaded.globals.retire();
            config_sync::promote(&settings.paths).context("cannot put the files in place")?;
            Ok(Some(changed))
        });
        let checked = self.patiently(checking, signals).await?;
        let outcome = checked
            .map_err(anyhow::Error::from)
            .and_then(|outcome| outcome);
        match outcome {
            Ok(None) => tracing::info!(target: "ApiListener",
                "Received configuration updates from endpoint '{endpoint}' are equal to \
                 production, not triggering reload."),
            Ok(Some(zones)) => {
                let zones: Vec<&str> = zones.iter().map(Str::as_str).collect();
                tracing::info!(target: "ApiListener", "Configuration of zones '{}' from endpoint \
                    '{endpoint}' is valid, reloading", zones.join("', '"));
                return self.reload(signals).await;
            }
            Err(error) => tracing::error!(target: "ApiListener", "Config validation failed for \
                the update from endpoint '{endpoint}': {error:#}. What was in force stays."),
        }
        ControlFlow::Continue(())
    }

    async fn refuse(&self, why: &str) -> ControlFlow<()> {
        tracing::error!(target: "Application", "Reload refused: {why}. The running configuration \
            stays in force.");
        self.jobs.send(Job::ReloadFailed(clock::now())).await;
        notify(&[sd_notify::NotifyState::Ready]);
        ControlFlow::Continue(())
    }
}

/// What the core is built of.
struct CoreParts<'a> {
    settings: &'a Settings,
    options: &'a DaemonOptions,
    jobs: &'a Jobs,
    runtime: &'a tokio::runtime::Handle,
    ending: watch::Receiver<bool>,
    board: &'a Arc<Board>,
    figures: &'a Arc<ArcSwap<Figures>>,
    dialler: &'a Dialler,
    certificates: &'a Certificates,
    local_endpoint: &'a Str,
    node_name: &'a Str,
    updates: mpsc::Sender<Update>,
    program_start: Timestamp,
}

/// A core that is ready to run, and what its replay log found.
struct ReadyCore {
    core: Core,
    found: replay::Found,
}

impl ReadyCore {
    fn spawn(
        self,
        queue: mpsc::Receiver<Job>,
    ) -> anyhow::Result<(std::thread::JoinHandle<()>, replay::Found)> {
        let Self { core, found } = self;
        let writer = std::thread::Builder::new()
            .name("bheka-writer".to_owned())
            .spawn(move || run_or_abort(core, queue))
            .context("cannot start the writer")?;
        Ok((writer, found))
    }
}

/// A panic in the writer ends the process at once: half-applied state must not be served, what was
/// saved is on disk, and the service manager starts it again.
fn run_or_abort(core: Core, queue: mpsc::Receiver<Job>) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| core.run(queue)));
    if outcome.is_err() {
        std::process::abort();
    }
}

fn start_core(parts: CoreParts<'_>) -> anyhow::Result<ReadyCore> {
    let paths = &parts.settings.paths;
    let (store, saved) = Store::open(&paths.state_path)?;
    let restored = saving::restore(&saved);
    saving::report_damage(&restored, &paths.state_path);
    tracing::info!(target: "ConfigObject", "Restored {} objects from '{}'",
        restored.checkables.len() + restored.peers.len(), paths.state_path.display());
    let mut monitor = Monitor::new(parts.node_name.clone(), parts.program_start);
    monitor.set_time_zone(jiff::tz::TimeZone::system());
    monitor.restore(restored.checkables);
    parts.board.set_program_start(parts.program_start);
    // The jitter of dials need not be secret, only different from node to node and start to start.
    let seed = parts.program_start.seconds().to_bits() ^ u64::from(std::process::id());
    let settings =
        bheka_cluster::Settings::new(parts.local_endpoint.clone(), parts.program_start, seed);
    let mut cluster = Cluster::new(settings);
    for (endpoint, positions) in restored.peers {
        cluster.restore(&endpoint, positions);
    }
    let (replay, mut found) = ReplayLog::open(&paths.data_dir.join("api/log"))?;
    found.last_timestamp = found.last_timestamp.max(restored.log_message_timestamp);
    let core = Core {
        monitor,
        cluster,
        board: Arc::clone(parts.board),
        figures: Arc::clone(parts.figures),
        runner: Runner::new(parts.jobs.clone(), parts.runtime.clone(), parts.ending),
        dialler: parts.dialler.clone(),
        certificates: parts.certificates.clone(),
        replay,
        saving: Saving::new(store, restored.others, clock::now()),
        jobs: parts.jobs.clone(),
        updates: parts.updates,
        runtime: parts.runtime.clone(),
        links: HashMap::new(),
        node_name: parts.node_name.clone(),
        last_reload_failed: Timestamp::NEVER,
        logs: Arc::clone(&parts.options.logs),
    };
    Ok(ReadyCore { core, found })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

impl Signals {
    /// Done when the process is told to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    fn new() -> anyhow::Result<Self> {
        let wait = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self {
            terminate: wait(SignalKind::terminate())?,
            interrupt: wait(SignalKind::interrupt())?,
            hangup: wait(SignalKind::hangup())?,
            user1: wait(SignalKind::user_defined1())?,
        })
    }
}

fn node_name(settings: &Settings, generation: &Generation) -> Str {
    generation
        .global_string("NodeName")
        .unwrap_or_else(|| settings.node_name().into())
}

/// Every connection takes a descriptor: as many as the system lets this process have.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(target: "Application", "cannot raise the limit of open files: {error}");
        }
    }
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Not started by systemd, or it does not listen: nothing depends on it.
    let _ = sd_notify::notify(false, states);
}

/// Half of what systemd allows between two signs of life; else how often the status is told.
fn watchdog_interval() -> Duration {
    let mut microseconds = 0;
    let is_watched = sd_notify::watchdog_enabled(false, &mut microseconds);
    match Duration::from_micros(microseconds / 2) {
        half if is_watched && !half.is_zero() => half,
        _ => Duration::from_secs(10),
    }
}

fn notify_reloading() {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[sd_notify::NotifyState::Reloading, now]),
        Err(_) => notify(&[sd_notify::NotifyState::Reloading]),
    }
}
