//! Check results and live state as dictionaries: what travels between nodes, stands in the state
//! file and is shown by the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::{Dictionary, Str, Timestamp, Value};

use crate::{
    Acknowledgement, CheckResult, CheckableName, CheckableState, NO_HARD_STATE, ResultVars,
    StateType,
};

fn time(at: Timestamp) -> Value {
    Value::Number(at.seconds())
}

fn flag(value: u8) -> Value {
    Value::Number(f64::from(value))
}

/// Reads entries leniently: what is missing or of another type yields the default.
struct Reader<'a>(&'a Dictionary);

impl Reader<'_> {
    fn number(&self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            Value::Number(number) if number.is_finite() => Some(number),
            Value::Boolean(boolean) => Some(f64::from(u8::from(boolean))),
            _ => None,
        }
    }

    fn time(&self, key: &str) -> Timestamp {
        self.number(key).map_or(Timestamp::NEVER, Timestamp)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn whole(&self, key: &str) -> Option<u32> {
        self.number(key).map(|number| number as u32)
    }

    /// A service state; unknown when out of range.
    fn state(&self, key: &str) -> Option<u8> {
        self.whole(key)
            .map(|state| u8::try_from(state.min(3)).unwrap_or(3))
    }

    fn state_type(&self, key: &str) -> StateType {
        if self.whole(key) == Some(1) {
            StateType::Hard
        } else {
            StateType::Soft
        }
    }

    fn boolean(&self, key: &str) -> Option<bool> {
        self.0
            .get(key)
            .filter(|value| !value.is_empty())
            .map(|value| value.is_true())
    }

    fn text(&self, key: &str) -> Str {
        match self.0.get(key) {
            Some(Value::String(text)) => text,
            _ => Str::default(),
        }
    }

    fn value(&self, key: &str) -> Value {
        self.0.get(key).unwrap_or_default()
    }
}

impl ResultVars {
    fn to_value(self) -> Value {
        Value::dictionary([
            ("attempt", Value::Number(f64::from(self.attempt))),
            ("reachable", Value::Boolean(self.reachable)),
            ("state", flag(self.state)),
            ("state_type", flag(self.state_type)),
        ])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let reader = Reader(value.as_dictionary()?);
        Some(Self {
            attempt: reader.whole("attempt").unwrap_or(1),
            reachable: reader.boolean("reachable").unwrap_or(true),
            state: reader.state("state").unwrap_or(0),
            state_type: reader.state_type("state_type") as u8,
        })
    }
}

impl CheckResult {
    /// The result as it travels (`cr` of `event::CheckResult`) and as `last_check_result` shows
    /// it. The key `performance_data` is always there: receivers drop the whole content without.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let perfdata = match &self.performance_data {
            Some(items) => Value::array(items.iter().cloned()),
            None => Value::Empty,
        };
        let vars = |vars: &Option<ResultVars>| vars.map_or(Value::Empty, ResultVars::to_value);
        #[allow(clippy::cast_precision_loss)]
        let exit_status = self.exit_status as f64;
        Value::dictionary([
            ("active", Value::Boolean(self.active)),
            ("check_source", Value::String(self.check_source.clone())),
            ("command", self.command.clone()),
            ("execution_end", time(self.execution_end)),
            ("execution_start", time(self.execution_start)),
            ("exit_status", Value::Number(exit_status)),
            ("output", Value::String(self.output.clone())),
            ("performance_data", perfdata),
            ("previous_hard_state", flag(self.previous_hard_state)),
            ("schedule_end", time(self.schedule_end)),
            ("schedule_start", time(self.schedule_start)),
            (
                "scheduling_source",
                Value::String(self.scheduling_source.clone()),
            ),
            ("state", flag(self.state)),
            ("ttl", Value::Number(self.ttl)),
            ("type", Value::string("CheckResult")),
            ("vars_after", vars(&self.vars_after)),
            ("vars_before", vars(&self.vars_before)),
        ])
    }

    /// Reads what [`CheckResult::to_value`] writes, and what other nodes send. `None` when it is
    /// not a dictionary with `"type": "CheckResult"`. Fields that are missing or of another type
    /// take their default. (Icinga 2 reads nothing at all when the key `performance_data` is
    /// missing and so invents an OK result; this reads the rest.)
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let reader = Reader(value.as_dictionary()?);
        if reader.text("type") != "CheckResult" {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)]
        let exit_status = reader.number("exit_status").unwrap_or(0.0) as i64;
        let hard_state = |state: u32| u8::try_from(state).ok().filter(|state| *state <= 3);
        Some(Self {
            state: reader.state("state").unwrap_or(0),
            exit_status,
            output: reader.text("output"),
            performance_data: reader
                .value("performance_data")
                .as_array()
                .map(|it| it.items()),
            command: reader.value("command"),
            active: reader.boolean("active").unwrap_or(true),
            check_source: reader.text("check_source"),
            scheduling_source: reader.text("scheduling_source"),
            schedule_start: reader.time("schedule_start"),
            schedule_end: reader.time("schedule_end"),
            execution_start: reader.time("execution_start"),
            execution_end: reader.time("execution_end"),
            ttl: reader.number("ttl").unwrap_or(0.0),
            previous_hard_state: reader
                .whole("previous_hard_state")
                .and_then(hard_state)
                .unwrap_or(NO_HARD_STATE),
            vars_before: ResultVars::from_value(&reader.value("vars_before")),
            vars_after: ResultVars::from_value(&reader.value("vars_after")),
        })
    }
}

