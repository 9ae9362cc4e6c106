//! `man DIR`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Invocation, table};

/// Writes one manual page per command into a directory.
pub(super) fn write(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let dir = invocation.operands().into_iter().next().unwrap_or_default();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create directory '{dir}'"))?;
    clap_mangen::generate_to(table::table(), Path::new(&dir))
        .with_context(|| format!("cannot write manual pages into '{dir}'"))?;
    Ok(ExitCode::SUCCESS)
}
