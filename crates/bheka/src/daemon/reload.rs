//! Reloads: whoever wants one asks the [`Reloader`]; one [`Worker`] carries them out, one at a
//! time.
//!
//! Requests that wait become one: all who asked get the report of the next run. What a parent sent
//! waits once for each endpoint, the newest only, for each update holds everything that the parent
//! has.
//!
//! The next generation is made beside the running one, by threads of lower priority on at most
//! half of the cores, so that checks, links and the API go on as if nothing happened. On any error
//! the running generation stays.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bheka_api::{ReloadFailure, ReloadReport, ReloadStatus, Template};
use bheka_cluster::config_sync::ConfigUpdate;
use bheka_lang::Globals;
use bheka_model::Diff;
use bheka_value::Str;
use tokio::sync::{Notify, oneshot};

use super::in_force::InForce;
use super::job::{Exchange, Job};
use super::memory::MemoryWatch;
use super::{clock, config_sync, limits, notify, notify_reloading};
use crate::config::{self, Plan};
use crate::log::{Record, Severity};

/// Why a reload is wanted.
#[derive(Debug)]
pub(crate) enum Cause {
    /// `SIGHUP`, from an administrator or the service manager.
    Hangup,
    /// `restart-process` of the API, by this user.
    Api(String),
    /// This endpoint sent its configuration.
    Update(Str, Box<ConfigUpdate>),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangup => f.write_str("SIGHUP"),
            Self::Api(user) => write!(f, "API user '{user}'"),
            Self::Update(endpoint, _) => write!(f, "update from endpoint '{endpoint}'"),
        }
    }
}

/// A wish to reload.
#[derive(Debug)]
pub(crate) struct Request {
    /// Why.
    pub(crate) cause: Cause,
    /// Where to tell what came of it.
    pub(crate) done: Option<oneshot::Sender<Outcome>>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The next generation is in force.
    InForce(Arc<ReloadReport>),
    /// The running one stays.
    Refused(Arc<ReloadFailure>),
    /// What a parent sent is what it sent before.
    NothingNew,
}

/// The way to ask for a reload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloader(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Batch>,
    wake: Notify,
    history: Mutex<ReloadStatus>,
}

impl Reloader {
    /// Asks for a reload. There is always room: requests that wait are worked off together.
    pub(crate) fn ask(&self, request: Request) {
        let mut waiting = lock(&self.0.waiting);
        let words = request.cause.to_string();
        let asked = match request.cause {
            Cause::Hangup | Cause::Api(_) => &mut waiting.plain,
            Cause::Update(endpoint, update) => waiting.update(endpoint, update),
        };
        asked.requests += 1;
        asked.causes.insert(words);
        asked.done.extend(request.done);
        drop(waiting);
        self.0.wake.notify_one();
    }

    /// What happened so far.
    pub(crate) fn status(&self) -> ReloadStatus {
        let waiting = lock(&self.0.waiting).requests();
        ReloadStatus {
            waiting,
            ..lock(&self.0.history).clone()
        }
    }

    /// All that waits, as soon as something does.
    async fn next(&self) -> Batch {
        loop {
            let batch = std::mem::take(&mut *lock(&self.0.waiting));
            if batch.requests() > 0 {
                return batch;
            }
            self.0.wake.notified().await;
        }
    }

    fn note(&self, outcome: &Outcome) {
        let mut history = lock(&self.0.history);
        match outcome {
            Outcome::InForce(report) => {
                history.succeeded += 1;
                history.last = Some(Arc::clone(report));
            }
            Outcome::Refused(failure) => {
                history.refused += 1;
                history.last_failure = Some(Arc::clone(failure));
            }
            Outcome::NothingNew => {}
        }
    }

