//! Apply rules over targets, and members of groups.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bheka_syntax::ast::Expr;
use bheka_value::schema::{Naming, TypeInfo};
use bheka_value::{Map, Str, Value};
use rustc_hash::FxHashMap;

use super::Report;
use super::commit::{self, Declared, Made};
use super::condition::{Reader, Roots, Test};
use super::index::Index;
use crate::convert::to_text;
use crate::draft::{Draft, State, as_draft, draft_value};
use crate::env::Env;
use crate::eval::declare::check_item;
use crate::eval::{Frame, eval, ops};
use crate::fault::{Fault, Stop};
use crate::registry::{Body, GroupRule, Item, Rule};
use crate::run::Run;
use crate::stack::parallel;
use crate::types::TypeEntry;

/// Makes what the rules of a type make for these targets.
pub(super) fn apply_rules(
    run: &Run<'_>,
    entry: &Arc<TypeEntry>,
    target: &str,
    drafts: &[Arc<Draft>],
    report: &mut Report,
) -> Vec<Arc<Draft>> {
    let rules = run.env.registry.rules_for(&entry.name, target);
    let Some(first) = drafts.first().filter(|_| !rules.is_empty()) else {
        return Vec::new();
    };
    let (env, sources) = (run.env, run.sources);
    let names = root_names(&first.entry);
    let conditions: Vec<_> = rules
        .iter()
        .map(|rule| {
            let reader = Reader {
                env,
                roots: &names,
                scope: &rule.scope,
            };
            Conditions::new(&reader, &rule.expr.assign, &rule.expr.ignore)
        })
        .collect();
    let mut index = Index::default();
    for (at, (rule, conditions)) in rules.iter().zip(&conditions).enumerate() {
        // What a loop goes over is looked at, and complained about, wherever the rule is tried.
        let assign = conditions.assign.as_deref();
        index.add(at, assign.filter(|_| rule.expr.for_loop.is_none()));
    }
    let results = parallel(drafts, env.threads, |chunk| {
        let run = Run::committing(env, sources);
        let mut results = Vec::new();
        let mut candidates = Vec::new();
        let mut instances = Vec::new();
        for draft in chunk {
            let roots = target_roots(env, draft);
            index.candidates(&roots, &mut candidates);
            for &at in &candidates {
                run.renew();
                let attempt = Attempt {
                    run: &run,
                    rule: &rules[at],
                    conditions: &conditions[at],
                    draft,
                    roots: &roots,
                };
                attempt.apply(&mut instances);
            }
            // Bodies may change the target, and must not decide whether other rules match.
            for instance in instances.drain(..) {
                run.renew();
                results.push(instance.and_then(|item| make(&run, item)));
            }
        }
        results
    });
    env.registry.reserve(&entry.name, results.len());
    let mut made = Vec::with_capacity(results.len());
    for result in results {
        let trouble = match result {
            Ok((draft, ignore_on_error)) => {
                commit::add(env, draft, ignore_on_error, &mut made, report);
                continue;
            }
            Err(trouble) => *trouble,
        };
        match trouble {
            Trouble::Fault(fault) => report.fault(env, fault),
            Trouble::Condition(fault, target) => report.fault_for(env, fault, &target),
            Trouble::Object(result, name) => {
                let declared = Declared {
                    entry,
                    name: &name,
                    ignore_on_error: false,
                };
                report.by_rule = true;
                commit::take(env, &declared, result, &mut made, report);
                report.by_rule = false;
            }
        }
    }
    for rule in rules
        .iter()
        .filter(|rule| rule.seen.failed.load(Ordering::Acquire))
    {
        let is_plain = rule.expr.for_loop.is_none();
        let name = if is_plain {
            rule.name.clone()
        } else {
            "*".into()
        };
        report.missing(&entry.name, &name);
    }
    made
}

/// The names of the objects that conditions and bodies see: `host`, `service`, `user`.
fn root_names(entry: &TypeEntry) -> Vec<Str> {
    let own = entry.variable.clone();
    match entry.info.map(|info| info.naming) {
        Some(Naming::OnHost) => vec!["host".into(), own],
        _ => vec![own],
    }
}

