//! The form of the table of types: what a type and an attribute *are*. The table itself is the
//! model's; the evaluator, the API, the state file and the documentation read it through this.

use crate::Value;

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Any value.
    Any,
    /// A number; strings are not coerced.
    Number,
    /// A number of seconds.
    Duration,
    /// A point in time.
    Timestamp,
    /// `true` or `false`; numbers are coerced.
    Boolean,
    /// Text; numbers are coerced.
    String,
    /// The name of an object of [`FieldInfo::reference`].
    Name,
    /// A list.
    Array,
    /// A list of names of objects of [`FieldInfo::reference`].
    NameArray,
    /// A map.
    Dictionary,
    /// A function.
    Function,
    /// A check result.
    CheckResult,
    /// An enumeration that is stored as a number.
    Enum,
}

impl FieldKind {
    /// The name of the type that `/v1/types` shows.
    #[must_use]
    pub const fn api_name(self) -> &'static str {
        match self {
            Self::Any => "Value",
            Self::Number | Self::Duration | Self::Enum | Self::Boolean => "Number",
            Self::Timestamp => "Timestamp",
            Self::String | Self::Name => "String",
            Self::Array | Self::NameArray => "Array",
            Self::Dictionary => "Dictionary",
            Self::Function => "Function",
            Self::CheckResult => "CheckResult",
        }
    }
}

/// What an attribute is for. A set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// The configuration sets it.
    pub const CONFIG: Self = Self(1);
    /// It is live state, kept in the state file.
    pub const STATE: Self = Self(2);
    /// It must be set.
    pub const REQUIRED: Self = Self(4);
    /// The API must not change it at run time.
    pub const NO_USER_MODIFY: Self = Self(8);
    /// The API must not show it.
    pub const NO_USER_VIEW: Self = Self(16);
    /// It is computed on reading.
    pub const COMPUTED: Self = Self(32);
    /// Its use earns a warning.
    pub const DEPRECATED: Self = Self(64);
    /// It is live state that is not kept across a restart.
    pub const EPHEMERAL: Self = Self(128);
    /// Internal to the daemon: never in configuration.
    pub const INTERNAL: Self = Self(256);
    /// Joins and filters reach the named object through it.
    pub const NAVIGATION: Self = Self(512);
    /// Icinga 2 has it since 2.14 or later: shown only when set.
    pub const NEWER: Self = Self(1024);
    /// As [`Self::NEWER`], since 2.14.
    pub const SINCE_2_14: Self = Self(1024 | 2048);
    /// As [`Self::NEWER`], since 2.15.
    pub const SINCE_2_15: Self = Self(1024 | 4096);
    /// As [`Self::NEWER`], since 2.16.
    pub const SINCE_2_16: Self = Self(1024 | 8192);
    /// As [`Self::NEWER`], but no Icinga 2 has it.
    pub const OWN: Self = Self(1024 | 65536);
    /// Must not be changed at run time either, as Icinga 2 found after 2.13: it would break what
    /// was made of it. `/v1/types` does not tell.
    pub const FIXED: Self = Self(16384);
    /// A number without fraction; fractions are cut off.
    pub const WHOLE: Self = Self(32768);

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What an attribute yields while nothing set it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// `null`.
    Empty,
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A string.
    String(&'static str),
    /// A new empty array.
    EmptyArray,
    /// A new empty dictionary.
    EmptyDictionary,
    /// A new list of these texts.
    Names(&'static [&'static str]),
    /// A new dictionary of measurement and tags.
    Point(&'static Point),
    /// A path: the value of a constant, and what follows it. Known once the constants are.
    Path(&'static str, &'static str),
    /// The short name of the object. Known once the object is.
    ShortName,
    /// The time at which the object is made.
    Now,
}

/// What a data point is made of, with macros.
#[derive(Debug, PartialEq, Eq)]
pub struct Point {
    /// Its measurement.
    pub measurement: &'static str,
    /// Its tags.
    pub tags: &'static [(&'static str, &'static str)],
}

