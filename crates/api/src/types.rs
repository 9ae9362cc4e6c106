//! `GET /v1/types[/NAME]`: the table of types.

use std::sync::Arc;

use bheka_lang::Globals;
use bheka_model::{ConfigObject, Generation};
use bheka_value::schema::{FieldInfo, FieldKind, Flags, TypeInfo};
use bheka_value::{ObjectView, Str, Value};

use crate::builtin::{self, BuiltinType, Kind};
use crate::objects::NO_OBJECTS;
use crate::params::Params;
use crate::query::{self, Source, TargetType};
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// Answers a query for types.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    name: Option<&str>,
    mut params: Params,
) -> Handled {
    let source = Types { snapshot };
    if let Some(name) = name {
        params.set("type", Value::string(name));
    }
    match query::select(&source, user, "types", &params) {
        Ok(found) => {
            let mut writer = ResultsWriter::new(&params)?;
            found.iter().for_each(|one| writer.value(&one.value()));
            Ok(Response::json_text(200, writer.finish()))
        }
        Err(miss) => miss.answer(&params, NO_OBJECTS),
    }
}

struct Types<'s> {
    snapshot: &'s Snapshot,
}

#[derive(Clone, Copy)]
enum OneType {
    Object(&'static TypeInfo),
    Builtin(&'static BuiltinType),
}

impl Source for Types<'_> {
    type Target = OneType;

    fn types(&self) -> Vec<TargetType> {
        vec![TargetType {
            name: "Type".into(),
            plural: "Types".into(),
        }]
    }

    fn find(&self, _type_name: &str, name: &str) -> Result<OneType, String> {
        OneType::named(name).ok_or_else(|| "Type does not exist.\n".to_owned())
    }

    fn all(&self, _type_name: &str) -> Vec<OneType> {
        // Types that later releases brought are answered for by name, as their attributes are
        // shown once set: a list holds what 2.13 has.
        let objects = bheka_model::catalogue().types().iter();
        let objects = objects.filter(|type_info| type_info.since.is_none());
        let mut all: Vec<OneType> = objects
            .map(|type_info| OneType::Object(type_info))
            .chain(builtin::TYPES.iter().map(OneType::Builtin))
            .collect();
        all.sort_by_key(OneType::name);
        all
    }

    fn scope(&self, target: &OneType) -> Vec<(Str, Value)> {
        let value = Value::Object(Arc::new(TypeView(*target)));
        vec![("obj".into(), value.clone()), ("type".into(), value)]
    }

    fn generation(&self) -> &Generation {
        &self.snapshot.generation
    }

    fn globals(&self) -> Option<Globals> {
        self.snapshot.backend.globals()
    }

    fn name(&self, target: &OneType) -> Str {
        target.name().into()
    }
}

impl OneType {
    fn named(name: &str) -> Option<Self> {
        let object = bheka_model::catalogue().type_info(name).map(Self::Object);
        let mut builtins = builtin::TYPES.iter();
        object.or_else(|| builtins.find(|it| it.name == name).map(Self::Builtin))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Object(type_info) => type_info.name,
            Self::Builtin(builtin) => builtin.name,
        }
    }

    fn base(&self) -> Option<&'static str> {
        match self {
            Self::Object(type_info) => type_info.base,
            Self::Builtin(builtin) => builtin.base,
        }
    }

    fn value(&self) -> Value {
        let (plural, is_abstract, prototype, fields) = match self {
            Self::Object(type_info) => (
                type_info.plural,
                type_info.is_abstract,
                builtin::prototype_of(type_info.name),
                object_fields(type_info),
            ),
            Self::Builtin(builtin) => (
                builtin.plural,
                builtin.is_abstract,
                builtin.prototype,
                builtin_fields(builtin),
            ),
        };
        let mut entries = vec![
            ("abstract", Value::Boolean(is_abstract)),
            ("fields", fields),
            ("name", Value::string(self.name())),
            ("plural_name", Value::string(plural)),
            (
                "prototype_keys",
                Value::array(prototype.iter().map(|&key| Value::string(key))),
            ),
        ];
        entries.extend(self.base().map(|base| ("base", Value::string(base))));
        Value::dictionary(entries)
    }
}

