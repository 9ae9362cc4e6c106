//! What the table says about one type, laid out for quick answers: a configuration of a hundred
//! thousand objects asks millions of times.

use std::sync::OnceLock;

use bheka_value::schema::{DefaultValue, FieldInfo, FieldKind, Flags, Limit, TypeInfo};
use rustc_hash::FxHashMap;

/// The attributes of a type by name and by use.
#[derive(Debug)]
pub(crate) struct Plan {
    fields: FxHashMap<&'static str, &'static FieldInfo>,
    /// Those that must be set.
    pub(crate) required: Vec<&'static FieldInfo>,
    /// Those that name other objects.
    pub(crate) references: Vec<&'static FieldInfo>,
    /// Those whose values have limits.
    pub(crate) limited: Vec<&'static FieldInfo>,
    /// Those whose default depends on the object or on the installation.
    pub(crate) filled: Vec<&'static FieldInfo>,
}

impl Plan {
    /// The plan of a type of the table.
    pub(crate) fn of(info: &'static TypeInfo) -> &'static Self {
        static PLANS: OnceLock<FxHashMap<&'static str, Plan>> = OnceLock::new();
        let plans = PLANS.get_or_init(|| {
            let types = crate::catalogue().types().iter();
            types.map(|info| (info.name, Self::new(info))).collect()
        });
        match plans.get(info.name) {
            Some(plan) => plan,
            None => {
                // A type that is not in the table: only tests make those, a handful of them.
                Box::leak(Box::new(Self::new(info)))
            }
        }
    }

    fn new(info: &'static TypeInfo) -> Self {
        let mut plan = Self {
            fields: FxHashMap::default(),
            required: Vec::new(),
            references: Vec::new(),
            limited: Vec::new(),
            filled: Vec::new(),
        };
        for field in info.fields() {
            plan.fields.entry(field.name).or_insert(field);
            if field.flags.has(Flags::REQUIRED) {
                plan.required.push(field);
            }
            let names = matches!(field.kind, FieldKind::Name | FieldKind::NameArray);
            if names && field.reference.is_some() {
                plan.references.push(field);
            }
            if field.limit != Limit::None {
                plan.limited.push(field);
            }
            if matches!(
                field.default,
                DefaultValue::ShortName | DefaultValue::Path(..)
            ) {
                plan.filled.push(field);
            }
        }
        plan
    }

    /// The attribute of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static FieldInfo> {
        self.fields.get(name).copied()
    }
}
