//! Runs one command line: spawn, pipes, timeout, kill.
//!
//! [`run()`] starts a program in a process group of its own, with nothing on its standard input and
//! with standard output and standard error merged into one bounded buffer, and waits until it
//! ends, its time is up, or the caller cancels. It never hangs on what the program leaves behind:
//!
//! * At the timeout the whole group gets `SIGTERM`, a tenth of the timeout later `SIGKILL`.
//! * A background process that keeps the pipe open delays the answer by at most [`LINGER`], and is
//!   then killed, unless the caller lets it stay.
//! * A process that not even `SIGKILL` ends (blocked in the kernel) is given up after
//!   [`KILL_PATIENCE`] and reaped when it ends at last.
//! * Dropping the future kills the group.
//!
//! Programs are started by `posix_spawn` (no `pre_exec`), whose cost does not grow with this
//! process's memory. This crate does not know what a check is; the texts it adds to the output are
//! those that operators know from Icinga 2.

mod outcome;
mod program;
mod run;

pub use outcome::{Exit, Outcome, STATUS_FAILED, seconds_since_epoch};
pub use program::{quoted, signal_name};
pub use run::{KILL_PATIENCE, LINGER, OUTPUT_BYTES_MAX, Spec, run};
