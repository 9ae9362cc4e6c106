//! Where records go, and the thread that takes them there.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::file::FileSink;
use super::journald::JournaldSink;
use super::syslog::SyslogSink;
use super::{Format, Record, Severity};

/// A destination, as a logger object or the command line describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SinkSpec {
    /// Where to.
    pub(crate) kind: SinkKind,
    /// The least grave severity that it shows.
    pub(crate) severity: Severity,
    /// In which form; syslog and journald have their own.
    pub(crate) format: Format,
}

/// The kinds of destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkKind {
    /// Standard output.
    Console {
        /// Whether to use colours even when it is no terminal.
        color: bool,
    },
    /// `FileLogger`
    File {
        /// The file; its directory must exist.
        path: PathBuf,
    },
    /// `SyslogLogger`
    Syslog {
        /// The number of the facility, see [`super::facility_code`].
        facility: u8,
    },
    /// `JournaldLogger`
    Journald {
        /// The number of the facility, if one was given.
        facility: Option<u8>,
        /// What the journal shows as the program's name.
        identifier: String,
    },
}

/// Something that takes records.
pub(super) trait Sink: Send {
    /// Takes one record. Errors are not reported anywhere: there is no place left to do so.
    fn write(&mut self, record: &Record);
    /// Hands on what is buffered.
    fn flush(&mut self) {}
    /// Opens its file again, after another program has moved it away.
    fn reopen(&mut self) {}
}

/// All destinations of this process's records.
#[derive(Debug)]
pub(crate) struct LogSinks {
    queue: Option<SyncSender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The least grave severity that any sink shows; [`NOTHING`] when there is no sink.
    threshold: AtomicU8,
    dropped: AtomicU64,
}

enum Message {
    Record(Record),
    Sinks(Vec<Filtered>),
    Reopen,
    Flush(SyncSender<()>),
}

struct Filtered {
    severity: Severity,
    sink: Box<dyn Sink>,
}

/// Records that may wait for the thread.
const QUEUE_LEN_MAX: usize = 8192;
const NOTHING: u8 = u8::MAX;

impl LogSinks {
    /// No sinks yet; records are dropped until [`LogSinks::configure`] is called.
    pub(crate) fn new() -> Self {
        let (queue, messages) = sync_channel(QUEUE_LEN_MAX);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&messages))
            .ok();
        Self {
            // Without a thread, a queue would only fill up.
            queue: thread.is_some().then_some(queue),
            thread: Mutex::new(thread),
            threshold: AtomicU8::new(NOTHING),
            dropped: AtomicU64::new(0),
        }
    }

    /// Replaces all sinks, between two records: none is lost, none written twice. Returns those
    /// that could not be opened, with the reason.
    #[must_use = "a sink that could not be opened loses its records"]
    pub(crate) fn configure(&self, specs: Vec<SinkSpec>) -> Vec<(SinkSpec, io::Error)> {
        let mut failed = Vec::new();
        let mut sinks = Vec::new();
        let mut threshold = NOTHING;
        for spec in specs {
            match open(&spec) {
                Ok(sink) => {
                    threshold = threshold.min(spec.severity as u8);
                    sinks.push(Filtered {
                        severity: spec.severity,
                        sink,
                    });
                }
                Err(error) => failed.push((spec, error)),
            }
        }
        self.post(Message::Sinks(sinks));
        self.threshold.store(threshold, Ordering::Relaxed);
        failed
    }

    /// Whether any sink shows records of this severity.
    pub(crate) fn wants(&self, severity: Severity) -> bool {
        severity as u8 >= self.threshold.load(Ordering::Relaxed)
    }

    /// Logs a text now.
    pub(crate) fn write(&self, severity: Severity, facility: &str, text: impl Into<String>) {
        if self.wants(severity) {
            self.send(Record::now(severity, facility, text));
        }
    }

    /// Logs a record.
    pub(crate) fn send(&self, record: Record) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(message)) = queue.try_send(Message::Record(record)) {
            let Message::Record(record) = &message else {
                return;
            };
            if record.severity < Severity::Information {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            } else {
                let _ = queue.send(message);
            }
        }
    }

    /// How many debug and notice records were dropped because the sinks were too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Opens log files again (`SIGUSR1`, after log rotation).
    pub(crate) fn reopen(&self) {
        self.post(Message::Reopen);
    }

    /// Waits until everything logged so far has been handed to the system.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        self.post(Message::Flush(done));
        // An error means that the thread is gone; then there is nothing to wait for.
        let _ = wait.recv();
    }

    fn post(&self, message: Message) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(message);
        }
    }
}

impl Drop for LogSinks {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn open(spec: &SinkSpec) -> io::Result<Box<dyn Sink>> {
    Ok(match &spec.kind {
        SinkKind::Console { color } => Box::new(ConsoleSink {
            format: spec.format,
            colored: *color || super::colors_wanted(),
        }),
        SinkKind::File { path } => Box::new(FileSink::open(path.clone(), spec.format)?),
        SinkKind::Syslog { facility } => Box::new(SyslogSink::new(*facility)?),
        SinkKind::Journald {
            facility,
            identifier,
        } => Box::new(JournaldSink::new(*facility, identifier.clone())?),
    })
}

fn write_all(messages: &Receiver<Message>) {
    let mut sinks: Vec<Filtered> = Vec::new();
    loop {
        let message = match messages.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                sinks.iter_mut().for_each(|filtered| filtered.sink.flush());
                match messages.recv() {
                    Ok(message) => message,
                    Err(_) => break,
                }
            }
        };
        match message {
            Message::Record(record) => {
                for filtered in &mut sinks {
                    if record.severity >= filtered.severity {
                        filtered.sink.write(&record);
                    }
                }
            }
            Message::Sinks(new) => {
                sinks.iter_mut().for_each(|filtered| filtered.sink.flush());
                sinks = new;
            }
            Message::Reopen => sinks.iter_mut().for_each(|filtered| filtered.sink.reopen()),
            Message::Flush(done) => {
                sinks.iter_mut().for_each(|filtered| filtered.sink.flush());
                let _ = done.send(());
            }
        }
    }
    sinks.iter_mut().for_each(|filtered| filtered.sink.flush());
}

struct ConsoleSink {
    format: Format,
    colored: bool,
}

impl Sink for ConsoleSink {
    fn write(&mut self, record: &Record) {
        let _ = io::stdout()
            .lock()
            .write_all(record.line(self.format, self.colored).as_bytes());
    }

    fn flush(&mut self) {
        let _ = io::stdout().lock().flush();
    }
}
