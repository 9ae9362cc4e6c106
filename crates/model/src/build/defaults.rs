//! Defaults that depend on the object's name or on the installation.

use std::collections::BTreeMap;

use bheka_value::schema::DefaultValue;
use bheka_value::{Str, Value};

use super::Draft;

pub(super) fn fill(draft: &mut Draft, globals: &BTreeMap<Str, Value>) {
    for field in &draft.plan.filled {
        let value = match field.default {
            DefaultValue::ShortName if draft.text(field.name).is_none() => {
                Value::String(draft.declaration.short_name.clone())
            }
            DefaultValue::Path(constant, tail) if draft.set(field.name).is_none() => {
                Value::string(format!("{}{tail}", constant_text(globals, constant)))
            }
            _ => continue,
        };
        draft.attributes.insert(field.name.into(), value);
    }
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
