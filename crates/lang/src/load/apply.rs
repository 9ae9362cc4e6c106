//! Apply rules over targets, and members of groups.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bheka_syntax::ast::Expr;
use bheka_value::schema::Naming;
use bheka_value::{Str, Value};

use super::Report;
use crate::convert::to_text;
use crate::cost::DECLARATION_BYTES;
use crate::draft::{Draft, draft_value};
use crate::eval::declare::check_item;
use crate::eval::{Frame, eval};
use crate::fault::{Fault, Stop};
use crate::registry::{Body, GroupRule, Item, Rule};
use crate::run::Run;
use crate::stack::parallel;
use crate::types::TypeEntry;

/// Registers what the rules of a type make for these targets.
pub(super) fn apply_rules(
    run: &Run<'_>,
    entry: &Arc<TypeEntry>,
    target: &str,
    drafts: &[Arc<Draft>],
    report: &mut Report,
) {
    let rules = run.env.registry.rules_for(&entry.name, target);
    if rules.is_empty() {
        return;
    }
    let (env, sources) = (run.env, run.sources);
    let results = parallel(drafts, env.threads, |chunk| {
        let run = Run::new(env, sources);
        let mut results = Vec::new();
        for draft in chunk {
            for rule in &rules {
                run.renew();
                apply_rule(&run, rule, draft, &mut results);
            }
        }
        results
    });
    for result in results {
        let registered = result.and_then(|item| {
            check_item(&item)?;
            env.registry.register(Arc::new(item), false, false)
        });
        if let Err(fault) = registered {
            report.fault(env, fault);
        }
    }
}

/// The objects that conditions and bodies see: `host`, `service`, `user`.
fn target_locals(frame: &Frame<'_>, draft: &Arc<Draft>) {
    let value = draft_value(draft);
    let info = draft.entry.info;
    if info.is_some_and(|info| info.naming == Naming::OnHost) {
        let host = draft.get("host_name").unwrap_or_default();
        let host = frame
            .run
            .env
            .object("Host", &to_text(&host))
            .unwrap_or_default();
        frame.set_local("host", host);
    }
    frame.set_local(draft.entry.name.to_lowercase(), value);
}

fn apply_rule(
    run: &Run<'_>,
    rule: &Arc<Rule>,
    draft: &Arc<Draft>,
    results: &mut Vec<Result<Item, Fault>>,
) {
    let this = run.env.globals_value.clone();
    let mut frame = Frame::with(run, &rule.source, rule.scope.clone(), this);
    target_locals(&frame, draft);
    let Some(for_loop) = &rule.expr.for_loop else {
        apply_instance(&mut frame, rule, draft, rule.name.clone(), results);
        return;
    };
    // A collection that cannot be had is none, as in Icinga 2.
    let Ok(collection) = eval(&mut frame, &for_loop.collection) else {
        return;
    };
    if let Err(fault) = run.weigh(&collection) {
        results.push(Err(fault.at(rule.location.clone())));
        return;
    }
    let refuse = |text: &str| Fault::script(text).at(rule.location.clone());
    match (collection, &for_loop.key) {
        (Value::Array(_), Some(_)) => {
            results.push(Err(refuse(
                "Dictionary iterator requires value to be a dictionary.",
            )));
        }
        (Value::Array(items), None) => {
            for item in items.items() {
                let name = format!("{}{}", rule.name, to_text(&item));
                frame.set_local(&for_loop.value, item);
                apply_instance(&mut frame, rule, draft, name.into(), results);
            }
        }
        (Value::Dictionary(_), None) => {
            results.push(Err(refuse("Array iterator requires value to be an array.")));
        }
        (Value::Dictionary(entries), Some(key)) => {
            for (entry, value) in entries.entries() {
                let name = format!("{}{entry}", rule.name);
                frame.set_local(key, Value::String(entry));
                frame.set_local(&for_loop.value, value);
                apply_instance(&mut frame, rule, draft, name.into(), results);
            }
        }
        _ => {}
    }
}