impl CheckableState {
    /// The state attributes of a host or service under the names that Icinga 2 keeps them by in
    /// its state file.
    #[must_use]
    pub fn to_value(&self, name: &CheckableName) -> Value {
        let mut entries = self.common_entries();
        entries.push(("type", Value::string(name.type_name())));
        entries.extend(self.times_of(name));
        Value::dictionary(entries)
    }

    /// All state attributes but the result, which is costly to convert and shown in its own way.
    pub(crate) fn stored_entries(&self, name: &CheckableName) -> Vec<(&'static str, Value)> {
        let mut entries = Self {
            last_check_result: None,
            ..self.clone()
        }
        .common_entries();
        entries.extend(self.times_of(name));
        entries
    }

    /// When it last had each state, under the names of its type.
    fn times_of(&self, name: &CheckableName) -> Vec<(&'static str, Value)> {
        let [ok, warning, critical, unknown] = self.last_state_times;
        if name.is_service() {
            vec![
                ("last_state_ok", time(ok)),
                ("last_state_warning", time(warning)),
                ("last_state_critical", time(critical)),
                ("last_state_unknown", time(unknown)),
            ]
        } else {
            vec![
                ("last_state_up", time(ok.max(warning))),
                ("last_state_down", time(critical.max(unknown))),
            ]
        }
    }

    fn common_entries(&self) -> Vec<(&'static str, Value)> {
        let whole = |number: u32| Value::Number(f64::from(number));
        let result = &self.last_check_result;
        let newest = u32::from(self.hard_state_latest.unwrap_or(NO_HARD_STATE));
        let hard_states = newest * 100 + u32::from(self.previous_hard_state_raw);
        vec![
            ("acknowledgement", flag(self.acknowledgement as u8)),
            ("acknowledgement_expiry", time(self.acknowledgement_expiry)),
            (
                "acknowledgement_last_change",
                time(self.acknowledgement_last_change),
            ),
            ("check_attempt", whole(self.check_attempt)),
            ("executions", self.executions.clone()),
            ("flapping", Value::Boolean(self.flapping)),
            ("flapping_buffer", whole(self.flapping_buffer)),
            ("flapping_current", Value::Number(self.flapping_current)),
            ("flapping_index", whole(self.flapping_index)),
            ("flapping_last_change", time(self.flapping_last_change)),
            ("flapping_last_state", flag(self.flapping_last_state)),
            ("force_next_check", Value::Boolean(self.force_next_check)),
            (
                "force_next_notification",
                Value::Boolean(self.force_next_notification),
            ),
            (
                "last_check_result",
                result.as_ref().map_or(Value::Empty, |it| it.to_value()),
            ),
            ("last_check_started", time(self.last_check_started)),
            ("last_hard_state_change", time(self.last_hard_state_change)),
            ("last_hard_state_raw", flag(self.last_hard_state_raw)),
            ("last_hard_states_raw", whole(hard_states)),
            ("last_reachable", Value::Boolean(self.last_reachable)),
            ("last_state_change", time(self.last_state_change)),
            ("last_state_raw", flag(self.last_state_raw)),
            ("last_state_type", flag(self.last_state_type as u8)),
            ("last_state_unreachable", time(self.last_state_unreachable)),
            ("next_check", time(self.next_check)),
            ("previous_state_change", time(self.previous_state_change)),
            (
                "state_before_suppression",
                flag(self.state_before_suppression),
            ),
            ("state_raw", flag(self.state_raw)),
            ("state_type", flag(self.state_type as u8)),
            (
                "suppressed_notifications",
                whole(self.suppressed_notifications),
            ),
            ("version", Value::Number(0.0)),
        ]
    }

