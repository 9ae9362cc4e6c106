//! What the command line and the environment say, in one place.

use std::env;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bheka_value::Value;

use crate::cli::Invocation;
use crate::host;
use crate::log::{Format, Severity};
use crate::paths::{Layout, Paths};

/// The settings of this process, the same for every command.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where things lie.
    pub(crate) paths: Paths,
    /// Constants given with `-D`, in that order: name (maybe dotted) and value.
    pub(crate) defines: Vec<(String, String)>,
    /// Directories given with `-I`.
    pub(crate) include_dirs: Vec<PathBuf>,
    /// What the console log shows.
    pub(crate) console_severity: Severity,
    /// How the console log is written.
    pub(crate) console_format: Format,
    /// Whether to colour the console log even when it is no terminal.
    pub(crate) color: bool,
    /// The user that the daemon runs as when started by root; empty for root.
    pub(crate) run_as_user: String,
    /// The group that the daemon runs as; empty for the user's.
    pub(crate) run_as_group: String,
}

impl Settings {
    /// Reads the global options and the environment.
    pub(crate) fn new(invocation: &Invocation) -> Self {
        let defines: Vec<(String, String)> = invocation
            .values("define")
            .iter()
            .map(|define| match define.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None => (define.clone(), "1".to_owned()),
            })
            .collect();
        let icinga = invocation.flag("icinga2")
            || env_text("BHEKA_ICINGA2").is_some_and(|value| value != "0");
        let layout = match icinga {
            true => Layout::Icinga,
            false if is_system_account() => Layout::System,
            false => Layout::User,
        };
        let defined = |name: &str| defined(&defines, name);
        let paths = Paths::new(layout, &defined, &env_text);
        let account = |constant: &str, variable: &str| {
            defined(constant).or_else(|| env_text(variable).filter(|_| icinga))
        };
        let run_as_user =
            account("RunAsUser", "ICINGA2_USER").unwrap_or_else(|| default_user(layout));
        let run_as_group = account("RunAsGroup", "ICINGA2_GROUP").unwrap_or_default();
        Self {
            paths,
            include_dirs: invocation
                .values("include")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            console_severity: invocation
                .value("log-level")
                .and_then(|name| name.parse().ok())
                .unwrap_or(Severity::Information),
            console_format: match invocation.value("log-format").as_deref() {
                Some("json") => Format::Json,
                _ => Format::Text,
            },
            color: invocation.flag("color"),
            run_as_user,
            run_as_group,
            defines,
        }
    }

    /// The value of a constant given with `-D`, under any of its spellings.
    pub(crate) fn defined(&self, name: &str) -> Option<String> {
        defined(&self.defines, name)
    }

    /// `NodeName` when the configuration does not say: the machine's full name.
    pub(crate) fn node_name(&self) -> String {
        self.defined("NodeName")
            .unwrap_or_else(host::fully_qualified_name)
    }

    /// Where `include <…>` looks.
    pub(crate) fn include_search(&self) -> Vec<PathBuf> {
        self.paths.include_dirs(&self.include_dirs)
    }

    /// What the language knows before the first file: built-in constants, then those of `-D`.
    pub(crate) fn constants(&self) -> Vec<(String, Value)> {
        let mut constants: Vec<(String, Value)> = Vec::new();
        let mut system = |name: &str, value: Value| {
            constants.push((format!("System.{name}"), value));
        };
        let platform = host::platform();
        system("ApplicationType", "IcingaApplication".into());
        system("ApplicationVersion", crate::version::spoken().into());
        system("BuildCompilerName", "rustc".into());
        system(
            "BuildCompilerVersion",
            env!("CARGO_PKG_RUST_VERSION").into(),
        );
        system("BuildHostName", "".into());
        system("PlatformName", platform.name.into());
        system("PlatformVersion", platform.version.into());
        system("PlatformKernel", platform.kernel.into());
        system("PlatformKernelVersion", platform.kernel_version.into());
        system("PlatformArchitecture", platform.architecture.into());
        let mut configuration = |name: &str, value: Value| {
            constants.push((format!("System.Configuration.{name}"), value));
        };
        for (name, path) in self.paths.constants() {
            configuration(name, path.display().to_string().into());
        }
        configuration("ApiBindHost", "::".into());
        configuration("ApiBindPort", "5665".into());
        configuration("AttachDebugger", false.into());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        configuration(
            "Concurrency",
            f64::from(u32::try_from(threads).unwrap_or(1)).into(),
        );
        configuration("EventEngine", "".into());
        configuration("RunAsUser", self.run_as_user.as_str().into());
        configuration("RunAsGroup", self.run_as_group.as_str().into());
        configuration("RLimitFiles", f64::from(16 * 1024).into());
        configuration("RLimitProcesses", f64::from(16 * 1024).into());
        configuration("RLimitStack", f64::from(256 * 1024).into());
        configuration("TlsHandshakeTimeout", 10.0.into());
        constants.push(("NodeName".into(), self.node_name().into()));
        constants.push(("MaxConcurrentChecks".into(), 512.0.into()));
        constants.push(("ReloadTimeout".into(), 300.0.into()));
        for (name, value) in &self.defines {
            constants.push((canonical(name), value.as_str().into()));
        }
        constants
    }
}

