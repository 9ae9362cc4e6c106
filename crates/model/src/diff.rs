//! What a reload changes.

use std::sync::Arc;

use bheka_value::Str;

use crate::{ConfigObject, Generation};

/// The difference between two generations, by type and full name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// In the next one only.
    pub added: Vec<(&'static str, Str)>,
    /// In both, configured differently.
    pub changed: Vec<(&'static str, Str)>,
    /// In the old one only.
    pub removed: Vec<(&'static str, Str)>,
    /// How many are configured alike.
    pub unchanged: usize,
}

impl Diff {
    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Generation {
    /// What changes from this generation to the next.
    #[must_use]
    pub fn diff(&self, next: &Self) -> Diff {
        let key = |object: &Arc<ConfigObject>| (object.type_info.name, object.name.clone());
        let mut diff = Diff::default();
        for object in next.all() {
            match self.get(object.type_info.name, &object.name) {
                None => diff.added.push(key(object)),
                Some(old) if old.same_as(object) => diff.unchanged += 1,
                Some(_) => diff.changed.push(key(object)),
            }
        }
        for object in self.all() {
            if next.get(object.type_info.name, &object.name).is_none() {
                diff.removed.push(key(object));
            }
        }
        diff
    }
}
