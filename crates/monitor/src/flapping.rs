//! Flapping: a window of the last 20 results, recent changes weighing more (manual chapter 8,
//! "Check Flapping").

use bheka_model::{CheckResult, CheckableState};

use crate::state_machine::Rules;

/// Results in the window.
const WINDOW: u32 = 20;

/// Enters a result into the window and judges anew.
pub(crate) fn update(state: &mut CheckableState, rules: &Rules, result: &CheckResult) {
    let changed = state.last_state_raw != result.state;
    let index = state.flapping_index % WINDOW;
    if changed {
        state.flapping_buffer |= 1 << index;
    } else {
        state.flapping_buffer &= !(1 << index);
    }
    let oldest = (index + 1) % WINDOW;
    state.flapping_index = oldest;
    state.flapping_last_state = result.state;

    let mut changes = 0.0;
    for age in 0..WINDOW {
        if state.flapping_buffer & (1 << ((oldest + age) % WINDOW)) != 0 {
            changes += 0.8 + 0.02 * f64::from(age);
        }
    }
    state.flapping_current = 100.0 * changes / f64::from(WINDOW);

    let threshold = if state.flapping {
        rules.flapping_low
    } else {
        rules.flapping_high
    };
    let flapping = state.flapping_current > threshold;
    if flapping != state.flapping {
        state.flapping = flapping;
        state.flapping_last_change = result.execution_end;
    }
}
