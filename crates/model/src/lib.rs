//! What exists: the table of types, generations of the configuration, live state, and the
//! commands and events by which the monitor, the cluster, the API and the outputs converse
//! without knowing one another.
//!
//! * [`Generation`]: one configuration, immutable, shared by `Arc`. A reload builds the next one
//!   beside it.
//! * [`CheckableState`]: what is known of one host or service *now*, keyed by name, outliving
//!   generations. The one writer owns it and publishes copies on a [`Board`].
//! * [`Command`]: what may change live state; [`Event`]: what has changed.
//!
//! This crate does not know the language, does no input or output, and does not know who listens.

mod attributes;
mod board;
mod build;
mod command;
mod counts;
mod diff;
mod event;
mod generation;
#[cfg(test)]
mod golden;
mod literal;
mod live;
mod names;
mod netstring;
mod object;
pub mod objects_dump;
pub mod reflection;
mod result;
mod state;
pub mod state_file;
mod types;
mod wire;
pub mod zones;

pub use attributes::{attribute, host_state, is_shown};
pub use board::Board;
pub use build::{Built, ModelDiagnostic, Severity, build, build_beside, state_bits, type_bits};
pub use command::{Command, Origin};
pub use counts::{found_line, instantiated_line};
pub use diff::Diff;
pub use event::{Event, EventKind};
pub use generation::Generation;
pub use live::LiveObject;
pub use names::CheckableName;
pub use object::ConfigObject;
pub use result::{CheckResult, NO_HARD_STATE, ResultVars};
pub use state::{Acknowledgement, CheckableState, StateType};
pub use types::{catalogue, reference as type_reference};