    /// Reads what [`CheckableState::to_value`] writes, and the `update` of a record of Icinga 2's
    /// state file. What is missing takes its default.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        let mut state = Self::default();
        let Some(dictionary) = value.as_dictionary() else {
            return state;
        };
        let reader = Reader(dictionary);
        state.read_states(&reader);
        state.read_times(&reader);
        let result = CheckResult::from_value(&reader.value("last_check_result"));
        state.last_check_result = result.map(Arc::new);
        state.check_attempt = reader.whole("check_attempt").unwrap_or(1).max(1);
        state.last_reachable = reader.boolean("last_reachable").unwrap_or(true);
        state.force_next_check = reader.boolean("force_next_check").unwrap_or(false);
        state.force_next_notification = reader.boolean("force_next_notification").unwrap_or(false);
        state.acknowledgement = match reader.whole("acknowledgement") {
            Some(1) => Acknowledgement::Normal,
            Some(2) => Acknowledgement::Sticky,
            _ => Acknowledgement::None,
        };
        state.flapping = reader.boolean("flapping").unwrap_or(false);
        state.flapping_current = reader.number("flapping_current").unwrap_or(0.0);
        state.flapping_buffer = reader.whole("flapping_buffer").unwrap_or(0);
        state.flapping_index = reader.whole("flapping_index").unwrap_or(0);
        state.flapping_last_state = reader.state("flapping_last_state").unwrap_or(0);
        state.suppressed_notifications = reader.whole("suppressed_notifications").unwrap_or(0);
        state.executions = reader.value("executions");
        state
    }

    fn read_states(&mut self, reader: &Reader<'_>) {
        let hard = |state: u32| u8::try_from(state).ok().filter(|state| *state <= 3);
        self.state_raw = reader.state("state_raw").unwrap_or(3);
        self.state_type = reader.state_type("state_type");
        self.last_state_raw = reader.state("last_state_raw").unwrap_or(3);
        self.last_state_type = reader.state_type("last_state_type");
        self.last_hard_state_raw = match reader.whole("last_hard_state_raw") {
            Some(99) => NO_HARD_STATE,
            other => other.and_then(hard).unwrap_or(3),
        };
        let both = reader.whole("last_hard_states_raw").unwrap_or(9999);
        self.hard_state_latest = hard(both / 100);
        self.previous_hard_state_raw = hard(both % 100).unwrap_or(NO_HARD_STATE);
        self.state_before_suppression = reader.state("state_before_suppression").unwrap_or(0);
    }

    fn read_times(&mut self, reader: &Reader<'_>) {
        self.last_state_change = reader.time("last_state_change");
        self.previous_state_change = reader.time("previous_state_change");
        self.last_hard_state_change = reader.time("last_hard_state_change");
        self.last_state_unreachable = reader.time("last_state_unreachable");
        self.next_check = reader.time("next_check");
        self.last_check_started = reader.time("last_check_started");
        self.acknowledgement_expiry = reader.time("acknowledgement_expiry");
        self.acknowledgement_last_change = reader.time("acknowledgement_last_change");
        self.flapping_last_change = reader.time("flapping_last_change");
        self.last_state_times = [
            reader
                .time("last_state_ok")
                .max(reader.time("last_state_up")),
            reader.time("last_state_warning"),
            reader
                .time("last_state_critical")
                .max(reader.time("last_state_down")),
            reader.time("last_state_unknown"),
        ];
    }
}

/// The original values of attributes changed at run time, as `original_attributes` shows them.
pub(crate) fn original_attributes(state: &CheckableState) -> Value {
    let shown = |attributes: &Arc<BTreeMap<Str, Value>>| {
        Value::dictionary(
            attributes
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        )
    };
    state
        .original_attributes
        .as_ref()
        .map_or(Value::Empty, shown)
}

#[cfg(test)]
mod tests {
    use bheka_value::{from_json, to_json};
    use proptest::prelude::*;

    use super::*;

    /// From a daemon of 2.13.6.
    const RESULT: &str = r#"{"active":false,"check_source":"src","command":["/bin/x","y"],"execution_end":1700000001,"execution_start":1700000000,"exit_status":0,"output":"DOWN\nlong","performance_data":["a=1;2;3","b=5%"],"previous_hard_state":99,"schedule_end":1795414776.378835,"schedule_start":1795414776.378835,"scheduling_source":"golden-master","state":2,"ttl":0,"type":"CheckResult","vars_after":{"attempt":2,"reachable":true,"state":2,"state_type":0},"vars_before":null}"#;

