//! Every attribute of an object as the API shows it: configuration, live state, and what is
//! computed from both.

use std::cell::OnceCell;

use bheka_value::schema::{FieldInfo, Flags};
use bheka_value::{Timestamp, Value};

use crate::wire::original_attributes;
use crate::{Acknowledgement, CheckableName, CheckableState, ConfigObject, Generation, StateType};

/// An attribute of an object: as configured, from live state, or computed; `null` for names that
/// the type does not have. `state` is the live state of a host or service, if any is known yet.
///
/// What depends on other live objects takes the quiet answer here (the host of a service is up,
/// the daemon was never started); [`crate::LiveObject`] knows better.
#[must_use]
pub fn attribute(
    object: &ConfigObject,
    state: Option<&CheckableState>,
    generation: &Generation,
    name: &str,
) -> Value {
    let fresh;
    let state = match state {
        Some(state) => state,
        None => {
            fresh = CheckableState::default();
            &fresh
        }
    };
    Facts {
        object,
        state,
        generation,
        host: None,
        program_start: Timestamp::NEVER,
        stored: OnceCell::new(),
    }
    .attribute(name)
}

/// The state that a host shows for a raw service state: 0 up for OK and WARNING, else 1 down.
#[must_use]
pub fn host_state(raw: u8) -> u8 {
    u8::from(raw > 1)
}

/// All that attributes are computed from.
pub(crate) struct Facts<'a> {
    pub(crate) object: &'a ConfigObject,
    pub(crate) state: &'a CheckableState,
    pub(crate) generation: &'a Generation,
    /// The live state of the host, when the object is a service.
    pub(crate) host: Option<&'a CheckableState>,
    pub(crate) program_start: Timestamp,
    /// The stored attributes, converted when the first of them is asked for.
    pub(crate) stored: OnceCell<Vec<(&'static str, Value)>>,
}

