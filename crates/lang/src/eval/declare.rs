//! `object`, `template`, `apply` and `import`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bheka_syntax::ast::{ApplyExpr, Expr, ExprKind, ObjectExpr};
use bheka_value::schema::Naming;
use bheka_value::{Modification, Str, Value};

use super::{Frame, access, call, eval};
use crate::convert::{kind_name, not_an_object, to_text};
use crate::cost::PLACE;
use crate::draft::as_draft;
use crate::env::Env;
use crate::fault::{Eval, Fault, Outcome, Stop};
use crate::registry::{Body, GroupRule, Item, Rule, Seen, redefined};
use crate::source::Source;
use crate::suggest::Unknown;
use crate::types::{TypeEntry, as_type};

/// `object Type "name" { … }`
pub(super) fn eval_object(frame: &mut Frame<'_>, object: &Arc<ObjectExpr>) -> Eval {
    frame.run.forbid_in_sandbox("Object definitions are")?;
    let type_value = eval(frame, &object.type_name).map_err(as_unknown_type)?;
    let Some(entry) = as_type(&type_value) else {
        return Err(match &type_value {
            Value::Empty => {
                Fault::script("The type of an object must be specified").code("unknown-type")
            }
            Value::Number(_) | Value::Boolean(_) | Value::String(_) => not_an_object(&type_value),
            other => Fault::new(format!(
                "Invalid object type '{}' specified",
                kind_name(other)
            ))
            .code("unknown-type"),
        }
        .into());
    };
    let name = match &object.name {
        Some(name) => super::eval_text(frame, name)?,
        None => Str::default(),
    };
    let location = frame.location(object.head);
    let has_filter = object
        .body
        .iter()
        .any(|e| matches!(e.kind, ExprKind::AssignWhere(_) | ExprKind::IgnoreWhere(_)));
    let env = Arc::clone(frame.run.env);
    frame.run.declares()?;
    let scope = call::capture(frame, &object.captures)?;
    let item = Arc::new(Item {
        entry: Arc::clone(&entry),
        name,
        body: Body::Object(Arc::clone(object)),
        scope,
        source: Arc::clone(&frame.source),
        location,
        is_template: object.is_template,
        ignore_on_error: object.ignore_on_error,
        zone: frame.source.zone.clone(),
        package: frame.source.package.clone(),
    });
    let named = object.is_template || is_plain(&entry);
    if named && let Some(old) = env.registry.item(&entry.name, &item.name) {
        return Err(redefined(&item, &old).into());
    }
    if has_filter && entry.info.and_then(|info| info.assign_target).is_none() {
        return Err(Fault::script(format!(
            "Object '{}' of type '{}' must not have 'assign where' and 'ignore where' rules: {}",
            item.name, entry.name, item.location
        ))
        .code("misplaced-rule")
        .note(format!(
            "'assign where' belongs into groups and apply rules; use 'apply {} ...'",
            entry.name
        ))
        .at(item.location.clone())
        .into());
    }
    check_item(&item)?;
    if !env.registry.is_open() || frame.run.committing {
        let fault = Fault::new("Objects may not be created outside of an activation context.");
        return Err(fault.located(|| item.location.clone()).into());
    }
    env.registry
        .register(Arc::clone(&item), object.is_default, named)?;
    if has_filter && !object.is_template {
        env.registry.add_group(group_rule(item, &object.body));
    }
    Ok(Value::Empty)
}

/// A variable that is not there is, at this place, a type that is not there.
fn as_unknown_type(stop: Stop) -> Stop {
    let Stop::Error(mut fault) = stop else {
        return stop;
    };
    if let Some(detail) = &mut fault.detail
        && let Some(Unknown::Variable { name, .. }) = &detail.unknown
    {
        detail.unknown = Some(Unknown::ObjectType { name: name.clone() });
        detail.code = "unknown-type";
    }
    Stop::Error(fault)
}

fn group_rule(item: Arc<Item>, body: &[Expr]) -> GroupRule {
    let mut rule = GroupRule {
        item,
        assign: Vec::new(),
        ignore: Vec::new(),
        matched: AtomicBool::new(false),
    };
    for statement in body {
        match &statement.kind {
            ExprKind::AssignWhere(condition) => rule.assign.push((**condition).clone()),
            ExprKind::IgnoreWhere(condition) => rule.ignore.push((**condition).clone()),
            _ => {}
        }
    }
    rule
}

fn is_plain(entry: &TypeEntry) -> bool {
    entry
        .info
        .is_none_or(|info| matches!(info.naming, Naming::Plain | Naming::Generated))
}

/// What must hold before an item is accepted.
pub(crate) fn check_item(item: &Item) -> Result<(), Fault> {
    let entry = &item.entry;
    if !entry.is_config() {
        return Err(Fault::script(format!(
            "The type '{}' cannot be used for config objects",
            entry.name
        ))
        .code("unknown-type")
        .at(item.location.clone()));
    }
    if !item.is_template && item.name.contains('!') {
        return Err(Fault::script(format!(
            "Name for object '{}' of type '{}' is invalid: Object names may not contain '!'",
            item.name, entry.name
        ))
        .code("invalid-name")
        .at(item.location.clone()));
    }
    Ok(())
}

