//! `GET /v1/objects/TYPE[/NAME]`

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bheka_model::ConfigObject;
use bheka_value::schema::{FieldInfo, FieldKind, Flags, TypeInfo};
use bheka_value::{Location, Str, Value, write_json, write_json_string};

use crate::builtin;
use crate::params::{Params, text_of};
use crate::permission::{self, Grant};
use crate::query::{self, Objects};
use crate::response::{Handled, Layout, Response, ResultsWriter};
use crate::view::{self, Join, Snapshot};

/// Answers a query for objects of the type with that plural.
pub(crate) fn handle(
    snapshot: &Arc<Snapshot>,
    user: &ConfigObject,
    plural: &str,
    name: Option<&str>,
    mut params: Params,
) -> Handled {
    let Some(type_info) = type_by_plural(plural) else {
        if let Some(name) = builtin::type_by_plural(plural) {
            return no_objects(&params, &missing_in(user, name));
        }
        return Response::error(400, &params, "Invalid type specified.", None);
    };
    let wish = match Wish::read(&params) {
        Ok(wish) => wish,
        Err(text) => return Response::error(400, &params, &text, None),
    };
    if let Some(name) = name {
        params.set(&type_info.name.to_lowercase(), Value::string(name));
    }
    let required = format!("objects/query/{}", type_info.name);
    let source = Objects::new(snapshot, &[type_info]);
    let objects = match query::select(&source, user, &required, &params) {
        Ok(objects) => objects,
        Err(miss) => return miss.answer(&params, NO_OBJECTS),
    };
    let mut writer = ResultsWriter::new(&params)?;
    if !objects.is_empty() {
        let plan = match Plan::new(snapshot, user, type_info, &wish, params.flag("all_joins")?) {
            Ok(plan) => plan,
            Err(text) => return Response::error(400, &params, &text, None),
        };
        for object in &objects {
            if let Err(text) = plan.write(&mut writer, object) {
                return match text {
                    Refusal::Field(text) => Response::error(400, &params, &text, None),
                    Refusal::Filter(text) => no_objects(&params, &text),
                };
            }
        }
    }
    Ok(Response::json_text(200, writer.finish()))
}

/// What clients see of that answer.
pub(crate) const NO_OBJECTS: &str = "No objects found.";

/// The answer to a query that finds nothing, may find nothing or cannot be evaluated.
pub(crate) fn no_objects(params: &Params, diagnostics: &str) -> Handled {
    Response::error(404, params, NO_OBJECTS, Some(diagnostics))
}

/// The type whose plural, in whatever case, is this.
pub(crate) fn type_by_plural(plural: &str) -> Option<&'static TypeInfo> {
    let types = bheka_model::catalogue().types();
    types
        .iter()
        .find(|type_info| type_info.plural.eq_ignore_ascii_case(plural))
        .copied()
}

fn missing_in(user: &ConfigObject, type_name: &str) -> String {
    match permission::check(user, &format!("objects/query/{type_name}")) {
        Ok(_) => query::diagnostic("Invalid type specified.\n"),
        Err(text) => query::diagnostic(text),
    }
}

/// The parameters `attrs`, `joins` and `meta`.
struct Wish {
    attributes: Vec<Str>,
    joins: Vec<Str>,
    meta: Vec<Str>,
}

impl Wish {
    fn read(params: &Params) -> Result<Self, String> {
        let list = |name: &str| match params.get(name) {
            Value::Empty => Ok(Vec::new()),
            Value::Array(items) => Ok(items.items().iter().map(text_of).collect()),
            _ => Err(format!(
                "Invalid type for '{name}' attribute specified. Array type is required."
            )),
        };
        Ok(Self {
            attributes: list("attrs")?,
            joins: list("joins")?,
            meta: list("meta")?,
        })
    }
}

/// Why an object cannot be shown as asked.
enum Refusal {
    /// A field does not exist.
    Field(String),
    /// A filter of a permission threw.
    Filter(String),
}

/// What to show of each object of a type, worked out once for a request.
struct Plan<'p> {
    snapshot: &'p Arc<Snapshot>,
    attributes: Vec<Column>,
    joins: Vec<JoinPlan>,
    location: bool,
    used_by: Option<UsedBy>,
}

/// An attribute to show. Lists of them are sorted by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    name: &'static str,
    /// Only for objects that set it: it came after 2.13, and nobody asked for it by name.
    only_when_set: bool,
}

impl Column {
    fn always(name: &'static str) -> Self {
        Self {
            name,
            only_when_set: false,
        }
    }
}

