//! What may change live state: the one door.

use bheka_value::{Str, Timestamp, Value};

use crate::{Acknowledgement, CheckResult, CheckableName};

/// Where a command came from. The default is "here": this node's scheduler, API or console.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// The endpoint whose connection brought it.
    pub endpoint: Option<Str>,
    /// The zone it came from (`FromZone`); `None` means this node's own zone.
    pub zone: Option<Str>,
}

impl Origin {
    /// Made here.
    #[must_use]
    pub fn local() -> Self {
        Self::default()
    }

    /// Whether it was made here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.endpoint.is_none()
    }
}

/// A change to live state. Whoever wants one (scheduler, peer, API) makes a command; the writer
/// alone applies it. Peers' commands have been checked for access by the cluster before.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A check result, from a plugin, a peer or the API.
    ProcessResult {
        /// Whose.
        checkable: CheckableName,
        /// What was found.
        result: Box<CheckResult>,
    },
    /// The next check is at this time (`event::SetNextCheck`, `reschedule-check`).
    SetNextCheck {
        /// Whose.
        checkable: CheckableName,
        /// When.
        at: Timestamp,
    },
    /// A check was started on the node that schedules it.
    SetLastCheckStarted {
        /// Whose.
        checkable: CheckableName,
        /// When.
        at: Timestamp,
    },
    /// The next check ignores periods and switches.
    SetForceNextCheck {
        /// Whose.
        checkable: CheckableName,
        /// On or off.
        forced: bool,
    },
    /// The next notification is forced.
    SetForceNextNotification {
        /// Whose.
        checkable: CheckableName,
        /// On or off.
        forced: bool,
    },
    /// `event::SetStateBeforeSuppression`
    SetStateBeforeSuppression {
        /// Whose.
        checkable: CheckableName,
        /// Raw state.
        state: u8,
    },
    /// `event::SetSuppressedNotifications`
    SetSuppressedNotifications {
        /// Whose.
        checkable: CheckableName,
        /// Bits of notification types.
        types: u32,
    },
    /// `event::SetAcknowledgement`
    SetAcknowledgement {
        /// Whose.
        checkable: CheckableName,
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
    /// `event::ClearAcknowledgement`
    ClearAcknowledgement {
        /// Whose.
        checkable: CheckableName,
        /// Who.
        author: Str,
        /// When.
        change_time: Timestamp,
    },
    /// `event::UpdateExecutions`: entries to merge into `executions`.
    UpdateExecutions {
        /// Whose.
        checkable: CheckableName,
        /// UUID to entry.
        executions: Value,
    },
}

impl Command {
    /// Whose state it changes.
    #[must_use]
    pub fn checkable(&self) -> &CheckableName {
        match self {
            Self::ProcessResult { checkable, .. }
            | Self::SetNextCheck { checkable, .. }
            | Self::SetLastCheckStarted { checkable, .. }
            | Self::SetForceNextCheck { checkable, .. }
            | Self::SetForceNextNotification { checkable, .. }
            | Self::SetStateBeforeSuppression { checkable, .. }
            | Self::SetSuppressedNotifications { checkable, .. }
            | Self::SetAcknowledgement { checkable, .. }
            | Self::ClearAcknowledgement { checkable, .. }
            | Self::UpdateExecutions { checkable, .. } => checkable,
        }
    }
}
