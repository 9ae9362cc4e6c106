//! Changing attributes of a declared object: `modify_attribute()` and `restore_attribute()`
//! (manual, chapter 18, "Object"). What was configured is kept in `original_attributes`. Live
//! objects of the daemon bring methods of their own.

use bheka_value::schema::{FieldInfo, FieldKind, Flags, Limit};
use bheka_value::{Dictionary, Map, Str, Value};

use crate::convert::to_text;
use crate::draft::{Draft, as_draft, coerce};
use crate::eval::call::Call;
use crate::fault::{Fault, Outcome};

/// Where the values before the first change are kept.
const ORIGINALS: &str = "original_attributes";

/// How deep a path may lead, so that no one can build values that nest without end.
const DEPTH_MAX: usize = 100;

/// An attribute, or something within it.
struct Target<'a> {
    draft: &'a Draft,
    field: &'static FieldInfo,
    /// The path as it was given.
    path: Str,
    /// The keys below the attribute.
    keys: Vec<Str>,
}

impl<'a> Target<'a> {
    fn of(c: &'a Call<'_>) -> Outcome<Self> {
        let path = to_text(c.argument(0));
        let mut keys: Vec<Str> = path.split('.').map(Str::from).collect();
        let name = keys.remove(0);
        let field = c
            .run
            .env
            .type_of(c.this)
            .and_then(|entry| entry.field(&name))
            .ok_or_else(|| Fault::new("Invalid field ID."))?;
        if keys.len() > DEPTH_MAX {
            return Err(Fault::new(format!(
                "Attribute '{path}' exceeds maximum nesting level of {DEPTH_MAX}."
            )));
        }
        let Some(draft) = as_draft(c.this) else {
            return Err(Fault::new(format!(
                "Attribute '{path}' cannot be modified by a function here."
            )));
        };
        if field.flags.has(Flags::NO_USER_MODIFY) || field.flags.has(Flags::FIXED) {
            return Err(Fault::new("Attribute cannot be modified."));
        }
        Ok(Self {
            draft,
            field,
            path,
            keys,
        })
    }

    fn current(&self) -> Value {
        self.draft.get(self.field.name).unwrap_or_default()
    }

    /// The value of the attribute with `new` at the path, and what stood there.
    fn with(&self, new: Value) -> Outcome<(Value, Value)> {
        let Some((last, between)) = self.keys.split_last() else {
            return Ok((new, self.current()));
        };
        let whole = match self.current().deep_clone() {
            Value::Empty => Value::dictionary::<&str>([]),
            value => value,
        };
        let mut place = whole.clone();
        for key in between {
            place = step(&place, key)?;
        }
        let old = dictionary(&place)?.get(last).unwrap_or_default();
        dictionary(&place)?
            .set(last.clone(), new)
            .map_err(|_| Fault::new("Value must not be modified."))?;
        Ok((whole, old))
    }

    /// Refuses what the attribute does not take.
    fn check(&self, c: &Call<'_>, value: &Value) -> Outcome<()> {
        let complaint = self.complaint(c, value);
        complaint.map_or(Ok(()), |text| {
            let name = self.draft.get("__name").unwrap_or_default();
            let path: Vec<&str> = self.path.split('.').collect();
            Err(Fault::new(format!(
                "Validation failed for object '{}' of type '{}'; Attribute '{}': {text}",
                to_text(&name),
                self.draft.entry.name,
                path.join("' -> '")
            )))
        })
    }

