//! The disk, as the language sees it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bheka_lang::{DirEntry, Memory, SourceError, Sources};

/// Files of this machine and the environment of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskSources;

/// Larger files are no configuration: a mistaken path must not fill the memory.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The same for what is no regular file: `/dev/zero` never ends.
const STREAM_BYTES_MAX: u64 = 64 << 20;

impl Sources for DiskSources {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let data = fs::metadata(path)?;
        // Who opens a named pipe waits for somebody to write into it, maybe for ever.
        if data.file_type().is_fifo() && !is_descriptor(path) {
            return Err(std::io::Error::other("it is a named pipe, not a file").into());
        }
        let limit = if data.is_file() {
            FILE_BYTES_MAX
        } else {
            STREAM_BYTES_MAX
        };
        let too_large = || std::io::Error::from_raw_os_error(EFBIG);
        if data.len() > limit {
            return Err(too_large().into());
        }
        // It may grow, or be endless, whatever its length says.
        let mut bytes = Vec::new();
        fs::File::open(path)?
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(too_large().into());
        }
        Ok(bytes)
    }

    fn is_file(&self, path: &str) -> bool {
        // Pipes and the like count: `-c /dev/stdin` works.
        fs::metadata(path).is_ok_and(|data| !data.is_dir())
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(if dir.is_empty() { "." } else { dir })? {
            let entry = entry?;
            // A name that is not UTF-8 cannot be spelled in the language either.
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = Path::is_dir(&entry.path());
                entries.push(DirEntry { name, is_dir });
            }
        }
        Ok(entries)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn memory(&self) -> Option<Memory> {
        static MAX: OnceLock<Option<u64>> = OnceLock::new();
        let max = (*MAX.get_or_init(memory_max))?;
        // The second number is what of the process is in memory, in pages.
        let sizes = fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = sizes.split_whitespace().nth(1)?.parse().ok()?;
        let used = pages.saturating_mul(rustix::param::page_size() as u64);
        Some(Memory { used, max })
    }
}

/// The disk as it will be once a staged directory has taken the place of another one.
#[derive(Debug, Clone)]
pub(super) struct StagedSources {
    place: PathBuf,
    stage: PathBuf,
}

impl StagedSources {
    /// What is to be at `place` lies at `stage` now.
    pub(super) fn new(place: &Path, stage: &Path) -> Self {
        Self {
            place: place.to_owned(),
            stage: stage.to_owned(),
        }
    }

    /// Where a path leads now.
    fn now(&self, path: &str) -> String {
        match Path::new(path).strip_prefix(&self.place) {
            Ok(below) => self.stage.join(below).display().to_string(),
            Err(_) => path.to_owned(),
        }
    }
}

impl Sources for StagedSources {
    fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        DiskSources.read(&self.now(path))
    }

    fn is_file(&self, path: &str) -> bool {
        DiskSources.is_file(&self.now(path))
    }

    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, SourceError> {
        DiskSources.list(&self.now(dir))
    }

    fn env(&self, name: &str) -> Option<String> {
        DiskSources.env(name)
    }

    fn memory(&self) -> Option<Memory> {
        DiskSources.memory()
    }
}

/// Three quarters of what the machine, or the control group of this process, has: the rest is
/// for plugins and others. Nothing when the kernel does not tell.
fn memory_max() -> Option<u64> {
    let sizes = fs::read_to_string("/proc/meminfo").ok()?;
    let total = sizes
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let machine = kibibytes.saturating_mul(1024);
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|groups| {
            let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
            let file = format!("/sys/fs/cgroup{}/memory.max", path.trim_end_matches('/'));
            fs::read_to_string(file).ok()?.trim().parse().ok()
        });
    Some(machine.min(group.unwrap_or(u64::MAX)) / 4 * 3)
}

/// Whether a path names a descriptor that is open already, such as standard input.
fn is_descriptor(path: &str) -> bool {
    ["/dev/stdin", "/dev/fd/", "/proc/self/fd/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// "File too large".
const EFBIG: i32 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_refused() {
        let error = DiskSources.read("/dev/zero").expect_err("endless");
        assert_eq!(error.code(), EFBIG);
        assert_eq!(DiskSources.read("/dev/null").expect("empty"), b"");

        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let made = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        if made.is_ok_and(|status| status.success()) {
            let error = DiskSources.read(&at("pipe")).expect_err("a pipe");
            assert!(error.text().contains("named pipe"));
        }
        let sparse = fs::File::create(at("sparse")).expect("file");
        sparse.set_len(FILE_BYTES_MAX + 1).expect("length");
        let error = DiskSources.read(&at("sparse")).expect_err("large");
        assert_eq!(error.code(), EFBIG);
    }

    #[test]
    fn what_is_staged_shows_at_its_place() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        for (dir, text) in [("zones/a", "old"), ("stage/a", "new"), ("zones-a", "apart")] {
            fs::create_dir_all(at(dir)).expect("directory");
            fs::write(at(dir).join("f.conf"), text).expect("file");
        }
        fs::write(at("zones/gone.conf"), "").expect("file");
        let sources = StagedSources::new(&at("zones"), &at("stage"));
        let read = |name: &str| sources.read(&at(name).display().to_string());
        assert_eq!(read("zones/a/f.conf").expect("file"), b"new");
        assert_eq!(read("zones-a/f.conf").expect("file"), b"apart");
        assert!(read("zones/gone.conf").is_err());
        assert!(!sources.is_file(&at("zones/gone.conf").display().to_string()));
        let root = sources.list(&at("zones").display().to_string());
        assert_eq!(root.expect("list").len(), 1);
    }

    #[test]
    fn links_to_directories_are_directories() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).expect("directory");
        std::os::unix::fs::symlink("real", at("link")).expect("link");
        std::os::unix::fs::symlink("nowhere", at("dangling")).expect("link");
        fs::write(at("file"), "x").expect("file");
        let root = folder.path().to_str().expect("path");
        let mut entries = DiskSources.list(root).expect("list");
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        let entries: Vec<(&str, bool)> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry.is_dir))
            .collect();
        assert_eq!(
            entries,
            [
                ("dangling", false),
                ("file", false),
                ("link", true),
                ("real", true)
            ]
        );
        assert!(DiskSources.is_file(&format!("{root}/file")));
        assert!(!DiskSources.is_file(&format!("{root}/real")));
        assert_eq!(
            DiskSources
                .read(&format!("{root}/none"))
                .expect_err("none")
                .code(),
            2
        );
    }
}
