//! What the evaluated files have declared: items, templates, apply rules; and the objects made
//! of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bheka_syntax::ast::{ApplyExpr, Expr, ObjectExpr};
use bheka_value::{Location, Map, Str, Value};
use rustc_hash::FxHashMap;

use crate::draft::{Draft, draft_value};
use crate::fault::{Fault, Outcome};
use crate::source::Source;
use crate::types::TypeEntry;

/// An `object` or `template`, or what an apply rule yields for one target.
pub(crate) struct Item {
    pub(crate) entry: Arc<TypeEntry>,
    pub(crate) name: Str,
    pub(crate) body: Body,
    /// What it captured, as local variables.
    pub(crate) scope: Map,
    pub(crate) source: Arc<Source>,
    pub(crate) location: Location,
    pub(crate) is_template: bool,
    pub(crate) ignore_on_error: bool,
    pub(crate) zone: Option<Str>,
    pub(crate) package: Str,
}

/// Where the statements of an item are.
pub(crate) enum Body {
    Object(Arc<ObjectExpr>),
    /// With attributes that are set before the body, such as `host_name`.
    Apply(Arc<ApplyExpr>, Vec<(&'static str, Value)>),
}

impl Item {
    pub(crate) fn statements(&self) -> &[Expr] {
        match &self.body {
            Body::Object(object) => &object.body,
            Body::Apply(apply, _) => &apply.body,
        }
    }
}

/// An apply rule.
pub(crate) struct Rule {
    pub(crate) entry: Arc<TypeEntry>,
    pub(crate) target: Str,
    pub(crate) name: Str,
    pub(crate) expr: Arc<ApplyExpr>,
    pub(crate) scope: Map,
    pub(crate) source: Arc<Source>,
    pub(crate) location: Location,
    pub(crate) package: Str,
    pub(crate) matched: AtomicBool,
    pub(crate) seen: Seen,
}

/// What was seen while a rule was applied, for explaining why it made nothing.
#[derive(Default)]
pub(crate) struct Seen {
    /// A condition could not be evaluated.
    pub(crate) failed: AtomicBool,
    /// A collection to go over had entries.
    pub(crate) entries: AtomicBool,
    /// Why a collection could not be evaluated.
    pub(crate) trouble: OnceLock<String>,
}

impl Seen {
    /// Notes that a collection had entries.
    pub(crate) fn note_entries(&self, any: bool) {
        // Threads that write all the time would hinder each other.
        if any && !self.entries.load(Ordering::Relaxed) {
            self.entries.store(true, Ordering::Release);
        }
    }
}

/// A group with `assign where`.
pub(crate) struct GroupRule {
    pub(crate) item: Arc<Item>,
    pub(crate) assign: Vec<Expr>,
    pub(crate) ignore: Vec<Expr>,
    pub(crate) matched: AtomicBool,
}

#[derive(Default)]
struct Items {
    named: FxHashMap<Str, FxHashMap<Str, Arc<Item>>>,
    default_templates: BTreeMap<Str, BTreeMap<Str, Arc<Item>>>,
    pending: Vec<Arc<Item>>,
}

/// Objects, templates and rules that one configuration may have: each takes a kilobyte or more.
const DECLARATIONS_MAX: u32 = 20_000_000;

/// Everything declared in one load, or at one console.
#[derive(Default)]
pub(crate) struct Registry {
    items: RwLock<Items>,
    rules: RwLock<Vec<Arc<Rule>>>,
    groups: RwLock<Vec<Arc<GroupRule>>>,
    objects: RwLock<FxHashMap<Str, FxHashMap<Str, Arc<Draft>>>>,
    /// In the order of their making.
    made: Mutex<Vec<(Arc<Draft>, bool)>>,
    /// Open activation contexts: objects may be declared while there is one.
    contexts: AtomicU32,
    /// Objects, templates and rules that were declared or made.
    declared: AtomicU32,
    /// Whether there is any default template: asked for each object.
    has_defaults: AtomicBool,
}

impl Registry {
    fn items(&self) -> RwLockReadGuard<'_, Items> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn items_mut(&self) -> RwLockWriteGuard<'_, Items> {
        self.items.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an object, a template or a rule.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn declares(&self) -> Outcome<()> {
        let before = self.declared.fetch_add(1, Ordering::Relaxed);
        if before >= DECLARATIONS_MAX {
            self.declared.store(DECLARATIONS_MAX, Ordering::Relaxed);
            return Err(Fault::script(format!(
                "Too much is declared: the limit of {DECLARATIONS_MAX} objects, templates and rules \
                 is exceeded."
            )));
        }
        Ok(())
    }

    pub(crate) fn open(&self) {
        self.contexts.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn close(&self) {
        self.contexts.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.contexts.load(Ordering::Acquire) > 0
    }

    /// Adds an item to be committed, or a template.
    ///
    /// # Errors
    /// When the name is taken.
    pub(crate) fn register(&self, item: Arc<Item>, is_default: bool, named: bool) -> Outcome<()> {
        let mut items = self.items_mut();
        if named {
            let of_type = items.named.entry(item.entry.name.clone()).or_default();
            if let Some(old) = of_type.get(&item.name) {
                return Err(redefined(&item, old));
            }
            of_type.insert(item.name.clone(), Arc::clone(&item));
            if is_default {
                let of_type = items
                    .default_templates
                    .entry(item.entry.name.clone())
                    .or_default();
                of_type.insert(item.name.clone(), Arc::clone(&item));
                self.has_defaults.store(true, Ordering::Release);
            }
        }
        if !item.is_template {
            items.pending.push(item);
        }
        Ok(())
    }

    /// An item by type and name, for `import`.
    pub(crate) fn item(&self, type_name: &str, name: &str) -> Option<Arc<Item>> {
        self.items().named.get(type_name)?.get(name).cloned()
    }

    pub(crate) fn templates(&self, type_name: &str) -> Vec<Arc<Item>> {
        let items = self.items();
        let of_type = items
            .named
            .get(type_name)
            .into_iter()
            .flat_map(FxHashMap::values);
        let mut found: Vec<_> = of_type.filter(|item| item.is_template).cloned().collect();
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// The names that `import` finds for a type, and the other types that have that one.
    pub(crate) fn namesakes(&self, type_name: &str, name: &str) -> (Vec<Str>, Vec<Str>) {
        let items = self.items();
        let own = items.named.get(type_name).into_iter();
        let own = own.flat_map(FxHashMap::keys).cloned().collect();
        let has = |of: &&Str| items.named.get(*of).is_some_and(|of| of.contains_key(name));
        let mut others: Vec<Str> = items.named.keys().filter(has).cloned().collect();
        others.sort();
        (own, others)
    }

    pub(crate) fn has_default_templates(&self) -> bool {
        self.has_defaults.load(Ordering::Acquire)
    }

    pub(crate) fn default_templates(&self, type_name: &str) -> Vec<Arc<Item>> {
        let items = self.items();
        items
            .default_templates
            .get(type_name)
            .map(|of| of.values().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn take_pending(&self) -> Vec<Arc<Item>> {
        std::mem::take(&mut self.items_mut().pending)
    }

    pub(crate) fn add_rule(&self, rule: Rule) {
        self.rules
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(rule));
    }

    pub(crate) fn rules(&self) -> Vec<Arc<Rule>> {
        self.rules
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn rules_for(&self, type_name: &str, target: &str) -> Vec<Arc<Rule>> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &&Arc<Rule>| {
            rule.entry.name.as_str() == type_name && rule.target.as_str() == target
        };
        rules.iter().filter(fits).cloned().collect()
    }

    pub(crate) fn add_group(&self, group: GroupRule) {
        self.groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(group));
    }

    /// Groups with conditions that no object has met.
    pub(crate) fn unmatched_groups(&self) -> Vec<Arc<GroupRule>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let empty = |group: &&Arc<GroupRule>| {
            !group.assign.is_empty() && !group.matched.load(Ordering::Acquire)
        };
        groups.iter().filter(empty).cloned().collect()
    }

    /// Groups whose members are objects of this type.
    pub(crate) fn groups_of(&self, target: &str) -> Vec<Arc<GroupRule>> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |group: &&Arc<GroupRule>| {
            group.item.entry.info.and_then(|info| info.assign_target) == Some(target)
        };
        groups.iter().filter(fits).cloned().collect()
    }

    /// Makes room for so many more objects of a type.
    pub(crate) fn reserve(&self, type_name: &Str, count: usize) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.entry(type_name.clone()).or_default().reserve(count);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.reserve(count);
    }

    /// Makes an object known under its full name.
    ///
    /// # Errors
    /// When there is one of that type and name.
    pub(crate) fn add_object(&self, draft: &Arc<Draft>, ignore_on_error: bool) -> Outcome<()> {
        let name = draft.read().name.clone();
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let of_type = objects.entry(draft.entry.name.clone()).or_default();
        if let Some(old) = of_type.get(&name) {
            return Err(Fault::script(format!(
                "An object with type '{}' and name '{name}' already exists ({}), new declaration: {}",
                draft.entry.name, old.location, draft.location
            ))
            .at(draft.location.clone()));
        }
        of_type.insert(name, Arc::clone(draft));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push((Arc::clone(draft), ignore_on_error));
        Ok(())
    }

    /// How many objects of a type there are.
    pub(crate) fn count(&self, type_name: &str) -> usize {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(type_name).map_or(0, |of| of.len())
    }

    pub(crate) fn object(&self, type_name: &str, name: &str) -> Option<Value> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(type_name)?.get(name).map(draft_value)
    }

    /// All objects of a type, sorted by name.
    pub(crate) fn objects(&self, type_name: &str) -> Vec<Value> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let of_type = objects.get(type_name).into_iter().flatten();
        let mut of_type: Vec<_> = of_type.collect();
        of_type.sort_by_key(|(name, _)| *name);
        of_type
            .into_iter()
            .map(|(_, draft)| draft_value(draft))
            .collect()
    }

    /// All objects with their `ignore_on_error`, in the order of their making. They are no longer
    /// known here.
    pub(crate) fn take_made(&self) -> Vec<(Arc<Draft>, bool)> {
        self.objects
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.items_mut() = Items::default();
        self.rules
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.groups
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.objects
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// "Object 'x' of type 'T' re-defined: …"
pub(crate) fn redefined(item: &Item, old: &Item) -> Fault {
    Fault::script(format!(
        "Object '{}' of type '{}' re-defined: {}; previous definition: {}",
        item.name, item.entry.name, item.location, old.location
    ))
    .code("redefined")
    .at(item.location.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_limited() {
        let registry = Registry::default();
        registry
            .declared
            .store(DECLARATIONS_MAX - 1, Ordering::Relaxed);
        assert!(registry.declares().is_ok());
        for _ in 0..3 {
            assert!(registry.declares().is_err_and(|fault| fault.is_limit()));
        }
    }
}
