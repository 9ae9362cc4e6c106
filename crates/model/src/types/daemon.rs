//! The application, its components and loggers.

use bheka_value::schema::{FieldInfo, Naming, TypeInfo};

use super::base::{CONFIG_OBJECT_FIELDS, LOGGER_FIELDS};
use super::fields;

fields! { ICINGA_APPLICATION_FIELDS:
    /// Name of the environment.
    "environment": String [CONFIG];
    /// Custom variables.
    "vars": Dictionary [CONFIG];
    /// Whether notifications are sent.
    "enable_notifications": Boolean [CONFIG] = Bool(true);
    /// Whether event commands run at all.
    "enable_event_handlers": Boolean [CONFIG] = Bool(true);
    /// Whether flapping is detected.
    "enable_flapping": Boolean [CONFIG] = Bool(true);
    /// Whether hosts are checked at all.
    "enable_host_checks": Boolean [CONFIG] = Bool(true);
    /// Whether services are checked at all.
    "enable_service_checks": Boolean [CONFIG] = Bool(true);
    /// Whether performance data is passed on.
    "enable_perfdata": Boolean [CONFIG] = Bool(true);
}

/// `IcingaApplication`.
pub(super) static ICINGA_APPLICATION: TypeInfo = TypeInfo {
    name: "IcingaApplication",
    plural: "IcingaApplications",
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
    /// Replaced by the constant MaxConcurrentChecks.
    "concurrent_checks": Number [CONFIG DEPRECATED];
}

/// `CheckerComponent`.
pub(super) static CHECKER_COMPONENT: TypeInfo = TypeInfo {
    name: "CheckerComponent",
    plural: "CheckerComponents",
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
    /// Whether one endpoint of the zone runs it.
    "enable_ha": Boolean [CONFIG] = Bool(true);
}

/// `NotificationComponent`.
pub(super) static NOTIFICATION_COMPONENT: TypeInfo = TypeInfo {
    name: "NotificationComponent",
    plural: "NotificationComponents",
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
    /// Path.
    "path": String [CONFIG REQUIRED];
}

/// `FileLogger`.
pub(super) static FILE_LOGGER: TypeInfo = TypeInfo {
    name: "FileLogger",
    plural: "FileLoggers",
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
    /// Syslog facility.
    "facility": String [CONFIG] = Text("LOG_USER");
}

/// `SyslogLogger`.
pub(super) static SYSLOG_LOGGER: TypeInfo = TypeInfo {
    name: "SyslogLogger",
    plural: "SyslogLoggers",
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
    /// Syslog facility.
    "facility": String [CONFIG NEWER] = Text("LOG_USER");
    /// Tag of the records.
    "identifier": String [CONFIG NEWER];
}

/// `JournaldLogger`.
pub(super) static JOURNALD_LOGGER: TypeInfo = TypeInfo {
    name: "JournaldLogger",
    plural: "JournaldLoggers",
    base: Some("Logger"),
    is_abstract: false,
    field_groups: &[CONFIG_OBJECT_FIELDS, LOGGER_FIELDS, JOURNALD_LOGGER_FIELDS],
    load_after: &[],
    naming: Naming::Plain,
    apply_targets: &[],
    assign_target: None,
    activation_priority: -100,
};
