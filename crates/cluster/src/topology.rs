//! Zones and endpoints of a generation, seen from this node.

use std::collections::BTreeMap;

use bheka_model::{ConfigObject, Generation};
use bheka_value::{Str, Value};

use crate::netstring::{CHILD_BYTES_MAX, TRUSTED_BYTES_MAX};

/// How deep zones may nest (Icinga 2's limit); the walk up ends there, so a cycle that slipped
/// through cannot hang.
const DEPTH_MAX: usize = 32;

/// `log_duration` of an endpoint that sets none: one day, in seconds.
const LOG_DURATION_DEFAULT_S: f64 = 86_400.0;

/// The default port of the API.
const PORT_DEFAULT: &str = "5665";

/// How an endpoint stands to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// A member of the own zone.
    Own,
    /// In the parent zone.
    Parent,
    /// In an ancestor above the parent zone.
    Ancestor,
    /// In a direct child zone.
    Child,
    /// In a zone below a child.
    Descendant,
    /// Anywhere else, or in no zone.
    Unrelated,
}

impl Relation {
    /// Whether relayed messages go there directly and it may be dialled.
    #[must_use]
    pub const fn is_neighbour(self) -> bool {
        matches!(self, Self::Own | Self::Parent | Self::Child)
    }

    /// Bytes an endpoint of that relation may send in one frame.
    #[must_use]
    pub const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Own | Self::Parent | Self::Ancestor => TRUSTED_BYTES_MAX,
            Self::Child | Self::Descendant | Self::Unrelated => CHILD_BYTES_MAX,
        }
    }
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its parent.
    pub parent: Option<Str>,
    /// Whether its objects are everybody's.
    pub global: bool,
    /// Its members in the order of the configuration.
    pub endpoints: Vec<Str>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Its zone; `None` when no zone lists it.
    pub zone: Option<Str>,
    /// Where to dial it; `None` when it is not to be dialled.
    pub host: Option<Str>,
    /// The port to dial.
    pub port: Str,
    /// Seconds for which messages are kept for it; 0 for not at all, negative for ever.
    pub log_duration_s: f64,
    /// How it stands to this node.
    pub relation: Relation,
}

/// Zones and endpoints of a generation, seen from one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    local_endpoint: Str,
    local_zone: Option<Str>,
    zones: BTreeMap<Str, Zone>,
    endpoints: BTreeMap<Str, Endpoint>,
}

impl Topology {
    /// The zones of a generation as the endpoint `local_endpoint` sees them.
    #[must_use]
    pub fn new(generation: &Generation, local_endpoint: &str) -> Self {
        let mut zones = BTreeMap::new();
        let mut zone_of: BTreeMap<Str, Str> = BTreeMap::new();
        for object in generation.of_type("Zone") {
            let zone = Zone {
                parent: object.optional("parent"),
                global: object.boolean("global"),
                endpoints: object.names("endpoints"),
            };
            for endpoint in &zone.endpoints {
                zone_of.insert(endpoint.clone(), object.name.clone());
            }
            zones.insert(object.name.clone(), zone);
        }
        let mut topology = Self {
            local_endpoint: local_endpoint.into(),
            local_zone: zone_of.get(local_endpoint).cloned(),
            zones,
            endpoints: BTreeMap::new(),
        };
        for object in generation.of_type("Endpoint") {
            let zone = zone_of.get(&*object.name).cloned();
            let endpoint = Endpoint {
                relation: topology.relation_of_zone(zone.as_deref()),
                zone,
                host: object.optional("host"),
                port: port(object),
                log_duration_s: match object.get("log_duration") {
                    Value::Number(seconds) => seconds,
                    _ => LOG_DURATION_DEFAULT_S,
                },
            };
            topology.endpoints.insert(object.name.clone(), endpoint);
        }
        topology
    }

    /// This node's endpoint.
    #[must_use]
    pub const fn local_endpoint(&self) -> &Str {
        &self.local_endpoint
    }

    /// This node's zone.
    #[must_use]
    pub const fn local_zone(&self) -> Option<&Str> {
        self.local_zone.as_ref()
    }

    /// The parent of this node's zone.
    #[must_use]
    pub fn parent_zone(&self) -> Option<&Str> {
        self.zones.get(self.local_zone.as_ref()?)?.parent.as_ref()
    }

