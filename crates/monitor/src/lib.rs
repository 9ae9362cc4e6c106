//! What a check result means and when to check: states, schedule, dependencies, macros, command
//! lines, remote execution, as pure decisions.
//!
//! [`Monitor::handle`] takes an [`Input`] and the time, changes the live state that the monitor
//! owns, and answers with [`Effect`]s for the edge to carry out. No clock, no process, no socket,
//! no thread: the same calls give the same answers, in the daemon and in the simulator.

mod apply;
mod command_line;
mod dependencies;
mod due;
mod execute;
mod flapping;
mod input;
mod internal;
mod lambda;
mod macros;
mod monitor;
mod output;
mod perfdata;
mod period;
mod prepared;
mod remote;
mod schedule;
mod scope;
mod segments;
mod settings;
mod state_machine;
mod stats;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use command_line::{CommandError, escape_shell};
pub use input::{
    ApiNumbers, Authority, CommandLine, Effect, Finished, Input, PeerNumbers, RunId, RunKind,
    Saved, Severity, Surroundings,
};
pub use macros::MacroError;
pub use monitor::{Monitor, concurrent_checks_max};
pub use output::{PluginOutput, conclude, split_output, split_performance_data, state_of};
pub use perfdata::{Perfdata, PerfdataError};
pub use period::is_inside_period;
pub use prepared::Prepared;
pub use segments::{Segments, segments};
pub use state_machine::{Change, Rules, apply, host_state, is_ok, is_problem};
pub use stats::{CheckFigures, CheckRate, CheckTotals, CheckableCounts, Spread, Stats};