/// The dotted name under which the language knows a constant of `-D`: short names of what belongs
/// to the configuration of the program are completed.
fn canonical(name: &str) -> String {
    let short = name
        .strip_prefix("System.Configuration.")
        .or_else(|| name.strip_prefix("Configuration."))
        .unwrap_or(name);
    if is_configuration(short) {
        format!("System.Configuration.{short}")
    } else {
        name.to_owned()
    }
}

/// Whether a name belongs to `System.Configuration`.
pub(crate) fn is_configuration(name: &str) -> bool {
    CONFIGURATION.contains(&name)
}

fn defined(defines: &[(String, String)], name: &str) -> Option<String> {
    let full = canonical(name);
    defines
        .iter()
        .rev()
        .find(|(given, _)| canonical(given) == full)
        .map(|(_, value)| value.clone())
}

fn env_text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Root, whoever root has become, and the owner of the system's data directory use the system's
/// directories.
fn is_system_account() -> bool {
    let own = rustix::process::geteuid();
    own.is_root()
        || env::var_os("BHEKA_ACCOUNT_CHANGED").is_some()
        || std::fs::metadata("/var/lib/bheka").is_ok_and(|data| data.uid() == own.as_raw())
}

/// The service account: the user that packages create, or the owner of Icinga 2's data.
fn default_user(layout: Layout) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let field = |line: &str, index: usize| line.split(':').nth(index).map(str::to_owned);
    let owner = match layout {
        Layout::User => return String::new(),
        Layout::System => passwd.lines().find(|line| line.starts_with("bheka:")),
        Layout::Icinga => {
            let Ok(data) = std::fs::metadata(Path::new("/var/lib/icinga2")) else {
                return String::new();
            };
            let id = data.uid().to_string();
            passwd
                .lines()
                .find(|line| field(line, 2).as_deref() == Some(&id))
        }
    };
    owner.and_then(|line| field(line, 0)).unwrap_or_default()
}

/// What belongs to `System.Configuration` (manual, chapter 17).
const CONFIGURATION: &[&str] = &[
    "ApiBindHost",
    "ApiBindPort",
    "AttachDebugger",
    "CacheDir",
    "Concurrency",
    "ConfigDir",
    "DataDir",
    "EventEngine",
    "IncludeConfDir",
    "InitRunDir",
    "LocalStateDir",
    "LogDir",
    "ModAttrPath",
    "ObjectsPath",
    "PidPath",
    "PkgDataDir",
    "PrefixDir",
    "ProgramData",
    "RLimitFiles",
    "RLimitProcesses",
    "RLimitStack",
    "RunAsGroup",
    "RunAsUser",
    "RunDir",
    "SpoolDir",
    "StatePath",
    "SysconfDir",
    "TlsHandshakeTimeout",
    "VarsPath",
    "ZonesDir",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_three_spellings() {
        let defines = [("Configuration.DataDir".to_owned(), "/d".to_owned())];
        assert_eq!(defined(&defines, "DataDir").as_deref(), Some("/d"));
        assert_eq!(
            defined(&defines, "System.Configuration.DataDir").as_deref(),
            Some("/d")
        );
        assert_eq!(defined(&defines, "CacheDir"), None);
        assert_eq!(canonical("NodeName"), "NodeName");
        assert_eq!(canonical("Mine.DataDir"), "Mine.DataDir");
    }
}
