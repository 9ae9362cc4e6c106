//! Where the writer publishes live state for readers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use bheka_value::{Str, Timestamp, Value};

use crate::{CheckableName, CheckableState, Generation};

/// Live attributes of an object.
type Attributes = Arc<BTreeMap<Str, Value>>;

/// Published copies of live state, one immutable snapshot an object, so that readers (API,
/// status) never stop the writer and never see half a change.
#[derive(Debug, Default)]
pub struct Board {
    generation: ArcSwap<Generation>,
    checkables: RwLock<HashMap<CheckableName, Arc<ArcSwap<CheckableState>>>>,
    others: RwLock<HashMap<(Str, Str), Attributes>>,
    program_start: ArcSwap<Timestamp>,
}

impl Board {
    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts the next generation in force, and forgets the state of checkables that it lacks.
    pub fn set_generation(&self, generation: Arc<Generation>) {
        let mut checkables = self
            .checkables
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        checkables.retain(|name, _| generation.checkable(name).is_some());
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.retain(|(type_name, name), _| generation.get(type_name, name).is_some());
        self.generation.store(generation);
    }

    /// Puts the next generation in force, where it is known which checkables it lacks: all others
    /// are not looked at.
    pub fn exchange_generation<'n>(
        &self,
        generation: Arc<Generation>,
        removed: impl IntoIterator<Item = &'n CheckableName>,
    ) {
        let mut checkables = self
            .checkables
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for name in removed {
            checkables.remove(name);
        }
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.retain(|(type_name, name), _| generation.get(type_name, name).is_some());
        self.generation.store(generation);
    }

    /// The published state of a checkable.
    #[must_use]
    pub fn state(&self, name: &CheckableName) -> Option<Arc<CheckableState>> {
        let checkables = self
            .checkables
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        checkables.get(name).map(|slot| slot.load_full())
    }

    /// Publishes the state of a checkable.
    pub fn publish(&self, name: &CheckableName, state: &CheckableState) {
        self.publish_shared(name, Arc::new(state.clone()));
    }

    /// Publishes the state of a checkable that is shared already.
    pub fn publish_shared(&self, name: &CheckableName, state: Arc<CheckableState>) {
        {
            let checkables = self
                .checkables
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = checkables.get(name) {
                slot.store(state);
                return;
            }
        }
        let mut checkables = self
            .checkables
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        checkables.insert(name.clone(), Arc::new(ArcSwap::new(state)));
    }

    /// Publishes live attributes of any other object (an endpoint's `connected`, a notification's
    /// `last_notification`, …); they replace the ones published before.
    pub fn publish_attributes(
        &self,
        type_name: &str,
        name: &str,
        attributes: BTreeMap<Str, Value>,
    ) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        others.insert((type_name.into(), name.into()), Arc::new(attributes));
    }

    /// The live attributes published for an object.
    #[must_use]
    pub fn attributes(&self, type_name: &str, name: &str) -> Option<Arc<BTreeMap<Str, Value>>> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(&(type_name.into(), name.into())).cloned()
    }

    /// Notes when the daemon was started.
    pub fn set_program_start(&self, at: Timestamp) {
        self.program_start.store(Arc::new(at));
    }

    /// When the daemon was started.
    #[must_use]
    pub fn program_start(&self) -> Timestamp {
        **self.program_start.load()
    }
}
