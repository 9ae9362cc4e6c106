//! Types of values that are not types of configuration objects, for `/v1/types`.

/// A type of values.
pub(crate) struct BuiltinType {
    pub(crate) name: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) base: Option<&'static str>,
    pub(crate) is_abstract: bool,
    /// Methods, sorted.
    pub(crate) prototype: &'static [&'static str],
    /// Name, type and kind of each attribute, numbered from [`BuiltinType::first_id`].
    pub(crate) fields: &'static [(&'static str, &'static str, Kind)],
    pub(crate) first_id: usize,
}

/// What an attribute is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Config,
    State,
    Neither,
}

use Kind::{Config, Neither, State};

impl BuiltinType {
    const fn plain(
        name: &'static str,
        plural: &'static str,
        base: Option<&'static str>,
        prototype: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            plural,
            base,
            is_abstract: false,
            prototype,
            fields: &[],
            first_id: 1,
        }
    }
}

/// The methods of types of configuration objects that have some.
pub(crate) fn prototype_of(type_name: &str) -> &'static [&'static str] {
    match type_name {
        "Checkable" => &["process_check_result"],
        "ConfigObject" => &["modify_attribute", "restore_attribute"],
        _ => &[],
    }
}

/// The name of the type with that plural, in whatever case.
pub(crate) fn type_by_plural(plural: &str) -> Option<&'static str> {
    let mut types = TYPES.iter();
    types
        .find(|it| it.plural.eq_ignore_ascii_case(plural))
        .map(|it| it.name)
}

/// Whether a constant (`DataDir`, `RunAsUser`, …) belongs to `System.Configuration`: it can be used
/// like a global, but is none.
pub(crate) fn is_path_constant(name: &str) -> bool {
    if name == "PrefixDir" {
        return true;
    }
    let mut types = TYPES.iter();
    let configuration = types.find(|it| it.name == "Configuration");
    configuration.is_some_and(|it| it.fields.iter().any(|(field, ..)| *field == name))
}

/// All of them, as 2.13.6 shows them (the first own attribute of some is hidden there).
pub(crate) static TYPES: &[BuiltinType] = &[
    BuiltinType::plain(
        "Array",
        "Arrays",
        Some("Object"),
        &[
            "add",
            "all",
            "any",
            "clear",
            "contains",
            "filter",
            "freeze",
            "get",
            "join",
            "len",
            "map",
            "reduce",
            "remove",
            "reverse",
            "set",
            "shallow_clone",
            "sort",
            "unique",
        ],
    ),
    BuiltinType::plain("Boolean", "Booleans", None, &["to_string"]),
    BuiltinType {
        fields: &[
            ("output", "String", State),
            ("check_source", "String", State),
            ("scheduling_source", "String", State),
            ("ttl", "Number", State),
            ("performance_data", "Array", State),
            ("vars_before", "Dictionary", State),
            ("vars_after", "Dictionary", State),
            ("exit_status", "Number", State),
            ("state", "Number", State),
            ("previous_hard_state", "Number", State),
            ("schedule_start", "Timestamp", State),
            ("schedule_end", "Timestamp", State),
            ("execution_start", "Timestamp", State),
            ("execution_end", "Timestamp", State),
            ("active", "Number", State),
        ],
        ..BuiltinType::plain("CheckResult", "CheckResults", Some("Object"), &[])
    },
    BuiltinType {
        is_abstract: true,
        fields: &[
            ("SysconfDir", "String", Config),
            ("RunDir", "String", Config),
            ("LocalStateDir", "String", Config),
            ("ZonesDir", "String", Config),
            ("VarsPath", "String", Config),
            ("StatePath", "String", Config),
            ("SpoolDir", "String", Config),
            ("RunAsUser", "String", Config),
            ("RunAsGroup", "String", Config),
            ("ProgramData", "String", Config),
            ("ApiBindHost", "String", Config),
            ("PkgDataDir", "String", Config),
            ("IncludeConfDir", "String", Config),
            ("ApiBindPort", "String", Config),
            ("CacheDir", "String", Config),
            ("ConfigDir", "String", Config),
            ("DataDir", "String", Config),
            ("EventEngine", "String", Config),
            ("PidPath", "String", Config),
            ("InitRunDir", "String", Config),
            ("LogDir", "String", Config),
            ("ModAttrPath", "String", Config),
            ("ObjectsPath", "String", Config),
            ("TlsHandshakeTimeout", "Number", Config),
            ("RLimitStack", "Number", Config),
            ("RLimitProcesses", "Number", Config),
            ("RLimitFiles", "Number", Config),
            ("Concurrency", "Number", Config),
            ("AttachDebugger", "Number", Config),
        ],
        ..BuiltinType::plain("Configuration", "Configurations", Some("Object"), &[])
    },
    BuiltinType::plain("DateTime", "DateTimes", Some("Object"), &["format"]),
    BuiltinType::plain(
        "Dictionary",
        "Dictionaries",
        Some("Object"),
        &[
            "clear",
            "contains",
            "freeze",
            "get",
            "keys",
            "len",
            "remove",
            "set",
            "shallow_clone",
            "values",
        ],
    ),
    BuiltinType {
        is_abstract: true,
        fields: &[
            ("arguments", "Array", Config),
            ("side_effect_free", "Number", Config),
            ("deprecated", "Number", Config),
        ],
        ..BuiltinType::plain("Function", "Functions", Some("Object"), &["call", "callv"])
    },
    BuiltinType::plain(
        "Namespace",
        "Namespaces",
        Some("Object"),
        &["contains", "get", "keys", "remove", "set", "values"],
    ),
    BuiltinType::plain("Number", "Numbers", None, &["to_string"]),
    BuiltinType {
        fields: &[("type", "String", Neither)],
        first_id: 0,
        ..BuiltinType::plain(
            "Object",
            "Objects",
            None,
            &["clone", "notify_attribute", "to_string"],
        )
    },
    BuiltinType {
        fields: &[
            ("warn", "Value", State),
            ("min", "Value", State),
            ("max", "Value", State),
            ("label", "String", State),
            ("unit", "String", State),
            ("value", "Number", State),
            ("counter", "Number", State),
        ],
        ..BuiltinType::plain("PerfdataValue", "PerfdataValues", Some("Object"), &[])
    },
    BuiltinType::plain("Reference", "References", Some("Object"), &["get", "set"]),
    BuiltinType::plain(
        "String",
        "Strings",
        None,
        &[
            "contains",
            "find",
            "len",
            "lower",
            "replace",
            "reverse",
            "split",
            "substr",
            "to_string",
            "trim",
            "upper",
        ],
    ),
    BuiltinType {
        fields: &[
            ("name", "String", Neither),
            ("prototype", "Object", Neither),
            ("base", "Type", Neither),
        ],
        ..BuiltinType::plain(
            "Type",
            "Types",
            Some("Object"),
            &["register_attribute_handler"],
        )
    },
];
