//! Which things a request is about: by name, by filter, or all, as far as the user may see them.
//! (Manual, chapter 12, "Filters".)

use std::sync::Arc;

use bheka_lang::{Filter, Globals, Guard};
use bheka_model::{ConfigObject, Generation};
use bheka_value::schema::TypeInfo;
use bheka_value::{CallError, Str, Value};

use crate::params::Params;
use crate::permission::{self, Grant};
use crate::response::{Handled, Response};
use crate::view::{self, Join, Snapshot};

/// Where the things of a query come from.
pub(crate) trait Source {
    /// What a query finds.
    type Target;

    /// The types that may be asked for.
    fn types(&self) -> Vec<TargetType>;

    /// One thing by its name.
    ///
    /// # Errors
    /// Text for `diagnostic_information` when there is none.
    fn find(&self, type_name: &str, name: &str) -> Result<Self::Target, String>;

    /// All things of a type.
    fn all(&self, type_name: &str) -> Vec<Self::Target>;

    /// The variables that filters see for it.
    fn scope(&self, target: &Self::Target) -> Vec<(Str, Value)>;

    /// The configuration in force.
    fn generation(&self) -> &Generation;

    /// The globals that filters see.
    fn globals(&self) -> Option<Globals>;

    /// Its name, for error messages.
    fn name(&self, target: &Self::Target) -> Str;
}

/// A type of things, by the names under which it appears in parameters.
#[derive(Debug, Clone)]
pub(crate) struct TargetType {
    pub(crate) name: String,
    pub(crate) plural: String,
}

/// Why a query finds nothing.
pub(crate) enum Miss {
    /// Text for `diagnostic_information`. Clients see "No objects found." for all of them: what a
    /// user must not see does not exist.
    Nothing(String),
    /// The user may not ask like that, whatever there is.
    Forbidden(String),
}

impl From<String> for Miss {
    fn from(diagnostics: String) -> Self {
        Self::Nothing(diagnostics)
    }
}

impl Miss {
    /// The answer to the query; `nothing` is what clients see when there is nothing.
    pub(crate) fn answer(&self, params: &Params, nothing: &str) -> Handled {
        match self {
            Self::Nothing(diagnostics) => Response::error(404, params, nothing, Some(diagnostics)),
            Self::Forbidden(text) => Response::error(403, params, text, None),
        }
    }
}

/// Finds what a request is about.
///
/// # Errors
/// When it finds nothing, or the user may not ask like that.
pub(crate) fn select<S: Source>(
    source: &S,
    user: &ConfigObject,
    required: &str,
    params: &Params,
) -> Result<Vec<S::Target>, Miss> {
    let grant = permission::check(user, required).map_err(diagnostic)?;
    let types = source.types();
    let mut found = Vec::new();
    for wanted in &types {
        let singular = wanted.name.to_lowercase();
        if params.has(&singular) {
            let name = params.last_text(&singular);
            found.push(by_name(source, &grant, wanted, &name)?);
        }
        let plural = wanted.plural.to_lowercase();
        if params.has(&plural) {
            for name in names(&params.get(&plural))? {
                found.push(by_name(source, &grant, wanted, &name)?);
            }
        }
    }
    if params.has("filter") || found.is_empty() {
        let wanted = wanted_type(&types, params)?;
        if params.has("filter") {
            permission::check_filter_expression(user, source.generation())
                .map_err(Miss::Forbidden)?;
            let filter = UserFilter::new(params, source.globals(), user)?;
            for target in source.all(&wanted.name) {
                let scope = source.scope(&target);
                if covers(&grant, &scope)? && filter.holds(&scope)? {
                    found.push(target);
                }
            }
        } else {
            for target in source.all(&wanted.name) {
                let scope = || Value::dictionary(source.scope(&target));
                if grant.covers(scope).map_err(diagnostic)? {
                    found.push(target);
                }
            }
        }
    }
    Ok(found)
}

/// An error in the form of `diagnostic_information`.
pub(crate) fn diagnostic(text: impl AsRef<str>) -> String {
    format!("Error: {}", text.as_ref())
}

fn by_name<S: Source>(
    source: &S,
    grant: &Grant,
    wanted: &TargetType,
    name: &str,
) -> Result<S::Target, String> {
    let target = source.find(&wanted.name, name).map_err(diagnostic)?;
    if covers(grant, &source.scope(&target))? {
        return Ok(target);
    }
    let name = source.name(&target);
    Err(diagnostic(format!(
        "Access denied to object '{name}' of type '{}'\n",
        wanted.name
    )))
}

fn covers(grant: &Grant, scope: &[(Str, Value)]) -> Result<bool, String> {
    grant
        .covers(|| Value::dictionary(scope.iter().cloned()))
        .map_err(diagnostic)
}

fn names(value: &Value) -> Result<Vec<Str>, String> {
    match value {
        Value::Empty => Ok(Vec::new()),
        Value::Array(names) => Ok(names.items().iter().map(crate::params::text_of).collect()),
        other => Err(diagnostic(format!(
            "Cannot convert value of type '{}' to an object.\n",
            other.type_name()
        ))),
    }
}

