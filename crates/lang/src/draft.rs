//! An object while its body is evaluated, and until the model takes over.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bheka_value::schema::{DefaultValue, FieldInfo, FieldKind, Flags};
use bheka_value::{CallError, Location, Map, Modification, ObjectView, Str, Value};

use crate::convert::{kind_name, not_an_object, to_number, to_text};
use crate::fault::{Fault, Outcome};
use crate::suggest::Unknown;
use crate::types::TypeEntry;

/// An object of the configuration, or a value of a type with attributes (`CheckResult()`).
pub(crate) struct Draft {
    pub(crate) entry: Arc<TypeEntry>,
    pub(crate) location: Location,
    state: RwLock<State>,
}

/// What evaluation fills in.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// Full name, once it is known.
    pub(crate) name: Str,
    /// What `name` was set to.
    pub(crate) short_name: Option<Str>,
    pub(crate) zone: Option<Str>,
    pub(crate) package: Str,
    pub(crate) templates: Vec<Str>,
    pub(crate) attributes: Map,
    /// Defaults that were handed out and can be changed in place.
    pub(crate) defaults: BTreeMap<&'static str, Value>,
    pub(crate) modifications: Vec<Modification>,
}

impl State {
    /// Gives back memory that growing took and that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.attributes.shrink_to_fit();
        self.templates.shrink_to_fit();
        for value in self.attributes.values() {
            if let Value::Dictionary(entries) = value
                && Arc::strong_count(entries) == 1
                && let Ok(mut entries) = entries.write()
            {
                entries.shrink_to_fit();
            }
        }
    }
}