impl Facts<'_> {
    pub(crate) fn attribute(&self, name: &str) -> Value {
        let found = match self.object.type_info.name {
            "Host" | "Service" => self.checkable(name),
            "Zone" if name == "all_parents" => Some(self.all_parents()),
            "ApiListener" if name == "identity" => Some(
                self.generation
                    .global_string("NodeName")
                    .unwrap_or_default()
                    .into(),
            ),
            _ => None,
        };
        found
            .or_else(|| self.common(name))
            .unwrap_or_else(|| self.object.get(name))
    }

    fn common(&self, name: &str) -> Option<Value> {
        Some(match name {
            "ha_mode" => Value::Number(f64::from(u8::from(self.runs_everywhere()))),
            "version" => self
                .object
                .attributes
                .get("version")
                .cloned()
                .unwrap_or(0.0.into()),
            // Whatever is in force has been started.
            "start_called" | "resume_called" => true.into(),
            "state_filter_real" => f64::from(crate::state_bits(&self.object.get("states"))).into(),
            "type_filter_real" => f64::from(crate::type_bits(&self.object.get("types"))).into(),
            "flapping_ignore_states_filter_real" => {
                let states = self.object.get("flapping_ignore_states");
                // Icinga 2 shows all bits of a signed number where none are set.
                let bits = if states.is_empty() {
                    -1.0
                } else {
                    f64::from(crate::state_bits(&states))
                };
                bits.into()
            }
            _ => return None,
        })
    }

    /// Writers without high availability run on every endpoint of the zone.
    fn runs_everywhere(&self) -> bool {
        let info = self.object.type_info;
        info.name != "NotificationComponent"
            && info.field("enable_ha").is_some()
            && !self.object.boolean("enable_ha")
    }

    /// The zones above, nearest first. Walks names, for there may be as many zones as hosts.
    fn all_parents(&self) -> Value {
        let mut above = Vec::new();
        let mut parent = self.object.optional("parent");
        while let Some(name) = parent.filter(|_| above.len() <= self.generation.count("Zone")) {
            parent = self
                .generation
                .get("Zone", &name)
                .and_then(|zone| zone.optional("parent"));
            above.push(Value::String(name));
        }
        Value::array(above)
    }

    fn checkable(&self, name: &str) -> Option<Value> {
        self.computed(name).or_else(|| self.stored(name))
    }

    fn is_service(&self) -> bool {
        self.object.type_info.name == "Service"
    }

    fn shown(&self, raw: u8) -> u8 {
        if self.is_service() {
            raw
        } else {
            host_state(raw)
        }
    }

    fn computed(&self, name: &str) -> Option<Value> {
        let state = self.state;
        let number = |number: u8| Value::Number(f64::from(number));
        Some(match name {
            "state" => number(self.shown(state.state_raw)),
            "last_state" => number(self.shown(state.last_state_raw)),
            "last_hard_state" => number(self.shown(state.last_hard_state_raw)),
            "problem" => self.problem().into(),
            "handled" => self.handled().into(),
            "severity" => f64::from(self.severity()).into(),
            "last_check" => state
                .last_check_result
                .as_ref()
                .map_or(-1.0, |it| it.schedule_end.seconds())
                .into(),
            "next_update" => self.next_update().into(),
            "downtime_depth" => f64::from(state.downtime_depth).into(),
            "original_attributes" => original_attributes(state),
            _ => return None,
        })
    }

    fn stored(&self, name: &str) -> Option<Value> {
        let state = self.state;
        let field = self.object.type_info.field(name)?;
        if !field.flags.has(Flags::STATE) || name == "version" {
            return None;
        }
        if name == "last_check_result" {
            return Some(
                state
                    .last_check_result
                    .as_ref()
                    .map_or(Value::Empty, |it| it.to_value()),
            );
        }
        let stored = self
            .stored
            .get_or_init(|| state.stored_entries(&CheckableName::from_full(&self.object.name)));
        stored
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.clone())
    }

    fn problem(&self) -> bool {
        self.state.last_check_result.is_some() && self.shown(self.state.state_raw) != 0
    }

    fn host_problem(&self) -> bool {
        self.host
            .is_some_and(|host| host.last_check_result.is_some() && host_state(host.state_raw) != 0)
    }

    fn handled(&self) -> bool {
        let state = self.state;
        let cared_for = state.acknowledgement != Acknowledgement::None || state.downtime_depth > 0;
        (self.problem() && cared_for) || self.host_problem()
    }

    /// The order of importance, as 2.13 computes it (observed): a part for the state, and a part
    /// for who cares.
    fn severity(&self) -> u32 {
        let state = self.state;
        if state.last_check_result.is_none() {
            return 16;
        }
        let by_state = if self.is_service() {
            match state.state_raw {
                0 => return 0,
                1 => 32,
                2 => 128,
                _ => 64,
            }
        } else {
            match host_state(state.state_raw) {
                0 => return 0,
                _ if state.reachable => 64,
                _ => 32,
            }
        };
        let host_down = self
            .host
            .is_some_and(|host| host_state(host.state_raw) != 0);
        by_state
            + if host_down {
                1024
            } else if state.acknowledgement != Acknowledgement::None {
                512
            } else if state.downtime_depth > 0 {
                256
            } else {
                2048
            }
    }

    fn next_update(&self) -> f64 {
        let state = self.state;
        let active = self.object.boolean("enable_active_checks");
        let retrying = active && self.problem() && state.state_type == StateType::Soft;
        let check_interval = self.object.number("check_interval");
        let interval = if retrying && state.last_check_result.is_some() {
            self.object.number("retry_interval")
        } else {
            check_interval
        };
        let result = state.last_check_result.as_ref();
        let latency = result.map_or(0.0, |it| it.execution_end - it.schedule_start);
        let from = if active {
            state.next_check
        } else {
            result.map_or(self.program_start, |it| it.execution_end) + interval
        };
        from.seconds() + interval + 2.0 * latency
    }
}

/// Whether `/v1/objects` shows an attribute: not hidden ones, not objects; what is newer than 2.13
/// only when it was set.
#[must_use]
pub fn is_shown(object: &ConfigObject, field: &FieldInfo) -> bool {
    let leads_to_object = field.name == "host" && field.flags.has(Flags::NAVIGATION);
    let unset = || !object.attributes.contains_key(field.name);
    let unknown_to_2_13 = field.flags.has(Flags::NEWER) && unset();
    !(field.flags.has(Flags::NO_USER_VIEW) || leads_to_object || unknown_to_2_13)
}
