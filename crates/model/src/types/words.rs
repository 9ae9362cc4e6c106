//! Words and texts that several attributes share.

use bheka_value::schema::Point;

/// The cipher suites of 2.13.6, in its words.
pub(super) const CIPHERS: &str = concat!(
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:",
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:",
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:",
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:",
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:",
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:",
    "AES256-GCM-SHA384:AES128-GCM-SHA256",
);

/// What `tls_protocolmin` may say.
pub(super) const TLS_VERSIONS: &[&str] = &["TLSv1.2", "TLSv1.3"];

/// Severities of loggers, from all to the gravest.
pub(super) const SEVERITIES: &[&str] = &["debug", "notice", "information", "warning", "critical"];

/// How often `CompatLogger` begins a file.
pub(super) const ROTATIONS: &[&str] = &["HOURLY", "DAILY", "WEEKLY", "MONTHLY"];

/// Names of the facilities of syslog.
pub(super) const FACILITIES: &[&str] = &[
    "LOG_AUTH",
    "LOG_AUTHPRIV",
    "LOG_CRON",
    "LOG_DAEMON",
    "LOG_FTP",
    "LOG_KERN",
    "LOG_LOCAL0",
    "LOG_LOCAL1",
    "LOG_LOCAL2",
    "LOG_LOCAL3",
    "LOG_LOCAL4",
    "LOG_LOCAL5",
    "LOG_LOCAL6",
    "LOG_LOCAL7",
    "LOG_LPR",
    "LOG_MAIL",
    "LOG_NEWS",
    "LOG_SYSLOG",
    "LOG_USER",
    "LOG_UUCP",
];

/// What the IDO writes unless told otherwise.
pub(super) const IDO_CATEGORIES: &[&str] = &[
    "DbCatConfig",
    "DbCatState",
    "DbCatAcknowledgement",
    "DbCatComment",
    "DbCatDowntime",
    "DbCatEventHandler",
    "DbCatFlapping",
    "DbCatNotification",
    "DbCatProgramStatus",
    "DbCatRetention",
    "DbCatStateHistory",
];

/// Points of a host, unless told otherwise.
pub(super) const INFLUX_HOST: Point = Point {
    measurement: "$host.check_command$",
    tags: &[("hostname", "$host.name$")],
};

/// Points of a service, unless told otherwise.
pub(super) const INFLUX_SERVICE: Point = Point {
    measurement: "$service.check_command$",
    tags: &[("hostname", "$host.name$"), ("service", "$service.name$")],
};
