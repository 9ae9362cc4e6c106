//! Values that are alike become one.
//!
//! Objects of one template or rule mostly have the same custom variables and lists. While they are
//! made each has its own, for a body may still change them; once they are frozen one will do. It
//! is a third of the memory of a large configuration.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bheka_value::{Array, Dictionary, Value};
use rustc_hash::{FxHashMap, FxHasher};

/// Larger collections are rarely alike and take long to compare.
const ITEMS_MAX: usize = 64;
/// Parts below this depth are left as they are.
const DEPTH_MAX: usize = 8;

/// The collections seen so far, by the hash of their content.
#[derive(Default)]
pub(super) struct Sharer {
    arrays: FxHashMap<u64, Vec<Arc<Array>>>,
    dictionaries: FxHashMap<u64, Vec<Arc<Dictionary>>>,
}

impl Sharer {
    /// Freezes a value, and replaces it by one that is the same in all parts, if there was one.
    pub(super) fn share(&mut self, value: &mut Value) {
        self.share_within(value, 0);
        value.freeze();
    }

    fn share_within(&mut self, value: &mut Value, depth: usize) {
        match value {
            // Whoever else holds it may compare it by identity, or change it until it is frozen.
            Value::Array(array) if is_own(array) && depth < DEPTH_MAX => {
                let Ok(mut items) = array.write() else { return };
                if items.len() > ITEMS_MAX {
                    return;
                }
                for item in items.iter_mut() {
                    self.share_within(item, depth + 1);
                }
                items.shrink_to_fit();
                let hash = hash_of(items.iter());
                drop(items);
                let known = self.arrays.entry(hash).or_default();
                match known.iter().find(|other| same_items(array, other)) {
                    Some(other) => *value = Value::Array(Arc::clone(other)),
                    None => known.push(Arc::clone(array)),
                }
            }
            Value::Dictionary(dictionary) if is_own(dictionary) && depth < DEPTH_MAX => {
                let Ok(mut entries) = dictionary.write() else {
                    return;
                };
                if entries.len() > ITEMS_MAX {
                    return;
                }
                for (_, item) in entries.iter_mut() {
                    self.share_within(item, depth + 1);
                }
                entries.shrink_to_fit();
                let mut hasher = FxHasher::default();
                for (key, value) in entries.iter() {
                    key.hash(&mut hasher);
                    hash_into(value, &mut hasher);
                }
                drop(entries);
                let known = self.dictionaries.entry(hasher.finish()).or_default();
                match known.iter().find(|other| same_entries(dictionary, other)) {
                    Some(other) => *value = Value::Dictionary(Arc::clone(other)),
                    None => known.push(Arc::clone(dictionary)),
                }
            }
            _ => {}
        }
    }
}

fn is_own<T>(value: &Arc<T>) -> bool {
    Arc::strong_count(value) == 1
}

fn hash_of<'v>(values: impl Iterator<Item = &'v Value>) -> u64 {
    let mut hasher = FxHasher::default();
    for value in values {
        hash_into(value, &mut hasher);
    }
    hasher.finish()
}

fn hash_into(value: &Value, hasher: &mut FxHasher) {
    match value {
        Value::Empty => 0u8.hash(hasher),
        Value::Number(number) => number.to_bits().hash(hasher),
        Value::Boolean(boolean) => boolean.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(array) => Arc::as_ptr(array).hash(hasher),
        Value::Dictionary(dictionary) => Arc::as_ptr(dictionary).hash(hasher),
        Value::Function(function) => Arc::as_ptr(function).cast::<()>().hash(hasher),
        Value::Object(object) => Arc::as_ptr(object).cast::<()>().hash(hasher),
    }
}

/// The same kind with the same content, bit by bit; parts are the same when they are one.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Empty, Value::Empty) => true,
        (Value::Number(left), Value::Number(right)) => left.to_bits() == right.to_bits(),
        (Value::Boolean(left), Value::Boolean(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Array(left), Value::Array(right)) => Arc::ptr_eq(left, right),
        (Value::Dictionary(left), Value::Dictionary(right)) => Arc::ptr_eq(left, right),
        (Value::Function(left), Value::Function(right)) => {
            std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
        }
        (Value::Object(left), Value::Object(right)) => {
            std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
        }
        _ => false,
    }
}

fn same_items(left: &Array, right: &Array) -> bool {
    let (left, right) = (left.read(), right.read());
    left.len() == right.len() && left.iter().zip(right.iter()).all(|(l, r)| same(l, r))
}

fn same_entries(left: &Dictionary, right: &Dictionary) -> bool {
    let (left, right) = (left.read(), right.read());
    let mut pairs = left.iter().zip(right.iter());
    left.len() == right.len() && pairs.all(|((lk, l), (rk, r))| lk == rk && same(l, r))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(labels: &[&str]) -> Value {
        let labels = Value::array(labels.iter().map(|&label| Value::from(label)));
        Value::dictionary([("a", Value::Number(1.0)), ("labels", labels)])
    }

    #[test]
    fn what_is_alike_becomes_one_and_frozen() {
        let mut sharer = Sharer::default();
        let (mut first, mut second, mut other) = (vars(&["x"]), vars(&["x"]), vars(&["y"]));
        for value in [&mut first, &mut second, &mut other] {
            sharer.share(value);
        }
        let (first, second, other) = (
            first.as_dictionary().unwrap(),
            second.as_dictionary().unwrap(),
            other.as_dictionary().unwrap(),
        );
        assert!(Arc::ptr_eq(first, second));
        assert!(!Arc::ptr_eq(first, other));
        assert!(first.is_frozen() && other.is_frozen());
    }

    #[test]
    fn kinds_are_told_apart_and_values_of_others_left_alone() {
        let mut sharer = Sharer::default();
        let mut number = Value::array([Value::Number(1.0)]);
        let mut boolean = Value::array([Value::Boolean(true)]);
        sharer.share(&mut number);
        sharer.share(&mut boolean);
        assert!(!Arc::ptr_eq(
            number.as_array().unwrap(),
            boolean.as_array().unwrap()
        ));
        let mut held = Value::array([Value::Number(1.0)]);
        let holder = held.clone();
        sharer.share(&mut held);
        assert!(Arc::ptr_eq(
            held.as_array().unwrap(),
            holder.as_array().unwrap()
        ));
    }
}
