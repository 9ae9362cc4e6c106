//! Making objects of items, type by type.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use bheka_value::schema::Naming;
use bheka_value::{Doubts, Str, Value};

use super::{Report, apply};
use crate::diag::{LangDiagnostic, Severity};
use crate::doubt::Slip;
use crate::draft::{Draft, State, draft_value};
use crate::env::Env;
use crate::eval::{Frame, declare};
use crate::fault::{Fault, Stop};
use crate::registry::Item;
use crate::run::Run;
use crate::stack::parallel;
use crate::types::TypeEntry;

/// Commits everything that is pending, and what comes of it by apply rules.
pub(crate) fn commit(run: &Run<'_>, report: &mut Report) {
    let order = commit_order(run.env);
    commit_round(run, &order, report, 0);
}

/// Rounds nest as deep as apply rules build on each other: host → service → notification.
const ROUNDS_MAX: usize = 16;

fn commit_round(run: &Run<'_>, order: &[Arc<TypeEntry>], report: &mut Report, depth: usize) {
    let pending = run.env.registry.take_pending();
    if pending.is_empty() || depth > ROUNDS_MAX {
        return;
    }
    let mut made: Vec<(&Arc<TypeEntry>, Vec<Arc<Draft>>)> = Vec::new();
    for entry in order {
        let items: Vec<_> = pending
            .iter()
            .filter(|item| same(&item.entry, entry))
            .collect();
        if items.is_empty() {
            continue;
        }
        let drafts = commit_type(run, &items, report);
        made.push((entry, drafts));
    }
    follow(run, order, made, report, depth);
}

/// Assigns new objects to groups, and makes what apply rules make of them; and so on with that.
fn follow(
    run: &Run<'_>,
    order: &[Arc<TypeEntry>],
    made: Vec<(&Arc<TypeEntry>, Vec<Arc<Draft>>)>,
    report: &mut Report,
    depth: usize,
) {
    if depth > ROUNDS_MAX {
        return;
    }
    for entry in order {
        let drafts = made
            .iter()
            .find(|(of, _)| same(of, entry))
            .map_or(&[][..], |(_, d)| d);
        apply::assign_groups(run, entry, drafts, report);
        apply::extend_groups(run.env, entry, drafts);
        let targets = entry.info.map_or(&[][..], |info| info.apply_targets);
        let mut applied = Vec::new();
        for target in targets {
            let drafts = made.iter().find(|(of, _)| of.name.as_str() == *target);
            if let Some((_, drafts)) = drafts {
                applied.extend(apply::apply_rules(run, entry, target, drafts, report));
            }
        }
        if !applied.is_empty() {
            follow(run, order, vec![(entry, applied)], report, depth + 1);
        }
        // What bodies and conditions declared.
        commit_round(run, order, report, depth + 1);
    }
}

fn same(left: &Arc<TypeEntry>, right: &Arc<TypeEntry>) -> bool {
    Arc::ptr_eq(left, right)
}

/// Types in an order in which each comes behind those that it needs.
fn commit_order(env: &Env) -> Vec<Arc<TypeEntry>> {
    let mut waiting: Vec<&Arc<TypeEntry>> = env
        .types
        .iter()
        .filter(|entry| entry.info.is_some() && entry.is_config())
        .collect();
    let mut done: BTreeSet<Str> = BTreeSet::new();
    let known: BTreeSet<Str> = waiting.iter().map(|entry| entry.name.clone()).collect();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let ready = |entry: &&Arc<TypeEntry>| {
            entry.info.is_none_or(|info| {
                let needed = info.load_after.iter().chain(info.apply_targets);
                needed
                    .filter(|name| known.contains(**name))
                    .all(|name| done.contains(*name))
            })
        };
        let (now, later): (Vec<&Arc<TypeEntry>>, Vec<&Arc<TypeEntry>>) =
            waiting.into_iter().partition(|entry| ready(entry));
        if now.is_empty() {
            // A circle in the table: take the rest as it comes.
            order.extend(later.into_iter().cloned());
            break;
        }
        done.extend(now.iter().map(|entry| entry.name.clone()));
        order.extend(now.into_iter().cloned());
        waiting = later;
    }
    order
}

/// What became of an item.
pub(super) enum Made {
    Object(Arc<Draft>),
    /// Some statements failed; the rest went on.
    Failed(Vec<Slip>, Arc<Draft>),
    Ignored(Fault),
}

fn commit_type(run: &Run<'_>, items: &[&Arc<Item>], report: &mut Report) -> Vec<Arc<Draft>> {
    let (env, sources) = (run.env, run.sources);
    let results = parallel(items, env.threads, |chunk| {
        let run = Run::committing(env, sources);
        chunk
            .iter()
            .map(|item| {
                run.renew();
                evaluate_item(&run, item)
            })
            .collect()
    });
    let mut drafts = Vec::with_capacity(results.len());
    for (item, result) in items.iter().zip(results) {
        let declared = Declared {
            entry: &item.entry,
            name: &item.name,
            ignore_on_error: item.ignore_on_error,
        };
        take(env, &declared, result, &mut drafts, report);
    }
    drafts
}

