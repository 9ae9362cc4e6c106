//! Methods of dictionaries and namespaces.

use std::sync::Arc;

use bheka_value::{Dictionary, Value};

use super::{Row, exact};
use crate::convert::{not_an, to_text};
use crate::cost::ENTRY_BYTES;
use crate::eval::access;
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};
use crate::namespace::{Namespace, as_namespace};

pub(super) const DICTIONARY: &[Row] = &[
    exact("clear", &[], false, clear),
    exact("contains", &["key"], true, contains),
    exact("freeze", &[], false, freeze),
    exact("get", &["key"], false, get),
    exact("keys", &[], true, keys),
    exact("len", &[], true, len),
    exact("remove", &["key"], false, remove),
    exact("set", &["key", "value"], false, set),
    exact("shallow_clone", &[], true, shallow_clone),
    exact("values", &[], true, values),
];

pub(super) const NAMESPACE: &[Row] = &[
    exact("contains", &["key"], true, |c| {
        Ok(Value::Boolean(
            this_namespace(c)?.contains(&to_text(c.argument(0))),
        ))
    }),
    exact("get", &["key"], false, |c| {
        let key = to_text(c.argument(0));
        this_namespace(c)?
            .get(&key)
            .ok_or_else(|| Fault::script(format!("Namespace does not contain field '{key}'")))
    }),
    exact("keys", &[], true, |c| {
        Ok(Value::array(
            this_namespace(c)?.keys().into_iter().map(Value::String),
        ))
    }),
    exact("remove", &["key"], false, |c| {
        this_namespace(c)?.remove(&to_text(c.argument(0)))?;
        Ok(Value::Empty)
    }),
    exact("set", &["key", "value"], false, |c| {
        let name = to_text(c.argument(0));
        c.run.bytes(ENTRY_BYTES + name.len() as u64)?;
        this_namespace(c)?.set(&name, c.argument(1).clone())?;
        Ok(Value::Empty)
    }),
    exact("values", &[], true, |c| {
        Ok(Value::array(this_namespace(c)?.values()))
    }),
];

fn this_namespace<'c>(c: &Call<'c>) -> Outcome<&'c Namespace> {
    as_namespace(c.this).ok_or_else(|| not_an("Namespace", "self", c.this))
}

fn this<'c>(c: &Call<'c>) -> Outcome<&'c Arc<Dictionary>> {
    match c.this {
        Value::Dictionary(dictionary) => Ok(dictionary),
        other => Err(not_an("Dictionary", "self", other)),
    }
}

fn frozen(_: bheka_value::Frozen) -> Fault {
    Fault::new("Dictionary must not be modified.")
}

fn clear(c: &Call<'_>) -> Outcome {
    this(c)?.write().map_err(frozen)?.clear();
    Ok(Value::Empty)
}

fn contains(c: &Call<'_>) -> Outcome {
    let key = to_text(c.argument(0));
    Ok(Value::Boolean(this(c)?.read().contains_key(&key)))
}

fn freeze(c: &Call<'_>) -> Outcome {
    this(c)?.freeze_shallow();
    Ok(Value::Empty)
}

fn get(c: &Call<'_>) -> Outcome {
    Ok(this(c)?.get(&to_text(c.argument(0))).unwrap_or_default())
}

fn keys(c: &Call<'_>) -> Outcome {
    Ok(Value::array(
        this(c)?.entries().into_keys().map(Value::String),
    ))
}

fn values(c: &Call<'_>) -> Outcome {
    Ok(Value::array(this(c)?.entries().into_values()))
}

#[allow(clippy::cast_precision_loss)]
fn len(c: &Call<'_>) -> Outcome {
    Ok(Value::Number(this(c)?.len() as f64))
}

fn remove(c: &Call<'_>) -> Outcome {
    let key = to_text(c.argument(0));
    this(c)?.write().map_err(frozen)?.remove(&key);
    Ok(Value::Empty)
}

fn set(c: &Call<'_>) -> Outcome {
    this(c)?;
    let change = access::set_field(c.this, c.argument(0), c.argument(1).clone())?;
    c.run.drops(&change.old);
    c.run.bytes(change.grown)?;
    Ok(Value::Empty)
}

fn shallow_clone(c: &Call<'_>) -> Outcome {
    Ok(Value::dictionary(this(c)?.entries()))
}