impl DefaultValue {
    /// The default as a value; empty text for what depends on the installation or the object.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Empty => Value::Empty,
            Self::Number(number) => Value::Number(number),
            Self::Boolean(boolean) => Value::Boolean(boolean),
            Self::String(text) => Value::string(text),
            Self::EmptyArray => Value::array([]),
            Self::EmptyDictionary => Value::dictionary::<&str>([]),
            Self::Names(names) => Value::array(names.iter().map(|name| Value::string(*name))),
            Self::Point(point) => {
                let tags = point.tags.iter();
                let tags = tags.map(|(key, value)| (*key, Value::string(*value)));
                Value::dictionary([
                    ("measurement", Value::string(point.measurement)),
                    ("tags", Value::dictionary(tags)),
                ])
            }
            Self::Path(..) | Self::ShortName => Value::string(""),
            // Whoever makes objects knows the time and sets it.
            Self::Now => Value::Number(0.0),
        }
    }
}

/// Which of the values of its kind an attribute takes, with the complaint about any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// All.
    None,
    /// Numbers above 0.
    Positive(&'static str),
    /// Numbers not below the bound.
    AtLeast(f64, &'static str),
    /// Numbers from one bound to the other.
    Between(f64, f64, &'static str),
    /// One of these texts; `{}` in the complaint stands for the value.
    OneOf(&'static [&'static str], &'static str),
    /// One of these texts, or a whole number.
    OneOfOrWhole(&'static [&'static str], &'static str),
    /// Texts in which each `$` has its partner.
    Macro,
}

/// One attribute.
#[derive(Debug)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: FieldKind,
    /// What it is for.
    pub flags: Flags,
    /// What it yields while nothing set it.
    pub default: DefaultValue,
    /// The type whose objects it names.
    pub reference: Option<&'static str>,
    /// Which values of its kind it takes.
    pub limit: Limit,
    /// One sentence for the documentation.
    pub doc: &'static str,
}

impl FieldInfo {
    /// The release of Icinga 2 that brought it, or this program; none for what 2.13 has.
    #[must_use]
    pub const fn since(&self) -> Option<&'static str> {
        if self.flags.has(Flags::SINCE_2_14) {
            Some("2.14")
        } else if self.flags.has(Flags::SINCE_2_15) {
            Some("2.15")
        } else if self.flags.has(Flags::SINCE_2_16) {
            Some("2.16")
        } else if self.flags.has(Flags::OWN) {
            Some("Bheka")
        } else {
            None
        }
    }
}

/// How the full name of an object is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The name as written.
    Plain,
    /// `host!name`, from `host_name` (services).
    OnHost,
    /// `host!name` or `host!service!name`, from `host_name` and `service_name`.
    OnCheckable,
    /// `host!name` or `host!service!name`, from `child_host_name` and `child_service_name`.
    OnChildCheckable,
    /// `zone!name` or similar is not composed; the name may be generated when empty.
    Generated,
}

/// One type of object.
#[derive(Debug)]
pub struct TypeInfo {
    /// Its name, e.g. `Host`.
    pub name: &'static str,
    /// Its plural in the API and the log, e.g. `Hosts` (the URL is the lower-case form).
    pub plural: &'static str,
    /// One sentence for the documentation.
    pub doc: &'static str,
    /// The release of Icinga 2 that brought it; none for what 2.13 has.
    pub since: Option<&'static str>,
    /// The last release of Icinga 2 that has it; none while it is there.
    pub until: Option<&'static str>,
    /// The type it inherits from, for reflection.
    pub base: Option<&'static str>,
    /// Whether objects of it can be declared.
    pub is_abstract: bool,
    /// Its attributes, inherited ones included, in groups from the root down.
    pub field_groups: &'static [&'static [FieldInfo]],
    /// Types whose objects are committed before those of this one.
    pub load_after: &'static [&'static str],
    /// How its full names are made.
    pub naming: Naming,
    /// Types that an `apply` rule of it can be applied to.
    pub apply_targets: &'static [&'static str],
    /// The type whose objects `assign where` in the body of this one is evaluated for (groups).
    pub assign_target: Option<&'static str>,
    /// Order of activation: lower first.
    pub activation_priority: i32,
}

impl TypeInfo {
    /// All attributes, inherited first.
    pub fn fields(&self) -> impl Iterator<Item = &'static FieldInfo> {
        self.field_groups.iter().flat_map(|group| group.iter())
    }

    /// The attribute of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FieldInfo> {
        self.fields().find(|field| field.name == name)
    }
}

/// The table of types, as the crates below the model see it.
pub trait Catalogue: Send + Sync {
    /// The type of that name.
    fn type_info(&self, name: &str) -> Option<&'static TypeInfo>;

    /// All types, sorted by name.
    fn types(&self) -> &'static [&'static TypeInfo];
}
