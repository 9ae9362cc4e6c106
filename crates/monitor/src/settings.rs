//! The configuration of one checkable, read once per generation instead of at every result.

use std::sync::Arc;

use bheka_model::{CheckableName, ConfigObject, Generation};
use bheka_value::Str;

/// What the schedule and the state machine ask of a host or service object.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) object: Arc<ConfigObject>,
    pub(crate) command: Option<Arc<ConfigObject>>,
    pub(crate) check_interval_s: f64,
    pub(crate) retry_interval_s: f64,
    pub(crate) attempts_max: u32,
    pub(crate) volatile: bool,
    pub(crate) active_checks: bool,
    pub(crate) event_handler: bool,
    pub(crate) flapping: bool,
    pub(crate) flapping_low: f64,
    pub(crate) flapping_high: f64,
    pub(crate) check_timeout_s: Option<f64>,
    pub(crate) check_period: Option<Str>,
    pub(crate) command_endpoint: Option<Str>,
    pub(crate) event_command: Option<Str>,
    /// Whether its zone is this node's (or it has none); others are checked elsewhere.
    pub(crate) own_zone: bool,
    /// A number of its own that keeps checks of one interval apart.
    pub(crate) offset: u32,
}

impl Settings {
    pub(crate) fn read(
        name: &CheckableName,
        object: &Arc<ConfigObject>,
        generation: &Generation,
        local_zone: Option<&str>,
    ) -> Self {
        let own_zone = match (&object.zone, local_zone) {
            (None, _) => true,
            (Some(zone), Some(local)) => zone == local,
            (Some(_), None) => true,
        };
        Self {
            object: Arc::clone(object),
            command: generation
                .get("CheckCommand", &object.string("check_command"))
                .cloned(),
            check_interval_s: object.number("check_interval"),
            retry_interval_s: object.number("retry_interval"),
            attempts_max: whole(object.number("max_check_attempts")),
            volatile: object.boolean("volatile"),
            active_checks: object.boolean("enable_active_checks"),
            event_handler: object.boolean("enable_event_handler"),
            flapping: object.boolean("enable_flapping"),
            flapping_low: object.number("flapping_threshold_low"),
            flapping_high: object.number("flapping_threshold_high"),
            check_timeout_s: object.get("check_timeout").as_number(),
            check_period: object.optional("check_period"),
            command_endpoint: object.optional("command_endpoint"),
            event_command: object.optional("event_command"),
            own_zone,
            offset: offset_of(name),
        }
    }

    /// Seconds after which the check command is killed.
    pub(crate) fn timeout_s(&self) -> f64 {
        self.check_timeout_s
            .unwrap_or_else(|| self.command_timeout_s())
    }

    /// The timeout of the check command alone.
    pub(crate) fn command_timeout_s(&self) -> f64 {
        self.command
            .as_ref()
            .map_or(60.0, |command| command.number("timeout"))
    }

    /// Whether the intervals are the same, so that a planned check may stand.
    pub(crate) fn same_pace(&self, other: &Self) -> bool {
        self.check_interval_s == other.check_interval_s
            && self.retry_interval_s == other.retry_interval_s
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> u32 {
    number.clamp(0.0, f64::from(u32::MAX)) as u32
}

/// FNV-1a over the name, folded to 31 bits: the same in every process and on every machine.
fn offset_of(name: &CheckableName) -> u32 {
    let parts = [
        name.host.as_bytes(),
        b"!",
        name.service.as_deref().unwrap_or("").as_bytes(),
    ];
    let mut hash: u32 = 0x811c_9dc5;
    for byte in parts.into_iter().flatten() {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    // FNV's last bytes reach the high bits badly; spreading uses those.
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x2c1b_3c6d);
    (hash ^ (hash >> 12)) >> 1
}

/// The zone of this node's endpoint.
pub(crate) fn local_zone(generation: &Generation, node_name: &str) -> Option<Str> {
    generation
        .of_type("Zone")
        .find(|zone| {
            zone.names("endpoints")
                .iter()
                .any(|endpoint| endpoint == node_name)
        })
        .map(|zone| zone.name.clone())
}