struct JoinPlan {
    join: Join,
    attributes: Vec<Column>,
    grant: Grant,
    /// The joins of the target, for the scope of the grant's filters.
    target_joins: Vec<Join>,
    /// A field that does not exist; an error as soon as there is an object to join.
    invalid: Option<String>,
}

impl<'p> Plan<'p> {
    fn new(
        snapshot: &'p Arc<Snapshot>,
        user: &ConfigObject,
        type_info: &'static TypeInfo,
        wish: &Wish,
        all_joins: bool,
    ) -> Result<Self, String> {
        for name in &wish.meta {
            if !matches!(name.as_str(), "used_by" | "location") {
                return Err(format!("Invalid field specified for meta: {name}"));
            }
        }
        let asked = |name: &str| wish.meta.iter().any(|asked| asked.as_str() == name);
        let wanted = (!wish.attributes.is_empty()).then_some(&wish.attributes[..]);
        Ok(Self {
            snapshot,
            attributes: attributes(type_info, wanted)?,
            joins: joins(user, type_info, &wish.joins, all_joins),
            location: asked("location"),
            used_by: asked("used_by").then(|| UsedBy::collect(snapshot)),
        })
    }

    fn write(&self, writer: &mut ResultsWriter, object: &Arc<ConfigObject>) -> Result<(), Refusal> {
        let mut related: BTreeMap<&str, (&JoinPlan, &Arc<ConfigObject>)> = BTreeMap::new();
        for plan in &self.joins {
            let Some(target) = self.snapshot.navigate(object, &plan.join) else {
                continue;
            };
            if let Some(field) = &plan.invalid {
                return Err(Refusal::Field(field.clone()));
            }
            let scope =
                || Value::dictionary(view::scope_of(self.snapshot, target, &plan.target_joins));
            if plan
                .grant
                .covers(scope)
                .map_err(|text| Refusal::Filter(query::diagnostic(text)))?
            {
                related.insert(plan.join.name, (plan, target));
            }
        }
        writer.item(|out, layout| {
            const DEPTH: usize = ResultsWriter::ITEM_DEPTH + 1;
            out.push('{');
            begin(out, layout, "attrs", true);
            self.write_attributes(out, layout, DEPTH, object, &self.attributes);
            begin(out, layout, "joins", false);
            write_members(out, layout, DEPTH, related, |out, _, (plan, target)| {
                self.write_attributes(out, layout, DEPTH + 1, target, &plan.attributes);
            });
            begin(out, layout, "meta", false);
            write_json(out, &self.meta(object), layout.indent, DEPTH);
            begin(out, layout, "name", false);
            write_json_string(out, &object.name);
            begin(out, layout, "type", false);
            write_json_string(out, object.type_info.name);
            layout.line(out, ResultsWriter::ITEM_DEPTH);
            out.push('}');
        });
        Ok(())
    }

    fn write_attributes(
        &self,
        out: &mut String,
        layout: Layout,
        depth: usize,
        object: &Arc<ConfigObject>,
        columns: &[Column],
    ) {
        let is_shown = |column: &&Column| {
            !column.only_when_set
                || object.attributes.contains_key(column.name)
                || self.snapshot.is_live(object, column.name)
        };
        let names: Vec<&str> = columns.iter().filter(is_shown).map(|it| it.name).collect();
        let values = self.snapshot.attributes(object, &names);
        write_members(out, layout, depth, values, |out, _, value| {
            write_json(out, &value, layout.indent, depth + 1);
        });
    }

    fn meta(&self, object: &ConfigObject) -> Value {
        let mut meta: Vec<(&str, Value)> = Vec::new();
        if self.location {
            meta.push(("location", location_value(&object.location)));
        }
        if let Some(used_by) = &self.used_by {
            meta.push(("used_by", used_by.of(object)));
        }
        Value::dictionary(meta)
    }
}

fn begin(out: &mut String, layout: Layout, key: &str, first: bool) {
    if !first {
        out.push(',');
    }
    layout.line(out, ResultsWriter::ITEM_DEPTH + 1);
    layout.key(out, key);
}

