//! `--daemonize`: into the background.
//!
//! A process with threads must not fork, so the program is started again as a child that leaves
//! the terminal; the parent waits until the child is ready, or has failed, and ends.

use std::fs::OpenOptions;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::settings::Settings;

/// The option that tells the child which file to make when it is ready. It is no variable of the
/// environment, because plugins would inherit that.
const READY_FILE: &str = "--detached-ready-file";

/// How long the configuration may take to load.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Whether this process is the one in the background.
pub(crate) fn is_detached() -> bool {
    ready_file().is_some()
}

/// Starts this program again in the background and waits until it runs.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start_again(settings: &Settings) -> anyhow::Result<ExitCode> {
    let folder = &settings.paths.init_run_dir;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create run directory '{}'", folder.display()))?;
    let ready = folder.join(format!("ready-{}", std::process::id()));
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    // The child keeps this terminal until it is ready, so what is wrong is seen where it was
    // started.
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg(format!("{READY_FILE}={}", ready.display()))
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start the daemon in the background")?;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if ready.exists() {
            let _ = std::fs::remove_file(&ready);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = child.try_wait().context("cannot wait for the daemon")? {
            anyhow::bail!("the daemon ended with {status} before it was ready");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("the daemon was not ready within {} s", PATIENCE.as_secs())
}

/// In the background process: a session of its own.
///
/// # Errors
/// When the system refuses.
pub(crate) fn leave_terminal(daemonize: bool) -> anyhow::Result<()> {
    if daemonize && is_detached() {
        rustix::process::setsid().context("cannot leave the terminal")?;
    }
    Ok(())
}

/// Turns away from the terminal: what is still written to standard error (by a panic, in the main)
/// goes to the file of `--errorlog`, or nowhere, and so does standard output.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn close_stdio(errorlog: Option<&Path>) -> anyhow::Result<()> {
    let path = errorlog.unwrap_or(Path::new(NULL));
    let errors = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot open the error log '{}'", path.display()))?;
    let null = OpenOptions::new().read(true).write(true).open(NULL);
    let null = null.with_context(|| format!("cannot open {NULL}"))?;
    rustix::stdio::dup2_stdin(null.as_fd()).context("cannot close standard input")?;
    rustix::stdio::dup2_stdout(null.as_fd()).context("cannot close standard output")?;
    rustix::stdio::dup2_stderr(errors.as_fd()).context("cannot close standard error")
}

const NULL: &str = "/dev/null";

/// In the background process: lets the parent end.
pub(crate) fn report_ready() {
    if let Some(path) = ready_file()
        && let Err(error) = std::fs::write(&path, "")
    {
        tracing::warn!(target: "Application", "cannot write '{}': {error}", path.display());
    }
}

fn ready_file() -> Option<PathBuf> {
    std::env::args().find_map(|argument| {
        let path = argument.strip_prefix(READY_FILE)?.strip_prefix('=')?;
        Some(PathBuf::from(path))
    })
}
