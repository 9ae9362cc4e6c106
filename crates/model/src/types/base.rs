//! What every object has, and the abstract types.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::fields;
use super::words::{IDO_CATEGORIES, INFLUX_HOST, INFLUX_SERVICE, SEVERITIES};

fields! { CONFIG_OBJECT_FIELDS:
    /// Short name of the object, as written behind the type.
    "name": String [CONFIG NO_USER_MODIFY];
    /// Zone that owns the object: its endpoints, those of its parents and their children see it.
    "zone": Name("Zone") [CONFIG NO_USER_MODIFY];
    /// Configuration package that the object came from (`_etc` for files, `_api` for run-time
    /// objects).
    "package": String [CONFIG NO_USER_MODIFY];
    /// Full name, unique within the type; joined with `!` from the names of host, service and
    /// object where it belongs to one.
    "__name": String [CONFIG NO_USER_MODIFY];
    /// Time of the last change at run time; between nodes the newer version wins.
    "version": Number [STATE NO_USER_MODIFY];
    /// Names of the imported templates, the own name first.
    "templates": Array [CONFIG NO_USER_MODIFY];
    /// File, lines and columns of the declaration.
    "source_location": Dictionary [CONFIG NO_USER_MODIFY];
    /// What the configuration says for attributes that were changed at run time.
    "original_attributes": Dictionary [NO_USER_MODIFY COMPUTED];
    /// Scratch space of features.
    "extensions": Dictionary [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// 0 when one endpoint of the zone runs the object at a time, 1 when every endpoint does.
    "ha_mode": Enum [COMPUTED];
    /// Whether the object was started.
    "start_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether its saved state was restored.
    "state_loaded": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether the object was resumed.
    "resume_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether the object was paused.
    "pause_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether the object was stopped.
    "stop_called": Boolean [NO_USER_MODIFY NO_USER_VIEW COMPUTED INTERNAL];
    /// Whether another endpoint of the zone runs the object at present.
    "paused": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether the object is in force.
    "active": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
}

/// `ConfigObject`.
pub(super) static CONFIG_OBJECT: TypeInfo = TypeInfo {
    name: "ConfigObject",
    plural: "ConfigObjects",
    doc: "What all objects have in common.",
    since: None,
    until: None,
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
    /// Custom variables: any keys and values, for macros and rules.
    "vars": Dictionary [CONFIG];
}

/// `CustomVarObject`.
pub(super) static CUSTOM_VAR_OBJECT: TypeInfo = TypeInfo {
    name: "CustomVarObject",
    plural: "CustomVarObjects",
    doc: "What objects with custom variables have in common.",
    since: None,
    until: None,
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
    /// Seconds until a check is killed; takes the place of the timeout of the command.
    "check_timeout": Any [CONFIG];
    /// Endpoint on which check and event commands run instead of here.
    "command_endpoint": Name("Endpoint") [CONFIG NAVIGATION];
    /// Command that checks the object.
    "check_command": Name("CheckCommand") [CONFIG REQUIRED NAVIGATION];
    /// Times in which checks are scheduled; always when unset.
    "check_period": Name("TimePeriod") [CONFIG NAVIGATION];
    /// Command that runs when the state changes or a problem goes on.
    "event_command": Name("EventCommand") [CONFIG NAVIGATION];
    /// Text in the place of the icon.
    "icon_image_alt": String [CONFIG];
    /// Icon for user interfaces.
    "icon_image": String [CONFIG];
    /// Address of a page where something can be done about the object.
    "action_url": String [CONFIG];
    /// Address of a page about the object.
    "notes_url": String [CONFIG];
    /// Free text about the object.
    "notes": String [CONFIG];
    /// Seconds between checks while the state is hard.
    "check_interval": Duration [CONFIG] = Num(300.0)
        where Positive("Interval must be greater than 0.");
    /// Seconds between checks while the state is soft.
    "retry_interval": Duration [CONFIG] = Num(60.0)
        where Positive("Interval must be greater than 0.");
    /// No effect; replaced by the two bounds `flapping_threshold_low` and
    /// `flapping_threshold_high`.
    "flapping_threshold": Number [CONFIG DEPRECATED];
    /// Weighted share of state changes among the last results, in per cent.
    "flapping_current": Number [STATE];
    /// Share of state changes in per cent below which flapping ends.
    "flapping_threshold_low": Number [CONFIG] = Num(25.0);
    /// Share of state changes in per cent above which flapping begins.
    "flapping_threshold_high": Number [CONFIG] = Num(30.0);
    /// States that do not count as a change when flapping is looked for.
    "flapping_ignore_states": NameArray [CONFIG];
    /// The last check result.
    "last_check_result": CheckResult [STATE];
    /// Results of commands executed once through the API, by identifier.
    "executions": Dictionary [STATE NO_USER_MODIFY];
    /// Commands executed once that have not ended.
    "pending_executions": Dictionary [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Types of notifications that are held back, as bits.
    "suppressed_notifications": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Number of results in a row that make a problem hard.
    "max_check_attempts": Number [CONFIG WHOLE] = Num(3.0)
        where Positive("Value must be greater than 0.");
    /// Position in the window that flapping is computed from.
    "flapping_index": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Window that flapping is computed from, as bits.
    "flapping_buffer": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Number of downtimes in effect.
    "downtime_depth": Number [COMPUTED];
    /// 0 for none, 1 until the state changes, 2 (sticky) until recovery.
    "acknowledgement": Enum [STATE];
    /// Number by which lists put what matters most first.
    "severity": Number [COMPUTED] = Num(16.0);
    /// Number of the attempt at present, from 1.
    "check_attempt": Number [STATE] = Num(1.0);
    /// The states ignored for flapping as bits.
    "flapping_ignore_states_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED] = Num(-1.0);
    /// State as a service has it, 0 to 3, for hosts as well.
    "state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// Last state that counted for flapping.
    "flapping_last_state": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// State at the time when notifications began to be held back.
    "state_before_suppression": Number [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Last hard state as a service has it.
    "last_hard_state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// State before the last result as a service has it.
    "last_state_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(3.0);
    /// Type of the state before the last result: 0 soft, 1 hard.
    "last_state_type": Enum [STATE];
    /// Type of the state: 0 soft, 1 hard.
    "state_type": Enum [STATE];
    /// Time of the last change of the hard state.
    "last_hard_state_change": Timestamp [STATE];
    /// Time of the last change of the state.
    "last_state_change": Timestamp [STATE];
    /// Time of the last result while a dependency had failed.
    "last_state_unreachable": Timestamp [STATE];
    /// Value of `last_state_change` before the last result.
    "previous_state_change": Timestamp [STATE];
    /// Time by which the next result is expected.
    "next_update": Timestamp [COMPUTED];
    /// Time at which the acknowledgement ends; 0 for never.
    "acknowledgement_expiry": Timestamp [STATE];
    /// Time at which it was last acknowledged or the acknowledgement was cleared.
    "acknowledgement_last_change": Timestamp [STATE];
    /// Time at which the last check began.
    "last_check_started": Timestamp [STATE NO_USER_MODIFY NO_USER_VIEW];
    /// Time at which the next check is due.
    "next_check": Timestamp [STATE];
    /// Time at which the last check ended; -1 for never.
    "last_check": Timestamp [COMPUTED] = Num(-1.0);
    /// Time at which flapping last began or ended.
    "flapping_last_change": Timestamp [STATE];
    /// Whether the state flaps.
    "flapping": Boolean [STATE];
    /// Whether the next check runs whatever periods and switches say.
    "force_next_check": Boolean [STATE];
    /// Whether the problem is acknowledged, in a downtime or explained by a failed dependency.
    "handled": Boolean [COMPUTED];
    /// Whether the state is not OK or UP.
    "problem": Boolean [COMPUTED];
    /// Whether the next notification is sent whatever switches and filters say.
    "force_next_notification": Boolean [STATE];
    /// Whether the event command runs.
    "enable_event_handler": Boolean [CONFIG] = Bool(true);
    /// Whether notifications are sent.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
    /// Whether all dependencies were met at the last result.
    "last_reachable": Boolean [STATE] = Bool(true);
    /// Whether flapping is looked for.
    "enable_flapping": Boolean [CONFIG];
    /// Whether check results from outside are taken.
    "enable_passive_checks": Boolean [CONFIG] = Bool(true);
    /// Whether performance data are passed on to writers.
    "enable_perfdata": Boolean [CONFIG] = Bool(true);
    /// Whether the scheduler runs checks.
    "enable_active_checks": Boolean [CONFIG] = Bool(true);
    /// Whether every result that is not OK is a hard state and notified.
    "volatile": Boolean [CONFIG];
    /// The last two soft states, packed.
    "last_soft_states_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(9999.0);
    /// The last two hard states, packed.
    "last_hard_states_raw": Number [STATE NO_USER_MODIFY NO_USER_VIEW] = Num(9999.0);
}

/// `Checkable`.
pub(super) static CHECKABLE: TypeInfo = TypeInfo {
    name: "Checkable",
    plural: "Checkables",
    doc: "What hosts and services have in common.",
    since: None,
    until: None,
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
    /// Command line: a list of words, a text for the shell, or a function that yields one of
    /// them.
    "command": Any [CONFIG];
    /// Arguments by their key: values with macros, or dictionaries that say when and how to pass
    /// them.
    "arguments": Any [CONFIG];
    /// Environment variables for the command, values with macros.
    "env": Dictionary [CONFIG];
    /// Function that carries out the command; runs a plugin unless set.
    "execute": Function [CONFIG REQUIRED];
    /// Seconds until the command is killed.
    "timeout": Duration [CONFIG] = Num(60.0);
}

/// `Command`.
pub(super) static COMMAND: TypeInfo = TypeInfo {
    name: "Command",
    plural: "Commands",
    doc: "What kinds of commands have in common.",
    since: None,
    until: None,
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
    doc: "What kinds of applications have in common.",
    since: None,
    until: None,
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
    /// Lowest severity that is written.
    "severity": String [CONFIG] = Text("information")
        where OneOf(SEVERITIES, "Invalid severity specified: {}");
}

/// `Logger`.
pub(super) static LOGGER: TypeInfo = TypeInfo {
    name: "Logger",
    plural: "Loggers",
    doc: "What loggers have in common.",
    since: None,
    until: None,
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
    doc: "What loggers that write lines have in common.",
    since: None,
    until: None,
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
    /// Text with which names of tables begin.
    "table_prefix": String [CONFIG] = Text("icinga_");
    /// Version of the schema found in the database.
    "schema_version": String [NO_USER_MODIFY COMPUTED];
    /// Seconds without a sign of life after which another endpoint takes over.
    "failover_timeout": Duration [CONFIG] = Num(30.0)
        where AtLeast(30.0, "Failover timeout minimum is 30s.");
    /// Time at which this endpoint last took over.
    "last_failover": Number [STATE NO_USER_MODIFY];
    /// Kinds of data to write.
    "categories": Array [CONFIG] = Names(IDO_CATEGORIES);
    /// For how many seconds to keep which kind of history.
    "cleanup": Dictionary [CONFIG REQUIRED] = EmptyDictionary;
    /// The categories as bits.
    "categories_filter_real": Number [NO_USER_MODIFY NO_USER_VIEW COMPUTED];
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG] = Bool(true);
    /// Whether the connection stands.
    "connected": Boolean [NO_USER_MODIFY COMPUTED];
    /// Whether connecting is tried at all.
    "should_connect": Boolean [NO_USER_MODIFY COMPUTED] = Bool(true);
}

/// `DbConnection`.
pub(super) static DB_CONNECTION: TypeInfo = TypeInfo {
    name: "DbConnection",
    plural: "DbConnections",
    doc: "What connections to an IDO database have in common.",
    since: None,
    until: None,
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
    /// Host of the InfluxDB server.
    "host": String [CONFIG REQUIRED] = Text("127.0.0.1");
    /// Port of the InfluxDB server.
    "port": String [CONFIG REQUIRED] = Text("8086");
    /// File with the certificates of the authorities to trust.
    "ssl_ca_cert": String [CONFIG];
    /// File with the certificate to show to the server.
    "ssl_cert": String [CONFIG];
    /// File with the private key of that certificate.
    "ssl_key": String [CONFIG];
    /// Measurement and tags of points of hosts, with macros.
    "host_template": Dictionary [CONFIG REQUIRED] = Point(&INFLUX_HOST);
    /// Measurement and tags of points of services, with macros.
    "service_template": Dictionary [CONFIG REQUIRED] = Point(&INFLUX_SERVICE);
    /// Seconds to collect data before they are sent.
    "flush_interval": Duration [CONFIG] = Num(10.0);
    /// Number of data points after which they are sent at once.
    "flush_threshold": Number [CONFIG WHOLE] = Num(1024.0);
    /// Whether the connection is encrypted.
    "ssl_enable": Boolean [CONFIG];
    /// Whether the certificate of the server is accepted unseen.
    "ssl_insecure_noverify": Boolean [CONFIG];
    /// Whether warning and critical thresholds are sent, too.
    "enable_send_thresholds": Boolean [CONFIG];
    /// Whether figures about the check itself are sent, too: attempts, latency, state, downtimes.
    "enable_send_metadata": Boolean [CONFIG];
    /// Whether only one endpoint of the zone runs the feature at a time.
    "enable_ha": Boolean [CONFIG];
}

/// `InfluxdbCommonWriter`.
pub(super) static INFLUXDB_COMMON_WRITER: TypeInfo = TypeInfo {
    name: "InfluxdbCommonWriter",
    plural: "InfluxdbCommonWriters",
    doc: "What writers for InfluxDB have in common.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: true,
    field_groups: &[CONFIG_OBJECT_FIELDS, INFLUXDB_COMMON_WRITER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 0,
};
