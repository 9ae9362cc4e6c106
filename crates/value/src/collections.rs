//! Arrays and dictionaries with reference semantics.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Map, Str, Value};

/// How deep values may nest when they are cloned, frozen, compared or encoded; deeper parts are
/// cut or refused, so that no input overflows the stack.
pub const MAX_NESTING: usize = 256;

/// A change was tried on a frozen collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("value must not be modified: it is frozen")]
pub struct Frozen;

/// An ordered list.
#[derive(Default)]
pub struct Array {
    items: RwLock<Vec<Value>>,
    frozen: AtomicBool,
}

/// A map with sorted keys.
#[derive(Default)]
pub struct Dictionary {
    entries: RwLock<Map>,
    frozen: AtomicBool,
}

impl Array {
    /// An array of these items.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        Self {
            items: RwLock::new(items),
            frozen: AtomicBool::new(false),
        }
    }

    /// Read access; keep it short, and never call back into the language while holding it.
    pub fn read(&self) -> RwLockReadGuard<'_, Vec<Value>> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Write access.
    ///
    /// # Errors
    /// [`Frozen`] once the array is frozen.
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, Vec<Value>>, Frozen> {
        let guard = self.items.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_frozen() {
            Err(Frozen)
        } else {
            Ok(guard)
        }
    }

    /// A copy of the items (the items themselves are shared).
    #[must_use]
    pub fn items(&self) -> Vec<Value> {
        self.read().clone()
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Forbids changes to this array (not to what its items refer to).
    pub fn freeze_shallow(&self) {
        let _guard = self.items.write().unwrap_or_else(PoisonError::into_inner);
        self.frozen.store(true, Ordering::Release);
    }

    /// Whether changes are forbidden.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }
}

impl Dictionary {
    /// A dictionary of these entries.
    #[must_use]
    pub fn new(entries: impl Into<Map>) -> Self {
        Self {
            entries: RwLock::new(entries.into()),
            frozen: AtomicBool::new(false),
        }
    }

    /// Read access; keep it short, and never call back into the language while holding it.
    pub fn read(&self) -> RwLockReadGuard<'_, Map> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Write access.
    ///
    /// # Errors
    /// [`Frozen`] once the dictionary is frozen.
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, Map>, Frozen> {
        let guard = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if self.is_frozen() {
            Err(Frozen)
        } else {
            Ok(guard)
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.read().get(key).cloned()
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`Frozen`] once the dictionary is frozen.
    pub fn set(&self, key: impl Into<Str>, value: Value) -> Result<(), Frozen> {
        self.write()?.insert(key.into(), value);
        Ok(())
    }

    /// A copy of the entries (the values themselves are shared).
    #[must_use]
    pub fn entries(&self) -> Map {
        self.read().clone()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Forbids changes to this dictionary (not to what its values refer to).
    pub fn freeze_shallow(&self) {
        let _guard = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        self.frozen.store(true, Ordering::Release);
    }

    /// Whether changes are forbidden.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }
}

thread_local! {
    /// What is still to be dropped while a [`drop_flat`] is at work on this thread.
    static WAITING: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

/// Drops values one after the other. Values that nest without limit (arrays in arrays, functions
/// that captured functions, objects that refer to objects) must not overflow the stack when they
/// are dropped, so everything that holds values hands them to this function when it is dropped
/// itself: what the inner ones hold waits until the outer ones are gone.
pub fn drop_flat(values: impl IntoIterator<Item = Value>) {
    let mut values = values.into_iter().filter(may_nest).peekable();
    if values.peek().is_none() {
        return;
    }
    let queued = WAITING.try_with(|waiting| {
        let Ok(mut waiting) = waiting.try_borrow_mut() else {
            return false;
        };
        let at_work = waiting.is_some();
        waiting.get_or_insert_default().extend(&mut values);
        at_work
    });
    // Some other call on this thread goes on with them. (A thread that is ending has no queue any
    // more: there the rest is dropped in the ordinary way.)
    if queued != Ok(false) {
        return;
    }
    loop {
        let next = WAITING.try_with(|waiting| {
            let mut waiting = waiting.try_borrow_mut().ok()?;
            let next = waiting.as_mut()?.pop();
            if next.is_none() {
                *waiting = None;
            }
            next
        });
        match next {
            Ok(Some(value)) => drop(value),
            _ => break,
        }
    }
}

/// Whether dropping a value can drop others.
fn may_nest(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_) | Value::Dictionary(_) | Value::Function(_) | Value::Object(_)
    )
}

impl Drop for Array {
    fn drop(&mut self) {
        let items = self.items.get_mut().unwrap_or_else(PoisonError::into_inner);
        if items.iter().any(may_nest) {
            drop_flat(std::mem::take(items));
        }
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        let entries = self
            .entries
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if entries.values().any(may_nest) {
            drop_flat(std::mem::take(entries).into_values());
        }
    }
}

impl FromIterator<(Str, Value)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Self {
        Self::new(entries.into_iter().collect::<Map>())
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array[{}]", self.len())
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary[{}]", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_values_are_dropped_without_recursion() {
        let mut value = Value::Empty;
        for _ in 0..200_000 {
            value = Value::dictionary([("a", Value::array([value]))]);
        }
        drop(value);
    }
}
