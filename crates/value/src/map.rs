//! The map behind dictionaries and attributes.

use std::collections::{BTreeMap, btree_map};
use std::fmt;

use crate::{Str, Value};

/// A map from text to values, sorted by key.
///
/// Most of them are small and there are hundreds of thousands: up to 32 entries lie in
/// one vector, which takes a third of the memory of a tree; larger ones become a tree, so that no
/// input makes insertion slow.
#[derive(Clone)]
pub struct Map(Form);

#[derive(Clone)]
enum Form {
    Small(Vec<(Str, Value)>),
    Large(BTreeMap<Str, Value>),
}

/// Entries that a map keeps in a vector.
const SMALL_MAX: usize = 32;

impl Map {
    /// An empty map; it allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Form::Small(Vec::new()))
    }

    /// An empty map with room for so many entries.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        Self(Form::Small(Vec::with_capacity(entries.min(SMALL_MAX))))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Small(entries) => entries.len(),
            Form::Large(entries) => entries.len(),
        }
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.0 {
            Form::Small(entries) => entries
                .iter()
                .find(|(known, _)| known.as_str() == key)
                .map(|(_, value)| value),
            Form::Large(entries) => entries.get(key),
        }
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match &mut self.0 {
            Form::Small(entries) => entries
                .iter_mut()
                .find(|(known, _)| known.as_str() == key)
                .map(|(_, value)| value),
            Form::Large(entries) => entries.get_mut(key),
        }
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key; the old value is given back.
    pub fn insert(&mut self, key: Str, value: Value) -> Option<Value> {
        let entries = match &mut self.0 {
            Form::Small(entries) => entries,
            Form::Large(entries) => return entries.insert(key, value),
        };
        // Keys come sorted more often than not.
        let sorted = entries.last().is_none_or(|(last, _)| *last < key);
        let place = if sorted {
            Err(entries.len())
        } else {
            entries.binary_search_by(|(known, _)| known.cmp(&key))
        };
        match place {
            Ok(at) => Some(std::mem::replace(&mut entries[at].1, value)),
            Err(_) if entries.len() >= SMALL_MAX => {
                let mut large: BTreeMap<Str, Value> = std::mem::take(entries).into_iter().collect();
                large.insert(key, value);
                self.0 = Form::Large(large);
                None
            }
            Err(at) => {
                if entries.len() == entries.capacity() {
                    // There are too many maps to let each keep room for twice as much.
                    entries.reserve_exact(if entries.is_empty() { 4 } else { 2 });
                }
                entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Sets a key whose name is only borrowed; no text is copied when the key is there already.
    pub fn set(&mut self, key: &str, value: Value) -> Option<Value> {
        match self.get_mut(key) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => self.insert(key.into(), value),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        match &mut self.0 {
            Form::Small(entries) => {
                let at = entries
                    .iter()
                    .position(|(known, _)| known.as_str() == key)?;
                Some(entries.remove(at).1)
            }
            Form::Large(entries) => entries.remove(key),
        }
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Keeps only the entries that `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&Str, &mut Value) -> bool) {
        match &mut self.0 {
            Form::Small(entries) => entries.retain_mut(|(key, value)| keep(key, value)),
            Form::Large(entries) => entries.retain(keep),
        }
    }

    /// Entries in the order of their keys.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(match &self.0 {
            Form::Small(entries) => Entries::Small(entries.iter()),
            Form::Large(entries) => Entries::Large(entries.iter()),
        })
    }

    /// Entries in the order of their keys, with values to change.
    pub fn iter_mut(&mut self) -> Box<dyn Iterator<Item = (&Str, &mut Value)> + '_> {
        match &mut self.0 {
            Form::Small(entries) => Box::new(entries.iter_mut().map(|(key, value)| (&*key, value))),
            Form::Large(entries) => Box::new(entries.iter_mut()),
        }
    }

    /// Keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Str> + ExactSizeIterator {
        self.iter().map(|(key, _)| key)
    }

    /// Values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.iter().map(|(_, value)| value)
    }

    /// The keys alone, in order.
    pub fn into_keys(self) -> impl Iterator<Item = Str> {
        self.into_iter().map(|(key, _)| key)
    }

    /// The values alone, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = Value> {
        self.into_iter().map(|(_, value)| value)
    }

    /// Values to change, in the order of their keys.
    pub fn values_mut(&mut self) -> Box<dyn Iterator<Item = &mut Value> + '_> {
        match &mut self.0 {
            Form::Small(entries) => Box::new(entries.iter_mut().map(|(_, value)| value)),
            Form::Large(entries) => Box::new(entries.values_mut()),
        }
    }

    /// Gives back memory that is not needed for what it holds now.
    pub fn shrink_to_fit(&mut self) {
        if let Form::Small(entries) = &mut self.0 {
            entries.shrink_to_fit();
        }
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

/// The value of a key that is there.
///
/// # Panics
/// When it is not. For tests; code that meets foreign input uses [`Map::get`].
impl std::ops::Index<&str> for Map {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key)
            .unwrap_or_else(|| panic!("no entry '{key}' in the map"))
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl From<BTreeMap<Str, Value>> for Map {
    fn from(entries: BTreeMap<Str, Value>) -> Self {
        if entries.len() > SMALL_MAX {
            Self(Form::Large(entries))
        } else {
            Self(Form::Small(entries.into_iter().collect()))
        }
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let mut map = Self::with_capacity(entries.size_hint().0);
        map.extend(entries);
        map
    }
}

impl<K: Into<Str>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key.into(), value);
        }
    }
}

impl<K: Into<Str>, const N: usize> From<[(K, Value); N]> for Map {
    fn from(entries: [(K, Value); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// Entries of a [`Map`] by reference.
#[derive(Clone)]
pub struct Iter<'m>(Entries<std::slice::Iter<'m, (Str, Value)>, btree_map::Iter<'m, Str, Value>>);

/// Entries of a [`Map`] by value.
pub struct IntoIter(Entries<std::vec::IntoIter<(Str, Value)>, btree_map::IntoIter<Str, Value>>);

#[derive(Clone)]
enum Entries<S, L> {
    Small(S),
    Large(L),
}

impl<'m> Iterator for Iter<'m> {
    type Item = (&'m Str, &'m Value);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Entries::Small(entries) => entries.next().map(|(key, value)| (key, value)),
            Entries::Large(entries) => entries.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Entries::Small(entries) => entries.size_hint(),
            Entries::Large(entries) => entries.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Entries::Small(entries) => entries.next_back().map(|(key, value)| (key, value)),
            Entries::Large(entries) => entries.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl Iterator for IntoIter {
    type Item = (Str, Value);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Entries::Small(entries) => entries.next(),
            Entries::Large(entries) => entries.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Entries::Small(entries) => entries.size_hint(),
            Entries::Large(entries) => entries.size_hint(),
        }
    }
}

impl DoubleEndedIterator for IntoIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Entries::Small(entries) => entries.next_back(),
            Entries::Large(entries) => entries.next_back(),
        }
    }
}

impl ExactSizeIterator for IntoIter {}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m Str, &'m Value);
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Iter<'m> {
        self.iter()
    }
}

impl IntoIterator for Map {
    type Item = (Str, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(match self.0 {
            Form::Small(entries) => Entries::Small(entries.into_iter()),
            Form::Large(entries) => Entries::Large(entries.into_iter()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// It does what a tree does, across the size at which it becomes one.
        #[test]
        fn agrees_with_a_tree(steps in prop::collection::vec((0..3u8, 0..80u8), 0..200)) {
            let mut map = Map::new();
            let mut tree = BTreeMap::new();
            for (step, key) in steps {
                let key = Str::from(format!("k{key}"));
                let value = Value::Number(f64::from(step));
                match step {
                    0 => prop_assert_eq!(map.remove(&key).is_some(), tree.remove(&key).is_some()),
                    1 => {
                        let before = map.set(&key, value.clone()).is_some();
                        prop_assert_eq!(before, tree.insert(key, value).is_some());
                    }
                    _ => {
                        let before = map.insert(key.clone(), value.clone()).is_some();
                        prop_assert_eq!(before, tree.insert(key, value).is_some());
                    }
                }
                prop_assert_eq!(map.len(), tree.len());
                prop_assert!(map.keys().eq(tree.keys()));
            }
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert_eq!(Map::from(tree), map);
        }
    }
}