/// Those objects.
fn target_roots(env: &Env, draft: &Arc<Draft>) -> Vec<(Str, Value)> {
    let value = draft_value(draft);
    let own = draft.entry.variable.clone();
    if draft
        .entry
        .info
        .is_none_or(|info| info.naming != Naming::OnHost)
    {
        return vec![(own, value)];
    }
    let host = draft.get("host_name").unwrap_or_default();
    let host = match &host {
        Value::String(host) => env.object("Host", host),
        other => env.object("Host", &to_text(other)),
    };
    vec![
        (env.host_variable.clone(), host.unwrap_or_default()),
        (own, value),
    ]
}

/// `assign where` and `ignore where`, as far as they can be tested without the evaluator.
struct Conditions {
    assign: Option<Vec<Test>>,
    ignore: Option<Vec<Test>>,
}

impl Conditions {
    fn new(reader: &Reader<'_>, assign: &[Expr], ignore: &[Expr]) -> Self {
        Self {
            assign: reader.tests(assign),
            ignore: reader.tests(ignore),
        }
    }

    /// Any of `assign where` (none at all counts as true) and none of `ignore where`; `None` when
    /// the evaluator must be asked.
    fn hold(&self, roots: Roots<'_>) -> Option<bool> {
        let (assign, ignore) = (self.assign.as_ref()?, self.ignore.as_ref()?);
        let mut assigned = assign.is_empty();
        for test in assign {
            if test.holds(roots)? {
                assigned = true;
                break;
            }
        }
        if !assigned {
            return Some(false);
        }
        for test in ignore {
            if test.holds(roots)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// The object that a rule made for a target, and whether errors in it are ignored. There are many:
/// what is rare is boxed.
type Applied = Result<(Arc<Draft>, bool), Box<Trouble>>;

/// What is to be made for a target.
type Instance = Result<Item, Box<Trouble>>;

/// Why there is none.
enum Trouble {
    Fault(Fault),
    /// A condition failed for that target.
    Condition(Fault, Arc<Draft>),
    /// With the name that it was to have.
    Object(Made, Str),
}

impl Trouble {
    fn fault(fault: Fault) -> Box<Self> {
        Box::new(Self::Fault(fault))
    }
}

/// A rule that is tried at a target.
struct Attempt<'a> {
    run: &'a Run<'a>,
    rule: &'a Arc<Rule>,
    conditions: &'a Conditions,
    draft: &'a Arc<Draft>,
    roots: Roots<'a>,
}

impl<'a> Attempt<'a> {
    fn apply(&self, results: &mut Vec<Instance>) {
        let rule = self.rule;
        let Some(for_loop) = &rule.expr.for_loop else {
            match self.conditions.hold(self.roots) {
                Some(false) => {}
                Some(true) => self.instance(&self.scope(), rule.name.clone(), results),
                None => self.instance_if(&mut self.frame(), rule.name.clone(), results),
            }
            return;
        };
        let mut frame = self.frame();
        // A collection that cannot be had is none, as in Icinga 2.
        let collection = match eval(&mut frame, &for_loop.collection) {
            Ok(collection) => collection,
            Err(stop) => {
                let fault = stop.into_fault();
                if fault.is_limit() {
                    results.push(Err(Trouble::fault(fault.at(rule.location.clone()))));
                    return;
                }
                rule.seen.trouble.get_or_init(|| fault.message);
                return;
            }
        };
        if let Err(fault) = self.run.weigh(&collection) {
            results.push(Err(Trouble::fault(fault.at(rule.location.clone()))));
            return;
        }
        let refuse = |text: &str| {
            let fault = Fault::script(text).at(rule.location.clone());
            Err(Trouble::fault(fault))
        };
        match (collection, &for_loop.key) {
            (Value::Array(_), Some(_)) => {
                results.push(refuse(
                    "Dictionary iterator requires value to be a dictionary.",
                ));
            }
            (Value::Array(items), None) => {
                rule.seen.note_entries(!items.is_empty());
                for item in items.items() {
                    let name = format!("{}{}", rule.name, to_text(&item));
                    frame.set_local(&for_loop.value, item);
                    self.instance_if(&mut frame, name.into(), results);
                }
            }
            (Value::Dictionary(_), None) => {
                results.push(refuse("Array iterator requires value to be an array."));
            }
            (Value::Dictionary(entries), Some(key)) => {
                rule.seen.note_entries(!entries.is_empty());
                for (entry, value) in entries.entries() {
                    let name = match rule.name.is_empty() {
                        true => entry.clone(),
                        false => format!("{}{entry}", rule.name).into(),
                    };
                    frame.set_local(key, Value::String(entry));
                    frame.set_local(&for_loop.value, value);
                    self.instance_if(&mut frame, name, results);
                }
            }
            _ => {}
        }
    }

    /// What conditions and bodies see as local variables.
    fn scope(&self) -> Map {
        let mut scope = self.rule.scope.clone();
        for (name, value) in self.roots {
            scope.insert(name.clone(), value.clone());
        }
        scope
    }

    fn frame(&self) -> Frame<'a> {
        let this = self.run.env.globals_value.clone();
        Frame::with(self.run, &self.rule.source, self.scope(), this)
    }

    fn instance_if(&self, frame: &mut Frame<'_>, name: Str, results: &mut Vec<Instance>) {
        let expr = &self.rule.expr;
        // In a loop the variables of the loop may hide the target.
        let known = match &expr.for_loop {
            Some(for_loop) => {
                let hides = |name: &str| self.roots.iter().any(|(root, _)| root.as_str() == name);
                let hidden =
                    hides(&for_loop.value) || for_loop.key.as_ref().is_some_and(|key| hides(key));
                (!hidden)
                    .then(|| self.conditions.hold(self.roots))
                    .flatten()
            }
            None => None,
        };
        let matches = match known {
            Some(known) => Ok(known),
            None => matches(frame, &expr.assign, &expr.ignore),
        };
        match matches {
            Ok(true) => self.instance(&frame.locals.entries(), name, results),
            Ok(false) => {}
            Err(stop) => {
                self.rule.seen.failed.store(true, Ordering::Release);
                let fault = stop.into_fault().located(|| self.rule.location.clone());
                let trouble = Trouble::Condition(fault, Arc::clone(self.draft));
                results.push(Err(Box::new(trouble)));
            }
        }
    }

    fn instance(&self, scope: &Map, name: Str, results: &mut Vec<Instance>) {
        let rule = self.rule;
        if let Err(fault) = self.run.declares() {
            results.push(Err(Trouble::fault(fault.at(rule.location.clone()))));
            return;
        }
        if !rule.matched.load(Ordering::Relaxed) {
            rule.matched.store(true, Ordering::Release);
        }
        let (zone, presets) = {
            let state = self.draft.read();
            let mut presets = naming_presets(&rule.entry, self.draft, &state);
            presets.push(("name", Value::String(name.clone())));
            (state.zone.clone(), presets)
        };
        let item = Item {
            entry: Arc::clone(&rule.entry),
            name,
            body: Body::Apply(Arc::clone(&rule.expr), presets),
            scope: scope.clone(),
            source: Arc::clone(&rule.source),
            location: rule.location.clone(),
            is_template: false,
            ignore_on_error: rule.expr.ignore_on_error,
            zone,
            package: rule.package.clone(),
        };
        if let Err(fault) = check_item(&item) {
            results.push(Err(Trouble::fault(fault)));
            return;
        }
        results.push(Ok(item));
    }
}

/// Evaluates the body of what a rule yields for a target.
fn make(run: &Run<'_>, item: Item) -> Applied {
    match commit::evaluate_item(run, &item) {
        Made::Object(draft) => Ok((draft, item.ignore_on_error)),
        other => Err(Box::new(Trouble::Object(other, item.name))),
    }
}

/// The attributes that tie an object to its target.
fn naming_presets(entry: &TypeEntry, draft: &Draft, state: &State) -> Vec<(&'static str, Value)> {
    let on_host = draft
        .entry
        .info
        .is_some_and(|info| info.naming == Naming::OnHost);
    let (host, service) = match state.attributes.get("host_name") {
        Some(host @ Value::String(_)) if on_host => {
            let short = state.short_name.as_ref().unwrap_or(&state.name);
            (host.clone(), Some(Value::String(short.clone())))
        }
        _ => (Value::String(state.name.clone()), None),
    };
    let naming = entry.info.map_or(Naming::Plain, |info| info.naming);
    let mut presets = Vec::with_capacity(4);
    match naming {
        Naming::OnHost => presets.push(("host_name", host)),
        Naming::OnCheckable => {
            presets.push(("host_name", host));
            presets.extend(service.map(|name| ("service_name", name)));
        }
        Naming::OnChildCheckable => {
            presets.push(("parent_host_name", host.clone()));
            presets.push(("child_host_name", host));
            presets.extend(service.map(|name| ("child_service_name", name)));
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
    let mut groups = run.env.registry.groups_of(&entry.name);
    groups.retain(|group| !group.assign.is_empty());
    if groups.is_empty() || drafts.is_empty() {
        return;
    }
    let (env, sources) = (run.env, run.sources);
    let names = root_names(entry);
    let conditions: Vec<_> = groups
        .iter()
        .map(|group| {
            let reader = Reader {
                env,
                roots: &names,
                scope: &group.item.scope,
            };
            Conditions::new(&reader, &group.assign, &group.ignore)
        })
        .collect();
    let mut index = Index::default();
    for (at, conditions) in conditions.iter().enumerate() {
        // Groups that were assigned a moment ago count.
        let assign = conditions.assign.as_deref();
        index.add(
            at,
            assign.filter(|tests| !tests.iter().any(|it| it.looks_at("groups"))),
        );
    }
    let faults = parallel(drafts, env.threads, |chunk| {
        let run = Run::committing(env, sources);
        let mut faults = Vec::new();
        let mut candidates = Vec::new();
        for draft in chunk {
            let roots = target_roots(env, draft);
            index.candidates(&roots, &mut candidates);
            for &at in &candidates {
                run.renew();
                let known = conditions[at].hold(&roots);
                if let Err(fault) = assign_group(&run, &groups[at], known, draft, &roots) {
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

/// How deep groups may nest; the model complains about more.
const GROUPS_DEEP_MAX: usize = 20;

/// A member of a group is a member of the groups of the group. Rules that look at `groups` see
/// those, too.
pub(super) fn extend_groups(env: &Env, entry: &TypeEntry, drafts: &[Arc<Draft>]) {
    let of_members = |info: &TypeInfo| info.assign_target == Some(entry.name.as_str());
    let mut types = env.types.iter();
    let Some(kind) = types.find(|it| it.info.is_some_and(of_members)) else {
        return;
    };
    let mut parents: FxHashMap<Str, Vec<Value>> = FxHashMap::default();
    for group in env.registry.objects(&kind.name) {
        let Some(group) = as_draft(&group) else {
            continue;
        };
        let state = group.read();
        if let Some(Value::Array(groups)) = state.attributes.get("groups")
            && !groups.is_empty()
        {
            parents.insert(state.name.clone(), groups.items());
        }
    }
    if parents.is_empty() {
        return;
    }
    for draft in drafts {
        let Some(Value::Array(groups)) = draft.get("groups") else {
            continue;
        };
        let mut all = groups.items();
        let direct = all.len();
        let (mut from, mut depth) = (0, 0);
        while from < all.len() && depth < GROUPS_DEEP_MAX {
            let until = all.len();
            for at in from..until {
                let above = all[at].as_str().and_then(|name| parents.get(name));
                for group in above.into_iter().flatten() {
                    if !all.iter().any(|known| ops::equal(known, group)) {
                        all.push(group.clone());
                    }
                }
            }
            (from, depth) = (until, depth + 1);
        }
        if all.len() > direct {
            // The attribute is a list already.
            let _ = draft.set("groups", Value::array(all));
        }
    }
}

fn assign_group(
    run: &Run<'_>,
    group: &GroupRule,
    known: Option<bool>,
    draft: &Arc<Draft>,
    roots: Roots<'_>,
) -> Result<(), Fault> {
    let item = &group.item;
    let is_member = match known {
        Some(known) => known,
        None => {
            let this = run.env.globals_value.clone();
            let mut frame = Frame::with(run, &item.source, item.scope.clone(), this);
            for (name, value) in roots {
                frame.set_local(name.clone(), value.clone());
            }
            matches(&mut frame, &group.assign, &group.ignore)
                .map_err(|stop| stop.into_fault().located(|| item.location.clone()))?
        }
    };
    if !is_member {
        return Ok(());
    }
    if !group.matched.load(Ordering::Relaxed) {
        group.matched.store(true, Ordering::Release);
    }
    let name = Value::String(item.name.clone());
    let groups = match draft.get("groups") {
        Some(Value::Array(groups)) => groups.items(),
        _ => Vec::new(),
    };
    if !groups.iter().any(|old| ops::equal(old, &name)) {
        let groups = groups.into_iter().chain([name]);
        draft.set("groups", Value::array(groups))?;
    }
    Ok(())
}
