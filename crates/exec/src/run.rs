//! The run itself.

use std::future::Future;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{
    Pid, Resource, Signal, getpriority_process, getrlimit, kill_process_group, prlimit,
    setpriority_pgrp,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use crate::outcome::{Exit, Outcome};
use crate::program::locate;

/// How long the output is awaited after the program itself has ended, when a process that it left
/// behind keeps the pipe open. Then that process is killed, unless [`Spec::leave_children`].
pub const LINGER: Duration = Duration::from_secs(1);

/// How long a process may survive `SIGKILL` before it is given up.
pub const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A sensible limit of output in bytes: far beyond any plugin, far below what hurts.
pub const OUTPUT_BYTES_MAX: usize = 4 << 20;

/// A program to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Program and arguments. Without a slash the program is searched on `PATH`.
    pub argv: Vec<String>,
    /// Variables added to the inherited environment (replacing those of the same name).
    pub env: Vec<(String, String)>,
    /// How long it may run.
    pub timeout: Duration,
    /// How many bytes of output are kept; the rest is read and thrown away.
    pub output_bytes_max: usize,
    /// By how much less its process group is preferred than this process: 0 leaves it as it is, 19
    /// is the lowest. Icinga 2 runs check plugins at 5.
    pub nice: i32,
    /// How many files it may open (its soft limit); `None` leaves it that of this process. Set a
    /// moment after the start, as there is no way to do so before that does not fork.
    pub open_files: Option<u64>,
    /// Whether what it leaves behind may live on when it ended by itself: event handlers start
    /// daemons. Otherwise what still holds its output [`LINGER`] later is killed, so that nothing
    /// piles up when a check forks and forgets. What detached itself with its output elsewhere
    /// always lives on, as with Icinga 2.
    pub leave_children: bool,
}

impl Spec {
    /// A program with a timeout of a minute, the usual output limit and no other wishes.
    #[must_use]
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            timeout: Duration::from_secs(60),
            output_bytes_max: OUTPUT_BYTES_MAX,
            nice: 0,
            open_files: None,
            leave_children: false,
        }
    }
}

/// Runs a program to its end. `cancel` is a future whose completion ends the program early (use
/// [`std::future::pending`] for never).
///
/// Failures are outcomes too: a program that does not start yields [`Exit::NotStarted`].
///
/// # Panics
/// Outside a Tokio runtime with I/O and time enabled.
pub async fn run(spec: Spec, cancel: impl Future<Output = ()>) -> Outcome {
    let started = wall_clock();
    let begun = Instant::now();
    let finish = |exit, progress: Progress, pid| Outcome {
        exit,
        timed_out: progress.timed_out,
        cancelled: progress.cancelled,
        killed: progress.killed,
        output: progress.output,
        discarded_bytes: progress.discarded_bytes,
        pid,
        started,
        ended: wall_clock(),
        elapsed: begun.elapsed(),
    };
    let (child, output) = match start(&spec) {
        Ok(running) => running,
        Err(error) => {
            let program = spec.argv.first().cloned().unwrap_or_default();
            let exit = Exit::NotStarted {
                program,
                reason: reason(&error),
            };
            return finish(exit, Progress::default(), None);
        }
    };
    let pid = child.id();
    let mut group = Group::of(&child);
    if spec.nice != 0 {
        group.set_niceness(spec.nice);
    }
    if let Some(files) = spec.open_files {
        group.set_open_files(files);
    }
    let (exit, progress) = attend(child, output, &mut group, &spec, begun, cancel).await;
    finish(exit, progress, pid)
}

/// What is known of a running program.
#[derive(Default)]
struct Progress {
    output: Vec<u8>,
    discarded_bytes: u64,
    timed_out: bool,
    cancelled: bool,
    killed: bool,
}

impl Progress {
    /// Whether it did not end by itself.
    fn was_told(&self) -> bool {
        self.timed_out || self.cancelled
    }

    fn keep(&mut self, bytes: &[u8], bytes_max: usize) {
        let room = bytes_max.saturating_sub(self.output.len());
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        self.output.extend_from_slice(kept);
        self.discarded_bytes += rest.len() as u64;
    }
}

/// What the clock is set for.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// The program runs; next comes `SIGTERM`.
    Running,
    /// It was told to end; next comes `SIGKILL`.
    Told,
    /// It was killed; next it is given up.
    Killed,
}

