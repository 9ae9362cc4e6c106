//! The running daemon: start, reload, end.

pub(crate) mod account;
mod backend;
mod certificates;
pub(crate) mod clock;
mod config_sync;
mod core;
mod detach;
mod facts;
mod in_force;
mod job;
pub(crate) mod limits;
mod links;
pub(crate) mod listener;
mod logging;
mod memory;
mod notices;
pub(crate) mod pidfile;
mod reload;
mod replay;
mod resources;
mod runner;
mod runtime;
mod saving;
mod status;
mod store;
mod zone_files;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use bheka_api::Api;
use bheka_cluster::Cluster;
use bheka_model::{Board, Generation};
use bheka_monitor::Monitor;
use bheka_net::IdentityFiles;
use bheka_value::{Str, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};

use self::backend::DaemonBackend;
use self::certificates::Certificates;
use self::core::Core;
use self::in_force::InForce;
use self::job::{Exchange, Job, Jobs};
use self::links::Dialler;
use self::listener::Listener;
use self::logging::Console;
use self::pidfile::PidFile;
use self::reload::{Cause, Reloader, Request, Worker};
use self::replay::ReplayLog;
use self::runner::Runner;
use self::saving::Saving;
use self::status::{Collector, Figures};
use self::store::Store;
use crate::cli::DaemonOptions;
use crate::config;
use crate::settings::Settings;

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
        let plan = config::Plan::at_full_speed(1);
        let Ok(loaded) = config::load(&settings, &options, &plan)? else {
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
    let plugin_files = limits::raise();
    let code = runtime.block_on(start(settings, options, plugin_files));
    // What still runs in the background may not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(pid_file);
    code
}

/// Loads the configuration and serves. Signals are caught before anything is loaded: a SIGHUP
/// meanwhile is worked off afterwards instead of ending the process.
async fn start(
    settings: Settings,
    options: DaemonOptions,
    plugin_files: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let loading = {
        let (settings, options) = (settings.clone(), options.clone());
        let plan = config::Plan::at_full_speed(1);
        tokio::task::spawn_blocking(move || config::load(&settings, &options, &plan))
    };
    let loaded = tokio::select! {
        loaded = loading => loaded.context("the configuration could not be loaded")??,
        () = signals.end() => {
            tracing::info!(target: "Application", "Told to end before the start was complete");
            return Ok(ExitCode::SUCCESS);
        }
    };
    match loaded {
        Ok(loaded) => Daemon::serve(settings, options, loaded, signals, plugin_files).await,
        Err(_) => Ok(ExitCode::FAILURE),
    }
}

/// What serves signals while the rest works.
struct Daemon {
    options: DaemonOptions,
    certificates: Certificates,
    figures: Arc<ArcSwap<Figures>>,
    reloader: Reloader,
    /// Someone else than a signal says to end.
    told_to_end: Arc<Notify>,
}

