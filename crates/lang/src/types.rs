//! Types as the language sees them: `Host`, `String`, `typeof(x)`.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::schema::{
    Catalogue, DefaultValue, FieldInfo, FieldKind, Flags, Limit, Naming, TypeInfo,
};
use bheka_value::{CallError, ObjectView, Str, Value};
use rustc_hash::FxHashMap;

/// A type.
pub(crate) struct TypeEntry {
    pub(crate) name: Str,
    /// The name of the variable that holds an object of it in conditions: `host`.
    pub(crate) variable: Str,
    pub(crate) base: Option<Arc<TypeEntry>>,
    /// The table's row; none for the types of plain values.
    pub(crate) info: Option<&'static TypeInfo>,
    fields: FxHashMap<&'static str, (&'static FieldInfo, Str)>,
    is_config: bool,
    /// Attributes that are the time at which an object is made, unless it says otherwise.
    pub(crate) timed: Box<[Str]>,
    /// Its methods: a dictionary, or nothing.
    pub(crate) prototype: Value,
    /// Whether `T()` makes a value of it.
    pub(crate) instantiable: bool,
    /// The type as a value, once its entry exists.
    pub(crate) value: std::sync::OnceLock<Value>,
}

impl TypeEntry {
    pub(crate) fn field(&self, name: &str) -> Option<&'static FieldInfo> {
        self.fields.get(name).map(|(field, _)| *field)
    }

    /// The attribute with its name as a key that all objects share.
    pub(crate) fn field_and_key(&self, name: &str) -> Option<(&'static FieldInfo, &Str)> {
        self.fields.get(name).map(|(field, key)| (*field, key))
    }

    /// Whether objects of it are configuration objects.
    pub(crate) fn is_config(&self) -> bool {
        self.is_config
    }

    /// Whether it is, or inherits from, the type of that name.
    pub(crate) fn inherits(&self, name: &str) -> bool {
        let mut at = Some(self);
        while let Some(entry) = at {
            if entry.name.as_str() == name {
                return true;
            }
            at = entry.base.as_deref();
        }
        false
    }

    /// A method, or whatever the prototypes hold under that name.
    pub(crate) fn prototype_field(&self, name: &str) -> Option<Value> {
        let mut at = Some(self);
        while let Some(entry) = at {
            if let Value::Dictionary(methods) = &entry.prototype
                && let Some(value) = methods.get(name)
            {
                return Some(value);
            }
            at = entry.base.as_deref();
        }
        None
    }

    /// The value of the type.
    pub(crate) fn as_value(self: &Arc<Self>) -> Value {
        self.value
            .get_or_init(|| {
                let view: Arc<dyn ObjectView> = Arc::new(TypeView(Arc::downgrade(self)));
                Value::Object(view)
            })
            .clone()
    }
}

impl std::fmt::Debug for TypeEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "type {}", self.name)
    }
}

/// A type as value. It holds its entry weakly, for the entry holds it.
#[derive(Debug)]
pub(crate) struct TypeView(std::sync::Weak<TypeEntry>);

