//! `cr`: check results as they travel.

use bheka_model::{CheckResult, NO_HARD_STATE, ResultVars};
use bheka_value::{Str, Timestamp, Value};

/// The value of a result. The key `performance_data` is always there: stock nodes take a result
/// without it for an empty one.
pub(crate) fn to_value(result: &CheckResult) -> Value {
    let number = |number: f64| Value::Number(number);
    let time = |time: Timestamp| Value::Number(time.seconds());
    #[allow(clippy::cast_precision_loss)]
    let exit_status = result.exit_status as f64;
    Value::dictionary([
        ("active", Value::Boolean(result.active)),
        ("check_source", Value::String(result.check_source.clone())),
        ("command", result.command.clone()),
        ("execution_end", time(result.execution_end)),
        ("execution_start", time(result.execution_start)),
        ("exit_status", number(exit_status)),
        ("output", Value::String(result.output.clone())),
        (
            "performance_data",
            result
                .performance_data
                .as_ref()
                .map_or(Value::Empty, |data| Value::array(data.iter().cloned())),
        ),
        (
            "previous_hard_state",
            number(f64::from(result.previous_hard_state)),
        ),
        ("schedule_end", time(result.schedule_end)),
        ("schedule_start", time(result.schedule_start)),
        (
            "scheduling_source",
            Value::String(result.scheduling_source.clone()),
        ),
        ("state", number(f64::from(result.state))),
        ("ttl", number(result.ttl)),
        ("type", Value::string("CheckResult")),
        ("vars_after", vars_to_value(result.vars_after)),
        ("vars_before", vars_to_value(result.vars_before)),
    ])
}

/// The result in a value; fields of a wrong type get their default. `None` when it is no result:
/// not a dictionary, or without `type` or the key `performance_data`. (Stock nodes make an empty
/// result, state OK, out of such a one; to drop it is the safer reading.)
pub(crate) fn from_value(value: &Value) -> Option<CheckResult> {
    let fields = value.as_dictionary()?;
    if fields.get("type").as_ref().and_then(Value::as_str) != Some("CheckResult") {
        return None;
    }
    let performance_data = match fields.get("performance_data")? {
        Value::Array(data) => Some(data.items()),
        _ => None,
    };
    let number = |name: &str| {
        let number = fields.get(name).and_then(|value| value.to_number());
        number.filter(|number| number.is_finite()).unwrap_or(0.0)
    };
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) => text,
        _ => Str::default(),
    };
    let time = |name: &str| Timestamp(number(name));
    Some(CheckResult {
        state: small(number("state"), 3),
        exit_status: number("exit_status") as i64,
        output: text("output"),
        performance_data,
        command: fields.get("command").unwrap_or_default(),
        active: fields.get("active").is_none_or(|value| value.is_true()),
        check_source: text("check_source"),
        scheduling_source: text("scheduling_source"),
        schedule_start: time("schedule_start"),
        schedule_end: time("schedule_end"),
        execution_start: time("execution_start"),
        execution_end: time("execution_end"),
        ttl: number("ttl"),
        previous_hard_state: small(number("previous_hard_state"), NO_HARD_STATE),
        vars_before: vars_from_value(fields.get("vars_before")),
        vars_after: vars_from_value(fields.get("vars_after")),
    })
}

fn vars_to_value(vars: Option<ResultVars>) -> Value {
    vars.map_or(Value::Empty, |vars| {
        Value::dictionary([
            ("attempt", Value::Number(f64::from(vars.attempt))),
            ("reachable", Value::Boolean(vars.reachable)),
            ("state", Value::Number(f64::from(vars.state))),
            ("state_type", Value::Number(f64::from(vars.state_type))),
        ])
    })
}

fn vars_from_value(value: Option<Value>) -> Option<ResultVars> {
    let value = value?;
    let fields = value.as_dictionary()?;
    let number = |name: &str| {
        fields
            .get(name)
            .and_then(|value| value.to_number())
            .unwrap_or(0.0)
    };
    Some(ResultVars {
        attempt: number("attempt").clamp(0.0, f64::from(u32::MAX)) as u32,
        reachable: fields.get("reachable").is_some_and(|value| value.is_true()),
        state: small(number("state"), 3),
        state_type: small(number("state_type"), 1),
    })
}

fn small(number: f64, max: u8) -> u8 {
    number.clamp(0.0, f64::from(max)) as u8
}
