//! The running daemon.

pub(crate) mod account;

use std::process::ExitCode;

use crate::cli::DaemonOptions;
use crate::settings::Settings;

/// Runs the daemon until it is told to end.
///
/// # Errors
/// When it cannot start.
pub(crate) fn run(settings: Settings, options: DaemonOptions) -> anyhow::Result<ExitCode> {
    account::change(&settings.run_as_user, &settings.run_as_group)?;
    anyhow::bail!("cannot start with {:?}", options.config)
}
