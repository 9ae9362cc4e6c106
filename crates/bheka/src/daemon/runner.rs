//! Carries out the command lines that the monitor asks for.

use bheka_exec::{Exit, Outcome, Spec};
use bheka_monitor::{CommandLine, Finished, Input, RunKind};
use bheka_value::Timestamp;
use tokio::sync::watch;

use super::job::{Job, Jobs};

/// Starts command lines and reports how they ended. How many run at once is the monitor's
/// decision (`MaxConcurrentChecks`).
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    jobs: Jobs,
    runtime: tokio::runtime::Handle,
    ending: watch::Receiver<bool>,
    open_files: Option<u64>,
}

impl Runner {
    /// A runner that reports to the core; all its processes are ended when `ending` says true. They
    /// may open so many files, when the daemon has raised that limit for itself.
    pub(crate) fn new(
        jobs: Jobs,
        runtime: tokio::runtime::Handle,
        ending: watch::Receiver<bool>,
        open_files: Option<u64>,
    ) -> Self {
        Self {
            jobs,
            runtime,
            ending,
            open_files,
        }
    }

    /// Starts a command line; its outcome comes as [`Input::CheckFinished`].
    pub(crate) fn start(&self, line: CommandLine) {
        let jobs = self.jobs.clone();
        let mut ending = self.ending.clone();
        let open_files = self.open_files;
        self.runtime.spawn(async move {
            let mut spec = Spec::new(line.argv);
            spec.env = line.env;
            spec.open_files = open_files;
            // The monitor's number may come from a configuration: nothing absurd reaches Duration.
            let seconds = line.timeout_s.clamp(0.001, 31_536_000.0);
            spec.timeout = std::time::Duration::from_secs_f64(seconds);
            let cancelled = async move {
                // An error means that the daemon's main part is gone: end as well.
                let _ = ending.wait_for(|ending| *ending).await;
            };
            // Plugins must not take the processor from the daemon; what an event handler starts
            // may be meant to stay.
            spec.nice = if line.kind == RunKind::Event {
                0
            } else {
                PLUGIN_NICENESS
            };
            spec.leave_children = line.kind == RunKind::Event;
            let outcome = bheka_exec::run(spec, cancelled).await;
            if outcome.cancelled {
                // The daemon ends: that says nothing about what was to be checked.
                return;
            }
            let input = Input::CheckFinished {
                run: line.run,
                outcome: finished(outcome),
            };
            jobs.send(Job::Monitor(input)).await;
        });
    }
}

/// The niceness of plugins, as with Icinga 2.
const PLUGIN_NICENESS: i32 = 5;

/// The outcome in the monitor's words. The marker of a timeout is in the output already, at the
/// place where it struck, so it must not be added once more.
fn finished(outcome: Outcome) -> Finished {
    let mut finished = Finished {
        timed_out: false,
        exit_status: outcome.exit_status(),
        pid: outcome.pid.unwrap_or(0),
        start: Timestamp(outcome.started_seconds()),
        end: Timestamp(outcome.ended_seconds()),
        ..Finished::default()
    };
    match &outcome.exit {
        Exit::NotStarted { reason, .. } => finished.spawn_error = Some(reason.clone()),
        // All other notes are in the text.
        Exit::Code(_) | Exit::Signal(_) | Exit::Stuck => finished.output = outcome.text(),
    }
    finished
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn outcome(exit: Exit, output: &str) -> Outcome {
        Outcome {
            exit,
            timed_out: false,
            cancelled: false,
            killed: false,
            output: output.into(),
            discarded_bytes: 0,
            pid: Some(7),
            started: UNIX_EPOCH,
            ended: UNIX_EPOCH,
            elapsed: Duration::ZERO,
        }
    }

    fn concluded(outcome: Outcome) -> (String, i64) {
        let (text, status) = bheka_monitor::conclude(&finished(outcome), "plugin");
        (text.to_string(), status)
    }

    #[test]
    fn every_end_is_told_once() {
        let mut late = outcome(Exit::Code(0), "begun\n<Timeout exceeded.>late");
        late.timed_out = true;
        assert_eq!(
            concluded(late),
            ("begun\n<Timeout exceeded.>late".to_owned(), 128)
        );
        let mut killed = outcome(Exit::Signal(9), "<Timeout exceeded.>");
        killed.timed_out = true;
        let expected = "<Timeout exceeded.><Terminated by signal 9 (Killed).>";
        assert_eq!(concluded(killed), (expected.to_owned(), 128));
        assert_eq!(
            concluded(outcome(Exit::Code(2), "bad")),
            ("bad".to_owned(), 2)
        );
        let mut cut = outcome(Exit::Code(1), "long");
        cut.discarded_bytes = 5;
        let expected = "long\n<Output limit exceeded, 5 bytes discarded.>";
        assert_eq!(concluded(cut), (expected.to_owned(), 1));
        let missing = Exit::NotStarted {
            program: "plugin".into(),
            reason: "no".into(),
        };
        let expected = "execvpe(plugin) failed: no";
        assert_eq!(concluded(outcome(missing, "")), (expected.to_owned(), 128));
    }
}
