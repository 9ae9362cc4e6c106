//! Constants.

use std::collections::BTreeMap;

use bheka_value::schema::DefaultValue;
use bheka_value::{Str, Value};

use DefaultValue::{Number, String as Text};

/// In `System`. What tells of the platform comes from the program.
pub(super) const SYSTEM: &[(&str, DefaultValue)] = &[
    ("ApplicationType", Text("IcingaApplication")),
    ("ApplicationVersion", Text("r2.13.6-1")),
    ("BuildCompilerName", Text("rustc")),
    ("BuildCompilerVersion", Text("")),
    ("BuildHostName", Text("")),
    ("FacilityAuth", Text("LOG_AUTH")),
    ("FacilityAuthPriv", Text("LOG_AUTHPRIV")),
    ("FacilityCron", Text("LOG_CRON")),
    ("FacilityDaemon", Text("LOG_DAEMON")),
    ("FacilityFtp", Text("LOG_FTP")),
    ("FacilityKern", Text("LOG_KERN")),
    ("FacilityLocal0", Text("LOG_LOCAL0")),
    ("FacilityLocal1", Text("LOG_LOCAL1")),
    ("FacilityLocal2", Text("LOG_LOCAL2")),
    ("FacilityLocal3", Text("LOG_LOCAL3")),
    ("FacilityLocal4", Text("LOG_LOCAL4")),
    ("FacilityLocal5", Text("LOG_LOCAL5")),
    ("FacilityLocal6", Text("LOG_LOCAL6")),
    ("FacilityLocal7", Text("LOG_LOCAL7")),
    ("FacilityLpr", Text("LOG_LPR")),
    ("FacilityMail", Text("LOG_MAIL")),
    ("FacilityNews", Text("LOG_NEWS")),
    ("FacilitySyslog", Text("LOG_SYSLOG")),
    ("FacilityUser", Text("LOG_USER")),
    ("FacilityUucp", Text("LOG_UUCP")),
    ("GlobFile", Number(1.0)),
    ("GlobDirectory", Number(2.0)),
    ("LogDebug", Number(0.0)),
    ("LogNotice", Number(1.0)),
    ("LogInformation", Number(2.0)),
    ("LogWarning", Number(3.0)),
    ("LogCritical", Number(4.0)),
    ("MatchAll", Number(0.0)),
    ("MatchAny", Number(1.0)),
    ("PlatformArchitecture", Text(std::env::consts::ARCH)),
    ("PlatformKernel", Text("Linux")),
    ("PlatformKernelVersion", Text("")),
    ("PlatformName", Text("")),
    ("PlatformVersion", Text("")),
];

/// In `Icinga`.
pub(super) const ICINGA: &[(&str, DefaultValue)] = &[
    ("OK", Text("OK")),
    ("Warning", Text("Warning")),
    ("Critical", Text("Critical")),
    ("Unknown", Text("Unknown")),
    ("Up", Text("Up")),
    ("Down", Text("Down")),
    ("DowntimeStart", Text("DowntimeStart")),
    ("DowntimeEnd", Text("DowntimeEnd")),
    ("DowntimeRemoved", Text("DowntimeRemoved")),
    ("Custom", Text("Custom")),
    ("Acknowledgement", Text("Acknowledgement")),
    ("Problem", Text("Problem")),
    ("Recovery", Text("Recovery")),
    ("FlappingStart", Text("FlappingStart")),
    ("FlappingEnd", Text("FlappingEnd")),
    ("DowntimeNoChildren", Text("DowntimeNoChildren")),
    (
        "DowntimeTriggeredChildren",
        Text("DowntimeTriggeredChildren"),
    ),
    (
        "DowntimeNonTriggeredChildren",
        Text("DowntimeNonTriggeredChildren"),
    ),
    ("ServiceOK", Number(0.0)),
    ("ServiceWarning", Number(1.0)),
    ("ServiceCritical", Number(2.0)),
    ("ServiceUnknown", Number(3.0)),
    ("HostUp", Number(0.0)),
    ("HostDown", Number(1.0)),
    ("DbCatConfig", Number(1.0)),
    ("DbCatState", Number(2.0)),
    ("DbCatAcknowledgement", Number(4.0)),
    ("DbCatComment", Number(8.0)),
    ("DbCatDowntime", Number(16.0)),
    ("DbCatEventHandler", Number(32.0)),
    ("DbCatExternalCommand", Number(64.0)),
    ("DbCatFlapping", Number(128.0)),
    ("DbCatCheck", Number(256.0)),
    ("DbCatLog", Number(512.0)),
    ("DbCatNotification", Number(1024.0)),
    ("DbCatProgramStatus", Number(2048.0)),
    ("DbCatRetention", Number(4096.0)),
    ("DbCatStateHistory", Number(8192.0)),
    ("DbCatEverything", Number(-1.0)),
];

