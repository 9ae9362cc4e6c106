//! What this program says of itself.

use std::fmt::Write as _;

use crate::host;
use crate::paths::Paths;

/// The name of the command.
pub(crate) const PROGRAM: &str = "bheka";
/// Its version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What it is.
pub(crate) const DESCRIPTION: &str = env!("CARGO_PKG_DESCRIPTION");

/// The version as constants, logs and `--version` show it.
pub(crate) fn version() -> String {
    format!("v{VERSION}")
}

/// The version of Icinga 2 whose language, protocol and API this program speaks, in the form in
/// which Icinga 2 gives it (`r2.16.5-1`). The API, the check `icinga` and the constant
/// `System.ApplicationVersion` show it, because web interfaces and scripts compare it.
pub(crate) fn spoken() -> String {
    let version = bheka_cluster::PROTOCOL_VERSION;
    format!(
        "r{}.{}.{}-1",
        version / 10_000,
        version / 100 % 100,
        version % 100
    )
}

/// The first line of `--version` and of every help text.
pub(crate) fn headline() -> String {
    format!("{PROGRAM} - {DESCRIPTION} (version: {})", version())
}

/// What `--version` prints.
pub(crate) fn report(paths: &Paths) -> String {
    let mut out = format!("{}\n\nLicense: Apache-2.0 OR MIT\n", headline());
    let mut section = |title: &str, lines: &[(&str, String)]| {
        let _ = writeln!(out, "\n{title}:");
        for (name, value) in lines {
            let _ = writeln!(out, "  {name}: {value}");
        }
    };
    let platform = host::platform();
    section(
        "System information",
        &[
            ("Platform", platform.name),
            ("Platform version", platform.version),
            ("Kernel", platform.kernel),
            ("Kernel version", platform.kernel_version),
            ("Architecture", platform.architecture),
        ],
    );
    let show = |path: &std::path::Path| path.display().to_string();
    section(
        "General paths",
        &[
            ("Config directory", show(&paths.config_dir)),
            ("Data directory", show(&paths.data_dir)),
            ("Log directory", show(&paths.log_dir)),
            ("Cache directory", show(&paths.cache_dir)),
            ("Spool directory", show(&paths.spool_dir)),
            ("Run directory", show(&paths.init_run_dir)),
        ],
    );
    section(
        "Old paths (deprecated)",
        &[
            ("Installation root", show(&paths.prefix_dir)),
            ("Sysconf directory", show(&paths.sysconf_dir)),
            ("Run directory (base)", show(&paths.run_dir)),
            ("Local state directory", show(&paths.local_state_dir)),
        ],
    );
    section(
        "Internal paths",
        &[
            ("Package data directory", show(&paths.pkg_data_dir)),
            ("State path", show(&paths.state_path)),
            ("Modified attributes path", show(&paths.mod_attr_path)),
            ("Objects path", show(&paths.objects_path)),
            ("Vars path", show(&paths.vars_path)),
            ("PID path", show(&paths.pid_path)),
        ],
    );
    out
}
