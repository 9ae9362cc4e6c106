//! Defaults that depend on the object's name or on the installation.

use std::collections::BTreeMap;

use bheka_value::{Str, Value};

use super::Draft;

/// What the IDO writes unless told otherwise.
const IDO_CATEGORIES: &[&str] = &[
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

/// Paths: type, attribute, constant, what follows it.
const PATHS: &[(&str, &str, &str, &str)] = &[
    (
        "CheckResultReader",
        "spool_dir",
        "DataDir",
        "/spool/checkresults/",
    ),
    ("CompatLogger", "log_dir", "LogDir", "/compat"),
    (
        "ExternalCommandListener",
        "command_path",
        "InitRunDir",
        "/cmd/icinga2.cmd",
    ),
    ("LivestatusListener", "compat_log_path", "LogDir", "/compat"),
    (
        "LivestatusListener",
        "socket_path",
        "InitRunDir",
        "/cmd/livestatus",
    ),
    (
        "PerfdataWriter",
        "host_perfdata_path",
        "SpoolDir",
        "/perfdata/host-perfdata",
    ),
    (
        "PerfdataWriter",
        "host_temp_path",
        "SpoolDir",
        "/tmp/host-perfdata",
    ),
    (
        "PerfdataWriter",
        "service_perfdata_path",
        "SpoolDir",
        "/perfdata/service-perfdata",
    ),
    (
        "PerfdataWriter",
        "service_temp_path",
        "SpoolDir",
        "/tmp/service-perfdata",
    ),
    (
        "StatusDataWriter",
        "objects_path",
        "CacheDir",
        "/objects.cache",
    ),
    ("StatusDataWriter", "status_path", "CacheDir", "/status.dat"),
];

pub(super) fn fill(draft: &mut Draft, globals: &BTreeMap<Str, Value>) {
    let info = draft.declaration.type_info;
    if draft.plan.has_display_name && draft.text("display_name").is_none() {
        let short_name = draft.declaration.short_name.clone();
        draft
            .attributes
            .insert("display_name".into(), Value::String(short_name));
    }
    for (_, attribute, constant, tail) in PATHS.iter().filter(|(it, ..)| *it == info.name) {
        if draft.set(attribute).is_none() {
            let path = format!("{}{tail}", constant_text(globals, constant));
            draft
                .attributes
                .insert((*attribute).into(), Value::string(path));
        }
    }
    match info.name {
        "InfluxdbWriter" | "Influxdb2Writer" => {
            missing(draft, "host_template", || influx_template(Subject::Host));
            missing(draft, "service_template", || {
                influx_template(Subject::Service)
            });
        }
        "IdoMysqlConnection" | "IdoPgsqlConnection" => {
            let all = || Value::array(IDO_CATEGORIES.iter().map(|&category| category.into()));
            missing(draft, "categories", all);
        }
        _ => {}
    }
}

fn missing(draft: &mut Draft, attribute: &str, value: impl FnOnce() -> Value) {
    if draft.set(attribute).is_none() {
        draft.attributes.insert(attribute.into(), value());
    }
}

enum Subject {
    Host,
    Service,
}

fn influx_template(subject: Subject) -> Value {
    let (measurement, tags) = match subject {
        Subject::Host => (
            "$host.check_command$",
            Value::dictionary([("hostname", "$host.name$".into())]),
        ),
        Subject::Service => (
            "$service.check_command$",
            Value::dictionary([
                ("hostname", Value::from("$host.name$")),
                ("service", "$service.name$".into()),
            ]),
        ),
    };
    Value::dictionary([("measurement", measurement.into()), ("tags", tags)])
}

/// The text of a constant: a global, or one of `System.Configuration`.
fn constant_text(globals: &BTreeMap<Str, Value>, name: &str) -> Str {
    let direct = globals.get(name).cloned();
    let configured = || {
        let system = globals.get("System")?;
        inside(&inside(system, "Configuration")?, name)
    };
    match direct.or_else(configured) {
        Some(Value::String(text)) => text,
        _ => Str::default(),
    }
}

fn inside(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Dictionary(entries) => entries.get(name),
        Value::Object(object) => object.attribute(name),
        _ => None,
    }
}