    fn set_running(&self, running: bool) {
        lock(&self.0.history).running = running;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Requests that are worked off together.
#[derive(Debug, Default)]
struct Batch {
    plain: Asked,
    updates: Vec<Update>,
}

/// What a parent sent.
#[derive(Debug)]
struct Update {
    endpoint: Str,
    content: Box<ConfigUpdate>,
    asked: Asked,
}

/// Who asked for one thing.
#[derive(Debug, Default)]
struct Asked {
    requests: usize,
    causes: BTreeSet<String>,
    done: Vec<oneshot::Sender<Outcome>>,
}

impl Batch {
    /// Notes what an endpoint sent; it takes the place of what waits of it.
    fn update(&mut self, endpoint: Str, content: Box<ConfigUpdate>) -> &mut Asked {
        let known = self.updates.iter().position(|it| it.endpoint == endpoint);
        let at = known.unwrap_or(self.updates.len());
        if let Some(update) = self.updates.get_mut(at) {
            update.content = content;
        } else {
            self.updates.push(Update {
                endpoint,
                content,
                asked: Asked::default(),
            });
        }
        &mut self.updates[at].asked
    }

    fn requests(&self) -> usize {
        let updates = self.updates.iter().map(|update| update.asked.requests);
        self.plain.requests + updates.sum::<usize>()
    }
}

impl Asked {
    fn words(&self) -> String {
        let causes: Vec<&str> = self.causes.iter().map(String::as_str).collect();
        causes.join(", ")
    }

    /// Takes over who asked for another thing that is done by the same run.
    fn absorb(&mut self, other: Self) {
        self.requests += other.requests;
        self.causes.extend(other.causes);
        self.done.extend(other.done);
    }

    fn answer(self, outcome: &Outcome) {
        for done in self.done {
            // Who asked may have stopped waiting.
            let _ = done.send(outcome.clone());
        }
    }
}

/// Carries out reloads.
pub(crate) struct Worker {
    reloader: Reloader,
    in_force: InForce,
    /// The generation in force.
    current: Exchange,
}

impl Worker {
    /// A worker behind a first generation that is in force.
    pub(crate) fn new(reloader: Reloader, in_force: InForce, current: Exchange) -> Self {
        Self {
            reloader,
            in_force,
            current,
        }
    }

    /// Works for as long as it is polled. It may be dropped at any time to end the daemon.
    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            let batch = self.reloader.next().await;
            self.reloader.set_running(true);
            self.work_off(batch).await;
            self.reloader.set_running(false);
        }
    }

    async fn work_off(&mut self, batch: Batch) {
        let Batch { mut plain, updates } = batch;
        for update in updates {
            let Update {
                endpoint,
                content,
                mut asked,
            } = update;
            let (outcome, took_all) = match self.stage(&endpoint, content).await {
                Ok(Some(staged)) => {
                    // Everything else is read afresh as well: that does for the others too.
                    let mut words = asked.words();
                    if plain.requests > 0 {
                        words = format!("{words}, {}", plain.words());
                    }
                    let outcome = self.reload(Some(&staged), &words).await;
                    let took_all = matches!(outcome, Outcome::InForce(_));
                    (outcome, took_all)
                }
                Ok(None) => (Outcome::NothingNew, false),
                Err(error) => {
                    let why = format!("cannot stage the configuration: {error}");
                    (
                        self.refuse(Some(&endpoint), &asked.words(), why).await,
                        false,
                    )
                }
            };
            if took_all {
                asked.absorb(std::mem::take(&mut plain));
            }
            self.reloader.note(&outcome);
            asked.answer(&outcome);
        }
        if plain.requests > 0 {
            let outcome = self.reload(None, &plain.words()).await;
            self.reloader.note(&outcome);
            plain.answer(&outcome);
        }
    }

