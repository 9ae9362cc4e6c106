//! `completion SHELL`

use std::process::ExitCode;

use anyhow::Context as _;
use clap_complete::Shell;

use crate::cli::{Invocation, table};
use crate::version::PROGRAM;

/// Prints the completion script of a shell.
pub(super) fn print(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let name = invocation.operands().into_iter().next().unwrap_or_default();
    let shell: Shell = name.parse().ok().with_context(|| {
        format!("shell '{name}' is unknown; name bash, elvish, fish, powershell or zsh")
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut table::table(), PROGRAM, &mut script);
    super::print(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}
