//! Users, notifications and time periods.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS};
use super::fields;

fields! { USER_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// Times in which the user is notified; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// Mail address, for notification commands.
    "email": String [CONFIG];
    /// Pager address, for notification commands.
    "pager": String [CONFIG];
    /// Groups of which the object is a member.
    "groups": NameArray("UserGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// Types of notifications that the user gets; all when unset.
    "types": NameArray [CONFIG];
    /// States for which the user is notified; all when unset.
    "states": NameArray [CONFIG];
    /// The types as bits.
    "type_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Time at which the user was last notified.
    "last_notification": Timestamp [STATE];
    /// Whether notifications are sent.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
}

/// `User`.
pub(super) static USER: TypeInfo = TypeInfo {
    name: "User",
    plural: "Users",
    doc: "Somebody who can be notified.",
    since: None,
    until: None,
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
    "display_name": String [CONFIG] = ShortName;
    /// Groups whose members the members of this one become, too.
    "groups": NameArray("UserGroup") [CONFIG NO_USER_MODIFY];
}

/// `UserGroup`.
pub(super) static USER_GROUP: TypeInfo = TypeInfo {
    name: "UserGroup",
    plural: "UserGroups",
    doc: "A group of users.",
    since: None,
    until: None,
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
    /// Host to which the object belongs.
    "host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Endpoint that runs the notification command.
    "command_endpoint": Name("Endpoint") [CONFIG NAVIGATION];
    /// Short name of the service on that host to which the object belongs; the host itself when
    /// unset.
    "service_name": String [CONFIG NAVIGATION FIXED];
    /// Command that sends the notification.
    "command": Name("NotificationCommand") [CONFIG REQUIRED NAVIGATION];
    /// Times in which notifications are sent; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// Seconds between notifications of a problem that goes on; 0 for only one.
    "interval": Duration [CONFIG] = Num(1800.0);
    /// Notifications kept for a later time.
    "stashed_notifications": Array [STATE NO_USER_MODIFY NO_USER_VIEW] = EmptyArray;
    /// Users to notify.
    "users": NameArray("User") [CONFIG];
    /// Groups whose members are to be notified.
    "user_groups": NameArray("UserGroup") [CONFIG];
    /// Types of notifications that are sent; all when unset.
    "types": NameArray [CONFIG];
    /// Users that were told of the problem at present.
    "notified_problem_users": Array [STATE NO_USER_MODIFY] = EmptyArray;
    /// States for which notifications are sent; all when unset.
    "states": NameArray [CONFIG];
    /// Seconds into the problem at which notifications `begin` and `end`.
    "times": Dictionary [CONFIG];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// The types as bits.
    "type_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Number of notifications sent for the problem at present.
    "notification_number": Number [STATE];
    /// Types of notifications that are held back, as bits.
    "suppressed_notifications": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Time of the last notification.
    "last_notification": Timestamp [STATE];
    /// Time at which the next notification is due.
    "next_notification": Timestamp [STATE];
    /// Time of the last notification of a problem.
    "last_problem_notification": Timestamp [STATE];
    /// Whether nothing more is sent for the problem at present.
    "no_more_notifications": Boolean [STATE NO_USER_MODIFY];
    /// State that each user was last told, so that nobody is told a state twice.
    "last_notified_state_per_user": Dictionary [STATE NO_USER_MODIFY NO_USER_VIEW SINCE_2_14] = EmptyDictionary;
}

/// `Notification`.
pub(super) static NOTIFICATION: TypeInfo = TypeInfo {
    name: "Notification",
    plural: "Notifications",
    doc: "Whom to tell of a problem, when and how.",
    since: None,
    until: None,
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
    /// Start of the time for which segments are computed.
    "valid_begin": Any [STATE NO_USER_MODIFY];
    /// End of the time for which segments are computed.
    "valid_end": Any [STATE NO_USER_MODIFY];
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// Periods whose times are cut out.
    "excludes": NameArray("TimePeriod") [CONFIG REQUIRED] = EmptyArray;
    /// Periods whose times are added.
    "includes": NameArray("TimePeriod") [CONFIG REQUIRED] = EmptyArray;
    /// Computed times, as begin and end.
    "segments": Array [STATE NO_USER_MODIFY] = EmptyArray;
    /// Times of the day by day, date or range of days.
    "ranges": Dictionary [CONFIG];
    /// Function that computes segments; reads `ranges` unless set.
    "update": Function [CONFIG REQUIRED];
    /// Whether included times win over excluded ones.
    "prefer_includes": Boolean [CONFIG] = Bool(true);
    /// Whether the period holds now.
    "is_inside": Boolean [COMPUTED];
}

/// `TimePeriod`.
pub(super) static TIME_PERIOD: TypeInfo = TypeInfo {
    name: "TimePeriod",
    plural: "TimePeriods",
    doc: "Times in which something is done.",
    since: None,
    until: None,
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
