//! The application, its components and loggers.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, LOGGER_FIELDS};
use super::fields;
use super::words::FACILITIES;

fields! { ICINGA_APPLICATION_FIELDS:
    /// Name of the environment, added to what TLS peers see.
    "environment": String [CONFIG];
    /// Custom variables that every macro can reach.
    "vars": Dictionary [CONFIG];
    /// Whether notifications are sent at all.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
    /// Whether event commands run at all.
    "enable_event_handlers": Boolean [CONFIG] = Bool(true);
    /// Whether flapping is looked for at all.
    "enable_flapping": Boolean [CONFIG] = Bool(true);
    /// Whether hosts are checked at all.
    "enable_host_checks": Boolean [CONFIG] = Bool(true);
    /// Whether services are checked at all.
    "enable_service_checks": Boolean [CONFIG] = Bool(true);
    /// Whether performance data are passed on to writers at all.
    "enable_perfdata": Boolean [CONFIG] = Bool(true);
}

/// `IcingaApplication`.
pub(super) static ICINGA_APPLICATION: TypeInfo = TypeInfo {
    name: "IcingaApplication",
    plural: "IcingaApplications",
    doc: "Switches and variables for everything; there is one, named `app`.",
    since: None,
    until: None,
    base: Some("Application"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, ICINGA_APPLICATION_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -50,
};

fields! { CHECKER_COMPONENT_FIELDS:
    /// No effect; replaced by the constant `MaxConcurrentChecks`.
    "concurrent_checks": Number [CONFIG DEPRECATED WHOLE];
}

/// `CheckerComponent`.
pub(super) static CHECKER_COMPONENT: TypeInfo = TypeInfo {
    name: "CheckerComponent",
    plural: "CheckerComponents",
    doc: "Runs checks.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, CHECKER_COMPONENT_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 300,
};

fields! { NOTIFICATION_COMPONENT_FIELDS:
    /// Whether only one endpoint of the zone sends notifications.
    "enable_ha": Boolean [CONFIG] = Bool(true);
}

/// `NotificationComponent`.
pub(super) static NOTIFICATION_COMPONENT: TypeInfo = TypeInfo {
    name: "NotificationComponent",
    plural: "NotificationComponents",
    doc: "Sends notifications.",
    since: None,
    until: None,
    base: Some("ConfigObject"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, NOTIFICATION_COMPONENT_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: 200,
};

fields! { FILE_LOGGER_FIELDS:
    /// File that is written to.
    "path": String [CONFIG REQUIRED];
}

/// `FileLogger`.
pub(super) static FILE_LOGGER: TypeInfo = TypeInfo {
    name: "FileLogger",
    plural: "FileLoggers",
    doc: "Writes the log to a file.",
    since: None,
    until: None,
    base: Some("StreamLogger"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS, FILE_LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -100,
};

fields! { SYSLOG_LOGGER_FIELDS:
    /// Facility of the records: a name (`LOG_USER`) or a number.
    "facility": String [CONFIG] = Text("LOG_USER")
        where OneOfOrWhole(FACILITIES, "Invalid facility specified.");
}

/// `SyslogLogger`.
pub(super) static SYSLOG_LOGGER: TypeInfo = TypeInfo {
    name: "SyslogLogger",
    plural: "SyslogLoggers",
    doc: "Writes the log to syslog.",
    since: None,
    until: None,
    base: Some("Logger"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS, SYSLOG_LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -100,
};

fields! { JOURNALD_LOGGER_FIELDS:
    /// Facility of the records: a name (`LOG_USER`) or a number.
    "facility": String [CONFIG SINCE_2_14] = Text("LOG_USER")
        where OneOfOrWhole(FACILITIES, "Invalid facility specified.");
    /// Identifier of the records; the name of the program when unset.
    "identifier": String [CONFIG SINCE_2_14];
}

/// `JournaldLogger`.
pub(super) static JOURNALD_LOGGER: TypeInfo = TypeInfo {
    name: "JournaldLogger",
    plural: "JournaldLoggers",
    doc: "Writes the log to the journal of systemd.",
    since: Some("2.14"),
    until: None,
    base: Some("Logger"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS, JOURNALD_LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -100,
};
