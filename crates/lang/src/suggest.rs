//! From an unknown word to what probably was meant.
//!
//! An error only notes which word was not found, and where it was looked for ([`Unknown`]): most
//! errors are never shown (`try`, filters of the API). Words near to it are searched when the error
//! becomes a diagnostic.

use bheka_value::schema::{Flags, TypeInfo};
use bheka_value::{Advice, Str, Suggester, Value};

use crate::env::Env;
use crate::fault::Detail;
use crate::types::TypeEntry;

/// A word that was not found.
#[derive(Debug, Clone)]
pub(crate) enum Unknown {
    /// A variable, with the names that were visible beside the globals.
    Variable { name: Str, nearby: Vec<Str> },
    /// As `Variable`, where it was called.
    Function { name: Str, nearby: Vec<Str> },
    /// As `Variable`, where a member of it was called.
    Owner { name: Str, nearby: Vec<Str> },
    /// What stands behind `object` or `template`.
    ObjectType { name: Str },
    /// What stands behind `apply`.
    ApplyType { name: Str },
    /// What stands behind `to`.
    ApplyTarget {
        name: Str,
        targets: &'static [&'static str],
    },
    /// An attribute of objects of a type.
    Attribute { of: Str, name: Str },
    /// A field or method of a value of a type, with the keys of that value.
    Field { of: Str, name: Str, keys: Vec<Str> },
    /// What stands behind `import`.
    Template { of: Str, name: Str },
}

impl Unknown {
    /// A variable that was called.
    pub(crate) fn called(self) -> Self {
        match self {
            Self::Variable { name, nearby } => Self::Function { name, nearby },
            other => other,
        }
    }

    /// A variable of which a member was called.
    pub(crate) fn owner(self) -> Self {
        match self {
            Self::Variable { name, nearby } => Self::Owner { name, nearby },
            other => other,
        }
    }
}

/// Words of other systems, and of older versions, for attributes.
const ALIASES: &[(&str, &str)] = &[
    ("alias", "display_name"),
    ("check_timeperiod", "check_period"),
    ("contact_groups", "user_groups"),
    ("contacts", "users"),
    ("host_alias", "display_name"),
    ("hostgroups", "groups"),
    ("notification_interval", "interval"),
    ("notification_period", "period"),
    ("normal_check_interval", "check_interval"),
    ("retry_check_interval", "retry_interval"),
    ("service_description", "display_name"),
    ("servicegroups", "groups"),
    ("usergroups", "groups"),
];

/// Words of other languages for methods.
const METHODS: &[(&str, &str)] = &[
    ("append", "add"),
    ("count", "len"),
    ("has", "contains"),
    ("includes", "contains"),
    ("length", "len"),
    ("lowercase", "lower"),
    ("push", "add"),
    ("size", "len"),
    ("substring", "substr"),
    ("tolower", "lower"),
    ("toupper", "upper"),
    ("uppercase", "upper"),
];

/// Members of a namespace that are listed where none is near.
const MEMBERS_MAX: usize = 40;

/// Near fields and methods; else what another language's word means.
fn method(name: &str, known: &[Str], suggester: &mut Suggester) -> Vec<String> {
    let near = suggester.nearest(name, known.iter().map(Str::as_str));
    if !near.is_empty() {
        return near;
    }
    let has = |meant: &str| known.iter().any(|known| known.as_str() == meant);
    let foreign = METHODS.iter().filter(|(_, meant)| has(meant));
    let exact = foreign.clone().find(|(word, _)| *word == name);
    let near = || suggester.nearest(name, foreign.map(|(word, _)| *word));
    let word = exact.map(|(word, _)| (*word).to_owned());
    let word = word.or_else(|| near().into_iter().next());
    let meant = METHODS
        .iter()
        .find(|(known, _)| Some(*known) == word.as_deref());
    meant
        .map(|(_, meant)| (*meant).to_owned())
        .into_iter()
        .collect()
}

