//! Dials that are due: in which order they begin, and how many at a time.
//!
//! Ten thousand endpoints may be due at once, at start or after the network was away. Those that
//! were never tried, or were connected a moment ago, come first; those that failed before come
//! later and may only take a share of the places, so that however many of them never answer, the
//! others do not wait for them. Within a class the order is random: neighbours in the alphabet are
//! neighbours in a rack, too.

use std::collections::{BTreeMap, BTreeSet};

use bheka_value::Str;

/// How many dials may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialLimits {
    /// In all.
    pub dials_max: usize,
    /// Of these, to endpoints whose last dial failed.
    pub suspects_max: usize,
}

impl DialLimits {
    /// So many in all, a quarter of them to endpoints whose last dial failed.
    #[must_use]
    pub const fn new(dials_max: usize) -> Self {
        let dials_max = if dials_max < 4 { 4 } else { dials_max };
        Self {
            dials_max,
            suspects_max: dials_max / 4,
        }
    }
}

impl Default for DialLimits {
    /// 4,096. A dial to an address that never answers keeps its place for 15 s.
    fn default() -> Self {
        Self::new(4_096)
    }
}

/// How promising a dial is; the better ones begin first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Never tried, or connected until now.
    Fresh,
    /// Failed once or twice.
    Shaky,
    /// Fails always.
    Failing,
}

impl Class {
    /// By the number of dials that failed in a row.
    pub(crate) const fn of(failures: u32) -> Self {
        match failures {
            0 => Self::Fresh,
            1 | 2 => Self::Shaky,
            _ => Self::Failing,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    class: Class,
    order: u64,
    endpoint: Str,
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialQueue {
    limits: DialLimits,
    due: BTreeSet<Due>,
    waiting: BTreeMap<Str, (Class, u64)>,
    /// Under way, and whether as a suspect.
    running: BTreeMap<Str, bool>,
    suspects: usize,
}

impl DialQueue {
    pub(crate) fn new(limits: DialLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// A dial is due, unless one is under way. `order` decides among its class.
    pub(crate) fn push(&mut self, endpoint: &Str, class: Class, order: u64) {
        if self.running.contains_key(endpoint) {
            return;
        }
        self.remove(endpoint);
        self.waiting.insert(endpoint.clone(), (class, order));
        self.due.insert(Due {
            class,
            order,
            endpoint: endpoint.clone(),
        });
    }

    /// It is not wanted any longer.
    pub(crate) fn remove(&mut self, endpoint: &Str) {
        if let Some((class, order)) = self.waiting.remove(endpoint) {
            self.due.remove(&Due {
                class,
                order,
                endpoint: endpoint.clone(),
            });
        }
    }

    /// The next dial for which there is a place; from now on it is under way.
    pub(crate) fn begin(&mut self) -> Option<Str> {
        if self.running.len() >= self.limits.dials_max {
            return None;
        }
        let is_suspect = self.due.first()?.class > Class::Fresh;
        if is_suspect && self.suspects >= self.limits.suspects_max {
            return None;
        }
        let due = self.due.pop_first()?;
        self.waiting.remove(&due.endpoint);
        self.suspects += usize::from(is_suspect);
        self.running.insert(due.endpoint.clone(), is_suspect);
        Some(due.endpoint)
    }

    /// A dial has ended, in whatever way. Whether it was under way.
    pub(crate) fn end(&mut self, endpoint: &str) -> bool {
        match self.running.remove(endpoint) {
            Some(was_suspect) => {
                self.suspects -= usize::from(was_suspect);
                true
            }
            None => false,
        }
    }

    /// Whether it waits for a place.
    pub(crate) fn is_waiting(&self, endpoint: &str) -> bool {
        self.waiting.contains_key(endpoint)
    }

    /// How many wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.due.len()
    }

    /// How many are under way.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(queue: &mut DialQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.begin())
            .map(|endpoint| endpoint.to_string())
            .collect()
    }

    #[test]
    fn the_promising_ones_begin_first() {
        let mut queue = DialQueue::default();
        queue.push(&"always".into(), Class::of(9), 1);
        queue.push(&"once".into(), Class::of(1), 2);
        queue.push(&"late".into(), Class::of(0), 7);
        queue.push(&"early".into(), Class::of(0), 3);
        queue.push(&"gone".into(), Class::of(0), 4);
        queue.remove(&"gone".into());
        assert_eq!(begun(&mut queue), ["early", "late", "once", "always"]);
        assert_eq!((queue.waiting(), queue.running()), (0, 4));
    }

    #[test]
    fn those_that_fail_leave_places_to_the_others() {
        let mut queue = DialQueue::new(DialLimits::new(8));
        for number in 0..100 {
            queue.push(&format!("bad{number}").into(), Class::of(5), number);
        }
        assert_eq!(begun(&mut queue).len(), 2);
        for number in 0..10 {
            queue.push(&format!("good{number}").into(), Class::of(0), number);
        }
        let good = begun(&mut queue);
        assert_eq!(good.len(), 6);
        assert!(good.iter().all(|name| name.starts_with("good")));
        assert!(queue.end(&good[0]));
        assert!(!queue.end(&good[0]));
        assert_eq!(begun(&mut queue), ["good6"]);
        for name in &good[1..] {
            queue.end(name);
        }
        // No more of those that fail, though there are places.
        assert_eq!(begun(&mut queue), ["good7", "good8", "good9"]);
        assert!(queue.end("bad0"));
        assert_eq!(begun(&mut queue), ["bad2"]);
    }

    #[test]
    fn one_that_is_due_twice_begins_once() {
        let mut queue = DialQueue::default();
        queue.push(&"a".into(), Class::Failing, 1);
        queue.push(&"a".into(), Class::Fresh, 2);
        assert_eq!(queue.waiting(), 1);
        assert_eq!(begun(&mut queue), ["a"]);
    }
}