/// What was declared, for messages.
pub(super) struct Declared<'d> {
    pub(super) entry: &'d Arc<TypeEntry>,
    pub(super) name: &'d Str,
    pub(super) ignore_on_error: bool,
}

/// Makes an object known, unless there is one of that name.
pub(super) fn add(
    env: &Arc<Env>,
    draft: Arc<Draft>,
    ignore_on_error: bool,
    drafts: &mut Vec<Arc<Draft>>,
    report: &mut Report,
) {
    match env.registry.add_object(&draft, ignore_on_error) {
        Ok(()) => drafts.push(draft),
        Err(fault) => report.fault(env, fault.code("redefined")),
    }
}

/// Makes an object known, or says why there is none.
pub(super) fn take(
    env: &Arc<Env>,
    declared: &Declared<'_>,
    result: Made,
    drafts: &mut Vec<Arc<Draft>>,
    report: &mut Report,
) {
    let (entry, name) = (declared.entry, declared.name);
    let fault = match result {
        Made::Object(draft) => {
            add(env, draft, declared.ignore_on_error, drafts, report);
            return;
        }
        Made::Failed(slips, draft) => {
            report.slips(env, slips, Some(&draft));
            report.missing(&entry.name, name);
            report.failed.push(draft);
            return;
        }
        Made::Ignored(fault) => fault,
    };
    let message = format!(
        "Ignoring config object '{name}' of type '{}' due to errors: {}",
        entry.name, fault.message
    );
    report.ignored.push(LangDiagnostic {
        location: fault.location,
        object: Some(Box::new((entry.name.clone(), name.clone()))),
        ..LangDiagnostic::remark(Severity::Notice, "ConfigObject", "ignored-object", message)
    });
}

pub(super) fn evaluate_item(run: &Run<'_>, item: &Item) -> Made {
    let mut state = State {
        name: item.name.clone(),
        zone: item.zone.clone(),
        package: item.package.clone(),
        // Most have so many.
        attributes: bheka_value::Map::with_capacity(12),
        ..State::default()
    };
    for name in &item.entry.timed {
        let now = Value::Number(run.now().seconds());
        state.attributes.insert(name.clone(), now);
    }
    let draft = Draft::new(&item.entry, item.location.clone(), state);
    if !item.ignore_on_error {
        run.keeper.start();
    }
    let result = try_item(run, item, &draft);
    let mut slips = run.keeper.finish();
    match result {
        Ok(()) if slips.is_empty() => {
            draft.write().shrink();
            return Made::Object(draft);
        }
        Ok(()) => {}
        Err(fault) if item.ignore_on_error => return Made::Ignored(fault),
        Err(fault) => slips.push(Slip::Statement {
            fault,
            reads: BTreeSet::new(),
            defines: Doubts::default(),
        }),
    }
    Made::Failed(slips, draft)
}

fn try_item(run: &Run<'_>, item: &Item, draft: &Arc<Draft>) -> Result<(), Fault> {
    if item.entry.info.is_none_or(|info| info.is_abstract) {
        return Err(Fault::script("Type does not have a factory function.")
            .code("unknown-type")
            .note(format!(
                "'{}' is what other types have in common; no objects of it can be made",
                item.entry.name
            ))
            .at(item.location.clone()));
    }
    let hints = RefCell::new(Vec::new());
    let mut frame = Frame::with(
        run,
        &item.source,
        bheka_value::Map::new(),
        draft_value(draft),
    );
    if run.env.tracking {
        frame.hints = Some(&hints);
    }
    let result = declare::run_item(&mut frame, item);
    drop(frame);
    draft.write().modifications = hints.into_inner();
    match result {
        // A `return` in a body ends it.
        Ok(_) | Err(Stop::Return(_)) => {}
        Err(stop) => return Err(stop.into_fault().located(|| item.location.clone())),
    }
    name_draft(draft, item)
}

/// Puts together the full name.
fn name_draft(draft: &Draft, item: &Item) -> Result<(), Fault> {
    let short = {
        let state = draft.read();
        state
            .short_name
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| item.name.clone())
    };
    let naming = draft.entry.info.map_or(Naming::Plain, |info| info.naming);
    let composed = !matches!(naming, Naming::Plain | Naming::Generated);
    if composed && short.is_empty() {
        return Err(Fault::script("Object name must not be empty.")
            .code("invalid-name")
            .at(item.location.clone()));
    }
    let full = match naming {
        Naming::Plain | Naming::Generated => short.clone(),
        Naming::OnHost => composed_name(draft, &["host_name"], &short),
        Naming::OnCheckable => composed_name(draft, &["host_name", "service_name"], &short),
        Naming::OnChildCheckable => {
            composed_name(draft, &["child_host_name", "child_service_name"], &short)
        }
    };
    let mut state = draft.write();
    state.short_name = (full != short).then_some(short);
    state.name = full;
    Ok(())
}

fn composed_name(draft: &Draft, attributes: &[&str], short: &str) -> Str {
    let mut name = String::new();
    for (at, attribute) in attributes.iter().enumerate() {
        let part = match draft.get(attribute) {
            Some(Value::String(part)) => part,
            _ => Str::default(),
        };
        if at == 0 || !part.is_empty() {
            name.push_str(&part);
            name.push('!');
        }
    }
    name.push_str(short);
    name.into()
}
