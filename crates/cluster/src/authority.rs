//! Which node of a zone an object belongs to: every member computes it alike, nobody asks.

use bheka_model::CheckableName;
use bheka_value::Str;

/// Who of the own zone takes care of which object, as this node sees it now.
///
/// Candidates are this node and the members connected to it, sorted by name; the name of the
/// object picks one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    candidates: Vec<Str>,
    own_index: usize,
    host_pinned: bool,
    held: bool,
}

impl Authority {
    /// All objects are this node's.
    #[must_use]
    pub fn alone(local_endpoint: &Str) -> Self {
        let candidates = vec![local_endpoint.clone()];
        Self {
            candidates,
            own_index: 0,
            host_pinned: true,
            held: false,
        }
    }

    /// Among this node and these connected members of its zone. `host_pinned` when all of them
    /// advertise that services follow their host (capability 4).
    #[must_use]
    pub fn among(local_endpoint: &Str, connected: Vec<Str>, host_pinned: HostPinned) -> Self {
        let mut candidates = connected;
        candidates.push(local_endpoint.clone());
        candidates.sort();
        candidates.dedup();
        let own_index = candidates
            .iter()
            .position(|name| name == local_endpoint)
            .unwrap_or_default();
        Self {
            candidates,
            own_index,
            host_pinned: host_pinned == HostPinned::Yes,
            held: false,
        }
    }

    /// Nothing is this node's yet: it has just started and has other members to wait for.
    #[must_use]
    pub fn held(local_endpoint: &Str) -> Self {
        Self {
            held: true,
            ..Self::alone(local_endpoint)
        }
    }

    /// Whether it is withheld because the node has just started.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.held
    }

    /// Whether services follow their host.
    #[must_use]
    pub const fn is_host_pinned(&self) -> bool {
        self.host_pinned
    }

    /// The candidates by name.
    #[must_use]
    pub fn candidates(&self) -> &[Str] {
        &self.candidates
    }

    /// Whether this node takes care of the object of that full name. It says nothing of objects
    /// that belong to other zones.
    #[must_use]
    pub fn is_mine(&self, full_name: &str) -> bool {
        if self.held {
            return false;
        }
        let name = match full_name.split_once('!') {
            Some((host, _)) if self.host_pinned => host,
            _ => full_name,
        };
        let count = self.candidates.len() as u64;
        count <= 1 || sdbm(name.as_bytes()) % count == self.own_index as u64
    }

    /// Whether this node takes care of a checkable of its zone.
    #[must_use]
    pub fn is_mine_checkable(&self, name: &CheckableName) -> bool {
        if self.host_pinned {
            self.is_mine(&name.host)
        } else {
            self.is_mine(&name.full())
        }
    }
}

/// Which name of a service is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPinned {
    /// That of its host (2.15 and later on all members).
    Yes,
    /// Its own.
    No,
}

/// The hash SDBM over bytes taken as signed, in 64 bits, as Icinga 2 computes it on x86.
#[must_use]
#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]
pub fn sdbm(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0u64, |hash, &byte| {
        let signed = i64::from(byte as i8) as u64;
        signed
            .wrapping_add(hash << 6)
            .wrapping_add(hash << 16)
            .wrapping_sub(hash)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_matches_a_hand_calculation() {
        assert_eq!(sdbm(b""), 0);
        assert_eq!(sdbm(b"a"), 97);
        // 98 + 97 * (2^6 + 2^16 - 1)
        assert_eq!(sdbm(b"ab"), 98 + 97 * 65_599);
        // The byte 0xff counts as -1.
        assert_eq!(sdbm(b"\xff"), u64::MAX);
    }

    #[test]
    fn exactly_one_member_owns_an_object() {
        let names: Vec<Str> = ["a", "b", "c"].map(Str::from).to_vec();
        for host_pinned in [HostPinned::Yes, HostPinned::No] {
            let views: Vec<Authority> = names
                .iter()
                .map(|own| Authority::among(own, names.clone(), host_pinned))
                .collect();
            for number in 0..200 {
                let object = format!("host{number}!service");
                let owners = views.iter().filter(|view| view.is_mine(&object)).count();
                assert_eq!(owners, 1, "{object}");
            }
        }
    }

    #[test]
    fn services_follow_their_host_only_when_all_agree() {
        let own: Str = "a".into();
        let pinned = Authority::among(&own, vec!["b".into()], HostPinned::Yes);
        let apart = Authority::among(&own, vec!["b".into()], HostPinned::No);
        let hosts: Vec<String> = (0..50).map(|number| format!("h{number}")).collect();
        assert!(hosts.iter().all(|host| {
            pinned.is_mine(host) == pinned.is_mine_checkable(&CheckableName::service(&**host, "b"))
        }));
        assert!(hosts.iter().any(|host| {
            apart.is_mine(host) != apart.is_mine_checkable(&CheckableName::service(&**host, "b"))
        }));
    }

    #[test]
    fn alone_everything_is_mine_and_held_nothing() {
        let own: Str = "a".into();
        assert!(Authority::alone(&own).is_mine("x"));
        assert!(!Authority::held(&own).is_mine("x"));
    }
}
