//! The tree of zones as a node sees it (manual chapter 6; protocol: who may touch what).

use std::collections::BTreeMap;

use bheka_value::Str;

use crate::Generation;

/// One zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// The zone above.
    pub parent: Option<Str>,
    /// The zones directly below, sorted.
    pub children: Vec<Str>,
    /// Whether its configuration is everybody's.
    pub global: bool,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<Str>,
}

/// All zones of a generation, from the point of view of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneTree {
    zones: BTreeMap<Str, Zone>,
    home: BTreeMap<Str, Str>,
    local_endpoint: Str,
    local_zone: Option<Str>,
}

impl ZoneTree {
    /// The tree of that generation, seen from that endpoint.
    #[must_use]
    pub fn from(generation: &Generation, local_endpoint: &str) -> Self {
        let mut tree = Self {
            local_endpoint: local_endpoint.into(),
            ..Self::default()
        };
        for object in generation.of_type("Zone") {
            let zone = Zone {
                parent: object.optional("parent"),
                children: Vec::new(),
                global: object.boolean("global"),
                endpoints: object.names("endpoints"),
            };
            for endpoint in &zone.endpoints {
                tree.home.insert(endpoint.clone(), object.name.clone());
            }
            tree.zones.insert(object.name.clone(), zone);
        }
        let links: Vec<(Str, Str)> = tree
            .zones
            .iter()
            .filter_map(|(name, zone)| zone.parent.clone().map(|parent| (parent, name.clone())))
            .collect();
        for (parent, child) in links {
            if let Some(zone) = tree.zones.get_mut(&parent) {
                zone.children.push(child);
            }
        }
        tree.local_zone = tree.home.get(local_endpoint).cloned();
        tree
    }

    /// The endpoint from whose point of view this is.
    #[must_use]
    pub fn local_endpoint(&self) -> &Str {
        &self.local_endpoint
    }

    /// The zone of the local endpoint; `None` without clustering.
    #[must_use]
    pub fn local_zone(&self) -> Option<&Str> {
        self.local_zone.as_ref()
    }

    /// The zone of that name.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.get(name)
    }

    /// All zones, sorted by name.
    pub fn zones(&self) -> impl Iterator<Item = (&Str, &Zone)> {
        self.zones.iter()
    }

    /// The zone an endpoint is in.
    #[must_use]
    pub fn zone_of(&self, endpoint: &str) -> Option<&Str> {
        self.home.get(endpoint)
    }

    /// The zone above.
    #[must_use]
    pub fn parent(&self, zone: &str) -> Option<&Str> {
        self.zones.get(zone)?.parent.as_ref()
    }

    /// The zones directly below, sorted.
    #[must_use]
    pub fn children(&self, zone: &str) -> &[Str] {
        self.zones.get(zone).map_or(&[], |zone| &zone.children)
    }

    /// The endpoints of a zone.
    #[must_use]
    pub fn endpoints(&self, zone: &str) -> &[Str] {
        self.zones.get(zone).map_or(&[], |zone| &zone.endpoints)
    }

    /// Whether a zone is global.
    #[must_use]
    pub fn is_global(&self, zone: &str) -> bool {
        self.zones.get(zone).is_some_and(|zone| zone.global)
    }

    /// The zones above, nearest first (`all_parents`). Ends at a ring.
    #[must_use]
    pub fn ancestors(&self, zone: &str) -> Vec<Str> {
        let mut above = Vec::new();
        let mut current = self.parent(zone);
        while let Some(parent) = current {
            if above.len() > self.zones.len() {
                break;
            }
            above.push(parent.clone());
            current = self.parent(parent);
        }
        above
    }

    /// Whether `zone` is `top` or lies below it.
    #[must_use]
    pub fn is_within(&self, zone: &str, top: &str) -> bool {
        zone == top || self.ancestors(zone).iter().any(|above| *above == top)
    }

    /// Whether a zone may change and see an object of that zone (`None`: one without a zone, which
    /// belongs to the local one): parents reach into their children, never the other way round.
    #[must_use]
    pub fn can_access(&self, zone: &str, object_zone: Option<&str>) -> bool {
        let Some(object_zone) = object_zone.or(self.local_zone.as_deref()) else {
            return false;
        };
        self.is_global(object_zone) || self.is_within(object_zone, zone)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bheka_value::Value;

    use super::*;
    use crate::golden::declaration;

    fn tree() -> ZoneTree {
        let zone = |name: &str, entries: &[(&str, Value)]| {
            declaration("Zone", name, Value::dictionary(entries.iter().cloned()))
        };
        let endpoint = |name| declaration("Endpoint", name, Value::dictionary::<&str>([]));
        let list = |name: &str| Value::array([name.into()]);
        let declarations = vec![
            endpoint("m1"),
            endpoint("s1"),
            zone("master", &[("endpoints", list("m1"))]),
            zone(
                "sat",
                &[("endpoints", list("s1")), ("parent", "master".into())],
            ),
            zone("agent", &[("parent", "sat".into())]),
            zone("other", &[("parent", "master".into())]),
            zone("templates", &[("global", true.into())]),
        ];
        let built = crate::build(1, declarations, BTreeMap::new());
        assert!(!built.has_errors());
        ZoneTree::from(&built.generation, "s1")
    }

    #[test]
    fn the_tree_knows_up_and_down() {
        let tree = tree();
        assert_eq!(tree.local_zone().unwrap(), &Str::new("sat"));
        assert_eq!(tree.ancestors("agent"), ["sat", "master"].map(Str::from));
        assert_eq!(tree.children("master"), ["other", "sat"].map(Str::from));
        assert_eq!(tree.zone_of("m1").unwrap(), &Str::new("master"));
        assert_eq!(tree.endpoints("sat"), ["s1"]);
    }

    #[test]
    fn parents_reach_down_and_never_up() {
        let tree = tree();
        assert!(tree.can_access("master", Some("agent")));
        assert!(tree.can_access("sat", Some("sat")));
        assert!(!tree.can_access("agent", Some("sat")));
        assert!(!tree.can_access("other", Some("agent")));
        assert!(tree.can_access("agent", Some("templates")));
        // Without a zone an object belongs to the local one.
        assert!(tree.can_access("master", None));
        assert!(!tree.can_access("agent", None));
    }
}