    fn complaint(&self, c: &Call<'_>, value: &Value) -> Option<String> {
        let field = self.field;
        let text = value.as_str();
        if field.flags.has(Flags::REQUIRED) && (value.is_empty() || text == Some("")) {
            return Some("Attribute must not be empty.".to_owned());
        }
        if let Some(type_name) = field.reference {
            let names = match (field.kind, value) {
                (FieldKind::NameArray, Value::Array(names)) => {
                    names.items().iter().map(to_text).collect()
                }
                (FieldKind::Name, Value::String(name)) if !name.is_empty() => vec![name.clone()],
                _ => Vec::new(),
            };
            let missing = names
                .into_iter()
                .find(|name| c.run.env.object(type_name, name).is_none());
            if let Some(name) = missing {
                return Some(format!(
                    "Object '{name}' of type '{type_name}' does not exist."
                ));
            }
        }
        let number = || value.to_number().unwrap_or(0.0);
        let unlike = |words: &[&str]| !words.contains(&to_text(value).as_str());
        let plain = |fits: bool, text: &str| (!fits).then(|| text.to_owned());
        match field.limit {
            Limit::None => None,
            Limit::Positive(text) => plain(number() > 0.0, text),
            Limit::AtLeast(least, text) => plain(number() >= least, text),
            Limit::Between(least, most, text) => plain((least..=most).contains(&number()), text),
            Limit::OneOf(words, text) => unlike(words).then(|| text.replace("{}", &to_text(value))),
            Limit::OneOfOrWhole(words, text) => plain(
                !unlike(words) || to_text(value).parse::<i64>().is_ok(),
                text,
            ),
            Limit::Macro => {
                let odd = text.is_some_and(|it| it.matches('$').count() % 2 == 1);
                odd.then(|| {
                    let text = to_text(value);
                    format!("Closing $ not found in macro format string '{text}'.")
                })
            }
        }
    }

    fn originals(&self) -> Option<Value> {
        self.draft.read().attributes.get(ORIGINALS).cloned()
    }
}

fn dictionary(value: &Value) -> Outcome<&std::sync::Arc<Dictionary>> {
    value
        .as_dictionary()
        .ok_or_else(|| Fault::new("Value must be a dictionary."))
}

/// What is at that key; a new dictionary where nothing is.
fn step(place: &Value, key: &Str) -> Outcome {
    let entries = dictionary(place)?;
    if let Some(value) = entries.get(key) {
        return Ok(value);
    }
    let fresh = Value::dictionary::<&str>([]);
    entries
        .set(key.clone(), fresh.clone())
        .map_err(|_| Fault::new("Value must not be modified."))?;
    Ok(fresh)
}

pub(super) fn modify(c: &Call<'_>) -> Outcome {
    let target = Target::of(c)?;
    let new = c.argument(1).clone();
    let (whole, old) = target.with(new.clone())?;
    let whole = coerce(target.field, whole)?;
    target.check(c, &whole)?;
    target.draft.set(target.field.name, whole)?;
    if target.field.flags.has(Flags::CONFIG) {
        remember(&target, &old, &new);
    }
    Ok(Value::Empty)
}

/// Keeps what was there before the first change; of dictionaries, entry by entry.
fn remember(target: &Target<'_>, old: &Value, new: &Value) {
    let mut kept = match target.originals() {
        Some(Value::Dictionary(kept)) => kept.entries(),
        _ => Map::default(),
    };
    let path = &target.path;
    let mut keep = |key: Str, value: Value| {
        if !kept.contains_key(&key) {
            kept.insert(key, value);
        }
    };
    match old {
        Value::Dictionary(before) if !target.keys.is_empty() => {
            for (key, value) in before.entries().iter() {
                keep(format!("{path}.{key}").into(), value.clone());
            }
            if let Value::Dictionary(after) = new {
                for key in after.entries().keys() {
                    keep(format!("{path}.{key}").into(), Value::Empty);
                }
            }
        }
        other => keep(path.clone(), other.clone()),
    }
    let kept = Value::Dictionary(Dictionary::new(kept).into());
    target
        .draft
        .write()
        .attributes
        .insert(ORIGINALS.into(), kept);
}

/// Puts back what was configured at a path and below it.
pub(super) fn restore(c: &Call<'_>) -> Outcome {
    let target = Target::of(c)?;
    let Some(Value::Dictionary(kept)) = target.originals() else {
        return Ok(Value::Empty);
    };
    let below = format!("{}.", target.path);
    let of_path = |key: &Str| *key == target.path || key.starts_with(&below);
    let entries = kept.entries();
    for (key, value) in entries.iter().filter(|(key, _)| of_path(key)) {
        let part = Target {
            path: key.clone(),
            keys: key.split('.').skip(1).map(Str::from).collect(),
            ..target
        };
        let (whole, _) = part.with(value.clone())?;
        target.draft.set(target.field.name, whole)?;
    }
    let mut rest = entries;
    rest.retain(|key, _| !of_path(key));
    let rest = if rest.is_empty() {
        Value::Empty
    } else {
        Value::Dictionary(Dictionary::new(rest).into())
    };
    target
        .draft
        .write()
        .attributes
        .insert(ORIGINALS.into(), rest);
    Ok(Value::Empty)
}