    #[test]
    fn a_result_of_2_13_comes_back_byte_for_byte() {
        let result = CheckResult::from_value(&from_json(RESULT.as_bytes()).unwrap()).unwrap();
        assert_eq!(result.output, "DOWN\nlong");
        assert_eq!(result.vars_after.unwrap().attempt, 2);
        assert_eq!(to_json(&result.to_value()), RESULT);
    }

    #[test]
    fn nonsense_is_not_a_result() {
        for text in ["null", "5", "[]", "{}", r#"{"type":"Host"}"#] {
            let value = from_json(text.as_bytes()).unwrap();
            assert!(CheckResult::from_value(&value).is_none(), "{text}");
        }
        let odd =
            r#"{"type":"CheckResult","state":"x","output":5,"exit_status":-1e300,"vars_after":[]}"#;
        let result = CheckResult::from_value(&from_json(odd.as_bytes()).unwrap()).unwrap();
        assert_eq!((result.state, result.output.as_str()), (0, ""));
        assert!(to_json(&result.to_value()).contains("\"performance_data\":null"));
    }

    fn seconds() -> impl Strategy<Value = Timestamp> {
        (0u64..4_000_000_000_000).prop_map(|it| {
            #[allow(clippy::cast_precision_loss)]
            Timestamp(it as f64 / 1024.0)
        })
    }

    fn vars() -> impl Strategy<Value = Option<ResultVars>> {
        prop::option::of((1u32..99, any::<bool>(), 0u8..4, 0u8..2).prop_map(
            |(attempt, reachable, state, state_type)| ResultVars {
                attempt,
                reachable,
                state,
                state_type,
            },
        ))
    }

    fn result() -> impl Strategy<Value = CheckResult> {
        let perfdata =
            prop::option::of(prop::collection::vec(".{0,9}".prop_map(Value::from), 0..4));
        (
            (
                0u8..4,
                -5i64..300,
                ".{0,40}",
                perfdata,
                any::<bool>(),
                prop::option::of(0u8..4),
            ),
            (seconds(), seconds(), seconds(), seconds(), vars(), vars()),
        )
            .prop_map(
                |((state, exit_status, output, performance_data, active, hard), times)| {
                    CheckResult {
                        state,
                        exit_status,
                        output: output.into(),
                        performance_data,
                        active,
                        previous_hard_state: hard.unwrap_or(NO_HARD_STATE),
                        schedule_start: times.0,
                        schedule_end: times.1,
                        execution_start: times.2,
                        execution_end: times.3,
                        vars_before: times.4,
                        vars_after: times.5,
                        ..CheckResult::default()
                    }
                },
            )
    }

    fn state() -> impl Strategy<Value = CheckableState> {
        (
            (
                0u8..4,
                0u8..4,
                any::<bool>(),
                prop::option::of(0u8..4),
                prop::option::of(0u8..4),
            ),
            (
                seconds(),
                seconds(),
                seconds(),
                seconds(),
                prop::option::of(result()),
            ),
            (
                1u32..20,
                any::<u32>(),
                0u32..20,
                0.0f64..100.0,
                any::<bool>(),
                0u32..512,
            ),
        )
            .prop_map(|(states, times, rest)| CheckableState {
                state_raw: states.0,
                last_state_raw: states.1,
                state_type: if states.2 {
                    StateType::Hard
                } else {
                    StateType::Soft
                },
                hard_state_latest: states.3,
                previous_hard_state_raw: states.4.unwrap_or(NO_HARD_STATE),
                last_state_change: times.0,
                next_check: times.1,
                last_state_times: [times.0, times.1, times.2, times.3],
                last_check_result: times.4.map(Arc::new),
                check_attempt: rest.0,
                flapping_buffer: rest.1,
                flapping_index: rest.2,
                flapping_current: rest.3,
                acknowledgement: if rest.4 {
                    Acknowledgement::Sticky
                } else {
                    Acknowledgement::None
                },
                suppressed_notifications: rest.5,
                ..CheckableState::default()
            })
    }

    proptest! {
        #[test]
        fn results_round_trip(result in result()) {
            let text = to_json(&result.to_value());
            let back = CheckResult::from_value(&from_json(text.as_bytes()).unwrap()).unwrap();
            prop_assert_eq!(back, result);
        }

        #[test]
        fn states_round_trip(state in state()) {
            let name = CheckableName::service("h", "s");
            let text = to_json(&state.to_value(&name));
            let back = CheckableState::from_value(&from_json(text.as_bytes()).unwrap());
            prop_assert_eq!(back, state);
        }
    }
}
