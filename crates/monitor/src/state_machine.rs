//! What one result does to the state of a checkable: manual chapter 3, "Hard and Soft States",
//! chapter 8, "Check Flapping", "Volatile Services and Hosts". A pure function of the state
//! before, the rules and the result.

use std::sync::Arc;

use bheka_model::{
    Acknowledgement, CheckResult, CheckableState, NO_HARD_STATE, ResultVars, StateType,
};
use bheka_value::Timestamp;

use crate::flapping;

/// What the configuration says and the surroundings are at the moment of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Whether it is a host, whose states 0 and 1 both mean up.
    pub is_host: bool,
    /// Results in a row until a problem is hard.
    pub attempts_max: u32,
    /// Whether each result counts as a hard change.
    pub volatile: bool,
    /// Whether all its dependencies for states hold.
    pub reachable: bool,
    /// Whether flapping matters, here and in the whole application.
    pub flapping: bool,
    /// Flapping ends at or below this per cent of change.
    pub flapping_low: f64,
    /// Flapping begins above this per cent of change.
    pub flapping_high: f64,
}

/// What a result has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Change {
    /// Raw state before.
    pub old_state: u8,
    /// State type before.
    pub old_state_type: StateType,
    /// The state changed (for hosts: between up and down).
    pub state_change: bool,
    /// A hard state began.
    pub hard_change: bool,
    /// A problem ended.
    pub recovery: bool,
    /// A hard change to tell of: hard, or volatile except OK after OK.
    pub hard_event: bool,
    /// A soft change to tell of.
    pub soft_event: bool,
    /// Whether an event handler is due.
    pub event_handler: bool,
    /// Whether a problem or recovery is worth a notification, if nothing suppresses it.
    pub notify: bool,
    /// An acknowledgement ended with this result.
    pub acknowledgement_cleared: bool,
    /// Whether it was flapping before.
    pub was_flapping: bool,
    /// Whether it is flapping now.
    pub is_flapping: bool,
    /// Whether it was a problem before.
    pub was_problem: bool,
    /// Whether it is one now.
    pub is_problem: bool,
}

/// Applies a result. `None` when it is older than the stored one and thus ignored (unless the
/// stored one lies in the future, after a clock was set back).
pub fn apply(
    state: &mut CheckableState,
    rules: &Rules,
    mut result: CheckResult,
    now: Timestamp,
) -> Option<(Arc<CheckResult>, Change)> {
    if let Some(stored) = &state.last_check_result {
        let stored_start = stored.execution_start;
        if stored_start <= now && result.execution_start < stored_start {
            return None;
        }
    }
    let mut change = Change {
        old_state: state.state_raw,
        old_state_type: state.state_type,
        was_problem: is_problem(state, rules.is_host),
        was_flapping: rules.flapping && state.flapping,
        ..Change::default()
    };
    state.last_state_raw = change.old_state;
    state.last_state_type = change.old_state_type;
    state.last_reachable = rules.reachable;

    advance_attempts(state, rules, &result, &mut change);
    change.state_change = if rules.is_host {
        host_state(change.old_state) != host_state(result.state)
    } else {
        change.old_state != result.state
    };
    // With every result, as Icinga 2 does: before a change that is the change before, after a
    // result without one the last change itself.
    state.previous_state_change = state.last_state_change;
    if change.state_change {
        state.last_state_change = result.execution_end;
        end_acknowledgement(state, result.state, &mut change, result.execution_end);
    }
    advance_hard_state(state, rules, &result, &mut change);
    result.previous_hard_state = state.previous_hard_state_raw;
    result.vars_before = state
        .last_check_result
        .as_ref()
        .and_then(|old| old.vars_after);
    result.vars_after = Some(ResultVars {
        attempt: state.check_attempt,
        reachable: rules.reachable,
        state: result.state,
        state_type: state.state_type as u8,
    });
    let result = Arc::new(result);
    state.last_check_result = Some(Arc::clone(&result));
    change.is_problem = is_problem(state, rules.is_host);
    flapping::update(state, rules, &result);
    change.is_flapping = rules.flapping && state.flapping;
    classify(state, rules, &result, &mut change);
    Some((result, change))
}

/// Whether this raw state is OK.
#[must_use]
pub fn is_ok(state: u8) -> bool {
    state == 0
}

/// 0 up, 1 down.
#[must_use]
pub fn host_state(raw: u8) -> u8 {
    u8::from(raw > 1)
}

/// Whether its last result is a problem; nothing is before the first result.
#[must_use]
pub fn is_problem(state: &CheckableState, is_host: bool) -> bool {
    state.last_check_result.is_some()
        && if is_host {
            host_state(state.state_raw) != 0
        } else {
            state.state_raw != 0
        }
}

fn advance_attempts(
    state: &mut CheckableState,
    rules: &Rules,
    result: &CheckResult,
    change: &mut Change,
) {
    let mut attempt = 1;
    if is_ok(result.state) {
        state.state_type = StateType::Hard;
        change.recovery = !is_ok(change.old_state);
    } else {
        if is_ok(change.old_state) {
            state.state_type = StateType::Soft;
        } else if change.old_state_type == StateType::Soft {
            attempt = state.check_attempt.saturating_add(1);
        }
        if attempt >= rules.attempts_max {
            state.state_type = StateType::Hard;
            attempt = 1;
        }
    }
    if let Some(time) = state.last_state_times.get_mut(usize::from(result.state)) {
        *time = result.execution_end;
    }
    if !rules.reachable {
        state.last_state_unreachable = result.execution_end;
    }
    state.check_attempt = attempt;
    state.state_raw = result.state;
}

fn end_acknowledgement(
    state: &mut CheckableState,
    new_state: u8,
    change: &mut Change,
    at: Timestamp,
) {
    let ends = match state.acknowledgement {
        Acknowledgement::None => false,
        Acknowledgement::Normal => true,
        Acknowledgement::Sticky => is_ok(new_state),
    };
    if ends {
        state.acknowledgement = Acknowledgement::None;
        state.acknowledgement_expiry = Timestamp::NEVER;
        state.acknowledgement_last_change = at;
        change.acknowledgement_cleared = true;
    }
}

fn advance_hard_state(
    state: &mut CheckableState,
    rules: &Rules,
    result: &CheckResult,
    change: &mut Change,
) {
    let hard = state.state_type == StateType::Hard;
    let was_hard = change.old_state_type == StateType::Hard;
    change.hard_change = hard && (!was_hard || change.state_change);
    if change.hard_change || rules.volatile {
        // The hard states are a pair that shifts: newest last, starting with "none".
        state.previous_hard_state_raw = state.hard_state_latest.unwrap_or(NO_HARD_STATE);
        state.hard_state_latest = Some(result.state);
        state.last_hard_state_raw = result.state;
        state.last_hard_state_change = result.execution_end;
    }
}

fn classify(state: &CheckableState, rules: &Rules, result: &CheckResult, change: &mut Change) {
    let soft = state.state_type == StateType::Soft;
    let (old_ok, new_ok) = (is_ok(change.old_state), is_ok(result.state));
    let volatile_change = rules.volatile && !(old_ok && new_ok);
    change.hard_event = change.hard_change || volatile_change;
    change.soft_event = !change.hard_event && (change.state_change || soft);
    change.event_handler = soft || change.hard_change || change.recovery || volatile_change;

    let was_soft = change.old_state_type == StateType::Soft;
    change.notify = (change.hard_change && !(was_soft && new_ok)) || (rules.volatile && !soft);
    if (old_ok && was_soft) || (rules.volatile && old_ok && new_ok) {
        change.notify = false;
    }
}