async fn attend(
    mut child: Child,
    mut pipe: Receiver,
    group: &mut Group,
    spec: &Spec,
    begun: Instant,
    cancel: impl Future<Output = ()>,
) -> (Exit, Progress) {
    let mut cancel = std::pin::pin!(cancel);
    let mut progress = Progress::default();
    let mut stage = Stage::Running;
    let mut alarm = after(begun, spec.timeout);
    let mut ended: Option<ExitStatus> = None;
    let mut pipe_open = true;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        if let Some(status) = ended
            && !pipe_open
        {
            return (end(status, group, progress.was_told()), progress);
        }
        tokio::select! {
            read = pipe.read(&mut buffer), if pipe_open => match read {
                Ok(0) | Err(_) => pipe_open = false,
                Ok(count) => progress.keep(&buffer[..count], spec.output_bytes_max),
            },
            status = child.wait(), if ended.is_none() => {
                // An error here means that someone else reaped the child; its status is lost.
                ended = Some(status.unwrap_or_else(|_| ExitStatus::from_raw(STATUS_LOST)));
                let linger = Instant::now() + LINGER;
                alarm = if stage == Stage::Running { linger } else { alarm.min(linger) };
            }
            () = &mut cancel, if !progress.cancelled && ended.is_none() => {
                progress.cancelled = true;
                if stage == Stage::Running {
                    group.signal(Signal::TERM);
                    stage = Stage::Told;
                    alarm = Instant::now() + CANCEL_PATIENCE;
                }
            }
            () = sleep_until(alarm) => {
                if let Some(status) = ended {
                    // The alarm after the end is that of LINGER: something holds the pipe.
                    let must_clear = progress.was_told() || !spec.leave_children;
                    return (end(status, group, must_clear), progress);
                }
                match stage {
                    Stage::Running => {
                        progress.timed_out = true;
                        progress.output.extend_from_slice(TIMEOUT_NOTE);
                        group.signal(Signal::TERM);
                        stage = Stage::Told;
                        alarm = after(begun, spec.timeout + spec.timeout / 10);
                    }
                    Stage::Told => {
                        progress.killed = true;
                        group.signal(Signal::KILL);
                        stage = Stage::Killed;
                        alarm = Instant::now() + KILL_PATIENCE;
                    }
                    Stage::Killed => return (Exit::Stuck, progress),
                }
            }
        }
    }
}

/// The program has ended and so has the wait for its output; the rest of its group goes too when
/// asked for. (While one of the group lives, the system gives its number to nobody else.)
fn end(status: ExitStatus, group: &mut Group, must_clear: bool) -> Exit {
    if must_clear {
        group.signal(Signal::KILL);
    }
    group.release();
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Stuck,
    }
}

fn start(spec: &Spec) -> io::Result<(Child, Receiver)> {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the command line is empty",
        ));
    };
    let search_path = spec
        .env
        .iter()
        .rev()
        .find(|(name, _)| name == "PATH")
        .map(|(_, path)| path.as_str());
    let path = locate(program, search_path);
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(&path);
    command.arg0(program).args(arguments);
    let child = match spawn(command, spec, &writer) {
        // A script without `#!` line, which `execvp` hands to the shell.
        Err(error) if error.raw_os_error() == Some(ENOEXEC) => {
            let mut command = Command::new(Path::new("/bin/sh"));
            command.arg(&path).args(arguments);
            spawn(command, spec, &writer)
        }
        other => other,
    }?;
    drop(writer);
    let pipe = Receiver::from_owned_fd(OwnedFd::from(reader))?;
    Ok((child, pipe))
}

fn spawn(mut command: Command, spec: &Spec, writer: &PipeWriter) -> io::Result<Child> {
    // Numbers in plugin output must have a point, whatever the locale of the administrator.
    command.env("LC_NUMERIC", "C");
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::from(writer.try_clone()?))
        .stderr(Stdio::from(writer.try_clone()?))
        .process_group(0)
        .spawn()
}

/// The process group of a child that has not been reaped yet; killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // The only failures are that it is gone or has changed its user: nothing to be done.
            let _ = kill_process_group(pid, signal);
        }
    }

    fn set_niceness(&self, niceness: i32) {
        if let Some(pid) = self.0 {
            // Raising one's niceness is always allowed; failure means that the group is gone.
            // A daemon that was started with another priority passes the difference on.
            let own = getpriority_process(None).unwrap_or(0);
            let _ = setpriority_pgrp(Some(pid), own.saturating_add(niceness).min(19));
        }
    }

    fn set_open_files(&self, files: u64) {
        if let Some(pid) = self.0 {
            let mut limit = getrlimit(Resource::Nofile);
            limit.current = Some(limit.maximum.map_or(files, |maximum| files.min(maximum)));
            // It may be gone, or run as another user already: then it keeps what it has.
            let _ = prlimit(Some(pid), Resource::Nofile, limit);
        }
    }

    /// The child has been reaped: its number may belong to another from now on.
    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The system's words for an error, without Rust's error number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// `begun + wait`, or far away when that cannot be counted.
fn after(begun: Instant, wait: Duration) -> Instant {
    begun
        .checked_add(wait.min(TIMEOUT_MAX))
        .unwrap_or_else(|| begun + Duration::from_secs(3600))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the start and end of a process are facts"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

const READ_BYTES: usize = 16 << 10;
const TIMEOUT_NOTE: &[u8] = b"<Timeout exceeded.>";
const CANCEL_PATIENCE: Duration = Duration::from_millis(500);
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
const ENOEXEC: i32 = 8;
/// The wait status of exit code 128.
const STATUS_LOST: i32 = 128 << 8;