    /// Lays out what a parent sent; `None` when it is what it sent before.
    async fn stage(
        &self,
        endpoint: &Str,
        update: Box<ConfigUpdate>,
    ) -> anyhow::Result<Option<Staged>> {
        let paths = self.in_force.settings.paths.clone();
        let (changed, folder) = tokio::task::spawn_blocking(move || {
            let changed = config_sync::stage(&paths, &update)?;
            anyhow::Ok((changed, config_sync::staging_dir(&paths)))
        })
        .await??;
        if changed.is_empty() {
            tracing::info!(target: "ApiListener", "Received configuration updates from endpoint \
                '{endpoint}' are equal to production, not triggering reload.");
            return Ok(None);
        }
        let zones: Vec<&str> = changed.iter().map(Str::as_str).collect();
        tracing::info!(target: "ApiListener", "Received configuration updates for zones '{}' from \
            endpoint '{endpoint}'; checking them together with what is here", zones.join("', '"));
        Ok(Some(Staged {
            endpoint: endpoint.clone(),
            folder,
        }))
    }

    /// Loads the next generation beside the running one and swaps; on any error the running one
    /// stays.
    async fn reload(&mut self, staged: Option<&Staged>, cause: &str) -> Outcome {
        let (begun, at) = (Instant::now(), clock::now());
        notify_reloading();
        let mut memory = MemoryWatch::begin();
        let endpoint = staged.map(|staged| &staged.endpoint);
        let next = match self.load(staged, &mut memory).await {
            Ok(next) => next,
            Err(error) => return self.refuse(endpoint, cause, format!("{error:#}")).await,
        };
        let Next {
            exchange,
            templates,
            globals,
            diff,
            times,
        } = next;
        let swapped = match self.in_force.replace(&exchange, templates, globals).await {
            Ok(swapped) => swapped,
            Err(error) => return self.refuse(endpoint, cause, format!("{error:#}")).await,
        };
        let before = std::mem::replace(&mut self.current, exchange);
        // Taking a large generation apart takes a while.
        let _ = tokio::task::spawn_blocking(move || drop(before)).await;
        notify(&[sd_notify::NotifyState::Ready]);
        let (memory_before_bytes, memory_peak_bytes) = memory.end();
        let report = Arc::new(ReloadReport {
            cause: cause.to_owned(),
            at,
            objects_added: diff.added.len(),
            objects_changed: diff.changed.len(),
            objects_removed: diff.removed.len(),
            objects_unchanged: diff.unchanged,
            endpoints_kept: swapped.links_kept,
            endpoints_reconnected: swapped.links_reconnected,
            endpoints_closed: swapped.links_closed,
            evaluate_s: times.evaluate.as_secs_f64(),
            build_s: times.build.as_secs_f64(),
            diff_s: times.diff.as_secs_f64(),
            swap_s: swapped.took.as_secs_f64(),
            total_s: begun.elapsed().as_secs_f64(),
            memory_before_bytes,
            memory_peak_bytes,
        });
        let (text, fields) = (describe(&report), report.to_value());
        self.log(Severity::Information, "Application", text, fields);
        Outcome::InForce(report)
    }

    /// Makes the next generation on threads of its own.
    async fn load(
        &self,
        staged: Option<&Staged>,
        memory: &mut MemoryWatch,
    ) -> anyhow::Result<Next> {
        let in_force = &self.in_force;
        let (settings, options) = (in_force.settings.clone(), in_force.options.clone());
        let before = self.current.clone();
        let node_name = in_force.node_name.clone();
        let local_endpoint = in_force.local_endpoint.clone();
        let staged = staged.map(|staged| staged.folder.clone());
        let number = before.generation().number + 1;
        let mut loading = apart(move |threads| {
            let plan = Plan {
                number,
                threads,
                staged,
            };
            let loaded = config::load(&settings, &options, &plan)?;
            let loaded = loaded.map_err(|invalid| anyhow::anyhow!("{invalid}"))?;
            let begun = Instant::now();
            let generation = Arc::new(loaded.generation);
            let diff = before.generation().diff(&generation);
            let exchange =
                Exchange::prepare(generation, &node_name, &local_endpoint, Some(&before));
            let need = limits::needed(exchange.generation(), &exchange.topology);
            if let Err(error) = need.judge(limits::limit()).admit() {
                loaded.globals.retire();
                return Err(error);
            }
            if plan.staged.is_some()
                && let Err(error) = config_sync::promote(&settings.paths)
            {
                loaded.globals.retire();
                return Err(error).context("cannot put the files that were sent in place");
            }
            Ok(Next {
                exchange,
                templates: loaded.templates,
                globals: loaded.globals,
                diff,
                times: Times {
                    evaluate: loaded.evaluated_in,
                    build: loaded.built_in,
                    diff: begun.elapsed(),
                },
            })
        })?;
        let mut samples = tokio::time::interval(SAMPLE_EVERY);
        loop {
            tokio::select! {
                done = &mut loading => {
                    return done.context("loading the configuration ended unexpectedly")?;
                }
                _ = samples.tick() => memory.sample(),
            }
        }
    }

