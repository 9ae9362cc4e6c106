//! One object of a generation.

use crate::types::plan::Plan;
use bheka_value::schema::TypeInfo;
use bheka_value::{Location, Map, Modification, Str, Value};

/// A validated object of the configuration: immutable.
#[derive(Debug)]
pub struct ConfigObject {
    /// Its type.
    pub type_info: &'static TypeInfo,
    /// Full name.
    pub name: Str,
    /// The name as written, or as the last part of the full one.
    pub short_name: Str,
    /// The zone it belongs to.
    pub zone: Option<Str>,
    /// The package it came from.
    pub package: Str,
    /// Imported templates, its own name first.
    pub templates: Vec<Str>,
    /// Where it was declared.
    pub location: Location,
    /// What set which attribute; empty unless asked for.
    pub modifications: Vec<Modification>,
    /// The attributes that were set or normalised by the model, frozen.
    pub attributes: Map,
}

impl ConfigObject {
    /// The configured value of an attribute, else its default; `null` for unknown names.
    #[must_use]
    pub fn get(&self, name: &str) -> Value {
        if let Some(value) = self.attributes.get(name) {
            return value.clone();
        }
        match name {
            "name" => Value::String(self.short_name.clone()),
            "__name" => Value::String(self.name.clone()),
            "type" => Value::string(self.type_info.name),
            "zone" => Value::String(self.zone.clone().unwrap_or_default()),
            "package" => Value::String(self.package.clone()),
            "templates" => Value::array(self.templates.iter().cloned().map(Value::String)),
            "source_location" => location_value(&self.location),
            _ => Plan::of(self.type_info)
                .field(name)
                .map_or(Value::Empty, |field| field.default.to_value()),
        }
    }

    /// Whether the program brings it along (the check commands `ido`, `icingadb`, …): Icinga 2
    /// neither counts nor lists those, but the API shows them. The application object is listed,
    /// also when no file declares it.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.package.is_empty() && self.type_info.name != "IcingaApplication"
    }

    /// A number attribute, 0 when it is not one.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        self.get(name).to_number().unwrap_or(0.0)
    }

    /// A boolean attribute.
    #[must_use]
    pub fn boolean(&self, name: &str) -> bool {
        self.get(name).is_true()
    }

    /// A string attribute, empty when unset.
    #[must_use]
    pub fn string(&self, name: &str) -> Str {
        match self.get(name) {
            Value::String(text) => text,
            _ => Str::default(),
        }
    }

    /// A name or other string, `None` when unset or empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<Str> {
        match self.get(name) {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A list of names.
    #[must_use]
    pub fn names(&self, name: &str) -> Vec<Str> {
        match self.get(name) {
            Value::Array(array) => array
                .read()
                .iter()
                .filter_map(|item| item.as_str().map(Str::new))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Whether two objects of the same name are configured alike, so that a reload leaves the
    /// running one untouched. Functions compare by place of definition, not identity.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        std::ptr::eq(self.type_info, other.type_info)
            && self.name == other.name
            && self.zone == other.zone
            && self.package == other.package
            && self.templates == other.templates
            && self.attributes.len() == other.attributes.len()
            && self.attributes.iter().zip(&other.attributes).all(
                |((left_key, left), (right_key, right))| {
                    left_key == right_key && alike(left, right)
                },
            )
    }
}

fn alike(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Function(_), Value::Function(_)) => format!("{left:?}") == format!("{right:?}"),
        (Value::Array(left), Value::Array(right)) => {
            let (left, right) = (left.read(), right.read());
            left.len() == right.len() && left.iter().zip(right.iter()).all(|(l, r)| alike(l, r))
        }
        (Value::Dictionary(left), Value::Dictionary(right)) => {
            let (left, right) = (left.read(), right.read());
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|((left_key, left), (right_key, right))| {
                        left_key == right_key && alike(left, right)
                    })
        }
        _ => left.kind() == right.kind() && left.equals(right),
    }
}

/// A location as the attribute `source_location` shows it.
fn location_value(location: &Location) -> Value {
    Value::dictionary([
        (
            "first_column",
            Value::Number(f64::from(location.first_column)),
        ),
        ("first_line", Value::Number(f64::from(location.first_line))),
        (
            "last_column",
            Value::Number(f64::from(location.last_column)),
        ),
        ("last_line", Value::Number(f64::from(location.last_line))),
        ("path", Value::string(location.path.as_ref())),
    ])
}