/// Type and target of an apply rule.
///
/// # Errors
/// When there are no such rules.
pub(crate) fn apply_types<'e>(
    env: &'e Env,
    source: &Source,
    apply: &ApplyExpr,
) -> Outcome<(&'e Arc<TypeEntry>, Str)> {
    let entry = env.types.get(&apply.type_name).filter(|entry| {
        entry
            .info
            .is_some_and(|info| !info.apply_targets.is_empty())
    });
    let Some(entry) = entry else {
        let message = format!("'apply' cannot be used with type '{}'", apply.type_name);
        let name = Str::from(&apply.type_name);
        let unknown = Unknown::ApplyType { name };
        let fault = Fault::script(message).unknown("unknown-type", unknown);
        return Err(fault.at(source.location(apply.type_span)));
    };
    let targets = entry.info.map_or(&[][..], |info| info.apply_targets);
    let target = match (&apply.target, targets) {
        (Some(target), _) if targets.contains(&&**target) => Str::from(target),
        (Some(target), _) => {
            let message = format!("'apply' target type '{target}' is invalid");
            let name = Str::from(target);
            let unknown = Unknown::ApplyTarget { name, targets };
            let fault = Fault::script(message).unknown("unknown-type", unknown);
            return Err(fault.at(source.location(apply.target_span)));
        }
        (None, [only]) => Str::from(*only),
        (None, _) => {
            let names: Vec<_> = targets.iter().map(|name| format!("'{name}'")).collect();
            let message = format!(
                "'apply' target type is ambiguous (can be one of {}): use 'to' to specify a type",
                names.join(" or ")
            );
            return Err(Fault::script(message).at(source.location(apply.head)));
        }
    };
    Ok((entry, target))
}

/// `apply Type "name" to Target { … }`
pub(super) fn eval_apply(frame: &mut Frame<'_>, apply: &Arc<ApplyExpr>) -> Eval {
    frame.run.forbid_in_sandbox("Apply rules are")?;
    let location = frame.location(apply.head);
    let refuse = |message: String| Fault::script(message).at(location.clone());
    let env = Arc::clone(frame.run.env);
    let (entry, target) = apply_types(&env, &frame.source, apply)?;
    if apply.assign.is_empty() && apply.for_loop.is_none() {
        return Err(refuse("'apply' is missing 'assign'/'for'".to_owned()).into());
    }
    let name = match &apply.name {
        Some(name) => super::eval_text(frame, name)?,
        None => Str::default(),
    };
    frame.run.declares()?;
    let scope = call::capture(frame, &apply.captures)?;
    env.registry.add_rule(Rule {
        entry: Arc::clone(entry),
        target,
        name,
        expr: Arc::clone(apply),
        scope,
        source: Arc::clone(&frame.source),
        location,
        package: frame.source.package.clone(),
        matched: AtomicBool::new(false),
        seen: Seen::default(),
    });
    Ok(Value::Empty)
}

/// `import "name"`: evaluates the statements of a template, or of another object, here.
pub(super) fn eval_import(frame: &mut Frame<'_>, name: &Expr, expr: &Expr) -> Eval {
    frame.run.forbid_in_sandbox("Imports are")?;
    let name = eval(frame, name)?;
    let Value::String(name) = &name else {
        return Err(Fault::script("Template/object name must be a string").into());
    };
    let type_name = match as_draft(&frame.this) {
        Some(draft) => draft.entry.name.clone(),
        None if access::has_own_field(&frame.this, "type") => {
            to_text(&access::get(frame.run, &frame.this, "type")?)
        }
        None => Str::default(),
    };
    let Some(item) = frame.run.env.registry.item(&type_name, name) else {
        let message = format!("Import references unknown template: '{name}'");
        let unknown = Unknown::Template {
            of: type_name,
            name: name.clone(),
        };
        let fault = Fault::script(message).unknown("unknown-template", unknown);
        return Err(fault.at(frame.location(expr.span)).into());
    };
    run_item(frame, &item)
}

/// Evaluates the statements of an item for the `this` of the frame. What it captured becomes
/// local there.
pub(crate) fn run_item(frame: &mut Frame<'_>, item: &Item) -> Eval {
    frame.run.enter()?;
    // The name in the list of templates.
    frame.run.bytes(PLACE)?;
    for (name, value) in &item.scope {
        frame.set_local(name.clone(), value.clone());
    }
    let outer = std::mem::replace(&mut frame.source, Arc::clone(&item.source));
    if let Some(draft) = as_draft(&frame.this) {
        draft.write().templates.push(item.name.clone());
        note(frame, "templates", "+=", item);
    }
    let result = run_statements(frame, item);
    frame.source = outer;
    frame.run.leave();
    result
}

fn run_statements(frame: &mut Frame<'_>, item: &Item) -> Eval {
    if !item.is_template && frame.run.env.registry.has_default_templates() {
        for template in frame.run.env.registry.default_templates(&item.entry.name) {
            run_item(frame, &template)?;
        }
    }
    if let Body::Apply(_, presets) = &item.body {
        for (name, value) in presets {
            access::set_field(&frame.this, &Value::string(*name), value.clone())?;
            // Icinga 2 sets the name of services this way, and composes that of all else.
            let is_service = || item.entry.info.map(|info| info.naming) == Some(Naming::OnHost);
            if *name != "name" || is_service() {
                note(frame, name, "=", item);
            }
        }
        if item.zone.as_deref().is_some_and(|zone| !zone.is_empty()) {
            note(frame, "zone", "=", item);
        }
        note(frame, "package", "=", item);
    }
    for statement in item.statements() {
        if let Err(stop) = eval(frame, statement) {
            frame.run.keeper.keep(stop, statement)?;
        }
    }
    Ok(Value::Empty)
}

fn note(frame: &Frame<'_>, name: &str, operator: &'static str, item: &Item) {
    if let Some(hints) = frame.hints {
        let location = item.location.clone();
        hints.borrow_mut().push(Modification {
            path: vec![name.into()],
            operator,
            location,
        });
    }
}
