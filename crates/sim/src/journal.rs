//! What happened, and what must never happen.

use std::collections::BTreeMap;

use bheka_model::zones::ZoneTree;
use bheka_model::{CheckableName, Command, Generation, Origin};

/// A check that was executed, numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResultId(pub u64);

/// A rule was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which and how.
    pub text: String,
    /// Seconds since the start of the run.
    pub at: String,
}

/// Notes of a run.
#[derive(Debug, Default)]
pub struct Journal {
    /// What was wrong; empty for a good run.
    pub violations: Vec<Violation>,
    /// How often each result took effect on each node.
    pub applied: BTreeMap<(ResultId, String), u32>,
    /// Of whom each result is, and when the plugin ended (seconds since 1970).
    pub results: BTreeMap<ResultId, (CheckableName, f64)>,
    /// How often a message about a result was put on a wire.
    pub sent: BTreeMap<ResultId, u32>,
    /// Checks executed.
    pub executed: u64,
    /// Messages put on a wire.
    pub messages: u64,
    /// Connections made.
    pub connections: u64,
    /// Connections that ended.
    pub disconnections: u64,
    /// Crashes and cuts.
    pub faults: u64,
    /// Forged messages that were sent.
    pub forged: u64,
    /// The largest replay log seen on any node, in records.
    pub log_records_max: usize,
}

impl Journal {
    /// The result that an output names.
    #[must_use]
    pub fn result_of(output: &str) -> Option<ResultId> {
        let number = output.split_once('#')?.1;
        let digits = number
            .split(|character: char| !character.is_ascii_digit())
            .next()?;
        digits.parse().ok().map(ResultId)
    }
}

/// Whether a node may take a command of a peer, judged by the model's zone tree, which shares no
/// code with the cluster's.
pub(crate) fn is_authorised(
    generation: &Generation,
    local: &str,
    command: &Command,
    origin: &Origin,
) -> bool {
    let Some(from) = &origin.zone else {
        return true;
    };
    let checkable: &CheckableName = command.checkable();
    let Some(object) = generation.checkable(checkable) else {
        return false;
    };
    let tree = ZoneTree::from(generation, local);
    let is_entitled = tree.can_access(from, object.zone.as_deref());
    let is_executor = matches!(
        command,
        Command::ProcessResult { .. } | Command::UpdateExecutions { .. }
    ) && object.optional("command_endpoint") == origin.endpoint;
    is_entitled || is_executor
}