/// Everything that can be said about an error beyond its text.
pub(crate) fn advise(env: &Env, detail: Detail, suggester: &mut Suggester) -> Advice {
    let mut advice = Advice {
        code: detail.code,
        notes: detail.notes,
        ..Advice::default()
    };
    match detail.unknown {
        None => {}
        Some(Unknown::Variable { name, nearby }) => {
            variable(env, &name, &nearby, &mut advice, suggester);
        }
        Some(Unknown::Function { name, nearby }) => {
            let known = visible(env, &nearby);
            advice.suggestions = suggester.nearest(&name, known.iter().map(Str::as_str));
            advice.notes.push(format!("there is no function '{name}'"));
        }
        Some(Unknown::Owner { name, nearby }) => {
            let known = visible(env, &nearby);
            advice.suggestions = suggester.nearest(&name, known.iter().map(Str::as_str));
            advice.notes.push(format!("'{name}' is null or not set"));
        }
        Some(Unknown::ObjectType { name }) => {
            let concrete = |info: &TypeInfo| !info.is_abstract;
            advice.suggestions = suggester.nearest(&name, types(env, concrete));
            if advice.suggestions.is_empty() {
                advice
                    .notes
                    .push(format!("there is no object type '{name}'"));
            }
        }
        Some(Unknown::ApplyType { name }) => apply_type(env, &name, &mut advice, suggester),
        Some(Unknown::ApplyTarget { name, targets }) => {
            advice.suggestions = suggester.nearest(&name, targets.iter().copied());
            if advice.suggestions.is_empty() {
                advice.notes.push(format!("expected {}", either(targets)));
            }
        }
        Some(Unknown::Attribute { of, name }) => {
            advice.attribute = Some(name.as_str().to_owned());
            attribute(env, &of, &name, &mut advice, suggester);
        }
        Some(Unknown::Field { of, name, keys }) => {
            let members = keys.len();
            let mut known = keys;
            if let Some(entry) = env.types.get(&of) {
                fields_and_methods(entry, &mut known);
            }
            advice.suggestions = method(&name, &known, suggester);
            let is_short = (1..=MEMBERS_MAX).contains(&members);
            if advice.suggestions.is_empty() && of.as_str() == "Namespace" && is_short {
                let members: Vec<&str> = known.iter().take(members).map(Str::as_str).collect();
                advice.notes.push(format!(
                    "there is no '{name}' in this namespace; it has {}",
                    members.join(", ")
                ));
            }
        }
        Some(Unknown::Template { of, name }) => {
            template(env, &of, &name, &mut advice, suggester);
        }
    }
    advice
}

/// `'a' or 'b'`
fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" or ")
}

fn types<'e>(
    env: &'e Env,
    wanted: impl Fn(&TypeInfo) -> bool + 'e,
) -> impl Iterator<Item = &'e str> {
    env.types
        .iter()
        .filter(move |entry| entry.is_config() && entry.info.is_some_and(&wanted))
        .map(|entry| entry.name.as_str())
}

fn variable(env: &Env, name: &Str, nearby: &[Str], advice: &mut Advice, suggester: &mut Suggester) {
    if let "host" | "service" | "user" = name.as_str() {
        advice.notes.push(format!(
            "'{name}' is known in apply rules and conditions for such objects only; elsewhere \
             look it up: get_object()"
        ));
        return;
    }
    let known = visible(env, nearby);
    advice.suggestions = suggester.nearest(name, known.iter().map(Str::as_str));
    if advice.suggestions.is_empty() && advice.notes.is_empty() {
        advice.notes.push(quotes(name));
    }
}

/// What a single word most often was meant to be.
pub(crate) fn quotes(word: &str) -> String {
    format!("text stands in quotes: \"{word}\"")
}

