//! The files of the replay log, on a thread of their own.
//!
//! What is written, rotated and read is decided by `cluster`; the operations come through one
//! bounded queue and are carried out in their order. When the disk does not keep up, the queue
//! fills and the core waits: better slow than lost.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use bheka_cluster::log::{LogFile, LogPage, LogRecord};
use bheka_value::Timestamp;

/// Operations that may wait.
const QUEUE_LEN_MAX: usize = 4096;

/// Bytes read at first for a page; more when a record is larger.
const READ_BYTES: usize = 2 * 1024 * 1024;

/// Called with a page that was read.
pub(crate) type PageReader = Box<dyn FnOnce(LogPage) + Send>;

/// One operation.
pub(crate) enum Operation {
    /// Append a record to the current file.
    Append(LogRecord),
    /// Rename the current file to this number.
    Rotate(u64),
    /// Delete a rotated file.
    Delete(u64),
    /// Read a page.
    Read {
        /// Which file.
        file: LogFile,
        /// From which byte.
        offset: u64,
        /// Who gets it.
        then: PageReader,
    },
}

/// What the folder holds at start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Numbers of the rotated files.
    pub(crate) files: BTreeSet<u64>,
    /// Records in the current file.
    pub(crate) current_records: usize,
    /// Time of the last record.
    pub(crate) last_timestamp: Timestamp,
}

/// The log's thread and queue.
#[derive(Debug)]
pub(crate) struct ReplayLog {
    queue: Option<SyncSender<Operation>>,
    thread: Option<JoinHandle<()>>,
}

impl ReplayLog {
    /// Looks at the folder (making it) and starts the thread.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<(Self, Found)> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)
            .with_context(|| format!("cannot create the replay log in '{}'", folder.display()))?;
        let found = look(folder)?;
        let (queue, operations) = sync_channel(QUEUE_LEN_MAX);
        let files = Files {
            folder: folder.to_owned(),
            current: None,
            is_failing: false,
        };
        let thread = std::thread::Builder::new()
            .name("replay-log".to_owned())
            .spawn(move || files.serve(&operations))
            .context("cannot start the thread of the replay log")?;
        Ok((
            Self {
                queue: Some(queue),
                thread: Some(thread),
            },
            found,
        ))
    }

    /// Hands an operation over, waiting while the queue is full.
    pub(crate) fn push(&self, operation: Operation) {
        if let Some(queue) = &self.queue {
            // The thread only ends with the queue; if it died, the log says so.
            if queue.send(operation).is_err() {
                tracing::error!(target: "ApiListener", "the replay log has stopped");
            }
        }
    }

    /// Carries out what waits and ends.
    pub(crate) fn finish(mut self) {
        self.queue.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(folder: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the replay log in '{}'", folder.display()))?;
    for entry in entries.flatten() {
        if let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            found.files.insert(number);
        }
    }
    let mut offset = 0;
    while let Ok(page) = read_page(&folder.join(CURRENT), offset) {
        found.current_records += page.records.len();
        if let Some(last) = page.records.last() {
            found.last_timestamp = last.timestamp;
        }
        if page.damage.is_some() {
            // What was cut off by a crash goes, so that later records can be read behind it.
            let file = OpenOptions::new().write(true).open(folder.join(CURRENT));
            file.and_then(|file| file.set_len(page.next_offset))
                .with_context(|| {
                    format!("cannot repair the replay log in '{}'", folder.display())
                })?;
        }
        if page.end || page.next_offset == offset {
            break;
        }
        offset = page.next_offset;
    }
    if found.current_records == 0
        && let Some(last) = found.files.last()
    {
        #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit
        let last = *last as f64;
        found.last_timestamp = Timestamp(last);
    }
    Ok(found)
}

const CURRENT: &str = "current";

struct Files {
    folder: PathBuf,
    current: Option<BufWriter<File>>,
    is_failing: bool,
}