    async fn refuse(&self, endpoint: Option<&Str>, cause: &str, why: String) -> Outcome {
        let failure = Arc::new(ReloadFailure {
            cause: cause.to_owned(),
            at: clock::now(),
            text: why,
        });
        let why = &failure.text;
        let text = match endpoint {
            Some(endpoint) => format!(
                "Config validation failed for the update from endpoint '{endpoint}': {why}. What \
                 was in force stays."
            ),
            None => format!(
                "Reload refused ({cause}): {why}. The running configuration stays in force."
            ),
        };
        let facility = endpoint.map_or("Application", |_| "ApiListener");
        self.log(Severity::Critical, facility, text, failure.to_value());
        if endpoint.is_none() {
            // An update that is not valid says nothing about the configuration of this node.
            let jobs = &self.in_force.jobs;
            jobs.send(Job::ReloadFailed(failure.at)).await;
        }
        notify(&[sd_notify::NotifyState::Ready]);
        Outcome::Refused(failure)
    }

    fn log(&self, severity: Severity, facility: &str, text: String, fields: bheka_value::Value) {
        let logs = &self.in_force.options.logs;
        if logs.wants(severity) {
            let fields = serde_json::from_str(&bheka_value::to_json(&fields));
            let record = Record::now(severity, facility, text);
            logs.send(record.with("reload", fields.unwrap_or_default()));
        }
    }
}

/// What a parent sent, laid out to be checked.
struct Staged {
    endpoint: Str,
    folder: PathBuf,
}

/// A generation that is ready to be put in force.
struct Next {
    exchange: Exchange,
    templates: Vec<(Str, Template)>,
    globals: Globals,
    diff: Diff,
    times: Times,
}

struct Times {
    evaluate: Duration,
    build: Duration,
    diff: Duration,
}

/// Runs work on a thread with a pool of its own, which gets at most half of the cores, and those
/// only when nobody else wants them. The work is told how many threads it has.
fn apart<T: Send + 'static>(
    work: impl FnOnce(usize) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<oneshot::Receiver<anyhow::Result<T>>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).max(1);
    let (done, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("bheka-reload".to_owned())
        .spawn(move || {
            // On Linux each thread has a priority of its own, which the threads that it makes
            // inherit; they all end with the reload.
            let _ = rustix::process::nice(NICENESS);
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|_| "bheka-reload".to_owned())
                .stack_size(STACK_BYTES)
                // The evaluator would make another thread, which belongs to no pool.
                .start_handler(|_| bheka_lang::use_this_stack())
                .build();
            let outcome = match pool {
                Ok(pool) => pool.install(|| work(threads)),
                Err(error) => Err(error).context("cannot start the threads for a reload"),
            };
            // Nobody waits any more when the daemon ends.
            let _ = done.send(outcome);
        })
        .context("cannot start a thread for a reload")?;
    Ok(receiver)
}

/// How much more than the daemon a reload lets others go first.
const NICENESS: i32 = 10;

/// Room for configurations that nest deeply. Only what is used of it takes memory.
const STACK_BYTES: usize = 64 << 20;