/// In `Math`.
pub(super) const MATH: &[(&str, f64)] = &[
    ("E", std::f64::consts::E),
    ("LN2", std::f64::consts::LN_2),
    ("LN10", std::f64::consts::LN_10),
    ("LOG2E", std::f64::consts::LOG2_E),
    ("LOG10E", std::f64::consts::LOG10_E),
    ("PI", std::f64::consts::PI),
    ("SQRT1_2", std::f64::consts::FRAC_1_SQRT_2),
    ("SQRT2", std::f64::consts::SQRT_2),
];

/// Globals with a default.
pub(super) const GLOBALS: &[(&str, f64)] =
    &[("MaxConcurrentChecks", 512.0), ("ReloadTimeout", 300.0)];

/// `System.Configuration` of a system-wide installation; the program overrides what it decides.
pub(super) fn configuration() -> BTreeMap<Str, Value> {
    const ENTRIES: &[(&str, DefaultValue)] = &[
        ("ApiBindHost", Text("::")),
        ("ApiBindPort", Text("5665")),
        ("AttachDebugger", DefaultValue::Boolean(false)),
        ("CacheDir", Text("/var/cache/icinga2")),
        ("Concurrency", Number(1.0)),
        ("ConfigDir", Text("/etc/icinga2")),
        ("DataDir", Text("/var/lib/icinga2")),
        ("EventEngine", Text("")),
        ("IncludeConfDir", Text("/usr/share/icinga2/include")),
        ("InitRunDir", Text("/run/icinga2")),
        ("LocalStateDir", Text("/var")),
        ("LogDir", Text("/var/log/icinga2")),
        (
            "ModAttrPath",
            Text("/var/lib/icinga2/modified-attributes.conf"),
        ),
        ("ObjectsPath", Text("/var/cache/icinga2/icinga2.debug")),
        ("PidPath", Text("/run/icinga2/icinga2.pid")),
        ("PkgDataDir", Text("/usr/share/icinga2")),
        ("PrefixDir", Text("/usr")),
        ("ProgramData", Text("")),
        ("RLimitFiles", Number(16384.0)),
        ("RLimitProcesses", Number(16384.0)),
        ("RLimitStack", Number(262_144.0)),
        ("RunAsGroup", Text("nagios")),
        ("RunAsUser", Text("nagios")),
        ("RunDir", Text("/run")),
        ("SpoolDir", Text("/var/spool/icinga2")),
        ("StatePath", Text("/var/lib/icinga2/icinga2.state")),
        ("SysconfDir", Text("/etc")),
        ("TlsHandshakeTimeout", Number(10.0)),
        ("VarsPath", Text("/var/cache/icinga2/icinga2.vars")),
        ("ZonesDir", Text("/etc/icinga2/zones.d")),
    ];
    ENTRIES
        .iter()
        .map(|(name, value)| (Str::from(*name), value.to_value()))
        .collect()
}
