//! Namespaces: `globals`, `System`, `namespace N { }`.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bheka_value::{CallError, Map, ObjectView, Str, Value};

use crate::fault::{Fault, Outcome};

/// A set of named values, some of them constant.
#[derive(Default)]
pub(crate) struct Namespace {
    entries: RwLock<BTreeMap<Str, Entry>>,
    /// Whether plain assignments make constants (a `namespace N { }`).
    defining: AtomicBool,
    /// Whether entries cannot be added any more.
    closed: AtomicBool,
}

#[derive(Clone)]
struct Entry {
    value: Value,
    constant: bool,
}

impl Namespace {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Str, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Str, Entry>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        self.read().get(name).map(|entry| entry.value.clone())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.read().contains_key(name)
    }

    pub(crate) fn keys(&self) -> Vec<Str> {
        self.read().keys().cloned().collect()
    }

    pub(crate) fn values(&self) -> Vec<Value> {
        self.read()
            .values()
            .map(|entry| entry.value.clone())
            .collect()
    }

    pub(crate) fn entries(&self) -> Map {
        self.read()
            .iter()
            .map(|(name, entry)| (name.clone(), entry.value.clone()))
            .collect()
    }

    /// Defines a constant whatever was there. Says whether a constant was replaced.
    pub(crate) fn define(&self, name: impl Into<Str>, value: Value) -> bool {
        let old = self.write().insert(
            name.into(),
            Entry {
                value,
                constant: true,
            },
        );
        old.is_some_and(|entry| entry.constant)
    }

    /// Sets without any check.
    pub(crate) fn put(&self, name: impl Into<Str>, value: Value) {
        self.write().insert(
            name.into(),
            Entry {
                value,
                constant: false,
            },
        );
    }

    /// Sets as an assignment does.
    pub(crate) fn set(&self, name: &str, value: Value) -> Outcome<()> {
        let mut entries = self.write();
        if let Some(entry) = entries.get_mut(name) {
            if entry.constant {
                return Err(Fault::script("Constant must not be modified."));
            }
            entry.value = value;
            return Ok(());
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Fault::script(
                "Namespace is read-only and must not be modified.",
            ));
        }
        let constant = self.defining.load(Ordering::Acquire);
        entries.insert(name.into(), Entry { value, constant });
        Ok(())
    }

    /// Removes an entry.
    pub(crate) fn remove(&self, name: &str) -> Outcome<()> {
        let mut entries = self.write();
        if entries.get(name).is_some_and(|entry| entry.constant) {
            return Err(Fault::script("Constants must not be removed."));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Fault::script(
                "Namespace is read-only and must not be modified.",
            ));
        }
        entries.remove(name);
        Ok(())
    }

    /// From now on all that is set becomes constant.
    pub(crate) fn set_defining(&self) {
        self.defining.store(true, Ordering::Release);
    }

    /// Forbids new entries.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Drops all entries: breaks the cycles between a configuration's functions and its globals.
    pub(crate) fn clear(&self) {
        let entries = std::mem::take(&mut *self.write());
        drop(entries);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let entries = self
            .entries
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let values = std::mem::take(entries).into_values();
        bheka_value::drop_flat(values.map(|entry| entry.value));
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace[{}]", self.read().len())
    }
}

impl ObjectView for Namespace {
    fn type_name(&self) -> &str {
        "Namespace"
    }

    fn object_name(&self) -> Str {
        Str::default()
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.get(name)
    }

    fn attribute_names(&self) -> Vec<Str> {
        self.keys()
    }

    fn set_attribute(&self, name: &str, value: Value) -> Result<(), CallError> {
        self.set(name, value).map_err(CallError::from)
    }

    fn remove_attribute(&self, name: &str) -> Result<(), CallError> {
        self.remove(name).map_err(CallError::from)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The namespace in a value.
pub(crate) fn as_namespace(value: &Value) -> Option<&Namespace> {
    value.as_object()?.as_any().downcast_ref::<Namespace>()
}

/// A namespace as value.
pub(crate) fn namespace_value(namespace: &Arc<Namespace>) -> Value {
    let object: Arc<dyn ObjectView> = Arc::<Namespace>::clone(namespace);
    Value::Object(object)
}