/// How often the memory is looked at, where the kernel does not keep its peak.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// The report as a line of the log.
fn describe(report: &ReloadReport) -> String {
    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1000.0);
    format!(
        "Reloaded the configuration in {} ({}): {} objects added, {} changed, {} removed, {} \
         unchanged; {} connections kept, {} made anew, {} closed; evaluation {}, validation {}, \
         comparison {}, exchange {:.1} ms; memory at most {} MiB, before {} MiB",
        ms(report.total_s),
        report.cause,
        report.objects_added,
        report.objects_changed,
        report.objects_removed,
        report.objects_unchanged,
        report.endpoints_kept,
        report.endpoints_reconnected,
        report.endpoints_closed,
        ms(report.evaluate_s),
        ms(report.build_s),
        ms(report.diff_s),
        report.swap_s * 1000.0,
        report.memory_peak_bytes >> 20,
        report.memory_before_bytes >> 20,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(stamp: &str) -> Cause {
        let zones = [(Str::from(stamp), Default::default())].into();
        let update = ConfigUpdate {
            zones,
            has_checksums: true,
        };
        Cause::Update("m1".into(), Box::new(update))
    }

    fn ask(reloader: &Reloader, cause: Cause) -> oneshot::Receiver<Outcome> {
        let (done, receiver) = oneshot::channel();
        reloader.ask(Request {
            cause,
            done: Some(done),
        });
        receiver
    }

    #[tokio::test]
    async fn requests_that_wait_become_one() {
        let reloader = Reloader::default();
        let mut answers = vec![
            ask(&reloader, Cause::Hangup),
            ask(&reloader, Cause::Api("root".to_owned())),
            ask(&reloader, Cause::Hangup),
        ];
        reloader.ask(Request {
            cause: Cause::Hangup,
            done: None,
        });
        assert_eq!(reloader.status().waiting, 4);
        let batch = reloader.next().await;
        assert_eq!(batch.plain.words(), "API user 'root', SIGHUP");
        // What comes meanwhile waits for the next run.
        answers.push(ask(&reloader, Cause::Hangup));
        batch.plain.answer(&Outcome::NothingNew);
        for answer in &mut answers[..3] {
            assert!(matches!(answer.try_recv(), Ok(Outcome::NothingNew)));
        }
        assert!(answers[3].try_recv().is_err());
        assert_eq!(reloader.next().await.requests(), 1);
        assert_eq!(reloader.status().waiting, 0);
    }

    #[tokio::test]
    async fn the_newest_update_of_an_endpoint_waits() {
        let reloader = Reloader::default();
        let first = ask(&reloader, update("old"));
        let second = ask(&reloader, update("new"));
        let mut batch = reloader.next().await;
        assert_eq!(batch.updates.len(), 1);
        let update = batch.updates.remove(0);
        let zones: Vec<&Str> = update.content.zones.keys().collect();
        assert_eq!(zones, ["new"]);
        update.asked.answer(&Outcome::NothingNew);
        assert!(first.await.is_ok() && second.await.is_ok());
    }

    #[tokio::test]
    async fn a_reload_has_half_of_the_cores_and_a_low_priority() {
        let (threads, pool, niceness) = apart(|threads| {
            let niceness = rustix::process::getpriority_process(None)?;
            Ok((threads, rayon::current_num_threads(), niceness))
        })
        .unwrap()
        .await
        .unwrap()
        .unwrap();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!((threads, pool), ((cores / 2).max(1), (cores / 2).max(1)));
        let own = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(niceness, (own + NICENESS).min(19));
    }

    #[test]
    fn the_report_is_one_line() {
        let report = ReloadReport {
            cause: "SIGHUP".to_owned(),
            objects_added: 3,
            total_s: 1.2345,
            swap_s: 0.0042,
            memory_peak_bytes: 512 << 20,
            ..ReloadReport::default()
        };
        let text = describe(&report);
        assert!(
            text.starts_with(
                "Reloaded the configuration in 1234 ms (SIGHUP): 3 objects added, 0 changed, "
            ) && text.contains("exchange 4.2 ms; memory at most 512 MiB"),
            "{text}"
        );
        assert!(!text.contains('\n'));
    }
}
