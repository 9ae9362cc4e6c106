//! `GET /v1/variables[/NAME]`: global constants and variables.

use std::sync::Arc;

use bheka_lang::Globals;
use bheka_model::{ConfigObject, Generation};
use bheka_value::{Str, Value};

use crate::builtin;
use crate::params::Params;
use crate::query::{self, Source, TargetType};
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// Answers a query for variables.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    name: Option<&str>,
    mut params: Params,
) -> Handled {
    if let Some(name) = name {
        params.set("variable", Value::string(name));
    }
    match query::select(&Variables { snapshot }, user, "variables", &params) {
        Ok(found) => {
            let mut writer = ResultsWriter::new(&params)?;
            found
                .iter()
                .for_each(|variable| writer.value(&variable.value()));
            Ok(Response::json_text(200, writer.finish()))
        }
        Err(miss) => miss.answer(&params, "No variables found."),
    }
}

struct Variables<'s> {
    snapshot: &'s Snapshot,
}

struct Variable {
    name: Str,
    value: Value,
}

impl Variable {
    fn value(&self) -> Value {
        Value::dictionary([
            ("name", Value::String(self.name.clone())),
            ("type", Value::string(self.value.type_name())),
            ("value", self.value.clone()),
        ])
    }
}

impl Source for Variables<'_> {
    type Target = Variable;

    fn types(&self) -> Vec<TargetType> {
        vec![TargetType {
            name: "Variable".into(),
            plural: "Variables".into(),
        }]
    }

    fn find(&self, _type_name: &str, name: &str) -> Result<Variable, String> {
        let value = self.snapshot.generation.globals.get(name).cloned();
        let value = value.filter(|_| !builtin::is_path_constant(name));
        let value =
            value.ok_or_else(|| format!("Tried to access undefined script variable '{name}'\n"))?;
        Ok(Variable {
            name: name.into(),
            value,
        })
    }

    fn all(&self, _type_name: &str) -> Vec<Variable> {
        let globals = self.snapshot.generation.globals.iter();
        globals
            .filter(|(name, _)| !builtin::is_path_constant(name))
            .map(|(name, value)| Variable {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    }

    fn scope(&self, target: &Variable) -> Vec<(Str, Value)> {
        let value = target.value();
        vec![("obj".into(), value.clone()), ("variable".into(), value)]
    }

    fn generation(&self) -> &Generation {
        &self.snapshot.generation
    }

    fn globals(&self) -> Option<Globals> {
        self.snapshot.backend.globals()
    }

    fn name(&self, target: &Variable) -> Str {
        target.name.clone()
    }
}
