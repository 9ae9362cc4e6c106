//! Comments and downtimes.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS};
use super::fields;

fields! { COMMENT_FIELDS:
    /// Host to which the object belongs.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Short name of the service on that host to which the object belongs; the host itself when
    /// unset.
    "service_name": String [CONFIG NAVIGATION FIXED];
    /// Name of whoever wrote it.
    "author": String [CONFIG REQUIRED];
    /// What was written.
    "text": String [CONFIG REQUIRED];
    /// Name of whoever removed it.
    "removed_by": String [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Number under which old interfaces know the object.
    "legacy_id": Number [STATE];
    /// 1 by a user, 2 by a downtime, 3 by flapping, 4 by an acknowledgement.
    "entry_type": Enum [CONFIG WHOLE] = Num(1.0);
    /// Time at which it was made.
    "entry_time": Timestamp [CONFIG] = Now;
    /// Time at which it ends; 0 for never.
    "expire_time": Timestamp [CONFIG];
    /// Time at which it was removed.
    "remove_time": Timestamp [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether it belongs to a sticky acknowledgement.
    "sticky": Boolean [CONFIG NO_USER_MODIFY NO_USER_VIEW];
    /// Whether it stays when the acknowledgement is cleared.
    "persistent": Boolean [CONFIG];
}

/// `Comment`.
pub(super) static COMMENT: TypeInfo = TypeInfo {
    name: "Comment",
    plural: "Comments",
    doc: "A remark about a host or service, usually made at run time.",
    since: None,
    until: None,
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
    /// Full name of the downtime whose start starts this one.
    "triggered_by": String [CONFIG];
    /// Name of whoever removed it.
    "removed_by": String [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Zone that decides about the downtime when it is not that of its target.
    "authoritative_zone": String [CONFIG];
    /// Fingerprint of the schedule that made it.
    "config_owner_hash": String [CONFIG];
    /// ScheduledDowntime that made it and removes it with itself.
    "config_owner": String [CONFIG];
    /// Full name of the downtime for which this one was made on a child.
    "parent": String [CONFIG];
    /// ScheduledDowntime that made it.
    "scheduled_by": String [CONFIG];
    /// Host to which the object belongs.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Why there is a downtime.
    "comment": String [CONFIG REQUIRED];
    /// Name of whoever wrote it.
    "author": String [CONFIG REQUIRED];
    /// Short name of the service on that host to which the object belongs; the host itself when
    /// unset.
    "service_name": String [CONFIG NAVIGATION FIXED];
    /// Full names of the downtimes that this one starts.
    "triggers": Array [STATE] = EmptyArray;
    /// Number under which old interfaces know the object.
    "legacy_id": Number [STATE];
    /// Seconds that it lasts once triggered, when it is flexible.
    "duration": Timestamp [CONFIG];
    /// Time at which it came into effect.
    "trigger_time": Timestamp [STATE];
    /// End of the window.
    "end_time": Timestamp [CONFIG] where Positive("End time must be greater than 0.");
    /// Start of the window.
    "start_time": Timestamp [CONFIG] where Positive("Start time must be greater than 0.");
    /// Time at which it was removed.
    "remove_time": Timestamp [STATE];
    /// Time at which it was made.
    "entry_time": Timestamp [CONFIG] = Now;
    /// Whether it holds for the whole window instead of from the first problem in it.
    "fixed": Boolean [CONFIG];
    /// Whether it was cancelled.
    "was_cancelled": Boolean [COMPUTED];
}

/// `Downtime`.
pub(super) static DOWNTIME: TypeInfo = TypeInfo {
    name: "Downtime",
    plural: "Downtimes",
    doc: "A time in which problems of a host or service are expected, usually made at run time.",
    since: None,
    until: None,
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
    /// What happens to hosts and services that depend on the target: nothing, a triggered or an
    /// own downtime.
    "child_options": Any [CONFIG] = Text("DowntimeNoChildren");
    /// Host to which the object belongs.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Short name of the service on that host to which the object belongs; the host itself when
    /// unset.
    "service_name": String [CONFIG NAVIGATION FIXED];
    /// Name of whoever wrote it.
    "author": String [CONFIG REQUIRED];
    /// Why there are downtimes.
    "comment": String [CONFIG REQUIRED];
    /// Seconds that a downtime lasts once triggered, when it is flexible.
    "duration": Duration [CONFIG];
    /// Windows: times of the day by day, date or range of days.
    "ranges": Dictionary [CONFIG REQUIRED];
    /// Whether a downtime holds for the whole window instead of from the first problem in it.
    "fixed": Boolean [CONFIG] = Bool(true);
}

/// `ScheduledDowntime`.
pub(super) static SCHEDULED_DOWNTIME: TypeInfo = TypeInfo {
    name: "ScheduledDowntime",
    plural: "ScheduledDowntimes",
    doc: "Makes downtimes for windows that come again.",
    since: None,
    until: None,
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