impl ObjectView for TypeView {
    fn type_name(&self) -> &str {
        "Type"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn text(&self) -> Str {
        let name = self.0.upgrade().map(|entry| entry.name.clone());
        format!("type '{}'", name.unwrap_or_default()).into()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let entry = self.0.upgrade()?;
        match name {
            "name" => Some(Value::String(entry.name.clone())),
            "base" => Some(
                entry
                    .base
                    .as_ref()
                    .map_or(Value::Empty, TypeEntry::as_value),
            ),
            "prototype" => Some(entry.prototype.clone()),
            "type" => Some(Value::string("Type")),
            _ => None,
        }
    }

    fn attribute_names(&self) -> Vec<Str> {
        ["base", "name", "prototype"].map(Str::from).to_vec()
    }

    fn set_attribute(&self, name: &str, _value: Value) -> Result<(), CallError> {
        if matches!(name, "base" | "name" | "prototype") {
            return Err(CallError::new(format!(
                "Attribute '{name}' of a type must not be modified."
            )));
        }
        Err(CallError::new(format!(
            "Attribute '{name}' does not exist."
        )))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The type that a value is, when it is a type.
pub(crate) fn as_type(value: &Value) -> Option<Arc<TypeEntry>> {
    value
        .as_object()?
        .as_any()
        .downcast_ref::<TypeView>()?
        .0
        .upgrade()
}

/// All types of an environment.
pub(crate) struct TypeTable {
    entries: BTreeMap<Str, Arc<TypeEntry>>,
}

impl TypeTable {
    /// The plain types and those of the catalogue, with their methods.
    pub(crate) fn new(
        catalogue: &'static dyn Catalogue,
        prototypes: &dyn Fn(&str) -> Value,
    ) -> Self {
        let mut table = Self {
            entries: BTreeMap::new(),
        };
        for &(name, base, instantiable) in PLAIN {
            table.insert(name, base, None, instantiable, prototypes);
        }
        for info in VALUE_TYPES {
            table.insert(info.name, info.base, Some(info), true, prototypes);
        }
        for name in ["ConfigObject"] {
            if catalogue.type_info(name).is_none() {
                table.insert(name, Some("Object"), None, false, prototypes);
            }
        }
        for info in catalogue.types() {
            table.insert_from(catalogue, info, prototypes, 0);
        }
        table
    }

    fn insert_from(
        &mut self,
        catalogue: &'static dyn Catalogue,
        info: &'static TypeInfo,
        prototypes: &dyn Fn(&str) -> Value,
        depth: u32,
    ) {
        if self.entries.contains_key(info.name) || depth > 16 {
            return;
        }
        let base = info.base.unwrap_or("ConfigObject");
        if !self.entries.contains_key(base) {
            match catalogue.type_info(base) {
                Some(base) => self.insert_from(catalogue, base, prototypes, depth + 1),
                None => self.insert(base, Some("ConfigObject"), None, false, prototypes),
            }
        }
        let base = if base == info.name { None } else { Some(base) };
        self.insert(info.name, base, Some(info), !info.is_abstract, prototypes);
    }

    fn insert(
        &mut self,
        name: &'static str,
        base: Option<&str>,
        info: Option<&'static TypeInfo>,
        instantiable: bool,
        prototypes: &dyn Fn(&str) -> Value,
    ) {
        let fields = info
            .into_iter()
            .flat_map(TypeInfo::fields)
            .map(|field| (field.name, (field, Str::from(field.name))))
            .collect();
        let timed = info
            .into_iter()
            .flat_map(TypeInfo::fields)
            .filter(|field| field.default == DefaultValue::Now)
            .map(|field| field.name.into())
            .collect();
        let base = base.and_then(|base| self.entries.get(base).cloned());
        let entry = TypeEntry {
            name: name.into(),
            variable: name.to_lowercase().into(),
            is_config: name == "ConfigObject" || base.as_ref().is_some_and(|it| it.is_config),
            base,
            info,
            fields,
            timed,
            prototype: prototypes(name),
            instantiable,
            value: std::sync::OnceLock::new(),
        };
        self.entries.insert(name.into(), Arc::new(entry));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<TypeEntry>> {
        self.entries.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<TypeEntry>> {
        self.entries.values()
    }
}

/// Name, base and whether `T()` works.
const PLAIN: &[(&str, Option<&str>, bool)] = &[
    ("Object", None, true),
    ("Number", None, true),
    ("Boolean", None, true),
    ("String", None, true),
    ("Array", Some("Object"), true),
    ("Dictionary", Some("Object"), true),
    ("Function", Some("Object"), false),
    ("Namespace", Some("Object"), true),
    ("Type", Some("Object"), false),
    ("Reference", Some("Object"), false),
    ("DateTime", Some("Object"), true),
    ("Configuration", Some("Object"), false),
];

const fn field(name: &'static str, kind: FieldKind, default: DefaultValue) -> FieldInfo {
    FieldInfo {
        name,
        kind,
        flags: Flags::STATE,
        default,
        reference: None,
        limit: Limit::None,
        doc: "",
    }
}

const ZERO: DefaultValue = DefaultValue::Number(0.0);

const PERFDATA_FIELDS: &[FieldInfo] = &[
    field("crit", FieldKind::Any, DefaultValue::Empty),
    field("warn", FieldKind::Any, DefaultValue::Empty),
    field("min", FieldKind::Any, DefaultValue::Empty),
    field("max", FieldKind::Any, DefaultValue::Empty),
    field("label", FieldKind::String, DefaultValue::String("")),
    field("unit", FieldKind::String, DefaultValue::String("")),
    field("value", FieldKind::Number, ZERO),
    field("counter", FieldKind::Boolean, DefaultValue::Boolean(false)),
];

const CHECK_RESULT_FIELDS: &[FieldInfo] = &[
    field("schedule_start", FieldKind::Timestamp, ZERO),
    field("schedule_end", FieldKind::Timestamp, ZERO),
    field("execution_start", FieldKind::Timestamp, ZERO),
    field("execution_end", FieldKind::Timestamp, ZERO),
    field("command", FieldKind::Any, DefaultValue::Empty),
    field("exit_status", FieldKind::Number, ZERO),
    field("state", FieldKind::Enum, ZERO),
    field("previous_hard_state", FieldKind::Enum, ZERO),
    field("output", FieldKind::String, DefaultValue::String("")),
    field("performance_data", FieldKind::Array, DefaultValue::Empty),
    field("active", FieldKind::Boolean, DefaultValue::Boolean(true)),
    field("check_source", FieldKind::String, DefaultValue::String("")),
    field(
        "scheduling_source",
        FieldKind::String,
        DefaultValue::String(""),
    ),
    field("ttl", FieldKind::Duration, ZERO),
    field("vars_before", FieldKind::Dictionary, DefaultValue::Empty),
    field("vars_after", FieldKind::Dictionary, DefaultValue::Empty),
];

const fn value_type(name: &'static str, field_groups: &'static [&'static [FieldInfo]]) -> TypeInfo {
    TypeInfo {
        name,
        plural: name,
        doc: "",
        since: None,
        until: None,
        base: Some("Object"),
        is_abstract: false,
        field_groups,
        load_after: &[],
        naming: Naming::Plain,
        apply_targets: &[],
        assign_target: None,
        activation_priority: 0,
    }
}

static PERFDATA_VALUE: TypeInfo = value_type("PerfdataValue", &[PERFDATA_FIELDS]);
static CHECK_RESULT: TypeInfo = value_type("CheckResult", &[CHECK_RESULT_FIELDS]);
static VALUE_TYPES: &[&TypeInfo] = &[&CHECK_RESULT, &PERFDATA_VALUE];
