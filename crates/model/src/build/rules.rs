//! What each type demands of its attributes.

use bheka_value::schema::{FieldInfo, FieldKind, Flags, Limit};
use bheka_value::{Str, Value};

use super::advice::Wanted;
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

const CHILD_OPTIONS: &[&str] = &[
    "DowntimeNoChildren",
    "DowntimeTriggeredChildren",
    "DowntimeNonTriggeredChildren",
];

/// What a message of the OpenTelemetry protocol may hold, in bytes: 2 GiB, and some space left.
const OTLP_THRESHOLD_MAX: f64 = 2_136_997_888.0;

/// All that is wrong with one object by itself and in its references.
pub(super) fn check(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    check_fields(draft, index, faults);
    if let Some(vars) = draft.set("vars") {
        macros::check_vars(vars, faults);
    }
    match draft.type_name() {
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
        "Comment" | "Downtime" => target(draft, index, faults),
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
    for field in &draft.plan.limited {
        check_limit(draft, field, faults);
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
        let name = name.into();
        let wanted = Wanted::Object { type_name, name };
        faults.push(Fault::attribute(attribute, text).wanting(wanted));
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Empty => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether the value, or the default, is one that the attribute takes.
fn check_limit(draft: &Draft, field: &FieldInfo, faults: &mut Vec<Fault>) {
    let set = draft.set(field.name);
    let number = || set.map_or_else(|| field.default.to_value(), Value::clone);
    let number = || number().to_number().unwrap_or(0.0);
    let complaint = match field.limit {
        // Infinite numbers are negative as soon as they are whole.
        Limit::Positive(text) => {
            let number = number();
            let fits = number > 0.0 && (number.is_finite() || !field.flags.has(Flags::WHOLE));
            (!fits).then(|| text.to_owned())
        }
        Limit::AtLeast(least, text) => (number() < least).then(|| text.to_owned()),
        Limit::Between(least, most, text) => {
            (!(least..=most).contains(&number())).then(|| text.to_owned())
        }
        // A default is what it should be, where there is one.
        Limit::OneOf(words, text) => set.and_then(|value| {
            let value = coerce::text_of(value);
            (!words.contains(&value.as_str())).then(|| text.replace("{}", &value))
        }),
        Limit::OneOfOrWhole(words, text) => set.and_then(|value| {
            let value = coerce::text_of(value);
            let fits = words.contains(&value.as_str()) || value.parse::<i64>().is_ok();
            (!fits).then(|| text.to_owned())
        }),
        Limit::Macro => set.and_then(|value| value.as_str()).and_then(macros::flaw),
        Limit::None => None,
    };
    faults.extend(complaint.map(|text| Fault::attribute(field.name, text)));
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
        // No end is what an end of 0 means.
        if at("begin")
            .zip(at("end"))
            .is_some_and(|(begin, end)| begin > end && end > 0.0)
        {
            faults.push(Fault::attribute(
                "times",
                "'begin' must be smaller than 'end'.",
            ));
        }
    }
    if let Some(wanted) = missing_service(draft, index, "host_name", "service_name") {
        let text = "Notification object refers to a host/service which doesn't exist.";
        faults.push(Fault::plain(text).wanting(wanted));
    }
}

/// The service that is named and is not there, while its host is.
fn missing_service(draft: &Draft, index: &Index<'_>, host: &str, service: &str) -> Option<Wanted> {
    let (host, service) = (draft.text(host)?, draft.text(service)?);
    index.checkable(host, None)?;
    let missing = index.checkable(host, Some(service)).is_none();
    let (host, service) = (host.into(), service.into());
    missing.then_some(Wanted::Service { host, service })
}

fn target(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    if let Some(wanted) = missing_service(draft, index, "host_name", "service_name") {
        let text = format!(
            "{} '{}' references a host/service which doesn't exist.",
            draft.type_name(),
            draft.name()
        );
        faults.push(Fault::plain(text).wanting(wanted));
    }
}

fn dependency(draft: &Draft, index: &Index<'_>, faults: &mut Vec<Fault>) {
    filters::check(draft, faults);
    for side in ["child", "parent"] {
        let (host, service) = (format!("{side}_host_name"), format!("{side}_service_name"));
        if let Some(wanted) = missing_service(draft, index, &host, &service) {
            let text = format!(
                "Dependency '{}' references a {side} host/service which doesn't exist.",
                draft.name()
            );
            faults.push(Fault::plain(text).wanting(wanted));
        }
    }
}

fn child_options(draft: &Draft, faults: &mut Vec<Fault>) {
    let known = match draft.get("child_options") {
        Value::String(text) => CHILD_OPTIONS.contains(&text.as_str()),
        Value::Number(number) => [0.0, 1.0, 2.0].contains(&number.trunc()),
        _ => false,
    };
    if !known {
        let given = coerce::text_of(&draft.get("child_options")).into();
        let known = CHILD_OPTIONS.to_vec();
        let fault = Fault::attribute("child_options", "Invalid child_options specified");
        faults.push(fault.wanting(Wanted::Word { given, known }));
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
    match draft.type_name() {
        "ApiListener" => http_headers(draft, faults),
        "IcingaDB" => icinga_db(draft, faults),
        "InfluxdbWriter" | "Influxdb2Writer" => {
            shapes::check_attribute(draft, "host_template", INFLUX_TEMPLATE, faults);
            shapes::check_attribute(draft, "service_template", INFLUX_TEMPLATE, faults);
            shapes::check_attribute(draft, "basic_auth", BASIC_AUTH, faults);
        }
        "OTLPMetricsWriter" => {
            shapes::check_attribute(draft, "basic_auth", BASIC_AUTH, faults);
            tags(draft, "host_resource_attributes", Shape::Macro, faults);
            tags(draft, "service_resource_attributes", Shape::Macro, faults);
            if draft.get("flush_threshold").to_number() > Some(OTLP_THRESHOLD_MAX) {
                let text = "Flush threshold too high, would exceed Protobuf message size limit of \
                            2GiB (1.9GiB max allowed).";
                faults.push(Fault::attribute("flush_threshold", text));
            }
        }
        "OpenTsdbWriter" => {
            shapes::check_attribute(draft, "host_template", OPENTSDB_TEMPLATE, faults);
            shapes::check_attribute(draft, "service_template", OPENTSDB_TEMPLATE, faults);
        }
        "ElasticsearchWriter" => {
            tags(draft, "host_tags_template", Shape::Macros, faults);
            tags(draft, "service_tags_template", Shape::Macros, faults);
        }
        "IdoMysqlConnection" | "IdoPgsqlConnection" => {
            shapes::check_attribute(draft, "cleanup", IDO_CLEANUP, faults);
        }
        _ => {}
    }
}

/// A dictionary with any keys whose values have the same shape.
fn tags(draft: &Draft, name: &str, shape: Shape, faults: &mut Vec<Fault>) {
    if let Some(Value::Dictionary(tags)) = draft.set(name) {
        let mut path: Vec<Str> = vec![name.into()];
        for (key, value) in tags.read().iter() {
            path.push(key.clone());
            shapes::check_value(&mut path, value, shape, faults);
            path.pop();
        }
    }
}

fn icinga_db(draft: &Draft, faults: &mut Vec<Fault>) {
    if draft.text("username").is_some() && draft.text("password").is_none() {
        faults.push(Fault::whole(
            "Redis password must be set, if username is provided.",
        ));
    }
    let lacks_one = draft.text("cert_path").is_some() != draft.text("key_path").is_some();
    if draft.get("enable_tls").is_true() && lacks_one {
        faults.push(Fault::whole(
            "Validation failed: Either both a client certificate (cert_path) and its private key \
             (key_path) or none of them must be given.",
        ));
    }
}

/// Names and values that HTTP allows (RFC 9110, section 5.1 and 5.5).
fn http_headers(draft: &Draft, faults: &mut Vec<Fault>) {
    let Some(Value::Dictionary(headers)) = draft.set("http_response_headers") else {
        return;
    };
    for (name, value) in headers.read().iter() {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let text = match value {
            _ if name.is_empty() || !name.bytes().all(is_token) => "Header name is invalid.",
            Value::String(text)
                if text.bytes().any(|it| it < 32 && it != b'\t' || it == 127)
                    || text.trim_matches([' ', '\t']).len() != text.len() =>
            {
                "Header value is invalid."
            }
            Value::String(_) => continue,
            _ => "Header value must be a string.",
        };
        faults.push(Fault::nested(&["http_response_headers", name], text));
    }
}
