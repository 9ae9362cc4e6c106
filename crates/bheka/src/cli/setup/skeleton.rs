//! The files of a new configuration directory.

use std::fs;

use anyhow::Context as _;

use super::info;
use crate::settings::Settings;

/// Writes a basic configuration when there is none at all. A directory with a main file, ours or
/// Icinga 2's, is left as it is.
pub(super) fn ensure(settings: &Settings) -> anyhow::Result<()> {
    let dir = &settings.paths.config_dir;
    if settings.paths.main_file().exists() {
        return Ok(());
    }
    info(&format!(
        "Writing a basic configuration into '{}'.",
        dir.display()
    ));
    let context = |path: &std::path::Path| format!("cannot write '{}'", path.display());
    for name in [
        "conf.d",
        "features-available",
        "features-enabled",
        "zones.d",
    ] {
        let path = dir.join(name);
        fs::create_dir_all(&path).with_context(|| context(&path))?;
    }
    let main = settings.paths.main_file();
    let files = FILES.iter().map(|(name, text)| (dir.join(name), *text));
    for (path, text) in files.chain([(main, MAIN)]) {
        if !path.exists() {
            fs::write(&path, text).with_context(|| context(&path))?;
        }
    }
    for feature in ENABLED {
        let link = dir.join(format!("features-enabled/{feature}.conf"));
        if link.symlink_metadata().is_err() {
            let target = format!("../features-available/{feature}.conf");
            std::os::unix::fs::symlink(target, &link).with_context(|| context(&link))?;
        }
    }
    Ok(())
}

const ENABLED: &[&str] = &["checker", "mainlog", "notification"];

const MAIN: &str = include_str!("skeleton/main.conf");

const FILES: &[(&str, &str)] = &[
    ("constants.conf", include_str!("skeleton/constants.conf")),
    ("zones.conf", include_str!("skeleton/zones.conf")),
    (
        "features-available/api.conf",
        include_str!("skeleton/api.conf"),
    ),
    (
        "features-available/checker.conf",
        "object CheckerComponent \"checker\" { }\n",
    ),
    (
        "features-available/debuglog.conf",
        include_str!("skeleton/debuglog.conf"),
    ),
    (
        "features-available/journald.conf",
        "object JournaldLogger \"journald\" { }\n",
    ),
    (
        "features-available/mainlog.conf",
        include_str!("skeleton/mainlog.conf"),
    ),
    (
        "features-available/notification.conf",
        "object NotificationComponent \"notification\" { }\n",
    ),
    (
        "features-available/syslog.conf",
        include_str!("skeleton/syslog.conf"),
    ),
];