/// What helps with errors that know nothing but their text.
pub(crate) fn remedy(message: &str) -> Option<&'static str> {
    const REMEDIES: &[(&str, &str)] = &[
        (
            "cannot be applied to values of type 'Empty'",
            "'Empty' is null: what a variable, attribute or key yields that is not set",
        ),
        (
            "and 'Empty'",
            "'Empty' is null: what a variable, attribute or key yields that is not set",
        ),
        (
            "of type 'String' and 'Number'",
            "convert one of them: number(text), string(number)",
        ),
        (
            "of type 'Number' and 'String'",
            "convert one of them: number(text), string(number)",
        ),
        (
            "Invalid right side argument for 'in'",
            "'in' looks into arrays; use contains() for texts and dictionaries",
        ),
        (
            "Cannot use array iterator for",
            "write 'for (key => value in ...)'",
        ),
        (
            "Cannot use dictionary iterator for array",
            "write 'for (value in ...)'",
        ),
        (
            "Dictionary iterator requires value to be a dictionary",
            "an array is gone through with 'for (value in ...)'",
        ),
        (
            "Array iterator requires value to be an array",
            "a dictionary is gone through with 'for (key => value in ...)'",
        ),
        (
            "Template/object name must be a string",
            "the name of a template stands in quotes",
        ),
        (
            "Objects may not be created outside of an activation context",
            "objects can be declared in configuration files only",
        ),
    ];
    let found = REMEDIES.iter().find(|(words, _)| message.contains(words));
    found.map(|(_, remedy)| *remedy)
}

/// The names that an expression sees.
fn visible(env: &Env, nearby: &[Str]) -> Vec<Str> {
    let mut known = nearby.to_vec();
    known.extend(env.globals.keys());
    for import in &env.imports {
        let names = import.as_object().map(|object| object.attribute_names());
        known.extend(names.unwrap_or_default());
    }
    known
}

fn apply_type(env: &Env, name: &str, advice: &mut Advice, suggester: &mut Suggester) {
    let applied = |info: &TypeInfo| !info.apply_targets.is_empty();
    advice.suggestions = suggester.nearest(name, types(env, applied));
    if advice.suggestions.is_empty() {
        let known: Vec<&str> = types(env, applied).collect();
        advice.notes.push(format!("expected {}", either(&known)));
    }
}

fn template(env: &Env, of: &str, name: &str, advice: &mut Advice, suggester: &mut Suggester) {
    let (own, others) = env.registry.namesakes(of, name);
    advice.suggestions = suggester.nearest(name, own.iter().map(Str::as_str));
    if let Some(other) = others.first() {
        advice.notes.push(format!(
            "there is '{name}' for type '{other}', but this is of type '{of}'"
        ));
    }
}

/// Names of attributes that a configuration may set.
fn settable(info: &TypeInfo) -> impl Iterator<Item = &'static str> {
    info.fields()
        .filter(|field| field.flags.has(Flags::CONFIG) && !field.flags.has(Flags::INTERNAL))
        .map(|field| field.name)
}

fn attribute(env: &Env, of: &str, name: &str, advice: &mut Advice, suggester: &mut Suggester) {
    let Some(info) = env.types.get(of).and_then(|entry| entry.info) else {
        return;
    };
    advice.suggestions = suggester.nearest(name, settable(info));
    if !advice.suggestions.is_empty() {
        return;
    }
    let has = |wanted: &str| info.field(wanted).is_some();
    let alias = ALIASES
        .iter()
        .find(|(word, meant)| *word == name && has(meant));
    if let Some((_, meant)) = alias {
        advice.suggestions.push((*meant).to_owned());
        return;
    }
    if name == "use" || name == "register" {
        advice.notes.push(
            "templates are declared with 'template' and used with 'import \"NAME\"'".to_owned(),
        );
        return;
    }
    let others: Vec<&str> = types(env, |other: &TypeInfo| {
        !other.is_abstract && settable(other).any(|known| known == name)
    })
    .take(4)
    .collect();
    match others.as_slice() {
        [] => {}
        [a, b, c, ..] => {
            advice.notes.push(format!(
                "it is an attribute of {a}, {b}, {c}, but not of {of}"
            ));
        }
        few => advice.notes.push(format!(
            "it is an attribute of {}, but not of {of}",
            few.join(" and ")
        )),
    }
    if has("vars") {
        advice
            .notes
            .push(format!("a custom variable is set as 'vars.{name}'"));
    }
}

fn fields_and_methods(entry: &TypeEntry, known: &mut Vec<Str>) {
    if let Some(info) = entry.info {
        known.extend(info.fields().map(|field| Str::from(field.name)));
    }
    let mut at = Some(entry);
    while let Some(entry) = at {
        if let Value::Dictionary(methods) = &entry.prototype {
            known.extend(methods.entries().into_iter().map(|(name, _)| name));
        }
        at = entry.base.as_deref();
    }
}
