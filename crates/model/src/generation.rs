//! One configuration as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use bheka_value::{Str, Value};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::{CheckableName, ConfigObject};

/// All objects of one configuration: immutable, shared by `Arc`, replaced as a whole.
#[derive(Debug, Default)]
pub struct Generation {
    /// Counts loads in this process, from 1.
    pub number: u64,
    /// Global constants and variables (`NodeName`, `PluginDir`, …), for macros and the CLI.
    pub globals: BTreeMap<Str, Value>,
    objects: BTreeMap<&'static str, BTreeMap<Str, Arc<ConfigObject>>>,
    services: BTreeMap<Str, Vec<Arc<ConfigObject>>>,
}

impl Generation {
    /// A generation of these objects. A second object of the same type and name replaces the
    /// first; the evaluator has refused duplicates before.
    #[must_use]
    pub fn new(
        number: u64,
        globals: BTreeMap<Str, Value>,
        objects: impl IntoIterator<Item = Arc<ConfigObject>>,
    ) -> Self {
        let mut generation = Self {
            number,
            globals,
            ..Self::default()
        };
        let mut by_type: FxHashMap<&'static str, Vec<(Str, Arc<ConfigObject>)>> =
            FxHashMap::default();
        for object in objects {
            let of_type = by_type.entry(object.type_info.name).or_default();
            of_type.push((object.name.clone(), object));
        }
        for (type_name, mut objects) in by_type {
            // Stable, so that the last one of a name is the last to be inserted.
            objects.par_sort_by(|left, right| left.0.cmp(&right.0));
            let objects: BTreeMap<_, _> = objects.into_iter().collect();
            generation.objects.insert(type_name, objects);
        }
        // In the order of their full names those of one host follow each other, mostly.
        let mut services: BTreeMap<Str, Vec<Arc<ConfigObject>>> = BTreeMap::new();
        let mut run: Option<(Str, Vec<Arc<ConfigObject>>)> = None;
        for service in generation.of_type("Service") {
            let host = service.string("host_name");
            match &mut run {
                Some((of, found)) if *of == host => found.push(Arc::clone(service)),
                _ => {
                    let next = (host, vec![Arc::clone(service)]);
                    if let Some((host, found)) = run.replace(next) {
                        services.entry(host).or_default().extend(found);
                    }
                }
            }
        }
        if let Some((host, found)) = run {
            services.entry(host).or_default().extend(found);
        }
        generation.services = services;
        generation
    }

    /// The object of that type and full name.
    #[must_use]
    pub fn get(&self, type_name: &str, name: &str) -> Option<&Arc<ConfigObject>> {
        self.objects.get(type_name)?.get(name)
    }

    /// The host or service object of a checkable.
    #[must_use]
    pub fn checkable(&self, name: &CheckableName) -> Option<&Arc<ConfigObject>> {
        match &name.service {
            None => self.get("Host", &name.host),
            Some(_) => self.get("Service", &name.full()),
        }
    }

    /// All objects of a type, sorted by name.
    pub fn of_type(&self, type_name: &str) -> impl Iterator<Item = &Arc<ConfigObject>> {
        self.objects
            .get(type_name)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// Number of objects of a type.
    #[must_use]
    pub fn count(&self, type_name: &str) -> usize {
        self.objects.get(type_name).map_or(0, BTreeMap::len)
    }

    /// All objects.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ConfigObject>> {
        self.objects.values().flat_map(BTreeMap::values)
    }

    /// The services of a host, sorted by name.
    #[must_use]
    pub fn services_of(&self, host: &str) -> &[Arc<ConfigObject>] {
        self.services.get(host).map_or(&[], Vec::as_slice)
    }

    /// The names of all hosts and services.
    pub fn checkables(&self) -> impl Iterator<Item = CheckableName> + '_ {
        let hosts = self
            .of_type("Host")
            .map(|host| CheckableName::host(host.name.clone()));
        let services = self
            .of_type("Service")
            .map(|service| CheckableName::from_full(&service.name));
        hosts.chain(services)
    }

    /// A global constant as text.
    #[must_use]
    pub fn global_string(&self, name: &str) -> Option<Str> {
        self.globals
            .get(name)
            .and_then(|value| value.as_str().map(Str::new))
    }
}
