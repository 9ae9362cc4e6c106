//! A cluster in a box: nodes with the real decision code (`Monitor` and `Cluster`), loaded from
//! real configuration text, under virtual time, on a network and disks that fail as a seed says.
//!
//! The same seed gives the same run, message by message. A failing test names the seed;
//! `BHEKA_SIM_SEED=… cargo test -p bheka-sim` runs that one alone, and tells what happens in it
//! when `BHEKA_SIM_TRACE` is set, too.
//!
//! * [`Site`]: the configuration of all nodes.
//! * [`World`]: nodes, network and time.
//! * [`Chaos`]: what goes wrong when.
//! * [`Journal`]: what happened, and what must never happen.

mod chaos;
mod config;
mod disk;
mod journal;
mod network;
mod node;
mod random;
mod wiring;
mod world;

pub use chaos::Chaos;
pub use config::{Site, SiteError};
pub use journal::{Journal, ResultId, Violation};
pub use random::Random;
pub use world::{Speed, World};
