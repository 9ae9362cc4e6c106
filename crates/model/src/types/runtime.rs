//! Comments and downtimes.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS};
use super::fields;

fields! { COMMENT_FIELDS:
    /// Host it belongs to.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Short name of the service on that host; the host itself when unset.
    "service_name": String [CONFIG NAVIGATION];
    /// Who.
    "author": String [CONFIG REQUIRED];
    /// What was written.
    "text": String [CONFIG REQUIRED];
    /// Who removed it.
    "removed_by": String [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Number for old interfaces.
    "legacy_id": Number [STATE];
    /// 1 user, 2 downtime, 3 flapping, 4 acknowledgement.
    "entry_type": Enum [CONFIG] = Num(1.0);
    /// When it was made.
    "entry_time": Timestamp [CONFIG];
    /// When it ends; 0 for never.
    "expire_time": Timestamp [CONFIG];
    /// When it was removed.
    "remove_time": Timestamp [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether it belongs to a sticky acknowledgement.
    "sticky": Boolean [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// Whether it outlives its acknowledgement.
    "persistent": Boolean [CONFIG];
}

/// `Comment`.
pub(super) static COMMENT: TypeInfo = TypeInfo {
    name: "Comment",
    plural: "Comments",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, COMMENT_FIELDS],
    load_after: &["Host", "Service"],
    naming: Naming::OnCheckable,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { DOWNTIME_FIELDS:
    /// Downtime whose start starts this one.
    "triggered_by": String [CONFIG];
    /// Who removed it.
    "removed_by": String [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Zone that decides about it.
    "authoritative_zone": String [CONFIG];
    /// Fingerprint of the schedule that made it.
    "config_owner_hash": String [CONFIG];
    /// ScheduledDowntime that made it.
    "config_owner": String [CONFIG];
    /// The one above.
    "parent": String [CONFIG];
    /// ScheduledDowntime that made it.
    "scheduled_by": String [CONFIG];
    /// Host it belongs to.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Why.
    "comment": String [CONFIG REQUIRED];
    /// Who.
    "author": String [CONFIG REQUIRED];
    /// Short name of the service on that host; the host itself when unset.
    "service_name": String [CONFIG NAVIGATION];
    /// Downtimes that this one starts.
    "triggers": Array [STATE] = EmptyArray;
    /// Number for old interfaces.
    "legacy_id": Number [STATE];
    /// Seconds it lasts once triggered, when flexible.
    "duration": Timestamp [CONFIG];
    /// When it came into effect.
    "trigger_time": Timestamp [STATE];
    /// End of the window.
    "end_time": Timestamp [CONFIG];
    /// Start of the window.
    "start_time": Timestamp [CONFIG];
    /// When it was removed.
    "remove_time": Timestamp [STATE];
    /// When it was made.
    "entry_time": Timestamp [CONFIG];
    /// Whether it holds for the whole window.
    "fixed": Boolean [CONFIG];
    /// Whether it was cancelled.
    "was_cancelled": Boolean [COMPUTED];
}

/// `Downtime`.
pub(super) static DOWNTIME: TypeInfo = TypeInfo {
    name: "Downtime",
    plural: "Downtimes",
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, DOWNTIME_FIELDS],
    load_after: &["Host", "Service"],
    naming: Naming::OnCheckable,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -10,
};

fields! { SCHEDULED_DOWNTIME_FIELDS:
    /// Whether children in dependencies get downtimes too.
    "child_options": Any [CONFIG] = Text("DowntimeNoChildren");
    /// Host it belongs to.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Short name of the service on that host; the host itself when unset.
    "service_name": String [CONFIG NAVIGATION];
    /// Who.
    "author": String [CONFIG REQUIRED];
    /// Why.
    "comment": String [CONFIG REQUIRED];
    /// Seconds it lasts once triggered, when flexible.
    "duration": Duration [CONFIG];
    /// Time ranges by day.
    "ranges": Dictionary [CONFIG REQUIRED];
    /// Whether it holds for the whole window.
    "fixed": Boolean [CONFIG] = Bool(true);
}

/// `ScheduledDowntime`.
pub(super) static SCHEDULED_DOWNTIME: TypeInfo = TypeInfo {
    name: "ScheduledDowntime",
    plural: "ScheduledDowntimes",
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        SCHEDULED_DOWNTIME_FIELDS,
    ],
    load_after: &["Host", "Service"],
    naming: Naming::OnCheckable,
    apply_targets: &["Host", "Service"],
    assign_target: None,
    activation_priority: 20,
};
