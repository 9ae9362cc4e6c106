//! Hosts, services, their groups, commands and dependencies.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{
    CHECKABLE_FIELDS, COMMAND_FIELDS, CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS,
};
use super::fields;

fields! { HOST_FIELDS:
    /// Name for people; the short name when unset.
    "display_name": String [CONFIG];
    /// IPv4 address or DNS name.
    "address": String [CONFIG];
    /// IPv6 address.
    "address6": String [CONFIG];
    /// Groups it belongs to.
    "groups": NameArray("HostGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// Current state.
    "state": Enum [COMPUTED];
    /// State before the last result.
    "last_state": Enum [COMPUTED];
    /// Last hard state.
    "last_hard_state": Enum [COMPUTED];
    /// When it was last UP.
    "last_state_up": Timestamp [STATE];
    /// When it was last DOWN.
    "last_state_down": Timestamp [STATE];
}

/// `Host`.
pub(super) static HOST: TypeInfo = TypeInfo {
    name: "Host",
    plural: "Hosts",
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
    "display_name": String [CONFIG];
    /// Host it belongs to.
    "host_name": Name("Host") [CONFIG REQUIRED];
    /// Groups it belongs to.
    "groups": NameArray("ServiceGroup") [CONFIG REQUIRED NO_USER_MODIFY] = EmptyArray;
    /// The host object.
    "host": Any [NAVIGATION COMPUTED];
    /// Current state.
    "state": Enum [COMPUTED];
    /// State before the last result.
    "last_state": Enum [COMPUTED];
    /// Last hard state.
    "last_hard_state": Enum [COMPUTED];
    /// When it was last OK.
    "last_state_ok": Timestamp [STATE];
    /// When it was last WARNING.
    "last_state_warning": Timestamp [STATE];
    /// When it was last CRITICAL.
    "last_state_critical": Timestamp [STATE];
    /// When it was last UNKNOWN.
    "last_state_unknown": Timestamp [STATE];
}

/// `Service`.
pub(super) static SERVICE: TypeInfo = TypeInfo {
    name: "Service",
    plural: "Services",
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
    "display_name": String [CONFIG];
    /// Free text.
    "notes": String [CONFIG];
    /// Where to read about it.
    "notes_url": String [CONFIG];
    /// Where to act on it.
    "action_url": String [CONFIG];
    /// Groups it belongs to.
    "groups": NameArray("HostGroup") [CONFIG NO_USER_MODIFY];
}

/// `HostGroup`.
pub(super) static HOST_GROUP: TypeInfo = TypeInfo {
    name: "HostGroup",
    plural: "HostGroups",
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
    "display_name": String [CONFIG];
    /// Free text.
    "notes": String [CONFIG];
    /// Where to read about it.
    "notes_url": String [CONFIG];
    /// Where to act on it.
    "action_url": String [CONFIG];
    /// Groups it belongs to.
    "groups": NameArray("ServiceGroup") [CONFIG NO_USER_MODIFY];
}

/// `ServiceGroup`.
pub(super) static SERVICE_GROUP: TypeInfo = TypeInfo {
    name: "ServiceGroup",
    plural: "ServiceGroups",
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
    /// Host that depends.
    "child_host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Service that depends, on that host.
    "child_service_name": String [CONFIG NAVIGATION];
    /// Host that is depended on.
    "parent_host_name": Name("Host") [CONFIG REQUIRED NAVIGATION];
    /// Service that is depended on, on that host.
    "parent_service_name": String [CONFIG NAVIGATION];
    /// When it is in force; always when unset.
    "period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// States for which it is in force.
    "states": NameArray [CONFIG];
    /// The states as bits.
    "state_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether the parent fails only in hard states.
    "ignore_soft_states": Boolean [CONFIG] = Bool(true);
    /// Whether a failed parent stops checks.
    "disable_checks": Boolean [CONFIG];
    /// Whether a failed parent stops notifications.
    "disable_notifications": Boolean [CONFIG] = Bool(true);
    /// Dependencies of the same group back one another up.
    "redundancy_group": String [CONFIG NO_USER_MODIFY NEWER];
}

/// `Dependency`.
pub(super) static DEPENDENCY: TypeInfo = TypeInfo {
    name: "Dependency",
    plural: "Dependencies",
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
