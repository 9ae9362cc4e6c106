//! Carries out the command lines that the monitor asks for.

use bheka_exec::{Exit, Outcome, Spec};
use bheka_monitor::{CommandLine, Finished, Input};
use bheka_value::Timestamp;
use tokio::sync::watch;

use super::core::{Job, Jobs};

/// Starts command lines and reports how they ended. How many run at once is the monitor's
/// decision (`MaxConcurrentChecks`).
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    jobs: Jobs,
    runtime: tokio::runtime::Handle,
    ending: watch::Receiver<bool>,
}

impl Runner {
    /// A runner that reports to the core; all its processes are ended when `ending` says true.
    pub(crate) fn new(
        jobs: Jobs,
        runtime: tokio::runtime::Handle,
        ending: watch::Receiver<bool>,
    ) -> Self {
        Self { jobs, runtime, ending }
    }

    /// Starts a command line; its outcome comes as [`Input::CheckFinished`].
    pub(crate) fn start(&self, line: CommandLine) {
        let jobs = self.jobs.clone();
        let mut ending = self.ending.clone();
        self.runtime.spawn(async move {
            let mut spec = Spec::new(line.argv);
            spec.env = line.env;
            // The monitor's number may come from a configuration: nothing absurd reaches Duration.
            let seconds = line.timeout_s.clamp(0.001, 31_536_000.0);
            spec.timeout = std::time::Duration::from_secs_f64(seconds);
            let cancelled = async move {
                // An error means that the daemon's main part is gone: end as well.
                let _ = ending.wait_for(|ending| *ending).await;
            };
            let outcome = bheka_exec::run(spec, cancelled).await;
            let input = Input::CheckFinished { run: line.run, outcome: finished(outcome) };
            jobs.send(Job::Monitor(input)).await;
        });
    }
}

fn finished(outcome: Outcome) -> Finished {
    let mut finished = Finished {
        timed_out: outcome.timed_out,
        pid: outcome.pid.unwrap_or(0),
        start: Timestamp(outcome.started_seconds()),
        end: Timestamp(outcome.ended_seconds()),
        ..Finished::default()
    };
    match &outcome.exit {
        Exit::Code(code) => finished.exit_status = *code,
        Exit::Signal(signal) => finished.signal = Some(*signal),
        Exit::NotStarted { reason, .. } => finished.spawn_error = Some(reason.clone()),
        Exit::Stuck => finished.signal = Some(9),
    }
    finished.output = outcome.output;
    finished
}