impl Files {
    fn serve(mut self, operations: &Receiver<Operation>) {
        loop {
            let operation = match operations.try_recv() {
                Ok(operation) => operation,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    // Nothing more at once: what is buffered goes to the file.
                    let flushed = self.flush();
                    self.report(flushed);
                    match operations.recv() {
                        Ok(operation) => operation,
                        Err(_) => break,
                    }
                }
            };
            let outcome = self.carry_out(operation);
            self.report(outcome);
        }
        let flushed = self.flush();
        self.report(flushed);
    }

    /// One log line an episode of failures: a full disk would repeat it for each record.
    fn report(&mut self, outcome: std::io::Result<()>) {
        match outcome {
            Ok(()) => self.is_failing = false,
            Err(error) => {
                if !self.is_failing {
                    tracing::error!(target: "ApiListener", "cannot write the replay log in '{}': \
                        {error}; absent endpoints will miss messages", self.folder.display());
                }
                self.is_failing = true;
                self.current = None;
            }
        }
    }

    fn carry_out(&mut self, operation: Operation) -> std::io::Result<()> {
        match operation {
            Operation::Append(record) => self.current()?.write_all(&record.to_frame()),
            Operation::Rotate(number) => {
                self.flush()?;
                self.current = None;
                let to = self.folder.join(number.to_string());
                std::fs::rename(self.folder.join(CURRENT), to)
            }
            Operation::Delete(number) => {
                match std::fs::remove_file(self.folder.join(number.to_string())) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            Operation::Read { file, offset, then } => {
                let flushed = self.flush();
                let name = match file {
                    LogFile::Current => CURRENT.to_owned(),
                    LogFile::Rotated(number) => number.to_string(),
                };
                let page = read_page(&self.folder.join(name), offset).unwrap_or_else(|error| {
                    let damage = (error.kind() != std::io::ErrorKind::NotFound)
                        .then(|| error.to_string().into());
                    LogPage {
                        next_offset: offset,
                        end: true,
                        damage,
                        ..LogPage::default()
                    }
                });
                then(page);
                flushed
            }
        }
    }

    fn current(&mut self) -> std::io::Result<&mut BufWriter<File>> {
        match &mut self.current {
            Some(current) => Ok(current),
            slot @ None => {
                let path = self.folder.join(CURRENT);
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)?;
                Ok(slot.insert(BufWriter::new(file)))
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.current.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

fn read_page(path: &Path, offset: u64) -> std::io::Result<LogPage> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    let mut limit = READ_BYTES as u64;
    loop {
        (&mut file).take(limit).read_to_end(&mut bytes)?;
        let to_end = offset + bytes.len() as u64 >= length;
        let page = LogPage::read(&bytes, offset, to_end);
        if !page.records.is_empty() || page.end || page.damage.is_some() || to_end {
            return Ok(page);
        }
        limit *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(second: u32) -> LogRecord {
        LogRecord {
            timestamp: Timestamp(f64::from(second)),
            object: None,
            message: format!("{{\"n\":{second}}}").into(),
        }
    }

    fn read(log: &ReplayLog, file: LogFile) -> LogPage {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        log.push(Operation::Read {
            file,
            offset: 0,
            then: Box::new(move |page| {
                let _ = sender.send(page);
            }),
        });
        receiver.recv().unwrap()
    }

    #[test]
    fn records_are_read_back_in_order_and_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let (log, found) = ReplayLog::open(folder.path()).unwrap();
        assert!(found.files.is_empty());
        log.push(Operation::Append(record(1)));
        log.push(Operation::Rotate(2));
        log.push(Operation::Append(record(5)));
        assert_eq!(read(&log, LogFile::Rotated(2)).records, [record(1)]);
        assert_eq!(read(&log, LogFile::Current).records, [record(5)]);
        assert!(read(&log, LogFile::Rotated(77)).end);
        log.finish();
        // A crash in the middle of a record.
        let mut file = OpenOptions::new()
            .append(true)
            .open(folder.path().join(CURRENT))
            .unwrap();
        file.write_all(&record(6).to_frame()[..7]).unwrap();
        drop(file);
        let (log, found) = ReplayLog::open(folder.path()).unwrap();
        assert_eq!(found.files, [2].into());
        assert_eq!(
            (found.current_records, found.last_timestamp),
            (1, Timestamp(5.0))
        );
        log.push(Operation::Append(record(7)));
        assert_eq!(read(&log, LogFile::Current).records, [record(5), record(7)]);
        log.push(Operation::Delete(2));
        log.finish();
        assert!(!folder.path().join("2").exists());
    }
}
