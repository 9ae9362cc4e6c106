//! What each type demands of its attributes.

use bheka_value::schema::FieldKind;
use bheka_value::{Str, Value};

use super::shapes::{self, Keys, Need, Shape};
use super::{Draft, Fault, Index, coerce, command, filters, macros, time_ranges};

const TIMES: Keys = &[
    ("begin", Shape::Number, Need::Optional),
    ("end", Shape::Number, Need::Optional),
];
const PERMISSION: Keys = &[
    ("filter", Shape::Function, Need::Optional),
    ("permission", Shape::Text, Need::Required),
];
const INFLUX_TEMPLATE: Keys = &[
    ("measurement", Shape::Macro, Need::Required),
    ("tags", Shape::Tags, Need::Optional),
];
const OPENTSDB_TEMPLATE: Keys = &[
    ("metric", Shape::Macro, Need::Optional),
    ("tags", Shape::Tags, Need::Optional),
];
const BASIC_AUTH: Keys = &[
    ("password", Shape::Text, Need::Required),
    ("username", Shape::Text, Need::Required),
];
const IDO_CLEANUP: Keys = &[
    ("acknowledgements_age", Shape::Number, Need::Optional),
    ("commenthistory_age", Shape::Number, Need::Optional),
    (
        "contactnotificationmethods_age",
        Shape::Number,
        Need::Optional,
    ),
    ("contactnotifications_age", Shape::Number, Need::Optional),
    ("downtimehistory_age", Shape::Number, Need::Optional),
    ("eventhandlers_age", Shape::Number, Need::Optional),
    ("externalcommands_age", Shape::Number, Need::Optional),
    ("flappinghistory_age", Shape::Number, Need::Optional),
    ("hostchecks_age", Shape::Number, Need::Optional),
    ("logentries_age", Shape::Number, Need::Optional),
    ("notifications_age", Shape::Number, Need::Optional),
    ("processevents_age", Shape::Number, Need::Optional),
    ("servicechecks_age", Shape::Number, Need::Optional),
    ("statehistory_age", Shape::Number, Need::Optional),
    ("systemcommands_age", Shape::Number, Need::Optional),
];

