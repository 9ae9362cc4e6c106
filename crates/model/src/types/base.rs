//! What every object has, and the abstract types.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::fields;

fields! { CONFIG_OBJECT_FIELDS:
    /// Short name, as written after the type.
    "name": String [CONFIG NO_USER_MODIFY];
    /// Zone that may see and change the object.
    "zone": Name("Zone") [CONFIG NO_USER_MODIFY];
    /// Configuration package the object came from.
    "package": String [CONFIG NO_USER_MODIFY];
    /// Full name, unique within the type.
    "__name": String [CONFIG NO_USER_MODIFY];
    /// When the object was last changed at run time; the newer version wins between nodes.
    "version": Number [STATE NO_USER_MODIFY];
    /// Imported templates, own name first.
    "templates": Array [CONFIG NO_USER_MODIFY];
    /// Where the object was declared.
    "source_location": Dictionary [CONFIG NO_USER_MODIFY];
    /// Configured values of attributes that were changed at run time.
    "original_attributes": Dictionary [NO_USER_MODIFY COMPUTED];
    /// Scratch space of features.
    "extensions": Dictionary [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// 0 when one endpoint of the zone runs it at a time, 1 when all do.
    "ha_mode": Enum [COMPUTED];
    /// Whether it was started.
    "start_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether saved state was restored.
    "state_loaded": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether it was resumed.
    "resume_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether it was paused.
    "pause_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether it was stopped.
    "stop_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether another endpoint of the zone runs it.
    "paused": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it is in force.
    "active": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
}

/// `ConfigObject`.
pub(super) static CONFIG_OBJECT: TypeInfo = TypeInfo {
    name: "ConfigObject",
    plural: "ConfigObjects",
    base: Some("Object"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { CUSTOM_VAR_OBJECT_FIELDS:
    /// Custom variables.
    "vars": Dictionary [CONFIG];
}

/// `CustomVarObject`.
pub(super) static CUSTOM_VAR_OBJECT: TypeInfo = TypeInfo {
    name: "CustomVarObject",
    plural: "CustomVarObjects",
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, CUSTOM_VAR_OBJECT_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { CHECKABLE_FIELDS:
    /// Seconds until a check is killed; overrides the timeout of the command.
    "check_timeout": Any [CONFIG];
    /// Endpoint that executes the command.
    "command_endpoint": Name("Endpoint") [CONFIG NAVIGATION];
    /// What to run as check.
    "check_command": Name("CheckCommand") [CONFIG REQUIRED NAVIGATION];
    /// When to check; always when unset.
    "check_period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// What to run when the state changes.
    "event_command": Name("EventCommand") [CONFIG NAVIGATION];
    /// Alternative text of the icon.
    "icon_image_alt": String [CONFIG];
    /// Icon for user interfaces.
    "icon_image": String [CONFIG];
    /// Where to act on it.
    "action_url": String [CONFIG];
    /// Where to read about it.
    "notes_url": String [CONFIG];
    /// Free text.
    "notes": String [CONFIG];
    /// Seconds between checks in a hard state.
    "check_interval": Duration [CONFIG] = Num(300.0);
    /// Seconds between checks in a soft state.
    "retry_interval": Duration [CONFIG] = Num(60.0);
    /// Replaced by the two bounds, no effect.
    "flapping_threshold": Number [CONFIG DEPRECATED];
    /// Weighted per cent of state changes.
    "flapping_current": Number [STATE];
    /// Per cent below which flapping ends.
    "flapping_threshold_low": Number [CONFIG] = Num(25.0);
    /// Per cent above which flapping begins.
    "flapping_threshold_high": Number [CONFIG] = Num(30.0);
    /// States that do not count as a change for flapping.
    "flapping_ignore_states": NameArray [CONFIG];
    /// The last result.
    "last_check_result": CheckResult [STATE];
    /// Results of one-off executions, by UUID.
    "executions": Dictionary [STATE NO_USER_MODIFY];
    /// One-off executions that still run.
    "pending_executions": Dictionary [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Notification types held back, as bits.
    "suppressed_notifications": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Results in a row that make a problem hard.
    "max_check_attempts": Number [CONFIG] = Num(3.0);
    /// Position in the flapping window.
    "flapping_index": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// The flapping window as bits.
    "flapping_buffer": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Number of downtimes in effect.
    "downtime_depth": Number [COMPUTED];
    /// 0 none, 1 until the next change, 2 until recovery.
    "acknowledgement": Enum [STATE];
    /// Order of importance for lists.
    "severity": Number [COMPUTED];
    /// Current attempt, from 1.
    "check_attempt": Number [STATE] = Num(1.0);
    /// Bits of the ignored states.
    "flapping_ignore_states_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Service state 0 to 3, also for hosts.
    "state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// Last state that counted for flapping.
    "flapping_last_state": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// State when notifications began to be held back.
    "state_before_suppression": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Last hard state, unmapped.
    "last_hard_state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// State before the last result, unmapped.
    "last_state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// Type of the state before the last result.
    "last_state_type": Enum [STATE];
    /// 0 soft, 1 hard.
    "state_type": Enum [STATE];
    /// When the hard state last changed.
    "last_hard_state_change": Timestamp [STATE];
    /// When the state last changed.
    "last_state_change": Timestamp [STATE];
    /// When it was last unreachable.
    "last_state_unreachable": Timestamp [STATE];
    /// The value of last_state_change before the last result.
    "previous_state_change": Timestamp [STATE];
    /// When the next result is expected at the latest.
    "next_update": Timestamp [COMPUTED];
    /// When the acknowledgement ends; 0 for never.
    "acknowledgement_expiry": Timestamp [STATE];
    /// When it was last acknowledged or cleared.
    "acknowledgement_last_change": Timestamp [STATE];
    /// When the last check began.
    "last_check_started": Timestamp [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// When the next check is due.
    "next_check": Timestamp [STATE];
    /// When the last check ended; -1 for never.
    "last_check": Timestamp [COMPUTED];
    /// When flapping last began or ended.
    "flapping_last_change": Timestamp [STATE];
    /// Whether it flaps.
    "flapping": Boolean [STATE];
    /// Whether the next check ignores periods and switches.
    "force_next_check": Boolean [STATE];
    /// Whether a problem is acknowledged, in downtime or behind a failed dependency.
    "handled": Boolean [COMPUTED];
    /// Whether the state is not OK or UP.
    "problem": Boolean [COMPUTED];
    /// Whether the next notification ignores switches and filters.
    "force_next_notification": Boolean [STATE];
    /// Whether the event command runs.
    "enable_event_handler": Boolean [CONFIG] = Bool(true);
    /// Whether notifications are sent.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
    /// Whether it was reachable at the last result.
    "last_reachable": Boolean [STATE] = Bool(true);
    /// Whether flapping is detected.
    "enable_flapping": Boolean [CONFIG];
    /// Whether results from outside are taken.
    "enable_passive_checks": Boolean [CONFIG] = Bool(true);
    /// Whether performance data is passed on.
    "enable_perfdata": Boolean [CONFIG] = Bool(true);
    /// Whether the scheduler runs checks.
    "enable_active_checks": Boolean [CONFIG] = Bool(true);
    /// Whether each non-OK result counts as a hard change.
    "volatile": Boolean [CONFIG];
    /// The last two soft states, packed.
    "last_soft_states_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// The last two hard states, packed.
    "last_hard_states_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
}

/// `Checkable`.
pub(super) static CHECKABLE: TypeInfo = TypeInfo {
    name: "Checkable",
    plural: "Checkables",
    base: Some("CustomVarObject"),
    is_abstract: true,
    field_groups: &[
        CONFIG_OBJECT_FIELDS,
        CUSTOM_VAR_OBJECT_FIELDS,
        CHECKABLE_FIELDS,
    ],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { COMMAND_FIELDS:
    /// Command line: a list of arguments, or text for the shell.
    "command": Any [CONFIG];
    /// Arguments by key.
    "arguments": Any [CONFIG];
    /// Environment variables.
    "env": Dictionary [CONFIG];
    /// Function that runs the command.
    "execute": Function [CONFIG REQUIRED];
    /// Seconds until the command is killed.
    "timeout": Duration [CONFIG] = Num(60.0);
}

/// `Command`.
pub(super) static COMMAND: TypeInfo = TypeInfo {
    name: "Command",
    plural: "Commands",
    base: Some("CustomVarObject"),
    is_abstract: true,
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

/// `Application`.
pub(super) static APPLICATION: TypeInfo = TypeInfo {
    name: "Application",
    plural: "Applications",
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { LOGGER_FIELDS:
    /// Order of importance for lists.
    "severity": String [CONFIG] = Text("information");
}

/// `Logger`.
pub(super) static LOGGER: TypeInfo = TypeInfo {
    name: "Logger",
    plural: "Loggers",
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

/// `StreamLogger`.
pub(super) static STREAM_LOGGER: TypeInfo = TypeInfo {
    name: "StreamLogger",
    plural: "StreamLoggers",
    base: Some("Logger"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { DB_CONNECTION_FIELDS:
    /// Prefix of table names.
    "table_prefix": String [CONFIG] = Text("icinga_");
    /// Version found in the database.
    "schema_version": String [NO_USER_MODIFY COMPUTED];
    /// Seconds until another endpoint takes over.
    "failover_timeout": Duration [CONFIG] = Num(30.0);
    /// When it last took over.
    "last_failover": Number [STATE NO_USER_MODIFY];
    /// What to write.
    "categories": Array [CONFIG];
    /// How long to keep what.
    "cleanup": Dictionary [CONFIG REQUIRED] = EmptyDictionary;
    /// The categories as bits.
    "categories_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG] = Bool(true);
    /// Whether it is connected.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether it tries to connect.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
}

/// `DbConnection`.
pub(super) static DB_CONNECTION: TypeInfo = TypeInfo {
    name: "DbConnection",
    plural: "DbConnections",
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, DB_CONNECTION_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};

fields! { INFLUXDB_COMMON_WRITER_FIELDS:
    /// The host object.
    "host": String [CONFIG REQUIRED] = Text("127.0.0.1");
    /// Port.
    "port": String [CONFIG REQUIRED] = Text("8086");
    /// CA certificate file.
    "ssl_ca_cert": String [CONFIG];
    /// Certificate file.
    "ssl_cert": String [CONFIG];
    /// Private key file.
    "ssl_key": String [CONFIG];
    /// Measurement and tags of a host.
    "host_template": Dictionary [CONFIG REQUIRED];
    /// Measurement and tags of a service.
    "service_template": Dictionary [CONFIG REQUIRED];
    /// Seconds to collect before sending.
    "flush_interval": Duration [CONFIG] = Num(10.0);
    /// Amount to collect before sending.
    "flush_threshold": Number [CONFIG] = Num(1024.0);
    /// Whether to use TLS.
    "ssl_enable": Boolean [CONFIG];
    /// Whether to skip the check of the peer.
    "ssl_insecure_noverify": Boolean [CONFIG];
    /// Whether thresholds are sent too.
    "enable_send_thresholds": Boolean [CONFIG];
    /// Whether data about the check are sent too.
    "enable_send_metadata": Boolean [CONFIG];
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG];
}

/// `InfluxdbCommonWriter`.
pub(super) static INFLUXDB_COMMON_WRITER: TypeInfo = TypeInfo {
    name: "InfluxdbCommonWriter",
    plural: "InfluxdbCommonWriters",
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, INFLUXDB_COMMON_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};
