//! Where texts come from.

use std::collections::BTreeMap;
use std::fmt;

/// Files and the environment, as the edge offers them. Paths are absolute or relative to the
/// working directory.
pub trait Sources: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError>;

    /// Whether there is a file (not a directory) of that path.
    fn is_file(&self, path: &str) -> bool;

    /// The entries of a directory, without `.` and `..`, in any order.
    ///
    /// # Errors
    /// When there is no such directory, or it cannot be read.
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError>;

    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// How much memory there is for everything that is loaded; asked now and then while values
    /// are made. Nothing: only the limits of single statements and objects hold.
    fn memory(&self) -> Option<Memory> {
        None
    }
}

/// Memory of the process that evaluates, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the process uses now, whatever for.
    pub used: u64,
    /// What it may use. When it uses more, nothing else is evaluated.
    pub max: u64,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name, without the path.
    pub name: String,
    /// Whether it is (or links to) a directory.
    pub is_dir: bool,
}

/// Something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError {
    code: i32,
    text: String,
}

impl SourceError {
    /// "No such file or directory".
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            code: 2,
            text: "No such file or directory".to_owned(),
        }
    }

    /// The number of the error (`errno`).
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The text of the error.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<std::io::Error> for SourceError {
    fn from(error: std::io::Error) -> Self {
        let text = error.to_string();
        let text = text
            .split(" (os error")
            .next()
            .unwrap_or_default()
            .to_owned();
        Self {
            code: error.raw_os_error().unwrap_or(0),
            text,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for SourceError {}

/// Files in memory, for tests and for texts that never were on a disk.
#[derive(Clone, Debug, Default)]
pub struct MemorySources {
    /// Contents by path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl MemorySources {
    /// With these files.
    #[must_use]
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter();
        Self {
            files: files
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .collect(),
            environment: BTreeMap::new(),
        }
    }
}

/// Paths compare without `./` and doubled slashes.
fn clean(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

impl Sources for MemorySources {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.files
            .get(&clean(path))
            .cloned()
            .ok_or_else(SourceError::not_found)
    }

    fn is_file(&self, path: &str) -> bool {
        self.files.contains_key(&clean(path))
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let dir = clean(dir);
        let prefix = if dir.is_empty() || dir == "/" {
            dir
        } else {
            format!("{dir}/")
        };
        let mut entries: Vec<DirEntry> = Vec::new();
        for path in self.files.keys() {
            let Some(rest) = path.strip_prefix(&prefix) else {
                continue;
            };
            let (name, is_dir) = match rest.split_once('/') {
                Some((name, _)) => (name, true),
                None => (rest, false),
            };
            if !name.is_empty() && !entries.iter().any(|entry| entry.name == name) {
                entries.push(DirEntry {
                    name: name.to_owned(),
                    is_dir,
                });
            }
        }
        if entries.is_empty() {
            Err(SourceError::not_found())
        } else {
            Ok(entries)
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
    }
}
