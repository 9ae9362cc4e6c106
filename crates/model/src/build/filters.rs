//! State and type filters: lists of names, or of bits.

use bheka_value::Value;

use super::advice::Wanted;
use super::{Draft, Fault};

/// Bits of the service states, of the host states, and of the notification types.
const SERVICE_STATES: u32 = 1 | 2 | 4 | 8;
const HOST_STATES: u32 = 16 | 32;
const TYPES_ALL: u32 = 511;

/// The names that filters take.
const STATES: &[&str] = &["OK", "Warning", "Critical", "Unknown", "Up", "Down"];
const TYPES: &[&str] = &[
    "DowntimeStart",
    "DowntimeEnd",
    "DowntimeRemoved",
    "Custom",
    "Acknowledgement",
    "Problem",
    "Recovery",
    "FlappingStart",
    "FlappingEnd",
];

/// The bit of a state's name.
#[must_use]
fn state_bit(name: &str) -> Option<u32> {
    Some(match name {
        "OK" => 1,
        "Warning" => 2,
        "Critical" => 4,
        "Unknown" => 8,
        "Up" => 16,
        "Down" => 32,
        _ => return None,
    })
}

/// The bit of a notification type's name.
#[must_use]
fn type_bit(name: &str) -> Option<u32> {
    Some(match name {
        "DowntimeStart" => 1,
        "DowntimeEnd" => 2,
        "DowntimeRemoved" => 4,
        "Custom" => 8,
        "Acknowledgement" => 16,
        "Problem" => 32,
        "Recovery" => 64,
        "FlappingStart" => 128,
        "FlappingEnd" => 256,
        _ => return None,
    })
}

/// The bits of a filter; `None` when an entry is neither a known name nor a number. An unset
/// filter has all bits.
#[must_use]
fn bits(filter: &Value, bit: fn(&str) -> Option<u32>) -> Option<u32> {
    let Value::Array(items) = filter else {
        return Some(u32::MAX);
    };
    let mut bits = 0;
    for item in items.read().iter() {
        bits |= match item {
            Value::String(name) => bit(name)?,
            // A negative number stands for bits that no filter has.
            Value::Number(number) if *number < 0.0 => u32::MAX,
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            Value::Number(number) => *number as u32,
            _ => return None,
        };
    }
    Some(bits)
}

/// The bits of a list of states (`OK` 1 to `Unknown` 8, `Up` 16, `Down` 32), all when unset.
#[must_use]
pub fn state_bits(filter: &Value) -> u32 {
    bits(filter, state_bit).unwrap_or(0)
}

/// The bits of a list of notification types, all when unset.
#[must_use]
pub fn type_bits(filter: &Value) -> u32 {
    bits(filter, type_bit).unwrap_or(0)
}

pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    let states = draft.set("states").filter(|value| !value.is_empty());
    if let Some(states) = states {
        let on_service = |attribute| draft.text(attribute).is_some();
        let (allowed, complaint) = match draft.type_name() {
            "Dependency" if on_service("parent_service_name") => (
                SERVICE_STATES,
                "State filter is invalid for service dependency.",
            ),
            "Dependency" => (HOST_STATES, "State filter is invalid for host dependency."),
            "Notification" if on_service("service_name") => {
                (SERVICE_STATES, "State filter is invalid.")
            }
            "Notification" => (HOST_STATES, "State filter is invalid."),
            _ => (SERVICE_STATES | HOST_STATES, "State filter is invalid."),
        };
        if bits(states, state_bit).is_none_or(|bits| bits & !allowed != 0) {
            let names: Vec<&str> = STATES
                .iter()
                .copied()
                .filter(|name| state_bit(name).is_some_and(|bit| bit & allowed != 0))
                .collect();
            let mut fault = Fault::attribute("states", complaint);
            fault.wanted = Wanted::in_list(states, &names);
            faults.push(fault);
        }
    }
    let types = draft.set("types").filter(|value| !value.is_empty());
    let invalid = |types| bits(types, type_bit).is_none_or(|bits| bits & !TYPES_ALL != 0);
    if types.is_some_and(invalid) {
        let mut fault = Fault::attribute("types", "Type filter is invalid.");
        fault.wanted = types.and_then(|types| Wanted::in_list(types, TYPES));
        faults.push(fault);
    }
}
