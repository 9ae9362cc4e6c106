//! Users, notifications and time periods.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS};
use super::fields;

fields! { USER_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG];
    /// When it is in force; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// Mail address.
    "email": String [CONFIG];
    /// Pager address.
    "pager": String [CONFIG];
    /// Groups it belongs to.
    "groups": NameArray("UserGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// Notification types to send; all when unset.
    "types": NameArray [CONFIG];
    /// States for which it is in force.
    "states": NameArray [CONFIG];
    /// The types as bits.
    "type_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// When the last one was sent.
    "last_notification": Timestamp [STATE];
    /// Whether notifications are sent.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
}

/// `User`.
pub(super) static USER: TypeInfo = TypeInfo {
    name: "User",
    plural: "Users",
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS, USER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { USER_GROUP_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG];
    /// Groups it belongs to.
    "groups": NameArray("UserGroup") [CONFIG NO_USER_MODIFY];
}

/// `UserGroup`.
pub(super) static USER_GROUP: TypeInfo = TypeInfo {
    name: "UserGroup",
    plural: "UserGroups",
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        USER_GROUP_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: Some("User"),
    activation_priority: 0,
};

fields! { NOTIFICATION_FIELDS:
    /// Host it belongs to.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Endpoint that executes the command.
    "command_endpoint": Name("Endpoint") [CONFIG NAVIGATION];
    /// Short name of the service on that host; the host itself when unset.
    "service_name": String [CONFIG NAVIGATION];
    /// Command line: a list of arguments, or text for the shell.
    "command": Name("NotificationCommand") [CONFIG REQUIRED NAVIGATION];
    /// When it is in force; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// Seconds between repetitions; 0 for none.
    "interval": Duration [CONFIG] = Num(1800.0);
    /// Notifications kept for the end of the period.
    "stashed_notifications": Array [STATE NO_USER_MODIFY NO_USER_VIEW] = EmptyArray;
    /// Whom to notify.
    "users": NameArray("User") [CONFIG];
    /// Whose members to notify.
    "user_groups": NameArray("UserGroup") [CONFIG];
    /// Notification types to send; all when unset.
    "types": NameArray [CONFIG];
    /// Who was told of the current problem.
    "notified_problem_users": Array [STATE NO_USER_MODIFY] = EmptyArray;
    /// States for which it is in force.
    "states": NameArray [CONFIG];
    /// Delay (`begin`) and end (`end`) of notifications, seconds into the problem.
    "times": Dictionary [CONFIG];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// The types as bits.
    "type_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Notifications sent for the current problem.
    "notification_number": Number [STATE];
    /// Notification types held back, as bits.
    "suppressed_notifications": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// When the last one was sent.
    "last_notification": Timestamp [STATE];
    /// When the next one is due.
    "next_notification": Timestamp [STATE];
    /// When the last one of type Problem was sent.
    "last_problem_notification": Timestamp [STATE];
    /// Whether the current problem is done with.
    "no_more_notifications": Boolean [STATE NO_USER_MODIFY];
}

/// `Notification`.
pub(super) static NOTIFICATION: TypeInfo = TypeInfo {
    name: "Notification",
    plural: "Notifications",
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        NOTIFICATION_FIELDS,
    ],
    load_after: &["Host", "Service", "User", "UserGroup"],
    naming: Naming::OnCheckable,
    apply_targets: &["Host", "Service"],
    assign_target: None,
    activation_priority: 0,
};

fields! { TIME_PERIOD_FIELDS:
    /// Start of the computed segments.
    "valid_begin": Any [STATE NO_USER_MODIFY];
    /// End of the computed segments.
    "valid_end": Any [STATE NO_USER_MODIFY];
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG];
    /// Periods to cut out.
    "excludes": NameArray("TimePeriod") [CONFIG REQUIRED] = EmptyArray;
    /// Periods to add.
    "includes": NameArray("TimePeriod") [CONFIG REQUIRED] = EmptyArray;
    /// Computed intervals.
    "segments": Array [STATE NO_USER_MODIFY] = EmptyArray;
    /// Time ranges by day.
    "ranges": Dictionary [CONFIG];
    /// Function that computes segments.
    "update": Function [CONFIG REQUIRED];
    /// Whether includes win over excludes.
    "prefer_includes": Boolean [CONFIG] = Bool(true);
    /// Whether now is inside.
    "is_inside": Boolean [COMPUTED];
}

/// `TimePeriod`.
pub(super) static TIME_PERIOD: TypeInfo = TypeInfo {
    name: "TimePeriod",
    plural: "TimePeriods",
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        TIME_PERIOD_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};
