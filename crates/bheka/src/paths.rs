//! Where things lie.
//!
//! Every path is a constant of the configuration language (manual, chapter 17, "Directory Path
//! Constants") and can be set with `-D`, in three spellings: `ConfigDir`, `Configuration.ConfigDir`
//! and `System.Configuration.ConfigDir`. The constants of before 2.10 (`SysconfDir`,
//! `LocalStateDir`, `RunDir`) still move what is derived from them.

use std::path::{Path, PathBuf};

/// Whose directories are used when none are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Our own, for the whole machine: `/etc/bheka`, `/var/lib/bheka`, ….
    System,
    /// Our own, of one user: the XDG base directories.
    User,
    /// Icinga 2's, as Debian's packages have them.
    Icinga,
}

/// All paths.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "the constants' names")]
pub(crate) struct Paths {
    /// `ConfigDir`
    pub(crate) config_dir: PathBuf,
    /// `DataDir`
    pub(crate) data_dir: PathBuf,
    /// `LogDir`
    pub(crate) log_dir: PathBuf,
    /// `CacheDir`
    pub(crate) cache_dir: PathBuf,
    /// `SpoolDir`
    pub(crate) spool_dir: PathBuf,
    /// `InitRunDir`
    pub(crate) init_run_dir: PathBuf,
    /// `ZonesDir`
    pub(crate) zones_dir: PathBuf,
    /// `PkgDataDir`
    pub(crate) pkg_data_dir: PathBuf,
    /// `IncludeConfDir`: the first directory that `include <…>` searches.
    pub(crate) include_conf_dir: PathBuf,
    /// `PrefixDir`
    pub(crate) prefix_dir: PathBuf,
    /// `SysconfDir`
    pub(crate) sysconf_dir: PathBuf,
    /// `LocalStateDir`
    pub(crate) local_state_dir: PathBuf,
    /// `RunDir`
    pub(crate) run_dir: PathBuf,
    /// `StatePath`
    pub(crate) state_path: PathBuf,
    /// `ModAttrPath`
    pub(crate) mod_attr_path: PathBuf,
    /// `ObjectsPath`
    pub(crate) objects_path: PathBuf,
    /// `VarsPath`
    pub(crate) vars_path: PathBuf,
    /// `PidPath`
    pub(crate) pid_path: PathBuf,
    /// Where the files of zones lie that a parent has sent: `DataDir/api/zones`.
    pub(crate) received_zones_dir: PathBuf,
}

