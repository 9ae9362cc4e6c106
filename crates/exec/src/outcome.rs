//! What became of a command line.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::program::signal_name;

/// The exit status reported when a program could not be started, was killed by a signal or ran
/// into its timeout. Icinga 2 uses the same number; as a plugin's status it means UNKNOWN.
pub const STATUS_FAILED: i32 = 128;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started.
    NotStarted {
        /// The program as given.
        program: String,
        /// The system's words.
        reason: String,
    },
    /// It was killed and still did not end; it is reaped whenever it does.
    Stuck,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Whether its time was up, so that it was told to end.
    pub timed_out: bool,
    /// Whether the caller cancelled it.
    pub cancelled: bool,
    /// Whether `SIGKILL` was needed.
    pub killed: bool,
    /// What it wrote, standard output and standard error in the order of writing, at most the
    /// limit of its [`crate::Spec`]. Markers of timeout and signal are part of it; see
    /// [`Outcome::text`] for the text with every note.
    pub output: Vec<u8>,
    /// Bytes beyond the limit, read and thrown away.
    pub discarded_bytes: u64,
    /// Its process id (and that of its group), when it was started.
    pub pid: Option<u32>,
    /// When it was started.
    pub started: SystemTime,
    /// When it ended.
    pub ended: SystemTime,
    /// How long it took, by a clock that is never set.
    pub elapsed: Duration,
}

impl Outcome {
    /// The status as Icinga 2 reports it: the exit status, or [`STATUS_FAILED`] when the program
    /// did not start, a signal ended it, or it ran into the timeout (whatever it answered then).
    #[must_use]
    pub fn exit_status(&self) -> i32 {
        match self.exit {
            Exit::Code(code) if !self.timed_out && !self.cancelled => code,
            _ => STATUS_FAILED,
        }
    }

    /// The output with notes about an end that was not its own: the words that Icinga 2 appends,
    /// and a note of ours when output was cut.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = self.output.clone();
        if self.discarded_bytes > 0 {
            let note = format!(
                "\n<Output limit exceeded, {} bytes discarded.>",
                self.discarded_bytes
            );
            text.extend_from_slice(note.as_bytes());
        }
        match &self.exit {
            Exit::Code(_) => {}
            exit => text.extend_from_slice(exit.to_string().as_bytes()),
        }
        text
    }

    /// [`Outcome::started`] in seconds since 1970.
    #[must_use]
    pub fn started_seconds(&self) -> f64 {
        seconds_since_epoch(self.started)
    }

    /// [`Outcome::ended`] in seconds since 1970.
    #[must_use]
    pub fn ended_seconds(&self) -> f64 {
        seconds_since_epoch(self.ended)
    }
}

/// The note that goes into the output; empty for an ordinary exit.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(_) => Ok(()),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "<Terminated by signal {signal} ({name}).>"),
                None => write!(f, "<Terminated by signal {signal}.>"),
            },
            Self::NotStarted { program, reason } => {
                write!(f, "execvpe({program}) failed: {reason}")
            }
            Self::Stuck => f.write_str("<Process did not end after SIGKILL.>"),
        }
    }
}

/// A point in time as seconds since 1970; negative before.
#[must_use]
pub fn seconds_since_epoch(time: SystemTime) -> f64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
