//! The queue of what is due when: one ordered set, so that moving an entry is cheap and exact.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use bheka_model::CheckableName;
use bheka_value::Timestamp;
use rustc_hash::FxHashMap;

/// A time as a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Timestamp);

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Checkables by the time at which something is due; at most one entry each.
#[derive(Debug, Default)]
pub(crate) struct DueQueue {
    by_time: BTreeSet<(At, CheckableName)>,
    by_name: FxHashMap<CheckableName, At>,
}

impl DueQueue {
    /// Puts it at this time, from wherever it was.
    pub(crate) fn set(&mut self, name: &CheckableName, at: Timestamp) {
        let at = At(at);
        match self.by_name.get_mut(name) {
            Some(known) if *known == at => {}
            Some(known) => {
                let before = std::mem::replace(known, at);
                let (_, key) = self
                    .by_time
                    .take(&(before, name.clone()))
                    .unwrap_or_else(|| (before, name.clone()));
                self.by_time.insert((at, key));
            }
            None => {
                self.by_name.insert(name.clone(), at);
                self.by_time.insert((at, name.clone()));
            }
        }
    }

    /// Takes it out.
    pub(crate) fn remove(&mut self, name: &CheckableName) {
        if let Some(at) = self.by_name.remove(name) {
            self.by_time.remove(&(at, name.clone()));
        }
    }

    /// When the first one is due.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| at.0)
    }

    /// Takes out the first one that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<CheckableName> {
        let (at, _) = self.by_time.first()?;
        if at.0.total_cmp(&now) == Ordering::Greater {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether it holds this one.
    #[cfg(test)]
    pub(crate) fn contains(&self, name: &CheckableName) -> bool {
        self.by_name.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_and_pops_in_order() {
        let (a, b) = (CheckableName::host("a"), CheckableName::host("b"));
        let mut queue = DueQueue::default();
        queue.set(&a, Timestamp(5.0));
        queue.set(&b, Timestamp(6.0));
        queue.set(&a, Timestamp(7.0));
        assert_eq!(queue.first(), Some(Timestamp(6.0)));
        assert_eq!(queue.pop_due(Timestamp(5.9)), None);
        assert_eq!(queue.pop_due(Timestamp(8.0)), Some(b));
        assert!(queue.contains(&a));
        queue.remove(&a);
        assert_eq!((queue.len(), queue.first()), (0, None));
    }
}
