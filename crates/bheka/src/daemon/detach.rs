//! `--daemonize`: into the background.
//!
//! A process with threads must not fork, so the program is started again as a child that leaves
//! the terminal; the parent waits until the child is ready, or has failed, and ends.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::settings::Settings;

/// Tells the child which file to make when it is ready.
const READY_FILE: &str = "BHEKA_DETACHED_READY_FILE";

/// How long the configuration may take to load.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Whether this process is the one in the background.
pub(crate) fn is_detached() -> bool {
    std::env::var_os(READY_FILE).is_some()
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
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(READY_FILE, &ready)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the daemon in the background")?;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if ready.exists() {
            let _ = std::fs::remove_file(&ready);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = child.try_wait().context("cannot wait for the daemon")? {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                let _ = errors.read_to_string(&mut said);
            }
            anyhow::bail!(
                "the daemon ended with {status} before it was ready; run it without --daemonize \
                 to see why {}",
                said.trim()
            );
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

/// In the background process: lets the parent end.
pub(crate) fn report_ready() {
    if let Some(path) = std::env::var_os(READY_FILE) {
        let path = PathBuf::from(path);
        if let Err(error) = std::fs::write(&path, "") {
            tracing::warn!(target: "Application", "cannot write '{}': {error}", path.display());
        }
    }
}
