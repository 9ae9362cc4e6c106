//! Live state of a host or service.

use std::sync::Arc;

use bheka_value::{Str, Timestamp, Value};

use crate::{CheckResult, NO_HARD_STATE};

/// Soft while retries go on, hard after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum StateType {
    /// 0
    #[default]
    Soft = 0,
    /// 1
    Hard = 1,
}

/// Whether a problem is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Acknowledgement {
    /// 0
    #[default]
    None = 0,
    /// 1: until the next state change
    Normal = 1,
    /// 2: until recovery
    Sticky = 2,
}

/// What is known of one checkable now, keyed by name and outliving generations of the
/// configuration. Attribute names are those of the manual (chapter 9, "Host", "Service",
/// runtime attributes).
#[derive(Clone, Debug, PartialEq)]
pub struct CheckableState {
    /// The raw service state 0–3, hosts too (a host shows 0 up for 0 and 1, 1 down otherwise).
    pub state_raw: u8,
    /// Soft or hard.
    pub state_type: StateType,
    /// The raw state before the last change of state.
    pub last_state_raw: u8,
    /// The last hard state, raw; 99 when there was none.
    pub last_hard_state_raw: u8,
    /// The hard states before the current and the last one, raw (`previous_hard_state`).
    pub previous_hard_state_raw: u8,
    /// The newest hard state, raw; none before the first. `last_hard_states_raw` of Icinga 2's
    /// state file is 100 times this (99 for none) plus the previous one.
    pub hard_state_latest: Option<u8>,
    /// Last state type.
    pub last_state_type: StateType,
    /// Current attempt, from 1.
    pub check_attempt: u32,
    /// The last result.
    pub last_check_result: Option<Arc<CheckResult>>,
    /// When the state last changed.
    pub last_state_change: Timestamp,
    /// When the state changed before that.
    pub previous_state_change: Timestamp,
    /// When the hard state last changed.
    pub last_hard_state_change: Timestamp,
    /// When a result last had state OK/UP, WARNING, CRITICAL/DOWN, UNKNOWN (index = raw state).
    pub last_state_times: [Timestamp; 4],
    /// When it was last unreachable.
    pub last_state_unreachable: Timestamp,
    /// Whether it was reachable at the last result.
    pub last_reachable: bool,
    /// Whether it is reachable now; follows the states of what it depends on, not only its own
    /// results. Not saved: computed anew at a start.
    pub reachable: bool,
    /// When the next check is due.
    pub next_check: Timestamp,
    /// When the running or last check was started here.
    pub last_check_started: Timestamp,
    /// Whether the next check ignores periods and `enable_active_checks`.
    pub force_next_check: bool,
    /// Whether the next notification is forced.
    pub force_next_notification: bool,
    /// Acknowledgement of the current problem.
    pub acknowledgement: Acknowledgement,
    /// When the acknowledgement ends; never when 0.
    pub acknowledgement_expiry: Timestamp,
    /// When the acknowledgement was last set or cleared.
    pub acknowledgement_last_change: Timestamp,
    /// Whether it is flapping.
    pub flapping: bool,
    /// Per cent of change in the flapping window.
    pub flapping_current: f64,
    /// The window: 20 bits of change.
    pub flapping_buffer: u32,
    /// Position in the window.
    pub flapping_index: u32,
    /// When flapping last began or ended.
    pub flapping_last_change: Timestamp,
    /// Last raw state that counted for flapping.
    pub flapping_last_state: u8,
    /// Notification types held back (bits as in `event::SetSuppressedNotifications`).
    pub suppressed_notifications: u32,
    /// Raw state before suppression began.
    pub state_before_suppression: u8,
    /// Number of downtimes in effect.
    pub downtime_depth: u32,
    /// `executions` of `execute-command`, by UUID.
    pub executions: Value,
    /// Names of the attributes that were changed at run time, with their original values.
    pub original_attributes: Option<Arc<std::collections::BTreeMap<Str, Value>>>,
}

impl Default for CheckableState {
    fn default() -> Self {
        Self {
            state_raw: 3,
            state_type: StateType::Soft,
            last_state_raw: 3,
            last_hard_state_raw: 3,
            previous_hard_state_raw: NO_HARD_STATE,
            hard_state_latest: None,
            last_state_type: StateType::Soft,
            check_attempt: 1,
            last_check_result: None,
            last_state_change: Timestamp::NEVER,
            previous_state_change: Timestamp::NEVER,
            last_hard_state_change: Timestamp::NEVER,
            last_state_times: [Timestamp::NEVER; 4],
            last_state_unreachable: Timestamp::NEVER,
            last_reachable: true,
            reachable: true,
            next_check: Timestamp::NEVER,
            last_check_started: Timestamp::NEVER,
            force_next_check: false,
            force_next_notification: false,
            acknowledgement: Acknowledgement::None,
            acknowledgement_expiry: Timestamp::NEVER,
            acknowledgement_last_change: Timestamp::NEVER,
            flapping: false,
            flapping_current: 0.0,
            flapping_buffer: 0,
            flapping_index: 0,
            flapping_last_change: Timestamp::NEVER,
            flapping_last_state: 0,
            suppressed_notifications: 0,
            state_before_suppression: 0,
            downtime_depth: 0,
            executions: Value::Empty,
            original_attributes: None,
        }
    }
}