impl Daemon {
    async fn serve(
        settings: Settings,
        options: DaemonOptions,
        loaded: config::Loaded,
        mut signals: Signals,
        plugin_files: Option<u64>,
    ) -> anyhow::Result<ExitCode> {
        let program_start = clock::now();
        let generation = Arc::new(loaded.generation);
        // Until everything stands, what is wrong must be seen on the console.
        logging::configure(&options.logs, &settings, Console::Open, &generation);
        let (jobs, queue) = Jobs::queue();
        let runtime = tokio::runtime::Handle::current();
        let (end, ending) = watch::channel(false);
        let (reloader, told_to_end) = (Reloader::default(), Arc::new(Notify::new()));
        let listener = generation.of_type("ApiListener").next().cloned();
        let node_name = node_name(&settings, &generation);
        let files = IdentityFiles::in_directory(&settings.paths.certs_dir(), &node_name);
        let identity = listener::load_identity(listener.as_deref(), &files, &settings.paths)?;
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
        let first = Exchange::prepare(Arc::clone(&generation), &node_name, &local_endpoint, None);
        let need = limits::needed(&generation, &first.topology);
        need.judge(limits::limit()).admit()?;
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
            plugin_files,
            reloader: &reloader,
            program_start,
        })?;
        let templates = Arc::new(ArcSwap::from_pointee(loaded.templates));
        let mut in_force = InForce {
            settings: settings.clone(),
            options: options.clone(),
            jobs: jobs.clone(),
            dialler: dialler.clone(),
            certificates: certificates.clone(),
            node_name: node_name.clone(),
            local_endpoint,
            listener: None,
            templates,
            globals: Arc::default(),
            board,
            zone_files: Arc::default(),
        };
        in_force.apply_listener(&generation);
        in_force.attach(&loaded.globals);
        in_force.adopt(loaded.globals).await;
        crate::allocator::before_plugins();
        let (writer, found) = core.spawn(queue)?;
        in_force.introduce(found).await;
        in_force.swap(&first).await?;
        in_force.hand_in_zone_files().await;
        let backend = DaemonBackend {
            board: Arc::clone(&in_force.board),
            figures: Arc::clone(&figures),
            templates: Arc::clone(&in_force.templates),
            globals: Arc::clone(&in_force.globals),
            jobs: jobs.clone(),
            reloader: reloader.clone(),
            end: Arc::clone(&told_to_end),
            node_name: node_name.clone(),
            program_start,
        };
        let api = Arc::new(Api::new(Arc::new(backend)));
        let mut listener = Listener::new(dialler, api, identity, files, &generation);
        let bound = listener.apply(&generation, &settings).await;
        in_force.listener = Some(listener);
        notices::warn_of_what_has_no_effect(&generation);
        if let Err(error) = bound.and_then(|()| leave_console(&options, &settings, &generation)) {
            // The writer has begun; it may not outlive the runtime.
            jobs.send(Job::Finish).await;
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            return Err(error);
        }
        notify(&[sd_notify::NotifyState::Ready]);
        detach::report_ready();
        tracing::info!(target: "cli", "Started; {} hosts, {} services",
            generation.count("Host"), generation.count("Service"));
        // A generation that was replaced must not stay for the sake of the first words about it.
        drop(generation);
        let daemon = Self {
            options,
            certificates,
            figures,
            reloader: reloader.clone(),
            told_to_end,
        };
        daemon
            .wait(&mut signals, Worker::new(reloader, in_force, first))
            .await;
        notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!(target: "Application", "Shutting down...");
        end.send_replace(true);
        jobs.send(Job::Finish).await;
        let waiting = tokio::task::spawn_blocking(move || writer.join());
        let code = match tokio::time::timeout(FINISH_PATIENCE, waiting).await {
            Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
            _ => {
                tracing::error!(target: "Application", "the writer did not end in good order");
                ExitCode::FAILURE
            }
        };
        listener::remove_api_state(&settings);
        tracing::info!(target: "Application", "Shutdown complete");
        Ok(code)
    }

    /// Serves signals until one says to end. Reloads go on beside, and end with it: one that is
    /// still being loaded takes no effect.
    async fn wait(&self, signals: &mut Signals, worker: Worker) {
        let mut hourly = tokio::time::interval(Duration::from_secs(3600));
        let mut watchdog = tokio::time::interval(watchdog_interval());
        let mut reloads = std::pin::pin!(worker.run());
        let mut descriptors = limits::Gauge::default();
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                () = self.told_to_end.notified() => return,
                never = &mut reloads => match never {},
                _ = watchdog.tick() => {
                    self.feed_watchdog();
                    descriptors.look();
                }
                _ = signals.hangup.recv() => {
                    tracing::info!(target: "Application", "Received HUP signal, reloading the \
                        configuration; connections and checks go on");
                    let cause = Cause::Hangup;
                    self.reloader.ask(Request { cause, done: None });
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
        let status = format!(
            "{} of {} endpoints connected, {:.0} checks a minute",
            figures.fleet.connected(),
            figures.fleet.neighbours,
            (figures.checks.active_host_checks.last_1min
                + figures.checks.active_service_checks.last_1min)
                .max(0.0),
        );
        notify(&[
            sd_notify::NotifyState::Watchdog,
            sd_notify::NotifyState::Status(&status),
        ]);
    }
}

/// With `--daemonize` or `--close-stdio`, from now on only loggers and the error log are used.
fn leave_console(
    options: &DaemonOptions,
    settings: &Settings,
    generation: &Generation,
) -> anyhow::Result<()> {
    if Console::when_running(options) == Console::Open {
        return Ok(());
    }
    logging::configure(&options.logs, settings, Console::Closed, generation);
    // The console's last records are written before it goes.
    options.logs.flush();
    detach::close_stdio(options.errorlog.as_deref())
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
    plugin_files: Option<u64>,
    reloader: &'a Reloader,
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
        collector: Collector::default(),
        runner: Runner::new(
            parts.jobs.clone(),
            parts.runtime.clone(),
            parts.ending,
            parts.plugin_files,
        ),
        dialler: parts.dialler.clone(),
        certificates: parts.certificates.clone(),
        replay,
        saving: Saving::new(store, restored.others, clock::now()),
        jobs: parts.jobs.clone(),
        reloader: parts.reloader.clone(),
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