fn wanted_type<'t>(types: &'t [TargetType], params: &Params) -> Result<&'t TargetType, String> {
    if let [only] = types {
        return Ok(only);
    }
    if !params.has("type") {
        return Err(diagnostic("Type must be specified when using a filter.\n"));
    }
    let name = params.last_text("type");
    let wanted = types.iter().find(|wanted| wanted.name == name.as_str());
    wanted.ok_or_else(|| diagnostic("Invalid type specified for this query.\n"))
}

/// The parameters `filter` and `filter_vars`.
struct UserFilter<'u> {
    filter: Filter,
    rights: Rights<'u>,
    variables: Vec<(Str, Value)>,
    /// Constants and functions of the configuration.
    globals: Option<Globals>,
}

/// What a user may see, for filters.
struct Rights<'u> {
    user: &'u ConfigObject,
    globals: Option<Globals>,
}

impl Rights<'_> {
    fn cover(&self, required: &str, scope: impl FnOnce() -> Value) -> bool {
        permission::check(self.user, required).is_ok_and(|it| it.covers(scope).unwrap_or(false))
    }
}

impl Guard for Rights<'_> {
    fn variable(&self, name: &str) -> bool {
        self.cover("variables", || {
            let value = self.globals.as_ref().and_then(|it| it.get(name));
            let value = value.unwrap_or_default();
            let variable = Value::dictionary([
                ("name", Value::string(name)),
                ("type", Value::string(value.type_name())),
                ("value", value),
            ]);
            Value::dictionary([("obj", variable.clone()), ("variable", variable)])
        })
    }

    fn object(&self, object: &Value) -> bool {
        let of = object.type_name().to_owned();
        self.cover(&format!("objects/query/{of}"), || {
            Value::dictionary([
                ("obj".to_owned(), object.clone()),
                (of.to_lowercase(), object.clone()),
            ])
        })
    }
}

impl<'u> UserFilter<'u> {
    fn new(
        params: &Params,
        globals: Option<Globals>,
        user: &'u ConfigObject,
    ) -> Result<Self, String> {
        let filter = Filter::compile(&params.last_text("filter")).map_err(|error| {
            let location = error
                .location
                .map(|location| format!("\nLocation: {location}"));
            diagnostic(error.message + &location.unwrap_or_default())
        })?;
        let variables = match params.get("filter_vars") {
            Value::Empty => Vec::new(),
            Value::Dictionary(variables) => variables.entries().into_iter().collect(),
            other => {
                return Err(diagnostic(format!(
                    "Cannot convert value of type '{}' to an object.\n",
                    other.type_name()
                )));
            }
        };
        Ok(Self {
            filter,
            rights: Rights {
                user,
                globals: globals.clone(),
            },
            variables,
            globals,
        })
    }

    fn holds(&self, scope: &[(Str, Value)]) -> Result<bool, String> {
        // Variables of the query come first, so that those of the object win.
        let scope: Vec<(&str, Value)> = self
            .variables
            .iter()
            .chain(scope)
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        let outcome = match &self.globals {
            Some(globals) => self.filter.eval_guarded(globals, &scope, &self.rights),
            None => self.filter.eval(&scope),
        };
        match outcome {
            Ok(value) => Ok(value.is_true()),
            Err(error) => Err(diagnostic(described(&error))),
        }
    }
}

fn described(error: &CallError) -> String {
    match &error.location {
        Some(location) => format!("{}\nLocation: {location}", error.message),
        None => error.message.clone(),
    }
}

/// Objects of the configuration as things to query.
pub(crate) struct Objects<'s> {
    pub(crate) snapshot: &'s Arc<Snapshot>,
    types: Vec<(&'static TypeInfo, Vec<Join>)>,
}

impl<'s> Objects<'s> {
    pub(crate) fn new(snapshot: &'s Arc<Snapshot>, types: &[&'static TypeInfo]) -> Self {
        let types = types
            .iter()
            .map(|&type_info| (type_info, view::joins(type_info)))
            .collect();
        Self { snapshot, types }
    }
}

impl Source for Objects<'_> {
    type Target = Arc<ConfigObject>;

    fn types(&self) -> Vec<TargetType> {
        self.types
            .iter()
            .map(|(type_info, _)| TargetType {
                name: type_info.name.to_owned(),
                plural: type_info.plural.to_owned(),
            })
            .collect()
    }

    fn find(&self, type_name: &str, name: &str) -> Result<Self::Target, String> {
        let object = self.snapshot.generation.get(type_name, name).cloned();
        object.ok_or_else(|| "Object does not exist.\n".to_owned())
    }

    fn all(&self, type_name: &str) -> Vec<Self::Target> {
        self.snapshot
            .generation
            .of_type(type_name)
            .cloned()
            .collect()
    }

    fn scope(&self, target: &Self::Target) -> Vec<(Str, Value)> {
        let joins = self
            .types
            .iter()
            .find(|(it, _)| it.name == target.type_info.name);
        view::scope_of(self.snapshot, target, joins.map_or(&[], |(_, joins)| joins))
    }

    fn generation(&self) -> &Generation {
        &self.snapshot.generation
    }

    fn globals(&self) -> Option<Globals> {
        self.snapshot.backend.globals()
    }

    fn name(&self, target: &Self::Target) -> Str {
        target.name.clone()
    }
}