const SEVERITIES: &[&str] = &["debug", "notice", "information", "warning", "critical"];
const FACILITIES: &[&str] = &[
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

/// All that is wrong with one object by itself and in its references.
pub(super) fn check(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    check_fields(draft, index, faults);
    if let Some(vars) = draft.set("vars") {
        macros::check_vars(vars, faults);
    }
    match draft.type_name() {
        "Host" | "Service" => checkable(draft, faults),
        "CheckCommand" | "EventCommand" | "NotificationCommand" => command::check(draft, faults),
        "User" => filters::check(draft, faults),
        "Notification" => notification(draft, index, faults),
        "Dependency" => dependency(draft, index, faults),
        "TimePeriod" => time_ranges::check(draft, faults),
        "ScheduledDowntime" => {
            time_ranges::check(draft, faults);
            child_options(draft, faults);
            target(draft, index, faults);
        }
        "Downtime" => {
            positive(
                draft,
                "start_time",
                "Start time must be greater than 0.",
                faults,
            );
            positive(
                draft,
                "end_time",
                "End time must be greater than 0.",
                faults,
            );
            target(draft, index, faults);
        }
        "Comment" => target(draft, index, faults),
        "ApiUser" => permissions(draft, faults),
        "IcingaApplication" if *draft.name() != "app" => {
            faults.push(Fault::attribute(
                "name",
                "Application object must be named 'app'.",
            ));
        }
        _ => feature(draft, faults),
    }
}

/// Required attributes and references.
fn check_fields(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    for field in &draft.plan.required {
        let empty = match draft.set(field.name) {
            Some(value) => is_blank(value),
            // Functions come with the templates that Icinga 2 compiles in.
            None => field.kind != FieldKind::Function && is_blank(&field.default.to_value()),
        };
        let failed_before = faults.iter().any(
            |fault| matches!(&fault.place, super::Place::Assignment(name) if *name == field.name),
        );
        if empty && !failed_before {
            faults.push(Fault::attribute(field.name, "Attribute must not be empty."));
        }
    }
    for field in &draft.plan.references {
        let Some(reference) = field.reference else {
            continue;
        };
        match field.kind {
            FieldKind::Name if field.name == "zone" => {
                if let Some(zone) = draft
                    .declaration
                    .zone
                    .as_deref()
                    .filter(|it| !it.is_empty())
                {
                    exists(field.name, zone, reference, index, faults);
                }
            }
            FieldKind::Name => {
                if let Some(name) = draft.text(field.name) {
                    exists(field.name, name, reference, index, faults);
                }
            }
            FieldKind::NameArray => {
                for name in draft.names(field.name) {
                    exists(field.name, &name, reference, index, faults);
                }
            }
            _ => {}
        }
    }
}

fn exists(
    attribute: &str,
    name: &str,
    type_name: &'static str,
    index: &Index<'_>,
    faults: &mut Vec<Fault>,
) {
    if !index.has(type_name, name) {
        let text = format!("Object '{name}' of type '{type_name}' does not exist.");
        faults.push(Fault::attribute(attribute, text));
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Empty => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn number(draft: &Draft, name: &str) -> f64 {
    draft.get(name).to_number().unwrap_or(0.0)
}

fn positive(draft: &Draft, name: &str, complaint: &str, faults: &mut Vec<Fault>) {
    let number = number(draft, name);
    if number.is_nan() || number <= 0.0 {
        faults.push(Fault::attribute(name, complaint));
    }
}

fn checkable(draft: &Draft, faults: &mut Vec<Fault>) {
    positive(
        draft,
        "check_interval",
        "Interval must be greater than 0.",
        faults,
    );
    positive(
        draft,
        "retry_interval",
        "Interval must be greater than 0.",
        faults,
    );
    positive(
        draft,
        "max_check_attempts",
        "Value must be greater than 0.",
        faults,
    );
}

fn notification(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    filters::check(draft, faults);
    if draft.names("users").is_empty() && draft.names("user_groups").is_empty() {
        faults.push(Fault::whole(
            "Validation failed: No users/user_groups specified.",
        ));
    }
    let before = faults.len();
    shapes::check_attribute(draft, "times", TIMES, faults);
    if let (Some(Value::Dictionary(times)), true) = (draft.set("times"), faults.len() == before) {
        let at = |key| {
            times
                .get(key)
                .filter(|it| !it.is_empty())
                .and_then(|it| it.to_number())
        };
        if at("begin")
            .zip(at("end"))
            .is_some_and(|(begin, end)| begin > end)
        {
            faults.push(Fault::attribute(
                "times",
                "'begin' must be smaller than 'end'.",
            ));
        }
    }
    if missing_service(draft, index, "host_name", "service_name") {
        let text = "Notification object refers to a host/service which doesn't exist.";
        faults.push(Fault::plain(text));
    }
}

/// Whether the host is there and the service on it is not.
fn missing_service(draft: &Draft, index: &Index<'_>, host: &str, service: &str) -> bool {
    let (Some(host), Some(service)) = (draft.text(host), draft.text(service)) else {
        return false;
    };
    index.checkable(host, None).is_some() && index.checkable(host, Some(service)).is_none()
}

fn target(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    if missing_service(draft, index, "host_name", "service_name") {
        faults.push(Fault::plain(format!(
            "{} '{}' references a host/service which doesn't exist.",
            draft.type_name(),
            draft.name()
        )));
    }
}

fn dependency(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    filters::check(draft, faults);
    for side in ["child", "parent"] {
        let (host, service) = (format!("{side}_host_name"), format!("{side}_service_name"));
        if missing_service(draft, index, &host, &service) {
            faults.push(Fault::plain(format!(
                "Dependency '{}' references a {side} host/service which doesn't exist.",
                draft.name()
            )));
        }
    }
}

fn child_options(draft: &Draft, faults: &mut Vec<Fault>) {
    let known = match draft.get("child_options") {
        Value::String(text) => matches!(
            text.as_str(),
            "DowntimeNoChildren" | "DowntimeTriggeredChildren" | "DowntimeNonTriggeredChildren"
        ),
        Value::Number(number) => [0.0, 1.0, 2.0].contains(&number),
        Value::Empty => true,
        _ => false,
    };
    if !known {
        faults.push(Fault::attribute(
            "child_options",
            "Invalid child_options specified",
        ));
    }
}

fn permissions(draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(Value::Array(items)) = draft.set("permissions") else {
        return;
    };
    for (at, item) in items.read().iter().enumerate() {
        let mut path: Vec<Str> = vec!["permissions".into(), at.to_string().into()];
        match item {
            Value::Dictionary(_) => shapes::check(&mut path, item, PERMISSION, faults),
            other => shapes::check_value(&mut path, other, Shape::Text, faults),
        }
    }
}

/// Components, loggers, writers.
fn feature(draft: &Draft, faults: &mut Vec<Fault>) {
    if draft.is_a("Logger") {
        one_of(
            draft,
            "severity",
            SEVERITIES,
            |it| format!("Invalid severity specified: {it}"),
            faults,
        );
    }
    match draft.type_name() {
        "SyslogLogger" | "JournaldLogger" => facility(draft, faults),
        "ApiListener" => {
            tls_version(draft, faults);
            for timeout in ["tls_handshake_timeout", "connect_timeout"] {
                positive(draft, timeout, "Value must be greater than 0.", faults);
            }
        }
        "IcingaDB" => {
            tls_version(draft, faults);
            if draft.text("cert_path").is_some() != draft.text("key_path").is_some() {
                faults.push(Fault::whole(
                    "Validation failed: Either both a client certificate (cert_path) and its \
                     private key (key_path) or none of them must be given.",
                ));
            }
        }
        "GraphiteWriter" => macro_texts(
            draft,
            &["host_name_template", "service_name_template"],
            faults,
        ),
        "PerfdataWriter" => {
            macro_texts(
                draft,
                &["host_format_template", "service_format_template"],
                faults,
            );
        }
        "InfluxdbWriter" | "Influxdb2Writer" => {
            shapes::check_attribute(draft, "host_template", INFLUX_TEMPLATE, faults);
            shapes::check_attribute(draft, "service_template", INFLUX_TEMPLATE, faults);
            shapes::check_attribute(draft, "basic_auth", BASIC_AUTH, faults);
        }
        "OTLPMetricsWriter" => shapes::check_attribute(draft, "basic_auth", BASIC_AUTH, faults),
        "OpenTsdbWriter" => {
            shapes::check_attribute(draft, "host_template", OPENTSDB_TEMPLATE, faults);
            shapes::check_attribute(draft, "service_template", OPENTSDB_TEMPLATE, faults);
        }
        "ElasticsearchWriter" => {
            for name in ["host_tags_template", "service_tags_template"] {
                let tags = draft.get(name);
                shapes::check_value(&mut vec![name.into()], &tags, Shape::Tags, faults);
            }
        }
        "LivestatusListener" => one_of(
            draft,
            "socket_type",
            &["unix", "tcp"],
            |it| format!("Socket type '{it}' is invalid."),
            faults,
        ),
        "CompatLogger" => one_of(
            draft,
            "rotation_method",
            &["HOURLY", "DAILY", "WEEKLY", "MONTHLY"],
            |it| format!("Rotation method '{it}' is invalid."),
            faults,
        ),
        "IdoMysqlConnection" | "IdoPgsqlConnection" => {
            shapes::check_attribute(draft, "cleanup", IDO_CLEANUP, faults);
            if number(draft, "failover_timeout") < 30.0 {
                let text = "Failover timeout minimum is 30s.";
                faults.push(Fault::attribute("failover_timeout", text));
            }
        }
        _ => {}
    }
}

fn one_of(
    draft: &Draft,
    name: &str,
    allowed: &[&str],
    complaint: impl Fn(&str) -> String,
    faults: &mut Vec<Fault>,
) {
    let value = coerce::text_of(&draft.get(name));
    if !allowed.contains(&value.as_str()) {
        faults.push(Fault::attribute(name, complaint(&value)));
    }
}

fn facility(draft: &Draft, faults: &mut Vec<Fault>) {
    let value = coerce::text_of(&draft.get("facility"));
    if !FACILITIES.contains(&value.as_str()) && value.parse::<i64>().is_err() {
        faults.push(Fault::attribute("facility", "Invalid facility specified."));
    }
}

fn tls_version(draft: &Draft, faults: &mut Vec<Fault>) {
    one_of(
        draft,
        "tls_protocolmin",
        &["TLSv1.2", "TLSv1.3"],
        |it| format!("Unknown TLS protocol version '{it}'"),
        faults,
    );
}

fn macro_texts(draft: &Draft, names: &[&str], faults: &mut Vec<Fault>) {
    for name in names {
        if let Some(Value::String(text)) = draft.set(name) {
            macros::report(&[name], text, faults);
        }
    }
}
