//! The files of `zones.d`, as they are sent to the endpoints of their zones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bheka_cluster::config_sync::{TIMESTAMP_FILE, ZoneFile, ZoneFiles};
use bheka_net::pki::sha256_hex;
use bheka_value::{Str, Timestamp, Value, to_json};

/// Files by zone.
pub(crate) type Zones = BTreeMap<Str, ZoneFiles>;

/// Files larger than this are left out: a child takes messages of 16 MiB at most.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where the checksums of a zone's files stand.
const CHECKSUMS_FILE: &str = "/.checksums";

/// Reads the files of all zones that this node is the source of. When none has changed, what was
/// read before is returned, its time stamp included, so that nobody is told anew.
pub(crate) fn collect(zones_dir: &Path, now: Timestamp, before: &Arc<Zones>) -> Arc<Zones> {
    let mut zones = Zones::new();
    let Ok(entries) = std::fs::read_dir(zones_dir) else {
        return Arc::new(zones);
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if path.is_dir() {
            let mut files = ZoneFiles::new();
            read_into(&path, "/_etc", &mut files);
            zones.insert(name.into(), files);
        }
    }
    let is_same = zones.len() == before.len()
        && zones.iter().all(|(name, files)| {
            before.get(name).is_some_and(|before| {
                before
                    .iter()
                    .filter(|(path, _)| !path.starts_with("/."))
                    .eq(files)
            })
        });
    if is_same {
        return Arc::clone(before);
    }
    for files in zones.values_mut() {
        let sums = files
            .iter()
            .map(|(path, file)| (path.clone(), file.checksum.clone().into()));
        let sums = to_json(&Value::dictionary(sums));
        add(files, CHECKSUMS_FILE, sums.as_bytes());
        add(
            files,
            TIMESTAMP_FILE,
            format!("{:.6}", now.seconds()).as_bytes(),
        );
    }
    Arc::new(zones)
}

fn read_into(folder: &Path, prefix: &str, files: &mut ZoneFiles) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}/{name}");
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            read_into(&path, &name, files);
        } else if metadata.len() > FILE_BYTES_MAX {
            tracing::warn!(target: "ApiListener", "'{}' is not sent to other nodes: it has more \
                than {FILE_BYTES_MAX} bytes", path.display());
        } else {
            match std::fs::read(&path) {
                Ok(bytes) => add(files, &name, &bytes),
                Err(error) => tracing::warn!(target: "ApiListener",
                    "'{}' is not sent to other nodes: {error}", path.display()),
            }
        }
    }
}

/// Adds a file. The checksum is over its bytes; a configuration file that is not UTF-8 is sent
/// mended, others that are not are left out, as Icinga 2 does.
fn add(files: &mut ZoneFiles, name: &str, bytes: &[u8]) {
    if !name.ends_with(".conf") && std::str::from_utf8(bytes).is_err() {
        return;
    }
    let file = ZoneFile {
        content: Str::from_bytes(bytes),
        checksum: sha256_hex(bytes).into(),
    };
    files.insert(name.into(), file);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_told_anew_only_when_changed() {
        let folder = tempfile::tempdir().unwrap();
        let zone = folder.path().join("agent/deep");
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("h.conf"), "object Host \"h\" { }").unwrap();
        std::fs::write(folder.path().join("README"), "no zone").unwrap();
        let first = collect(folder.path(), Timestamp(1.0), &Arc::default());
        let names: Vec<&str> = first["agent"].keys().map(Str::as_str).collect();
        assert_eq!(names, ["/.checksums", "/.timestamp", "/_etc/deep/h.conf"]);
        let again = collect(folder.path(), Timestamp(2.0), &first);
        assert!(Arc::ptr_eq(&first, &again));
        std::fs::write(zone.join("h.conf"), "object Host \"other\" { }").unwrap();
        let changed = collect(folder.path(), Timestamp(3.0), &first);
        assert_eq!(changed["agent"][TIMESTAMP_FILE].content, "3.000000");
        std::fs::remove_dir_all(folder.path().join("agent")).unwrap();
        assert!(collect(folder.path(), Timestamp(4.0), &changed).is_empty());
    }
}
