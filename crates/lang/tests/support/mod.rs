//! Files of the real disk, relative to a directory. Shared by the tests.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use bheka_lang::{DirEntry, SourceError, Sources};
use bheka_value::Value;

/// The disk as seen from a working directory.
pub(crate) struct Disk {
    pub(crate) directory: PathBuf,
}

impl Disk {
    fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
}

impl Sources for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        Ok(std::fs::read(self.path(path))?)
    }

    fn is_file(&self, path: &str) -> bool {
        self.path(path).is_file()
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(self.path(dir))? {
            let entry = entry?;
            let is_dir = entry.path().is_dir();
            entries.push(DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir,
            });
        }
        Ok(entries)
    }

    fn env(&self, name: &str) -> Option<String> {
        match name {
            "TZ" => Some("Europe/Berlin".to_owned()),
            "DSL_TEST_VAR" => Some("hello world".to_owned()),
            "DSL_EMPTY_VAR" => Some(String::new()),
            _ => None,
        }
    }
}

/// The constants that the program provides, for a configuration in `directory`.
pub(crate) fn constants(directory: &Path) -> Vec<(String, Value)> {
    let path = |name: &str| Value::from(format!("{}/{name}", directory.display()));
    vec![
        ("NodeName".to_owned(), Value::string("testnode")),
        (
            "ConfigDir".to_owned(),
            Value::from(directory.display().to_string()),
        ),
        ("ZonesDir".to_owned(), path("zones.d")),
        ("DataDir".to_owned(), path("run/data")),
        ("CacheDir".to_owned(), path("run/cache")),
        ("LogDir".to_owned(), path("run/log")),
        ("SpoolDir".to_owned(), path("run/spool")),
        ("InitRunDir".to_owned(), path("run/run")),
    ]
}