/// The own fields of a type; their numbers count the inherited ones, and `type` as number 0.
fn object_fields(type_info: &'static TypeInfo) -> Value {
    let own = type_info.field_groups.last().copied().unwrap_or_default();
    // A type without own attributes repeats the groups of its base.
    let base = type_info
        .base
        .and_then(|base| bheka_model::catalogue().type_info(base));
    let inherits_all = base.is_some_and(|it| it.field_groups.len() == type_info.field_groups.len());
    let numbered = type_info
        .fields()
        .filter(|field| !field.flags.has(Flags::NEWER))
        .enumerate();
    let fields = numbered
        .filter(|(_, field)| !inherits_all && own.iter().any(|it| std::ptr::eq(it, *field)))
        .map(|(position, field)| (field.name, object_field(field, position + 1)));
    Value::dictionary(fields)
}

fn object_field(field: &FieldInfo, id: usize) -> Value {
    let navigation = field.flags.has(Flags::NAVIGATION);
    let has = |flag: Flags| field.flags.has(flag);
    let is_object = navigation && field.kind == FieldKind::Any;
    let attributes = Attributes {
        config: has(Flags::CONFIG),
        deprecated: has(Flags::DEPRECATED),
        navigation,
        no_user_modify: has(Flags::NO_USER_MODIFY),
        no_user_view: has(Flags::NO_USER_VIEW),
        required: has(Flags::REQUIRED),
        state: has(Flags::STATE),
    };
    // The one attribute that holds an object: the host of a service.
    let type_name = if is_object { "Host" } else { type_of(field) };
    let rank = u8::from(field.kind == FieldKind::NameArray);
    let mut entries = field_entries(id, type_name, rank, attributes);
    if navigation {
        let name = field.name.strip_suffix("_name").unwrap_or(field.name);
        entries.push(("navigation_name", Value::string(name)));
    }
    entries.extend(
        field
            .reference
            .map(|target| ("ref_type", Value::string(target))),
    );
    Value::dictionary(entries)
}

/// The name of the type of a field. In 2.13.6 booleans show as numbers, and some numbers under the
/// names that they have there inside.
fn type_of(field: &FieldInfo) -> &'static str {
    match (field.name, field.kind) {
        ("last_hard_states_raw" | "last_soft_states_raw", _) => "unsigned short",
        ("capabilities", _) => "uint_fast64_t",
        ("icinga_version", _) => "unsigned long",
        (_, FieldKind::Boolean) => "Number",
        (_, other) => other.api_name(),
    }
}

fn builtin_fields(builtin: &BuiltinType) -> Value {
    let fields = builtin
        .fields
        .iter()
        .enumerate()
        .map(|(position, (name, type_name, kind))| {
            let attributes = Attributes {
                config: *kind == Kind::Config,
                state: *kind == Kind::State,
                ..Attributes::default()
            };
            let entries = field_entries(builtin.first_id + position, type_name, 0, attributes);
            (*name, Value::dictionary(entries))
        });
    Value::dictionary(fields)
}

#[derive(Default, Clone, Copy)]
struct Attributes {
    config: bool,
    deprecated: bool,
    navigation: bool,
    no_user_modify: bool,
    no_user_view: bool,
    required: bool,
    state: bool,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "types have some hundred fields at most"
)]
fn field_entries(
    id: usize,
    type_name: &str,
    rank: u8,
    attributes: Attributes,
) -> Vec<(&'static str, Value)> {
    let attributes = Value::dictionary([
        ("config", Value::Boolean(attributes.config)),
        ("deprecated", Value::Boolean(attributes.deprecated)),
        ("navigation", Value::Boolean(attributes.navigation)),
        ("no_user_modify", Value::Boolean(attributes.no_user_modify)),
        ("no_user_view", Value::Boolean(attributes.no_user_view)),
        ("required", Value::Boolean(attributes.required)),
        ("state", Value::Boolean(attributes.state)),
    ]);
    vec![
        ("array_rank", Value::Number(f64::from(rank))),
        ("attributes", attributes),
        ("id", Value::Number(id as f64)),
        ("type", Value::string(type_name)),
    ]
}

/// A type as filters see it.
struct TypeView(OneType);

impl std::fmt::Debug for TypeView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Type '{}'", self.0.name())
    }
}

impl ObjectView for TypeView {
    fn type_name(&self) -> &str {
        "Type"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        Some(match name {
            "name" => Value::string(self.0.name()),
            "type" => Value::string("Type"),
            "base" => {
                let base = self.0.base().and_then(OneType::named);
                base.map_or(Value::Empty, |base| Value::Object(Arc::new(Self(base))))
            }
            "prototype" => Value::dictionary::<&str>([]),
            _ => return None,
        })
    }

    fn attribute_names(&self) -> Vec<Str> {
        ["base", "name", "prototype", "type"]
            .map(Str::from)
            .to_vec()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