fn apply_instance(
    frame: &mut Frame<'_>,
    rule: &Arc<Rule>,
    draft: &Arc<Draft>,
    name: Str,
    results: &mut Vec<Result<Item, Fault>>,
) {
    let matches = match matches(frame, &rule.expr.assign, &rule.expr.ignore) {
        Ok(matches) => matches,
        Err(stop) => {
            results.push(Err(stop.into_fault().located(|| rule.location.clone())));
            return;
        }
    };
    if !matches {
        return;
    }
    let counted = frame.run.step().and_then(|()| frame.run.bytes(DECLARATION_BYTES));
    if let Err(fault) = counted {
        results.push(Err(fault.at(rule.location.clone())));
        return;
    }
    rule.matched.store(true, Ordering::Release);
    let state = draft.read();
    let mut presets = naming_presets(&rule.entry, draft, &state.name);
    presets.push(("name", Value::String(name.clone())));
    results.push(Ok(Item {
        entry: Arc::clone(&rule.entry),
        name,
        body: Body::Apply(Arc::clone(&rule.expr), presets),
        scope: frame.locals.entries(),
        source: Arc::clone(&rule.source),
        location: rule.location.clone(),
        is_template: false,
        ignore_on_error: rule.expr.ignore_on_error,
        zone: state.zone.clone(),
        package: rule.package.clone(),
    }));
}

/// The attributes that tie an object to its target.
fn naming_presets(entry: &TypeEntry, draft: &Draft, full_name: &Str) -> Vec<(&'static str, Value)> {
    let on_host = draft
        .entry
        .info
        .is_some_and(|info| info.naming == Naming::OnHost);
    let (host, service) = match full_name.split_once('!') {
        Some((host, service)) if on_host => (Str::from(host), Some(Str::from(service))),
        _ => (full_name.clone(), None),
    };
    let naming = entry.info.map_or(Naming::Plain, |info| info.naming);
    let mut presets = Vec::new();
    match naming {
        Naming::OnHost => presets.push(("host_name", Value::String(host))),
        Naming::OnCheckable => {
            presets.push(("host_name", Value::String(host)));
            presets.extend(service.map(|name| ("service_name", Value::String(name))));
        }
        Naming::OnChildCheckable => {
            presets.push(("parent_host_name", Value::String(host.clone())));
            presets.push(("child_host_name", Value::String(host)));
            presets.extend(service.map(|name| ("child_service_name", Value::String(name))));
        }
        Naming::Plain | Naming::Generated => {}
    }
    presets
}

/// Any of `assign where` (none at all counts as true) and none of `ignore where`.
fn matches(frame: &mut Frame<'_>, assign: &[Expr], ignore: &[Expr]) -> Result<bool, Stop> {
    let mut assigned = assign.is_empty();
    for condition in assign {
        if eval(frame, condition)?.is_true() {
            assigned = true;
            break;
        }
    }
    if !assigned {
        return Ok(false);
    }
    for condition in ignore {
        if eval(frame, condition)?.is_true() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adds the objects to the groups whose `assign where` they meet.
pub(super) fn assign_groups(
    run: &Run<'_>,
    entry: &Arc<TypeEntry>,
    drafts: &[Arc<Draft>],
    report: &mut Report,
) {
    let groups = run.env.registry.groups_of(&entry.name);
    if groups.is_empty() {
        return;
    }
    let (env, sources) = (run.env, run.sources);
    let faults = parallel(drafts, env.threads, |chunk| {
        let run = Run::new(env, sources);
        let mut faults = Vec::new();
        for draft in chunk {
            for group in &groups {
                run.renew();
                if let Err(fault) = assign_group(&run, group, draft) {
                    faults.push(fault);
                }
            }
        }
        faults
    });
    for fault in faults {
        report.fault(env, fault);
    }
}

fn assign_group(run: &Run<'_>, group: &GroupRule, draft: &Arc<Draft>) -> Result<(), Fault> {
    let item = &group.item;
    let this = run.env.globals_value.clone();
    let mut frame = Frame::with(run, &item.source, item.scope.clone(), this);
    target_locals(&frame, draft);
    if group.assign.is_empty()
        || !matches(&mut frame, &group.assign, &group.ignore)
            .map_err(|stop| stop.into_fault().located(|| item.location.clone()))?
    {
        return Ok(());
    }
    let name = Value::String(item.name.clone());
    let groups = match draft.get("groups") {
        Some(Value::Array(groups)) => groups.items(),
        _ => Vec::new(),
    };
    if !groups.iter().any(|old| crate::eval::ops::equal(old, &name)) {
        let groups = groups.into_iter().chain([name]);
        draft.set("groups", Value::array(groups))?;
    }
    Ok(())
}
