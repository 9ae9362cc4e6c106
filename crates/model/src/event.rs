//! What has changed.

use std::sync::Arc;

use bheka_value::{Str, Timestamp, Value};

use crate::{Acknowledgement, CheckResult, CheckableName, Origin};

/// A change that has happened to a checkable, for the cluster to relay, the API to stream and the
/// outputs to write.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whose.
    pub checkable: CheckableName,
    /// What made it happen; the cluster does not send it back there.
    pub origin: Origin,
    /// What.
    pub kind: EventKind,
}

/// Kinds of events; each matches a cluster message of Icinga 2, except where noted.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A result was processed.
    CheckResult(Arc<CheckResult>),
    /// The state or state type changed (not sent to peers, who compute it themselves).
    StateChange {
        /// The result that did it.
        result: Arc<CheckResult>,
        /// Raw state.
        state: u8,
        /// Whether hard.
        hard: bool,
    },
    /// `next_check` changed.
    NextCheck(Timestamp),
    /// A check was started.
    LastCheckStarted(Timestamp),
    /// `force_next_check` changed.
    ForceNextCheck(bool),
    /// `force_next_notification` changed.
    ForceNextNotification(bool),
    /// `state_before_suppression` changed.
    StateBeforeSuppression(u8),
    /// `suppressed_notifications` changed.
    SuppressedNotifications(u32),
    /// A problem was acknowledged.
    AcknowledgementSet {
        /// Who.
        author: Str,
        /// Why.
        comment: Str,
        /// Normal or sticky.
        kind: Acknowledgement,
        /// Whether to notify.
        notify: bool,
        /// Whether its comment stays.
        persistent: bool,
        /// When it ends, or never.
        expiry: Timestamp,
        /// When it was set.
        change_time: Timestamp,
    },
    /// An acknowledgement ended.
    AcknowledgementCleared {
        /// Who.
        author: Str,
        /// When.
        change_time: Timestamp,
    },
    /// `executions` changed by these entries.
    Executions(Value),
    /// Flapping began or ended (not sent to peers).
    Flapping(bool),
}
