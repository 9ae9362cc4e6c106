//! Live state on disk: a snapshot and a journal beside it.
//!
//! The snapshot is replaced as a whole (new file, sync, rename); between snapshots the records of
//! what changed are appended to the journal. After a crash, `kill -9` included, the state is the
//! snapshot with the journal's records over it, in order. A record that was cut off at the end of
//! the journal is ignored by the reader of records.
//!
//! A snapshot is always taken of exactly the state that the journal leads to, so it does not
//! matter whether a crash leaves the old journal beside the new snapshot.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;

/// One thing to write.
#[derive(Default)]
pub(crate) struct Save {
    /// Records to append to the journal.
    pub(crate) journal: Option<Records>,
    /// All records, to replace the snapshot with.
    pub(crate) snapshot: Option<Records>,
}

/// Makes the text of records. It is called on the thread that writes, because the text of very
/// many states takes longer than the owner of the state can be spared.
pub(crate) type Records = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The snapshot; empty when there was none.
    pub(crate) snapshot: Vec<u8>,
    /// The journal; empty when there was none.
    pub(crate) journal: Vec<u8>,
}

/// Writes on a thread of its own, so that a slow disk never holds up the writer of the state.
#[derive(Debug)]
pub(crate) struct Store {
    queue: Option<SyncSender<Save>>,
    thread: Option<JoinHandle<()>>,
    has_failed: Arc<AtomicBool>,
}

/// Of files with state: for the daemon's user only, as Icinga 2's.
const MODE: u32 = 0o600;

/// Saves that may wait. When the disk does not keep up, changes stay marked as unsaved and are
/// merged into a later save.
const QUEUE_LEN_MAX: usize = 2;

impl Store {
    /// Reads what is there and starts the writing thread.
    ///
    /// # Errors
    /// When a file exists and cannot be read, or the folder cannot be made.
    pub(crate) fn open(snapshot: &Path) -> anyhow::Result<(Self, Saved)> {
        if let Some(folder) = snapshot.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create data directory '{}'", folder.display()))?;
        }
        let files = Files {
            snapshot: snapshot.to_owned(),
            journal: journal_path(snapshot),
        };
        let saved = Saved {
            snapshot: read_if_there(&files.snapshot)?,
            journal: read_if_there(&files.journal)?,
        };
        let (queue, waiting) = sync_channel(QUEUE_LEN_MAX);
        let has_failed = Arc::new(AtomicBool::new(false));
        let failure = Arc::clone(&has_failed);
        let thread = std::thread::Builder::new()
            .name("state-store".to_owned())
            .spawn(move || write_all(&files, &waiting, &failure))
            .context("cannot start the thread that saves the state")?;
        Ok((
            Self {
                queue: Some(queue),
                thread: Some(thread),
                has_failed,
            },
            saved,
        ))
    }

    /// Hands a save over; false when earlier ones still wait.
    pub(crate) fn offer(&self, save: Save) -> bool {
        self.queue
            .as_ref()
            .is_some_and(|queue| queue.try_send(save).is_ok())
    }

    /// Whether the last write failed. What it was to write is not on disk, and the journal may end
    /// in a torn record: only a snapshot makes up for both.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Writes a last save and waits until all is on disk.
    pub(crate) fn finish(mut self, save: Save) {
        if let Some(queue) = self.queue.take() {
            let _ = queue.send(save);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Files {
    snapshot: PathBuf,
    journal: PathBuf,
}

/// Where the journal of a snapshot lies.
pub(crate) fn journal_path(snapshot: &Path) -> PathBuf {
    let mut name = snapshot.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

fn read_if_there(path: &Path) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot read the state file '{}'; mend its permissions",
                path.display()
            )
        }),
    }
}

fn write_all(files: &Files, waiting: &Receiver<Save>, has_failed: &AtomicBool) {
    let mut journal = None;
    while let Ok(save) = waiting.recv() {
        match write(files, &mut journal, save) {
            Ok(()) => has_failed.store(false, Ordering::Release),
            Err(error) => {
                // One line a failure episode: a full disk would repeat it every few seconds.
                if !has_failed.swap(true, Ordering::AcqRel) {
                    tracing::error!(target: "StateStore", "cannot save the state: {error}; \
                        it is kept in memory and tried again");
                }
                journal = None;
            }
        }
    }
    if has_failed.load(Ordering::Acquire) {
        tracing::error!(target: "StateStore", "the state of the last minutes could not be saved \
            to '{}'", files.snapshot.display());
    }
}

fn write(files: &Files, journal: &mut Option<File>, save: Save) -> std::io::Result<()> {
    if let Some(records) = save.journal {
        if journal.is_none() {
            *journal = Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(MODE)
                    .open(&files.journal)?,
            );
        }
        if let Some(file) = journal.as_mut() {
            file.write_all(&records())?;
            file.sync_data()?;
        }
    }
    if let Some(records) = save.snapshot {
        replace(&files.snapshot, &records())?;
        *journal = None;
        match std::fs::remove_file(&files.journal) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Replaces a file so that at every moment either the old or the new content is there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    // Outputs and command lines of checks are nobody else's business.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(journal: &'static str, snapshot: Option<&'static str>) -> Save {
        let records = |text: &'static str| -> Records { Box::new(|| text.as_bytes().to_vec()) };
        Save {
            journal: Some(records(journal)),
            snapshot: snapshot.map(records),
        }
    }

    #[test]
    fn a_failure_is_known_until_a_write_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bheka.state");
        let (store, _) = Store::open(&path).unwrap();
        // A directory in the journal's place.
        std::fs::create_dir(journal_path(&path)).unwrap();
        let wait_until = |failed: bool| {
            while store.has_failed() != failed {
                std::thread::yield_now();
            }
        };
        assert!(store.offer(save("lost", None)));
        wait_until(true);
        std::fs::remove_dir(journal_path(&path)).unwrap();
        assert!(store.offer(save("again", None)));
        wait_until(false);
    }

    #[test]
    fn what_was_saved_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/bheka.state");
        let (store, saved) = Store::open(&path).unwrap();
        assert!(saved.snapshot.is_empty() && saved.journal.is_empty());
        store.finish(save("one", None));
        let (store, saved) = Store::open(&path).unwrap();
        assert_eq!(saved.journal, b"one");
        store.finish(save("two", None));
        let (store, saved) = Store::open(&path).unwrap();
        assert_eq!(saved.journal, b"onetwo");
        store.finish(save("three", Some("all")));
        let (_store, saved) = Store::open(&path).unwrap();
        assert_eq!(
            (saved.snapshot.as_slice(), saved.journal.as_slice()),
            (&b"all"[..], &b""[..])
        );
    }

    #[test]
    fn a_broken_temporary_file_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bheka.state");
        replace(&path, b"good").unwrap();
        std::fs::write(folder.path().join("bheka.state.tmp"), b"half").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"good");
        replace(&path, b"better").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"better");
    }
}