impl Paths {
    /// The paths of a layout, changed by what was defined. `defined` yields the value of a
    /// constant under any of its spellings; `env` a variable of the environment.
    pub(crate) fn new(
        layout: Layout,
        defined: &dyn Fn(&str) -> Option<String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let get = |name: &str, default: PathBuf| defined(name).map_or(default, PathBuf::from);
        let app = if layout == Layout::Icinga {
            "icinga2"
        } else {
            "bheka"
        };
        let prefix_dir = get("PrefixDir", "/usr".into());
        let sysconf_dir = get("SysconfDir", "/etc".into());
        let local_state_dir = get("LocalStateDir", "/var".into());
        let run_dir = get("RunDir", "/run".into());
        let of_user = |variable, below: &str, system: PathBuf, old: &str| {
            // Whoever sets an old base directory means what is derived from it.
            if layout != Layout::User || defined(old).is_some() {
                return system;
            }
            user_dir(env, variable, below).join(app)
        };
        let state = |name: &str| {
            let system = match name {
                "run" => run_dir.join(app),
                _ => local_state_dir.join(name).join(app),
            };
            let old = if name == "run" {
                "RunDir"
            } else {
                "LocalStateDir"
            };
            if layout != Layout::User || defined(old).is_some() {
                return system;
            }
            user_dir(env, "XDG_STATE_HOME", ".local/state")
                .join(app)
                .join(name)
        };
        let run = match env("XDG_RUNTIME_DIR").filter(|value| value.starts_with('/')) {
            Some(runtime) if layout == Layout::User && defined("RunDir").is_none() => {
                Path::new(&runtime).join(app)
            }
            _ => state("run"),
        };
        let config_dir = get(
            "ConfigDir",
            of_user(
                "XDG_CONFIG_HOME",
                ".config",
                sysconf_dir.join(app),
                "SysconfDir",
            ),
        );
        let data_dir = get(
            "DataDir",
            of_user(
                "XDG_DATA_HOME",
                ".local/share",
                local_state_dir.join("lib").join(app),
                "LocalStateDir",
            ),
        );
        let cache_dir = get(
            "CacheDir",
            of_user(
                "XDG_CACHE_HOME",
                ".cache",
                local_state_dir.join("cache").join(app),
                "LocalStateDir",
            ),
        );
        let init_run_dir = get("InitRunDir", run);
        let pkg_data_dir = get("PkgDataDir", prefix_dir.join("share").join(app));
        Self {
            log_dir: get("LogDir", state("log")),
            spool_dir: get("SpoolDir", state("spool")),
            zones_dir: get("ZonesDir", config_dir.join("zones.d")),
            include_conf_dir: get("IncludeConfDir", pkg_data_dir.join("include")),
            state_path: get("StatePath", data_dir.join(format!("{app}.state"))),
            mod_attr_path: get("ModAttrPath", data_dir.join("modified-attributes.conf")),
            objects_path: get("ObjectsPath", cache_dir.join(format!("{app}.debug"))),
            vars_path: get("VarsPath", cache_dir.join(format!("{app}.vars"))),
            pid_path: get("PidPath", init_run_dir.join(format!("{app}.pid"))),
            received_zones_dir: data_dir.join("api/zones"),
            config_dir,
            data_dir,
            cache_dir,
            init_run_dir,
            pkg_data_dir,
            prefix_dir,
            sysconf_dir,
            local_state_dir,
            run_dir,
        }
    }

