//! Hosts, services, their groups, commands and dependencies.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{
    CHECKABLE_FIELDS, COMMAND_FIELDS, CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS,
};
use super::fields;

fields! { HOST_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// IPv4 address or DNS name.
    "address": String [CONFIG];
    /// IPv6 address or DNS name.
    "address6": String [CONFIG];
    /// Groups of which the object is a member.
    "groups": NameArray("HostGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// State: 0 UP, 1 DOWN.
    "state": Enum [COMPUTED] = Num(1.0);
    /// State before the last result.
    "last_state": Enum [COMPUTED] = Num(1.0);
    /// Last hard state.
    "last_hard_state": Enum [COMPUTED] = Num(1.0);
    /// Time of the last result UP.
    "last_state_up": Timestamp [STATE];
    /// Time of the last result DOWN.
    "last_state_down": Timestamp [STATE];
}

/// `Host`.
pub(super) static HOST: TypeInfo = TypeInfo {
    name: "Host",
    plural: "Hosts",
    doc: "A machine or anything else that has services.",
    since: None,
    until: None,
    base: Some("Checkable"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        CHECKABLE_FIELDS,
        HOST_FIELDS,
    ],
    load_after: &["ApiListener", "Endpoint", "Zone"],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { SERVICE_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// Host on which the service is.
    "host_name": Name("Host") [CONFIG REQUIRED FIXED];
    /// Groups of which the object is a member.
    "groups": NameArray("ServiceGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// The host object itself, for expressions.
    "host": Any [NAVIGATION COMPUTED];
    /// State: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    "state": Enum [COMPUTED] = Num(3.0);
    /// State before the last result.
    "last_state": Enum [COMPUTED] = Num(3.0);
    /// Last hard state.
    "last_hard_state": Enum [COMPUTED] = Num(3.0);
    /// Time of the last result OK.
    "last_state_ok": Timestamp [STATE];
    /// Time of the last result WARNING.
    "last_state_warning": Timestamp [STATE];
    /// Time of the last result CRITICAL.
    "last_state_critical": Timestamp [STATE];
    /// Time of the last result UNKNOWN.
    "last_state_unknown": Timestamp [STATE];
}

/// `Service`.
pub(super) static SERVICE: TypeInfo = TypeInfo {
    name: "Service",
    plural: "Services",
    doc: "Something on a host that is checked on its own.",
    since: None,
    until: None,
    base: Some("Checkable"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        CHECKABLE_FIELDS,
        SERVICE_FIELDS,
    ],
    load_after: &["ApiListener", "Endpoint", "Host", "Zone"],
    naming: Naming::OnHost,
    apply_targets: &["Host"],
    assign_target: None,
    activation_priority: 0,
};

fields! { HOST_GROUP_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// Free text about the object.
    "notes": String [CONFIG];
    /// Address of a page about the object.
    "notes_url": String [CONFIG];
    /// Address of a page where something can be done about the object.
    "action_url": String [CONFIG];
    /// Groups whose members the members of this one become, too.
    "groups": NameArray("HostGroup") [CONFIG NO_USER_MODIFY];
}

/// `HostGroup`.
pub(super) static HOST_GROUP: TypeInfo = TypeInfo {
    name: "HostGroup",
    plural: "HostGroups",
    doc: "A group of hosts.",
    since: None,
    until: None,
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        HOST_GROUP_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: Some("Host"),
    activation_priority: 0,
};

fields! { SERVICE_GROUP_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG] = ShortName;
    /// Free text about the object.
    "notes": String [CONFIG];
    /// Address of a page about the object.
    "notes_url": String [CONFIG];
    /// Address of a page where something can be done about the object.
    "action_url": String [CONFIG];
    /// Groups whose members the members of this one become, too.
    "groups": NameArray("ServiceGroup") [CONFIG NO_USER_MODIFY];
}

/// `ServiceGroup`.
pub(super) static SERVICE_GROUP: TypeInfo = TypeInfo {
    name: "ServiceGroup",
    plural: "ServiceGroups",
    doc: "A group of services.",
    since: None,
    until: None,
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        SERVICE_GROUP_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: Some("Service"),
    activation_priority: 0,
};

/// `CheckCommand`.
pub(super) static CHECK_COMMAND: TypeInfo = TypeInfo {
    name: "CheckCommand",
    plural: "CheckCommands",
    doc: "How to check a host or service.",
    since: None,
    until: None,
    base: Some("Command"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        COMMAND_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

/// `EventCommand`.
pub(super) static EVENT_COMMAND: TypeInfo = TypeInfo {
    name: "EventCommand",
    plural: "EventCommands",
    doc: "What to do when the state of a host or service changes.",
    since: None,
    until: None,
    base: Some("Command"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        COMMAND_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

/// `NotificationCommand`.
pub(super) static NOTIFICATION_COMMAND: TypeInfo = TypeInfo {
    name: "NotificationCommand",
    plural: "NotificationCommands",
    doc: "How to send a notification.",
    since: None,
    until: None,
    base: Some("Command"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        COMMAND_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { DEPENDENCY_FIELDS:
    /// Host that depends, or on which the depending service is.
    "child_host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Short name of the service that depends; the host itself when unset.
    "child_service_name": String [CONFIG NAVIGATION FIXED];
    /// Host that is depended on, or on which that service is.
    "parent_host_name": Name("Host") [CONFIG REQUIRED NAVIGATION FIXED];
    /// Short name of the service that is depended on; the host itself when unset.
    "parent_service_name": String [CONFIG NAVIGATION FIXED];
    /// Times in which the dependency holds; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION FIXED];
    /// States of the parent in which the dependency is met; `OK` and `Warning`, or `Up`, when
    /// unset.
    "states": NameArray [CONFIG FIXED];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether the parent fails only in hard states.
    "ignore_soft_states": Boolean [CONFIG FIXED] = Bool(true);
    /// Whether a failed parent stops the checks of the child.
    "disable_checks": Boolean [CONFIG];
    /// Whether a failed parent stops the notifications of the child.
    "disable_notifications": Boolean [CONFIG] = Bool(true);
    /// Name of a group of dependencies, of which one that is met suffices.
    "redundancy_group": String [CONFIG NO_USER_MODIFY SINCE_2_14];
}

/// `Dependency`.
pub(super) static DEPENDENCY: TypeInfo = TypeInfo {
    name: "Dependency",
    plural: "Dependencies",
    doc: "Says that a host or service can only be judged while another one works.",
    since: None,
    until: None,
    base: Some("CustomVarObject"),
    is_abstract: false,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        DEPENDENCY_FIELDS,
    ],
    load_after: &["Host", "Service"],
    naming: Naming::OnChildCheckable,
    apply_targets: &["Host", "Service"],
    assign_target: None,
    activation_priority: -10,
};
