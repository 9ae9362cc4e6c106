//! `feature list|enable|disable`: links from `features-enabled` to `features-available`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use crate::cli::{Invocation, print, say};
use crate::log::Severity;
use crate::settings::Settings;

/// Prints the names of all features.
pub(super) fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    let enabled = names(&enabled_dir(settings));
    let available_dir = available_dir(settings);
    if !available_dir.is_dir() {
        bail!(
            "Cannot parse available features. Path '{}' does not exist.",
            available_dir.display()
        );
    }
    let disabled = names(&available_dir)
        .difference(&enabled)
        .cloned()
        .collect();
    let colored = settings.color || io::stdout().is_terminal();
    let line = |title: &str, color: &str, names: &BTreeSet<String>| {
        let (on, off) = if colored {
            (color, "\x1b[0m")
        } else {
            ("", "")
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        print(&format!("{on}{title} features: {off}{}\n", names.join(" ")));
    };
    line("Disabled", "\x1b[31m\x1b[1m", &disabled);
    line("Enabled", "\x1b[32m\x1b[1m", &enabled);
    Ok(ExitCode::SUCCESS)
}

/// Enables the named features.
pub(super) fn enable(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    enable_features(settings, &invocation.operands())
}

/// Makes the links; says of each feature what happened.
pub(super) fn enable_features(
    settings: &Settings,
    features: &[String],
) -> anyhow::Result<ExitCode> {
    let (available_dir, enabled_dir) = (available_dir(settings), enabled_dir(settings));
    if !available_dir.is_dir() {
        bail!(
            "Cannot parse available features. Path '{}' does not exist.",
            available_dir.display()
        );
    }
    if !enabled_dir.is_dir() {
        bail!(
            "Cannot enable features. Path '{}' does not exist.",
            enabled_dir.display()
        );
    }
    let mut failed: Vec<&str> = Vec::new();
    for feature in features {
        let source = file_of(&available_dir, feature);
        let target = file_of(&enabled_dir, feature);
        if !is_name(feature) || !source.is_file() {
            say(
                Severity::Critical,
                "cli",
                &format!(
                    "Cannot enable feature '{feature}'. Source file '{}' does not exist.",
                    source.display()
                ),
            );
            failed.push(feature);
        } else if target.exists() {
            say(
                Severity::Warning,
                "cli",
                &format!("Feature '{feature}' already enabled."),
            );
        } else {
            print(&format!("Enabling feature {feature}. {RESTART}"));
            if let Err(error) = link(feature, &target) {
                say(
                    Severity::Critical,
                    "cli",
                    &format!(
                        "Cannot enable feature '{feature}'. Linking it to target file '{}' \
                         failed: {error}",
                        target.display()
                    ),
                );
                failed.push(feature);
            }
        }
    }
    if !failed.is_empty() {
        bail!("Cannot enable feature(s): {}", failed.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Disables the named features.
pub(super) fn disable(invocation: &Invocation, settings: &Settings) -> anyhow::Result<ExitCode> {
    disable_features(settings, &invocation.operands())
}

/// Removes the links; says of each feature what happened.
pub(super) fn disable_features(
    settings: &Settings,
    features: &[String],
) -> anyhow::Result<ExitCode> {
    let enabled_dir = enabled_dir(settings);
    if !enabled_dir.is_dir() {
        // Not a failure: what should be off is off.
        let path = enabled_dir.display();
        say(
            Severity::Critical,
            "cli",
            &format!("Cannot disable features. Path '{path}' does not exist."),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed: Vec<&str> = Vec::new();
    for feature in features {
        let target = file_of(&enabled_dir, feature);
        if !is_name(feature) || target.symlink_metadata().is_err() {
            say(
                Severity::Warning,
                "cli",
                &format!("Feature '{feature}' already disabled."),
            );
            continue;
        }
        match fs::remove_file(&target) {
            Ok(()) => print(&format!("Disabling feature {feature}. {RESTART}")),
            Err(error) => {
                say(
                    Severity::Critical,
                    "cli",
                    &format!(
                        "Cannot disable feature '{feature}'. Unlinking target file '{}' failed: \
                         {error}",
                        target.display()
                    ),
                );
                failed.push(feature);
            }
        }
    }
    if !failed.is_empty() {
        bail!("Cannot disable feature(s): {}", failed.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

fn link(feature: &str, target: &Path) -> io::Result<()> {
    // A dangling link of a feature that was removed and installed again is in the way.
    if target.symlink_metadata().is_ok() {
        fs::remove_file(target)?;
    }
    std::os::unix::fs::symlink(format!("../features-available/{feature}.conf"), target)
}

/// A feature is named, not reached by a path.
fn is_name(feature: &str) -> bool {
    !feature.is_empty() && !feature.contains('/')
}

fn file_of(dir: &Path, feature: &str) -> PathBuf {
    dir.join(format!("{feature}.conf"))
}

fn available_dir(settings: &Settings) -> PathBuf {
    settings.paths.config_dir.join("features-available")
}

fn enabled_dir(settings: &Settings) -> PathBuf {
    settings.paths.config_dir.join("features-enabled")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".conf").map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect()
}

const RESTART: &str = "Make sure to restart or reload the daemon for these changes to take \
     effect.\n";
