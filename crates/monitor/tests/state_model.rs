//! The state machine against a model so small that one can see it is right, over any results.

use bheka_model::{CheckResult, CheckableState, StateType};
use bheka_monitor::{Rules, apply, host_state, is_ok};
use bheka_value::Timestamp;
use proptest::prelude::*;

/// States and types from the whole history: a problem is hard once so many results in a row were
/// problems; the first soft run also counts the pending "unknown".
struct Model {
    problems: u32,
    hard: bool,
    shown: u8,
}

impl Model {
    fn take(&mut self, state: u8, attempts_max: u32) {
        if is_ok(state) {
            self.problems = 0;
            self.hard = true;
        } else {
            self.problems = self.problems.saturating_add(1);
            self.hard = self.hard && self.problems > 1 || self.problems >= attempts_max;
        }
        self.shown = state;
    }
}

fn rules(attempts_max: u32, is_host: bool, volatile: bool) -> Rules {
    Rules {
        is_host,
        attempts_max,
        volatile,
        reachable: true,
        flapping: false,
        flapping_low: 25.0,
        flapping_high: 30.0,
    }
}

fn result(state: u8, at: f64) -> CheckResult {
    CheckResult {
        state,
        execution_start: Timestamp(at),
        execution_end: Timestamp(at),
        ..CheckResult::default()
    }
}

proptest! {
    #[test]
    fn follows_the_model(
        states in prop::collection::vec(0_u8..4, 1..60),
        attempts_max in 1_u32..6,
        is_host: bool,
        volatile: bool,
    ) {
        let rules = rules(attempts_max, is_host, volatile);
        let mut state = CheckableState::default();
        let mut model = Model { problems: 1, hard: false, shown: 3 };
        for (index, &next) in states.iter().enumerate() {
            let at = 1000.0 + index as f64;
            let before = state.clone();
            let (stored, change) = apply(&mut state, &rules, result(next, at), Timestamp(at)).unwrap();
            let was_shown = model.shown;
            model.take(next, attempts_max);

            prop_assert_eq!(state.state_raw, next);
            prop_assert_eq!(state.state_type == StateType::Hard, model.hard);
            let attempt = if model.hard { 1 } else { model.problems };
            prop_assert_eq!(state.check_attempt, attempt);
            prop_assert_eq!((state.last_state_raw, state.last_state_type), (before.state_raw, before.state_type));
            let differs = if is_host {
                host_state(next) != host_state(was_shown)
            } else {
                next != was_shown
            };
            prop_assert_eq!(change.state_change, differs);
            prop_assert_eq!(state.last_state_change == Timestamp(at), differs);
            prop_assert_eq!(change.recovery, is_ok(next) && !is_ok(was_shown));
            prop_assert!(!(change.hard_event && change.soft_event));
            if state.state_type == StateType::Hard {
                prop_assert_eq!(host_state(state.last_hard_state_raw), host_state(next));
            }
            prop_assert_eq!(stored.vars_before, before.last_check_result.and_then(|old| old.vars_after));
            prop_assert!(state.check_attempt >= 1 && state.check_attempt < attempts_max.max(2));
        }
    }

    #[test]
    fn older_results_change_nothing(first in 0_u8..4, second in 0_u8..4, age in 0.001..1e6_f64) {
        let rules = rules(3, false, false);
        let mut state = CheckableState::default();
        let now = Timestamp(2e6);
        apply(&mut state, &rules, result(first, now.0), now).unwrap();
        let before = state.clone();
        prop_assert!(apply(&mut state, &rules, result(second, now.0 - age), now).is_none());
        prop_assert_eq!(&state, &before);
        let earlier = now - 2.0 * age;
        prop_assert!(apply(&mut state, &rules, result(second, now.0 - age), earlier).is_some());
    }

    #[test]
    fn flapping_starts_above_and_ends_below_its_thresholds(
        states in prop::collection::vec(0_u8..3, 1..120),
    ) {
        let rules = Rules { flapping: true, ..rules(1, false, false) };
        let mut state = CheckableState::default();
        for (index, &next) in states.iter().enumerate() {
            let at = 1000.0 + index as f64;
            apply(&mut state, &rules, result(next, at), Timestamp(at)).unwrap();
            prop_assert!((0.0..=100.0).contains(&state.flapping_current));
            prop_assert!(!state.flapping || state.flapping_current > 25.0);
            prop_assert!(state.flapping || state.flapping_current <= 30.0);
        }
    }
}
