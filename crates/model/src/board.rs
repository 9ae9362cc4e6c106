//! Where the writer publishes live state for readers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;

use crate::{CheckableName, CheckableState, Generation};

/// Published copies of live state, one immutable snapshot an object, so that readers (API,
/// status) never stop the writer and never see half a change.
#[derive(Debug, Default)]
pub struct Board {
    generation: ArcSwap<Generation>,
    checkables: RwLock<HashMap<CheckableName, Arc<ArcSwap<CheckableState>>>>,
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
        let snapshot = Arc::new(state.clone());
        {
            let checkables = self
                .checkables
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = checkables.get(name) {
                slot.store(snapshot);
                return;
            }
        }
        let mut checkables = self
            .checkables
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        checkables.insert(name.clone(), Arc::new(ArcSwap::new(snapshot)));
    }
}
