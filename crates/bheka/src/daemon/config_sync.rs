//! Configuration that a parent sends: staged, checked by the code that checks every
//! configuration, and put in the place of what was sent before only when it is valid.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bheka_cluster::config_sync::{
    AUTHORITATIVE_FILE, ConfigUpdate, ZoneFile, ZoneFiles, is_change,
};
use bheka_net::pki::sha256_hex;
use bheka_value::Str;

use crate::paths::Paths;

/// Writes an update into the staging directory when it changes anything.
///
/// Returns the names of the zones that it changes; none when it brings nothing new, and then
/// nothing is written.
///
/// # Errors
/// When the staging directory cannot be written.
pub(crate) fn stage(paths: &Paths, update: &ConfigUpdate) -> std::io::Result<Vec<Str>> {
    let in_force = &paths.received_zones_dir;
    let changed: Vec<Str> = update
        .zones
        .iter()
        .filter(|(zone, files)| {
            is_change(
                &read(&in_force.join(zone.as_str())),
                files,
                update.has_checksums,
            )
        })
        .map(|(zone, _)| zone.clone())
        .collect();
    if changed.is_empty() {
        return Ok(changed);
    }
    let stage = staging_dir(paths);
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    for (zone, files) in &update.zones {
        let zone = stage.join(zone.as_str());
        fs::create_dir_all(&zone)?;
        for (path, file) in files {
            // The cluster has refused paths that lead out of the zone's directory.
            let path = zone.join(path.trim_start_matches('/'));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, file.content.as_bytes())?;
        }
    }
    Ok(changed)
}

/// Puts what was staged in the place of what was sent before.
///
/// # Errors
/// When a directory cannot be moved; then what was there before is put back.
pub(crate) fn promote(paths: &Paths) -> std::io::Result<()> {
    let in_force = &paths.received_zones_dir;
    let old = in_force.with_file_name("zones-old");
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    let had_before = in_force.exists();
    if had_before {
        fs::rename(in_force, &old)?;
    }
    if let Err(error) = fs::rename(staging_dir(paths), in_force) {
        if had_before {
            fs::rename(&old, in_force)?;
        }
        return Err(error);
    }
    if had_before {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

/// Where updates are staged.
pub(crate) fn staging_dir(paths: &Paths) -> PathBuf {
    paths.received_zones_dir.with_file_name("zones-stage")
}

/// The files of a zone as they lie in a directory.
fn read(zone: &Path) -> ZoneFiles {
    let mut files = BTreeMap::new();
    read_into(zone, "", &mut files);
    files.remove(AUTHORITATIVE_FILE);
    files
}

fn read_into(folder: &Path, prefix: &str, files: &mut ZoneFiles) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let name = format!("{prefix}/{name}");
        if path.is_dir() {
            read_into(&path, &name, files);
        } else if let Ok(bytes) = fs::read(&path) {
            let content = Str::from_bytes(&bytes);
            files.insert(
                name.into(),
                ZoneFile {
                    content,
                    checksum: sha256_hex(&bytes).into(),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Layout;

    fn update(stamp: &str, text: &str) -> ConfigUpdate {
        let file = |text: &str| ZoneFile {
            content: text.into(),
            checksum: sha256_hex(text.as_bytes()).into(),
        };
        let files = ZoneFiles::from([
            ("/_etc/deep/h.conf".into(), file(text)),
            ("/.timestamp".into(), file(stamp)),
        ]);
        ConfigUpdate {
            zones: BTreeMap::from([("z".into(), files)]),
            has_checksums: true,
        }
    }

    #[test]
    fn an_update_is_staged_and_promoted_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().display().to_string();
        let defined = |name: &str| (name == "DataDir").then(|| data.clone());
        let paths = Paths::new(Layout::System, &defined, &|_| None);
        let promoted = paths.received_zones_dir.join("z/_etc/deep/h.conf");
        assert_eq!(stage(&paths, &update("1.0", "one")).unwrap(), ["z"]);
        assert!(!promoted.exists());
        promote(&paths).unwrap();
        assert_eq!(fs::read_to_string(&promoted).unwrap(), "one");
        // Newer, but the same.
        assert!(stage(&paths, &update("2.0", "one")).unwrap().is_empty());
        // Different, but older.
        assert!(stage(&paths, &update("0.5", "two")).unwrap().is_empty());
        assert_eq!(stage(&paths, &update("3.0", "two")).unwrap(), ["z"]);
        promote(&paths).unwrap();
        assert_eq!(fs::read_to_string(&promoted).unwrap(), "two");
        assert!(!staging_dir(&paths).exists());
    }
}