    /// The constants' names and values, for `System.Configuration`.
    pub(crate) fn constants(&self) -> [(&'static str, &Path); 18] {
        [
            ("CacheDir", &self.cache_dir),
            ("ConfigDir", &self.config_dir),
            ("DataDir", &self.data_dir),
            ("IncludeConfDir", &self.include_conf_dir),
            ("InitRunDir", &self.init_run_dir),
            ("LocalStateDir", &self.local_state_dir),
            ("LogDir", &self.log_dir),
            ("ModAttrPath", &self.mod_attr_path),
            ("ObjectsPath", &self.objects_path),
            ("PidPath", &self.pid_path),
            ("PkgDataDir", &self.pkg_data_dir),
            ("PrefixDir", &self.prefix_dir),
            ("RunDir", &self.run_dir),
            ("SpoolDir", &self.spool_dir),
            ("StatePath", &self.state_path),
            ("SysconfDir", &self.sysconf_dir),
            ("VarsPath", &self.vars_path),
            ("ZonesDir", &self.zones_dir),
        ]
    }

    /// Where `include <…>` looks, in this order: given directories, our own, and Icinga 2's
    /// template library where it is installed.
    pub(crate) fn include_dirs(&self, given: &[PathBuf]) -> Vec<PathBuf> {
        let mut dirs = given.to_vec();
        for dir in [
            self.include_conf_dir.as_path(),
            Path::new(ICINGA_INCLUDE_DIR),
        ] {
            if !dirs.iter().any(|known| known == dir) {
                dirs.push(dir.to_owned());
            }
        }
        dirs
    }

    /// The configuration file that is read when none is named.
    pub(crate) fn main_file(&self) -> PathBuf {
        let own = self.config_dir.join("bheka.conf");
        let icinga = self.config_dir.join("icinga2.conf");
        // A directory that was prepared for Icinga 2 works as it is.
        if own.is_file() || !icinga.exists() && !self.is_icinga() {
            own
        } else {
            icinga
        }
    }

    /// `DataDir/certs`
    pub(crate) fn certs_dir(&self) -> PathBuf {
        self.data_dir.join("certs")
    }

    /// `DataDir/ca`
    pub(crate) fn ca_dir(&self) -> PathBuf {
        self.data_dir.join("ca")
    }

    /// `DataDir/certificate-requests`
    pub(crate) fn requests_dir(&self) -> PathBuf {
        self.data_dir.join("certificate-requests")
    }

    /// Where the keys of session tickets lie.
    pub(crate) fn ticket_keys_file(&self) -> PathBuf {
        self.data_dir.join("session-ticket-keys.json")
    }

    /// Whether these are Icinga 2's directories, where files keep Icinga 2's names.
    fn is_icinga(&self) -> bool {
        self.pkg_data_dir
            .file_name()
            .is_some_and(|name| name == "icinga2")
    }
}

/// Where `icinga2-common` installs its template library.
const ICINGA_INCLUDE_DIR: &str = "/usr/share/icinga2/include";

/// A base directory of the XDG specification, which says that relative ones are to be ignored.
fn user_dir(env: &dyn Fn(&str) -> Option<String>, variable: &str, below: &str) -> PathBuf {
    match env(variable).filter(|value| value.starts_with('/')) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env("HOME").unwrap_or_else(|| "/".into())).join(below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(layout: Layout, defined: &[(&str, &str)], env: &[(&str, &str)]) -> Paths {
        let find = |pairs: &[(&str, &str)], name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Paths::new(layout, &|name| find(defined, name), &|name| find(env, name))
    }

    #[test]
    fn the_system_has_its_own_directories() {
        let paths = paths(Layout::System, &[], &[]);
        assert_eq!(paths.config_dir, Path::new("/etc/bheka"));
        assert_eq!(paths.state_path, Path::new("/var/lib/bheka/bheka.state"));
        assert_eq!(paths.pid_path, Path::new("/run/bheka/bheka.pid"));
        assert_eq!(
            paths.include_dirs(&["/x".into()]),
            [
                Path::new("/x"),
                Path::new("/usr/share/bheka/include"),
                Path::new("/usr/share/icinga2/include")
            ]
        );
    }

    #[test]
    fn icingas_are_icingas() {
        let paths = paths(
            Layout::Icinga,
            &[("LocalStateDir", "/l"), ("RunDir", "/r")],
            &[],
        );
        assert_eq!(paths.main_file(), Path::new("/etc/icinga2/icinga2.conf"));
        assert_eq!(paths.vars_path, Path::new("/l/cache/icinga2/icinga2.vars"));
        assert_eq!(paths.pid_path, Path::new("/r/icinga2/icinga2.pid"));
        assert_eq!(paths.spool_dir, Path::new("/l/spool/icinga2"));
        assert_eq!(
            paths.include_dirs(&[]),
            [Path::new("/usr/share/icinga2/include")]
        );
    }

    #[test]
    fn users_have_base_directories() {
        let env = [
            ("HOME", "/home/u"),
            ("XDG_CACHE_HOME", "/c"),
            ("XDG_DATA_HOME", "relative"),
        ];
        let paths = paths(Layout::User, &[("InitRunDir", "/i")], &env);
        assert_eq!(paths.config_dir, Path::new("/home/u/.config/bheka"));
        assert_eq!(paths.data_dir, Path::new("/home/u/.local/share/bheka"));
        assert_eq!(paths.objects_path, Path::new("/c/bheka/bheka.debug"));
        assert_eq!(paths.log_dir, Path::new("/home/u/.local/state/bheka/log"));
        assert_eq!(paths.pid_path, Path::new("/i/bheka.pid"));
    }

    #[test]
    fn derived_paths_follow() {
        let paths = paths(
            Layout::System,
            &[("ConfigDir", "/c"), ("DataDir", "/d")],
            &[],
        );
        assert_eq!(paths.zones_dir, Path::new("/c/zones.d"));
        assert_eq!(
            paths.mod_attr_path,
            Path::new("/d/modified-attributes.conf")
        );
        assert_eq!(paths.cache_dir, Path::new("/var/cache/bheka"));
    }
}