    /// A zone.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.get(name)
    }

    /// All zones by name.
    pub fn zones(&self) -> impl Iterator<Item = (&Str, &Zone)> {
        self.zones.iter()
    }

    /// An endpoint.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.get(name)
    }

    /// All endpoints by name, this node's among them.
    pub fn endpoints(&self) -> impl Iterator<Item = (&Str, &Endpoint)> {
        self.endpoints.iter()
    }

    /// The zone of an endpoint.
    #[must_use]
    pub fn zone_of(&self, endpoint: &str) -> Option<&Str> {
        self.endpoints.get(endpoint)?.zone.as_ref()
    }

    /// Whether zone `name` is this node's.
    #[must_use]
    pub fn is_local(&self, name: &str) -> bool {
        self.local_zone.as_deref() == Some(name)
    }

    /// The zones that messages go to directly: own, parent, direct children; in that order.
    pub fn neighbours(&self) -> impl Iterator<Item = &Str> {
        self.local_zone
            .iter()
            .chain(self.parent_zone())
            .chain(self.children())
    }

    /// The direct child zones.
    pub fn children(&self) -> impl Iterator<Item = &Str> {
        let local = self.local_zone.as_deref();
        let is_child = move |zone: &Zone| local.is_some() && zone.parent.as_deref() == local;
        self.zones
            .iter()
            .filter(move |(_, zone)| is_child(zone))
            .map(|(name, _)| name)
    }

    /// The zone and its ancestors, nearest first.
    pub fn lineage<'a>(&'a self, zone: &str) -> impl Iterator<Item = &'a Str> {
        let first = self.zones.get_key_value(zone);
        std::iter::successors(first, |(_, zone)| {
            self.zones.get_key_value(zone.parent.as_deref()?)
        })
        .take(DEPTH_MAX)
        .map(|(name, _)| name)
    }

    /// Whether `zone` is `ancestor` or below it.
    #[must_use]
    pub fn is_within(&self, zone: &str, ancestor: &str) -> bool {
        zone == ancestor || self.lineage(zone).any(|name| &**name == ancestor)
    }

    /// Whether zone `accessor` may touch an object of zone `object_zone` (the own zone when it has
    /// none): when that is global, the same, or below.
    #[must_use]
    pub fn can_access(&self, accessor: &str, object_zone: Option<&str>) -> bool {
        let Some(object_zone) = object_zone.or(self.local_zone.as_deref()) else {
            return false;
        };
        match self.zones.get(object_zone) {
            Some(zone) => zone.global || self.is_within(object_zone, accessor),
            None => false,
        }
    }

    /// The direct child zone under which `zone` lies, or which it is.
    #[must_use]
    pub fn child_towards(&self, zone: &str) -> Option<&Str> {
        let local = self.local_zone.as_deref()?;
        self.lineage(zone).find(|name| {
            self.zones
                .get(&***name)
                .is_some_and(|zone| zone.parent.as_deref() == Some(local))
        })
    }

    /// How a zone stands to this node's.
    #[must_use]
    pub fn relation_of_zone(&self, zone: Option<&str>) -> Relation {
        let (Some(zone), Some(local)) = (zone, self.local_zone.as_deref()) else {
            return Relation::Unrelated;
        };
        if zone == local {
            Relation::Own
        } else if self.parent_zone().is_some_and(|parent| &**parent == zone) {
            Relation::Parent
        } else if self.is_within(local, zone) {
            Relation::Ancestor
        } else if self.zones.get(zone).and_then(|zone| zone.parent.as_deref()) == Some(local) {
            Relation::Child
        } else if self.is_within(zone, local) {
            Relation::Descendant
        } else {
            Relation::Unrelated
        }
    }
}

fn port(object: &ConfigObject) -> Str {
    match object.get("port") {
        Value::String(port) if !port.is_empty() => port,
        Value::Number(port) => bheka_value::format_number(port).into(),
        _ => PORT_DEFAULT.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{endpoint, generation, zone};

    fn tree() -> Generation {
        generation([
            zone("master", &["m1", "m2"], None),
            zone("sat", &["s1"], Some("master")),
            zone("agent", &["a1"], Some("sat")),
            zone("other", &["o1"], Some("master")),
            crate::testing::global_zone("everywhere"),
            endpoint("m1", None),
            endpoint("m2", Some("10.0.0.2")),
            endpoint("s1", None),
            endpoint("a1", None),
            endpoint("o1", None),
            endpoint("stray", None),
        ])
    }

    #[test]
    fn relations_are_seen_from_the_own_zone() {
        let relations = |local: &str| {
            let topology = Topology::new(&tree(), local);
            topology
                .endpoints()
                .map(|(_, endpoint)| endpoint.relation)
                .collect::<Vec<_>>()
        };
        use Relation::{Ancestor, Child, Descendant, Own, Parent, Unrelated};
        // a1, m1, m2, o1, s1, stray
        assert_eq!(
            relations("m1"),
            [Descendant, Own, Own, Child, Child, Unrelated]
        );
        assert_eq!(
            relations("s1"),
            [Child, Parent, Parent, Unrelated, Own, Unrelated]
        );
        assert_eq!(
            relations("a1"),
            [Own, Ancestor, Ancestor, Unrelated, Parent, Unrelated]
        );
        assert_eq!(relations("stray"), [Unrelated; 6]);
    }

    #[test]
    fn parents_touch_their_childrens_objects_and_never_the_other_way() {
        let topology = Topology::new(&tree(), "s1");
        assert!(topology.can_access("master", Some("agent")));
        assert!(topology.can_access("sat", Some("agent")));
        assert!(topology.can_access("agent", Some("agent")));
        assert!(!topology.can_access("agent", Some("sat")));
        assert!(!topology.can_access("other", Some("agent")));
        assert!(topology.can_access("agent", Some("everywhere")));
        assert!(
            !topology.can_access("agent", None),
            "an object without zone is the own zone's"
        );
        assert!(topology.can_access("master", None));
        assert!(!topology.can_access("master", Some("nosuch")));
    }

    #[test]
    fn neighbours_are_own_parent_and_children() {
        let names = |local: &str| {
            let topology = Topology::new(&tree(), local);
            topology
                .neighbours()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("m1"), ["master", "other", "sat"]);
        assert_eq!(names("s1"), ["sat", "master", "agent"]);
        assert_eq!(names("stray"), Vec::<String>::new());
        let topology = Topology::new(&tree(), "m1");
        assert_eq!(
            topology.child_towards("agent").map(|zone| &**zone),
            Some("sat")
        );
        assert_eq!(topology.child_towards("master"), None);
    }

    #[test]
    fn a_cycle_of_zones_does_not_hang() {
        let looped = generation([zone("a", &["e"], Some("b")), zone("b", &[], Some("a"))]);
        let topology = Topology::new(&looped, "e");
        assert!(!topology.is_within("a", "c"));
        assert_eq!(topology.lineage("a").count(), DEPTH_MAX);
    }
}
