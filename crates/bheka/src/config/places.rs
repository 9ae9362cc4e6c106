//! Which directories belong to which zone and package.
//!
//! Beside the files named on the command line there are: directories of zones in `ZonesDir`
//! (written by the administrator), packages (uploaded through the API) with their own directories
//! of zones, and directories of zones that a parent node has sent. What a parent sent for a zone
//! counts only while this node has nothing of its own for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bheka_lang::ZoneDir;

use crate::log::{LogSinks, Severity};
use crate::paths::Paths;

/// An uploaded package.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// The file with which evaluation starts.
    pub(super) file: PathBuf,
    dir: PathBuf,
}

impl Package {
    pub(super) fn new(name: String, file: PathBuf, dir: PathBuf) -> Self {
        Self { name, file, dir }
    }

    /// Its file and its directory.
    pub(super) fn paths(&self) -> (String, String) {
        let text = |path: &Path| path.display().to_string();
        (text(&self.file), text(&self.dir))
    }

    /// Whether a file belongs to it.
    pub(super) fn holds(&self, path: &str) -> bool {
        Path::new(path).starts_with(&self.dir)
    }

    /// The zones for which its active stage has files.
    fn zones(&self) -> Vec<String> {
        let stage = fs::read_to_string(self.dir.join("active-stage")).unwrap_or_default();
        let stage = stage.trim();
        if stage.is_empty() {
            return Vec::new();
        }
        subdirs(&self.dir.join(stage).join("zones.d"))
    }
}

/// All packages that have something to evaluate, by name.
pub(super) fn packages(paths: &Paths) -> Vec<Package> {
    let root = paths.data_dir.join("api/packages");
    subdirs(&root)
        .into_iter()
        .map(|name| Package {
            file: root.join(&name).join("include.conf"),
            dir: root.join(&name),
            name,
        })
        .filter(|package| package.file.is_file())
        .collect()
}

/// All directories of zones, in the order of evaluation. What a parent sent is looked for in
/// `received_now`; the paths are those that it has once it is in force.
pub(super) fn zone_dirs(paths: &Paths, received_now: &Path, logs: &LogSinks) -> Vec<ZoneDir> {
    let mut dirs = Vec::new();
    let mut own: BTreeSet<String> = BTreeSet::new();
    for zone in subdirs(&paths.zones_dir) {
        let path = paths.zones_dir.join(&zone).display().to_string();
        own.insert(zone.clone());
        dirs.push(ZoneDir {
            zone,
            package: "_etc".into(),
            path,
        });
    }
    own.extend(packages(paths).iter().flat_map(Package::zones));
    let received = &paths.received_zones_dir;
    for zone in subdirs(received_now) {
        if own.contains(&zone) {
            let text = format!(
                "Ignoring non local config include for zone '{zone}': We already have an \
                 authoritative copy included."
            );
            logs.write(Severity::Notice, "config", text);
            continue;
        }
        let (of_zone, now) = (received.join(&zone), received_now.join(&zone));
        if now.join(".authoritative").exists() {
            // A copy of what this node itself had in `ZonesDir` when it last looked.
            continue;
        }
        let packages = subdirs(&now);
        if packages.is_empty() {
            // Said to belong to no zone, if that is so.
            let path = of_zone.display().to_string();
            dirs.push(ZoneDir {
                zone,
                package: "_etc".into(),
                path,
            });
            continue;
        }
        for package in packages {
            let path = of_zone.join(&package).display().to_string();
            dirs.push(ZoneDir {
                zone: zone.clone(),
                package,
                path,
            });
        }
    }
    dirs
}

/// The names of the directories in a directory, sorted; none when there is no such directory.
fn subdirs(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_wins_over_what_was_sent() {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().display().to_string();
        for dir in [
            "conf/zones.d/mine/sub",
            "data/api/zones/mine/_etc",
            "data/api/zones/sent/_etc",
            "data/api/zones/sent/director",
            "data/api/zones/packaged/_etc",
            "data/api/packages/p/s1/zones.d/packaged",
            "data/api/packages/p/s0/zones.d/sent",
            "data/api/packages/empty",
        ] {
            fs::create_dir_all(folder.path().join(dir)).expect("directory");
        }
        fs::write(folder.path().join("data/api/packages/p/include.conf"), "").expect("file");
        fs::write(
            folder.path().join("data/api/packages/p/active-stage"),
            "s1\n",
        )
        .expect("file");
        let paths = Paths::new(
            crate::paths::Layout::System,
            &|name| match name {
                "ConfigDir" => Some(format!("{root}/conf")),
                "DataDir" => Some(format!("{root}/data")),
                _ => None,
            },
            &|_| None,
        );
        let dirs = zone_dirs(&paths, &paths.received_zones_dir, &LogSinks::new());
        let dirs: Vec<(&str, &str, &str)> = dirs
            .iter()
            .map(|dir| {
                let path = dir.path.strip_prefix(&root).expect("below");
                (dir.zone.as_str(), dir.package.as_str(), path)
            })
            .collect();
        assert_eq!(
            dirs,
            [
                ("mine", "_etc", "/conf/zones.d/mine"),
                ("sent", "_etc", "/data/api/zones/sent/_etc"),
                ("sent", "director", "/data/api/zones/sent/director"),
            ]
        );
        let packages = packages(&paths);
        assert_eq!(packages.len(), 1);
        assert!(packages[0].holds(&format!("{root}/data/api/packages/p/s1/x.conf")));
        assert!(!packages[0].holds(&format!("{root}/data/api/packages/p2/x.conf")));
    }
}