impl Draft {
    pub(crate) fn new(entry: &Arc<TypeEntry>, location: Location, state: State) -> Arc<Self> {
        Arc::new(Self {
            entry: Arc::clone(entry),
            location,
            state: RwLock::new(state),
        })
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was filled in, when nobody else has the object.
    pub(crate) fn into_state(self) -> State {
        std::mem::take(&mut *self.write())
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attribute as configured or by default.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        if self.entry.is_config()
            && let Some(value) = self.common(name)
        {
            return Some(value);
        }
        let Some(field) = self.entry.field(name) else {
            return (name == "type").then(|| Value::String(self.entry.name.clone()));
        };
        let state = self.read();
        if let Some(value) = state.attributes.get(name) {
            if !(name == "display_name" && value.as_str() == Some("")) {
                return Some(value.clone());
            }
        } else if let Some(value) = state.defaults.get(name) {
            return Some(value.clone());
        }
        if name == "display_name" {
            return Some(Value::String(
                state.short_name.as_ref().unwrap_or(&state.name).clone(),
            ));
        }
        drop(state);
        Some(self.default_of(field))
    }

    /// A default; collections are kept, so that `groups.add("x")` changes the attribute.
    fn default_of(&self, field: &'static FieldInfo) -> Value {
        let value = field.default.to_value();
        if matches!(
            field.default,
            DefaultValue::EmptyArray | DefaultValue::EmptyDictionary
        ) {
            return self
                .write()
                .defaults
                .entry(field.name)
                .or_insert(value)
                .clone();
        }
        value
    }

    /// Attributes that every configuration object has.
    fn common(&self, name: &str) -> Option<Value> {
        let state = self.read();
        Some(match name {
            "__name" => Value::String(state.name.clone()),
            "name" => Value::String(state.short_name.as_ref().unwrap_or(&state.name).clone()),
            "type" => Value::String(self.entry.name.clone()),
            "zone" => Value::String(state.zone.clone().unwrap_or_default()),
            "package" => Value::String(state.package.clone()),
            "templates" if state.templates.is_empty() => Value::Empty,
            "templates" => Value::array(state.templates.iter().cloned().map(Value::String)),
            "source_location" => location_value(&self.location),
            "active" => Value::Boolean(false),
            "paused" => Value::Boolean(true),
            _ => return None,
        })
    }

    /// Sets an attribute, converted to the kind that it has.
    pub(crate) fn set(&self, name: &str, value: Value) -> Outcome<()> {
        if self.entry.is_config() {
            let mut state = self.write();
            match name {
                "name" => {
                    state.short_name = Some(to_text(&value));
                    return Ok(());
                }
                "__name" => {
                    state.name = to_text(&value);
                    return Ok(());
                }
                "zone" => {
                    state.zone = Some(to_text(&value)).filter(|zone| !zone.is_empty());
                    return Ok(());
                }
                "package" => {
                    state.package = to_text(&value);
                    return Ok(());
                }
                "templates" if matches!(value, Value::Array(_) | Value::Empty) => {
                    let names = value
                        .as_array()
                        .map(|array| array.items())
                        .unwrap_or_default();
                    state.templates = names.iter().map(to_text).collect();
                    return Ok(());
                }
                "type" => return Err(Fault::new("Type field cannot be set.")),
                _ => {}
            }
        }
        let Some((field, key)) = self.entry.field_and_key(name) else {
            let unknown = Unknown::Attribute {
                of: self.entry.name.clone(),
                name: name.into(),
            };
            let fault = Fault::script(format!("Attribute '{name}' does not exist."));
            return Err(fault.unknown("unknown-attribute", unknown));
        };
        let value = coerce(field, value)
            .map_err(|fault| fault.code("invalid-type").note(expected(field)))?;
        let mut state = self.write();
        if !state.defaults.is_empty() {
            state.defaults.remove(name);
        }
        state.attributes.insert(key.clone(), value);
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        name == "type" || self.entry.field(name).is_some() || self.common_name(name)
    }

    fn common_name(&self, name: &str) -> bool {
        const COMMON: [&str; 8] = [
            "__name",
            "name",
            "zone",
            "package",
            "templates",
            "source_location",
            "active",
            "paused",
        ];
        self.entry.is_config() && COMMON.contains(&name)
    }
}

/// A value as the field wants it.
pub(crate) fn coerce(field: &FieldInfo, value: Value) -> Outcome {
    Ok(match field.kind {
        FieldKind::Number | FieldKind::Duration | FieldKind::Timestamp | FieldKind::Enum => {
            Value::Number(to_number(&value)?)
        }
        FieldKind::Boolean => Value::Boolean(to_number(&value)? != 0.0),
        FieldKind::String | FieldKind::Name => Value::String(to_text(&value)),
        FieldKind::Array | FieldKind::NameArray => match value {
            Value::Array(_) | Value::Empty => value,
            other => return Err(wrong_kind(field, &other, "Array")),
        },
        FieldKind::Dictionary => match value {
            Value::Dictionary(_) | Value::Empty => value,
            other => return Err(wrong_kind(field, &other, "Dictionary")),
        },
        FieldKind::Function => match value {
            Value::Function(_) | Value::Empty => value,
            other => return Err(wrong_kind(field, &other, "Function")),
        },
        FieldKind::CheckResult => match value {
            Value::Empty => value,
            Value::Object(ref object) if object.type_name() == "CheckResult" => value,
            other => return Err(wrong_kind(field, &other, "CheckResult")),
        },
        // The object behind a name.
        FieldKind::Any if field.flags.has(Flags::NAVIGATION) => match value {
            Value::Empty | Value::Object(_) => value,
            other => return Err(wrong_kind(field, &other, "Host")),
        },
        FieldKind::Any => value,
    })
}

/// What an attribute takes, for people.
fn expected(field: &FieldInfo) -> String {
    let what = match field.kind {
        FieldKind::Number | FieldKind::Enum => "a number",
        FieldKind::Duration => "a number of seconds, such as 30s or 5m",
        FieldKind::Timestamp => "a point in time in seconds since 1970",
        FieldKind::Boolean => "true or false",
        FieldKind::String | FieldKind::Name => "text",
        FieldKind::Array => "a list in brackets: [ \"a\", \"b\" ]",
        FieldKind::NameArray => "a list of names in brackets: [ \"a\", \"b\" ]",
        FieldKind::Dictionary => "a dictionary in braces: { key = value }",
        FieldKind::Function => "a function: {{ ... }}",
        FieldKind::CheckResult => "a check result",
        FieldKind::Any => "any value",
    };
    format!("'{}' takes {what}", field.name)
}

fn wrong_kind(field: &FieldInfo, value: &Value, wanted: &str) -> Fault {
    if matches!(
        value,
        Value::Number(_) | Value::Boolean(_) | Value::String(_)
    ) {
        return not_an_object(value);
    }
    Fault::script(format!(
        "Attribute '{}' cannot be set to value of type '{}', expected '{wanted}'",
        field.name,
        kind_name(value)
    ))
}

/// A location as `source_location` shows it.
pub(crate) fn location_value(location: &Location) -> Value {
    let number = |number: u32| Value::Number(f64::from(number));
    Value::dictionary([
        ("path", Value::string(&*location.path)),
        ("first_line", number(location.first_line)),
        ("first_column", number(location.first_column)),
        ("last_line", number(location.last_line)),
        ("last_column", number(location.last_column)),
    ])
}

impl Drop for Draft {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        bheka_value::drop_flat(std::mem::take(&mut state.attributes).into_values());
        bheka_value::drop_flat(std::mem::take(&mut state.defaults).into_values());
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.entry.name, self.read().name)
    }
}

impl ObjectView for Draft {
    fn type_name(&self) -> &str {
        &self.entry.name
    }

    fn object_name(&self) -> Str {
        self.read().name.clone()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.get(name)
    }

    fn attribute_names(&self) -> Vec<Str> {
        let mut names: Vec<Str> = self
            .entry
            .info
            .into_iter()
            .flat_map(bheka_value::schema::TypeInfo::fields)
            .map(|field| Str::from(field.name))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        self.set(name, value).map_err(CallError::from)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The draft in a value.
pub(crate) fn as_draft(value: &Value) -> Option<&Draft> {
    value.as_object()?.as_any().downcast_ref::<Draft>()
}

/// A draft as value.
pub(crate) fn draft_value(draft: &Arc<Draft>) -> Value {
    let object: Arc<dyn ObjectView> = Arc::<Draft>::clone(draft);
    Value::Object(object)
}