fn write_members<'k, T>(
    out: &mut String,
    layout: Layout,
    depth: usize,
    members: impl IntoIterator<Item = (&'k str, T)>,
    mut write: impl FnMut(&mut String, &'k str, T),
) {
    out.push('{');
    let mut any = false;
    for (key, member) in members {
        if any {
            out.push(',');
        }
        any = true;
        layout.line(out, depth + 1);
        layout.key(out, key);
        write(out, key, member);
    }
    if any {
        layout.line(out, depth);
    }
    out.push('}');
}

/// The attributes to show: those asked for, or all that users may see.
///
/// # Errors
/// The text of the error when one does not exist.
fn attributes(type_info: &'static TypeInfo, wanted: Option<&[Str]>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::new();
    match wanted {
        Some(wanted) => {
            for name in wanted {
                match type_info.field(name) {
                    Some(field) if shown(field) => columns.push(Column::always(field.name)),
                    Some(_) => {}
                    None if name.as_str() == "type" => columns.push(Column::always("type")),
                    None => return Err(format!("Invalid field specified: {name}")),
                }
            }
        }
        None => {
            columns.push(Column::always("type"));
            let fields = type_info.fields().filter(|field| shown(field));
            columns.extend(fields.map(|field| Column {
                name: field.name,
                only_when_set: field.flags.has(Flags::NEWER),
            }));
        }
    }
    columns.sort_unstable();
    columns.dedup();
    Ok(columns)
}

/// Whether an attribute has a place in answers: users may see it, and it is data, not an object.
fn shown(field: &FieldInfo) -> bool {
    let is_object = field.kind == FieldKind::Any && field.flags.has(Flags::NAVIGATION);
    !is_object && !field.flags.has(Flags::NO_USER_VIEW)
}

fn joins(
    user: &ConfigObject,
    type_info: &'static TypeInfo,
    wanted: &[Str],
    all: bool,
) -> Vec<JoinPlan> {
    let mut plans = Vec::new();
    for join in view::joins(type_info) {
        let mut whole = all;
        let mut fields: Vec<Str> = Vec::new();
        for wish in wanted {
            match wish.split_once('.') {
                None if wish.as_str() == join.name => whole = true,
                Some((prefix, field)) if prefix == join.name => fields.push(field.into()),
                _ => {}
            }
        }
        let Some(target) = bheka_model::catalogue().type_info(join.target) else {
            continue;
        };
        if !whole && fields.is_empty() {
            continue;
        }
        // What the user may not query is left out without a word.
        let Ok(grant) = permission::check(user, &format!("objects/query/{}", join.target)) else {
            continue;
        };
        let wanted = (!whole).then_some(&fields[..]);
        let (attributes, invalid) = match attributes(target, wanted) {
            Ok(attributes) => (attributes, None),
            Err(text) => (Vec::new(), Some(text)),
        };
        plans.push(JoinPlan {
            join,
            attributes,
            grant,
            target_joins: view::joins(target),
            invalid,
        });
    }
    plans
}

/// A location as the API shows it.
pub(crate) fn location_value(location: &Location) -> Value {
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
        ("path", Value::string(&*location.path)),
    ])
}

/// Which objects name which others, collected in one pass over the generation.
struct UsedBy {
    users: HashMap<(&'static str, Str), Vec<(&'static str, Str)>>,
}

impl UsedBy {
    fn collect(snapshot: &Snapshot) -> Self {
        let mut users: HashMap<(&'static str, Str), Vec<(&'static str, Str)>> = HashMap::new();
        for object in snapshot.generation.all() {
            let mut used: Vec<(&'static str, Str)> = Vec::new();
            for field in object.type_info.fields() {
                match (field.kind, field.reference) {
                    (FieldKind::Name, Some(target)) if field.name != "zone" => {
                        used.extend(object.optional(field.name).map(|name| (target, name)));
                    }
                    (FieldKind::NameArray, Some(target)) => {
                        used.extend(
                            object
                                .names(field.name)
                                .into_iter()
                                .map(|name| (target, name)),
                        );
                    }
                    _ => {}
                }
            }
            for join in view::joins(object.type_info)
                .iter()
                .filter(|it| it.target == "Service")
            {
                let service = snapshot.navigate(object, join);
                used.extend(service.map(|service| ("Service", service.name.clone())));
            }
            used.sort_unstable();
            used.dedup();
            for target in used {
                users
                    .entry(target)
                    .or_default()
                    .push((object.type_info.name, object.name.clone()));
            }
        }
        Self { users }
    }

    fn of(&self, object: &ConfigObject) -> Value {
        let users = self
            .users
            .get(&(object.type_info.name, object.name.clone()));
        Value::array(users.into_iter().flatten().map(|(type_name, name)| {
            Value::dictionary([
                ("name", Value::String(name.clone())),
                ("type", Value::string(*type_name)),
            ])
        }))
    }
}
