//! The PID file: one daemon for one run directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::FlockOperation;

/// A locked PID file; removed when dropped.
///
/// The lock, not the number in it, says that a daemon lives: a number may be left over from a
/// crash and be another process's by now.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    _file: File,
}

impl PidFile {
    /// Creates and locks the file and writes this process's id.
    ///
    /// # Errors
    /// When another daemon holds it, or the directory is not writable.
    pub(crate) fn claim(path: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create run directory '{}'", folder.display()))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot open PID file '{}'", path.display()))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another daemon (process {}) holds '{}'; end it first, or give this one a run and \
                 a data directory of its own with -D InitRunDir=DIR -D DataDir=DIR",
                holder.trim(),
                path.display()
            );
        }
        file.set_len(0).context("cannot empty the PID file")?;
        file.rewind().context("cannot rewind the PID file")?;
        writeln!(file, "{}", std::process::id()).context("cannot write the PID file")?;
        file.flush().context("cannot write the PID file")?;
        Ok(Self {
            path: path.to_owned(),
            _file: file,
        })
    }
}

/// The process of the daemon that holds a PID file, when one lives.
pub(crate) fn holder(path: &Path) -> Option<rustix::process::Pid> {
    let mut file = File::open(path).ok()?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    rustix::process::Pid::from_raw(text.trim().parse().ok()?)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/bheka.pid");
        let first = PidFile::claim(&path).unwrap();
        let error = PidFile::claim(&path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        assert_eq!(holder(&path), Some(rustix::process::getpid()));
        drop(first);
        assert!(!path.exists());
        assert_eq!(holder(&path), None);
        std::fs::write(&path, "1\n").unwrap();
        assert_eq!(holder(&path), None, "the number alone means nothing");
        PidFile::claim(&path).unwrap();
    }
}
