//! Looking up objects and templates.

use bheka_value::Value;

use super::{Row, exact, modify};
use crate::convert::{not_an, not_an_object, to_text};
use crate::draft::location_value;
use crate::eval::call::{Arity, Call, call};
use crate::fault::{Fault, Outcome};
use crate::load::{Report, commit};
use crate::stack::leaving;
use crate::types::as_type;

pub(super) const SYSTEM: &[Row] = &[
    exact("get_object", &["type", "name"], true, get_object),
    exact("get_objects", &["type"], false, get_objects),
    exact("get_template", &["type", "name"], false, get_template),
    exact("get_templates", &["type"], false, get_templates),
];

pub(super) const ICINGA: &[Row] = &[
    exact("get_check_command", &["name"], false, |c| {
        Ok(of_type(c, "CheckCommand"))
    }),
    exact("get_event_command", &["name"], false, |c| {
        Ok(of_type(c, "EventCommand"))
    }),
    exact("get_host", &["name"], false, |c| Ok(of_type(c, "Host"))),
    exact("get_host_group", &["name"], false, |c| {
        Ok(of_type(c, "HostGroup"))
    }),
    exact("get_notification_command", &["name"], false, |c| {
        Ok(of_type(c, "NotificationCommand"))
    }),
    exact("get_service", &["host", "name"], false, get_service),
    exact("get_service_group", &["name"], false, |c| {
        Ok(of_type(c, "ServiceGroup"))
    }),
    exact("get_services", &["host"], false, get_services),
    exact("get_time_period", &["name"], false, |c| {
        Ok(of_type(c, "TimePeriod"))
    }),
    exact("get_user", &["name"], false, |c| Ok(of_type(c, "User"))),
    exact("get_user_group", &["name"], false, |c| {
        Ok(of_type(c, "UserGroup"))
    }),
];

pub(super) const INTERNAL: &[Row] = &[exact(
    "run_with_activation_context",
    &["func"],
    false,
    run_with_activation_context,
)];

pub(super) const CONFIG_OBJECT: &[Row] = &[
    exact(
        "modify_attribute",
        &["attr", "value"],
        false,
        modify::modify,
    ),
    Row {
        name: "restore_attribute",
        // Icinga 2 names two arguments and takes one.
        arguments: &["attr", "value"],
        pure: false,
        arity: Arity::Exact(1),
        body: modify::restore,
    },
];

pub(super) const CHECKABLE: &[Row] = &[exact(
    "process_check_result",
    &["cr"],
    false,
    process_check_result,
)];

fn of_type(c: &Call<'_>, type_name: &str) -> Value {
    c.run
        .object(type_name, &to_text(c.argument(0)))
        .unwrap_or_default()
}

fn get_object(c: &Call<'_>) -> Outcome {
    let name = to_text(c.argument(1));
    let type_name = match as_type(c.argument(0)) {
        Some(entry) => entry.name.clone(),
        None => to_text(c.argument(0)),
    };
    let found = c.run.object(&type_name, &name);
    let seen = |object: &Value| c.run.guard.is_none_or(|guard| guard.object(object));
    Ok(found.filter(seen).unwrap_or_default())
}

fn given_type(c: &Call<'_>) -> Outcome<std::sync::Arc<crate::types::TypeEntry>> {
    let value = c.argument(0);
    if value.is_empty() {
        return Err(Fault::new("Invalid type: Must not be null"));
    }
    as_type(value).ok_or_else(|| not_an("Type", "type", value))
}

fn get_objects(c: &Call<'_>) -> Outcome {
    let entry = given_type(c)?;
    if !entry.is_config() {
        return Err(Fault::new(
            "Invalid type: Type must inherit from 'ConfigObject'",
        ));
    }
    Ok(Value::array(c.run.objects(&entry.name)))
}

fn template_value(item: &crate::registry::Item) -> Value {
    Value::dictionary([
        ("name", Value::String(item.name.clone())),
        ("type", Value::String(item.entry.name.clone())),
        ("location", location_value(&item.location)),
    ])
}

fn get_template(c: &Call<'_>) -> Outcome {
    let type_name = match as_type(c.argument(0)) {
        Some(entry) => entry.name.clone(),
        None => to_text(c.argument(0)),
    };
    let found = c.run.env.registry.item(&type_name, &to_text(c.argument(1)));
    Ok(found
        .filter(|item| item.is_template)
        .map_or(Value::Empty, |item| template_value(&item)))
}

fn get_templates(c: &Call<'_>) -> Outcome {
    let entry = given_type(c)?;
    let found = c.run.env.registry.templates(&entry.name);
    Ok(Value::array(found.iter().map(|item| template_value(item))))
}

fn host_name(value: &Value) -> bheka_value::Str {
    match value {
        Value::Object(object) => object.object_name(),
        other => to_text(other),
    }
}

fn get_service(c: &Call<'_>) -> Outcome {
    let name = format!("{}!{}", host_name(c.argument(0)), to_text(c.argument(1)));
    Ok(c.run.object("Service", &name).unwrap_or_default())
}

fn get_services(c: &Call<'_>) -> Outcome {
    let host = host_name(c.argument(0));
    if c.run.object("Host", &host).is_none() {
        return Ok(Value::Empty);
    }
    let of_host = |service: &Value| {
        service.as_object().is_some_and(|service| {
            service
                .attribute("host_name")
                .is_some_and(|name| name.as_str() == Some(&*host))
        })
    };
    Ok(Value::array(
        c.run.objects("Service").into_iter().filter(of_host),
    ))
}

/// Declares objects outside a load: at the console.
fn run_with_activation_context(c: &Call<'_>) -> Outcome {
    let function = match c.argument(0) {
        Value::Function(function) => function,
        Value::Empty => {
            return Err(Fault::script("'function' argument must not be null."));
        }
        other => return Err(not_an("Function", "function", other)),
    };
    if c.run.is_guest() {
        return Err(Fault::new(
            "Objects cannot be made in a configuration that is in force; change it and reload.",
        ));
    }
    let registry = &c.run.env.registry;
    registry.open();
    let result = call(c.run, function, None, &[]);
    let mut report = Report::default();
    if result.is_ok() {
        leaving(c.run.depth(), || commit(c.run, &mut report));
    } else {
        registry.take_pending();
    }
    registry.close();
    result?;
    match report
        .diagnostics
        .into_iter()
        .find(crate::LangDiagnostic::is_error)
    {
        Some(error) => {
            let mut fault = Fault::script(error.message);
            fault.location = error.location;
            Err(fault)
        }
        None => Ok(Value::Boolean(true)),
    }
}

fn process_check_result(c: &Call<'_>) -> Outcome {
    let object = c.this.as_object().ok_or_else(|| not_an_object(c.this))?;
    object
        .set_attribute("process_check_result", c.argument(0).clone())
        .map(|()| Value::Empty)
        .map_err(Fault::from)
}
