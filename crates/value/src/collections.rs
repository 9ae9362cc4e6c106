//! Arrays and dictionaries with reference semantics.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

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

/// Takes values apart one by one: values that nest without limit must not overflow the stack when
/// they are dropped.
fn drop_flat(mut waiting: Vec<Value>) {
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(array) => {
                if let Some(mut array) = Arc::into_inner(array) {
                    let items = array
                        .items
                        .get_mut()
                        .unwrap_or_else(PoisonError::into_inner);
                    waiting.append(items);
                }
            }
            Value::Dictionary(dictionary) => {
                if let Some(mut dictionary) = Arc::into_inner(dictionary) {
                    let entries = dictionary
                        .entries
                        .get_mut()
                        .unwrap_or_else(PoisonError::into_inner);
                    waiting.extend(std::mem::take(entries).into_values());
                }
            }
            _ => {}
        }
    }
}

fn is_collection(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Dictionary(_))
}

impl Drop for Array {
    fn drop(&mut self) {
        let items = self.items.get_mut().unwrap_or_else(PoisonError::into_inner);
        if items.iter().any(is_collection) {
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
        if entries.values().any(is_collection) {
            drop_flat(std::mem::take(entries).into_values().collect());
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
