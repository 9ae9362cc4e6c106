//! `GET /v1/templates/TYPE[/NAME]`

use std::sync::Arc;

use bheka_lang::Globals;
use bheka_model::{ConfigObject, Generation};
use bheka_value::{Str, Value};

use crate::backend::Template;
use crate::builtin;
use crate::objects::{location_value, type_by_plural};
use crate::params::Params;
use crate::query::{self, Source, TargetType};
use crate::response::{Handled, Response, ResultsWriter};
use crate::view::Snapshot;

/// Answers a query for the templates of the type with that plural.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    plural: &str,
    name: Option<&str>,
    mut params: Params,
) -> Handled {
    let type_name = type_by_plural(plural).map(|type_info| type_info.name);
    let Some(type_name) = type_name.or_else(|| builtin::type_by_plural(plural)) else {
        return Response::error(400, &params, "Invalid type specified.", None);
    };
    let wanted = TargetType {
        name: type_name.into(),
        plural: plural.into(),
    };
    // Here the type's own name does not select; only the path does.
    params.remove(&wanted.name.to_lowercase());
    params.remove(&wanted.plural.to_lowercase());
    if let Some(name) = name {
        params.set(&wanted.name.to_lowercase(), Value::string(name));
    }
    let source = Templates { snapshot, wanted };
    let required = format!("templates/query/{type_name}");
    match query::select(&source, user, &required, &params) {
        Ok(found) => {
            let mut writer = ResultsWriter::new(&params)?;
            found
                .iter()
                .for_each(|template| writer.value(&template_value(template, type_name)));
            Ok(Response::json_text(200, writer.finish()))
        }
        Err(miss) => miss.answer(&params, "No templates found."),
    }
}

struct Templates<'s> {
    snapshot: &'s Snapshot,
    wanted: TargetType,
}

fn template_value(template: &Template, type_name: &str) -> Value {
    Value::dictionary([
        ("location", location_value(&template.location)),
        ("name", Value::String(template.name.clone())),
        ("type", Value::string(type_name)),
    ])
}

impl Source for Templates<'_> {
    type Target = Template;

    fn types(&self) -> Vec<TargetType> {
        vec![self.wanted.clone()]
    }

    fn find(&self, type_name: &str, name: &str) -> Result<Template, String> {
        let mut templates = self.snapshot.backend.templates(type_name).into_iter();
        templates
            .find(|template| template.name.as_str() == name)
            .ok_or_else(|| "Template does not exist.\n".to_owned())
    }

    fn all(&self, type_name: &str) -> Vec<Template> {
        self.snapshot.backend.templates(type_name)
    }

    fn scope(&self, target: &Template) -> Vec<(Str, Value)> {
        let value = template_value(target, &self.wanted.name);
        vec![("obj".into(), value.clone()), ("tmpl".into(), value)]
    }

    fn generation(&self) -> &Generation {
        &self.snapshot.generation
    }

    fn globals(&self) -> Option<Globals> {
        self.snapshot.backend.globals()
    }

    fn name(&self, target: &Template) -> Str {
        target.name.clone()
    }
}
