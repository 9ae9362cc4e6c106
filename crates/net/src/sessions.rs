//! Sessions with the servers that this node dials, for coming back without a signature.
//!
//! One store serves all dialled endpoints for as long as the own certificate is the same, over any
//! number of reloads. It holds a few sessions of each server and forgets servers that are no
//! longer dialled. It ends with the process: the TLS library gives no way to write a session down,
//! so after a restart each server is greeted with a full handshake once. (The other direction
//! survives a restart, see [`crate::TicketKeys`].)

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls_pki_types::ServerName;

/// TLS 1.3 tickets of one server. Each is used once; OpenSSL gives two with a full handshake and
/// one with a resumed one. The second is for an attempt that fails.
const TICKETS_MAX: usize = 2;
/// Parts of the store that are locked by themselves, so that handshakes do not wait for each other.
const SHARDS: usize = 16;
/// Stores for so few servers are not worth dividing.
const UNDIVIDED_MAX: usize = 16;

/// Sessions by the name that was dialled.
pub(crate) struct SessionStore {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    servers_max: AtomicUsize,
    servers: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    /// Counts uses, to find the server that was not used for the longest.
    uses: u64,
    servers: HashMap<ServerName<'static>, Box<Sessions>>,
}

#[derive(Default)]
struct Sessions {
    last_use: u64,
    /// The key exchange that the server likes, which saves a round trip.
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// The newest last.
    tls13: [Option<Tls13ClientSessionValue>; TICKETS_MAX],
}

impl SessionStore {
    /// For this many servers.
    pub(crate) fn new(servers_max: usize) -> Self {
        let shards = if servers_max <= UNDIVIDED_MAX {
            1
        } else {
            SHARDS
        };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            servers_max: AtomicUsize::new(servers_max),
            servers: AtomicUsize::new(0),
        }
    }

    /// Makes room for exactly these servers and forgets all others.
    pub(crate) fn keep(&self, names: &HashSet<ServerName<'static>>) {
        self.servers_max.store(names.len(), Ordering::Relaxed);
        self.retain(|name| names.contains(name));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, keeps: impl Fn(&ServerName<'static>) -> bool) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.servers.len();
            shard.servers.retain(|name, _| keeps(name));
            shard.servers.shrink_to_fit();
            let gone = before - shard.servers.len();
            self.servers.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    fn shard(&self, name: &ServerName<'_>) -> MutexGuard<'_, Shard> {
        // The remainder is less than the number of shards.
        let index = self.hasher.hash_one(name.to_str()) % self.shards.len() as u64;
        lock(&self.shards[usize::try_from(index).unwrap_or_default()])
    }

    /// Looks at what there is of a server.
    fn known<T>(
        &self,
        name: &ServerName<'_>,
        look: impl FnOnce(&mut Sessions) -> Option<T>,
    ) -> Option<T> {
        let mut shard = self.shard(name);
        shard.uses += 1;
        let uses = shard.uses;
        let sessions = shard.servers.get_mut(&name.to_owned())?;
        sessions.last_use = uses;
        look(sessions)
    }

    /// Changes what there is of a server, which becomes known; in its favour the one of the same
    /// shard that was not used for the longest is forgotten when there are too many.
    fn change(&self, name: ServerName<'static>, change: impl FnOnce(&mut Sessions)) {
        let servers_max = self.servers_max.load(Ordering::Relaxed);
        if servers_max == 0 {
            return;
        }
        let mut shard = self.shard(&name);
        shard.uses += 1;
        let uses = shard.uses;
        if !shard.servers.contains_key(&name) {
            let is_full = self.servers.load(Ordering::Relaxed) >= servers_max;
            let oldest = shard
                .servers
                .iter()
                .filter(|_| is_full)
                .min_by_key(|(_, sessions)| sessions.last_use)
                .map(|(name, _)| name.clone());
            match oldest {
                Some(oldest) => drop(shard.servers.remove(&oldest)),
                // An empty shard takes one in spite of the limit, for it would never have any.
                None => drop(self.servers.fetch_add(1, Ordering::Relaxed)),
            }
        }
        let sessions = shard.servers.entry(name).or_default();
        sessions.last_use = uses;
        change(sessions);
    }

    /// How many servers are known.
    #[cfg(test)]
    fn len(&self) -> usize {
        let counted = self.servers.load(Ordering::Relaxed);
        let shards = self.shards.iter();
        assert_eq!(
            shards.map(|it| lock(it).servers.len()).sum::<usize>(),
            counted
        );
        counted
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientSessionStore for SessionStore {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.change(server_name, |sessions| sessions.group = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.known(server_name, |sessions| sessions.group)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.change(server_name, |sessions| sessions.tls12 = Some(value));
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.known(server_name, |sessions| sessions.tls12.clone())
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.known(server_name, |sessions| sessions.tls12.take());
    }

    fn insert_tls13_ticket(
        &self,
        server_name: ServerName<'static>,
        value: Tls13ClientSessionValue,
    ) {
        self.change(server_name, |sessions| {
            sessions.tls13.rotate_left(1);
            sessions.tls13[TICKETS_MAX - 1] = Some(value);
        });
    }

    fn take_tls13_ticket(
        &self,
        server_name: &ServerName<'static>,
    ) -> Option<Tls13ClientSessionValue> {
        self.known(server_name, |sessions| {
            let taken = sessions.tls13[TICKETS_MAX - 1].take();
            sessions.tls13.rotate_right(1);
            taken
        })
    }
}

/// Sessions are secret.
impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.load(Ordering::Relaxed);
        write!(f, "SessionStore({servers} servers)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(index: usize) -> ServerName<'static> {
        ServerName::try_from(format!("agent-{index}")).unwrap()
    }

    fn remember(store: &SessionStore, index: usize) {
        store.set_kx_hint(name(index), NamedGroup::X25519);
    }

    fn is_known(store: &SessionStore, index: usize) -> bool {
        store.kx_hint(&name(index)).is_some()
    }

    #[test]
    fn all_servers_that_there_is_room_for_are_kept() {
        let store = SessionStore::new(1000);
        (0..1000).for_each(|index| remember(&store, index));
        assert!((0..1000).all(|index| is_known(&store, index)));
        assert_eq!(store.len(), 1000);
    }

    #[test]
    fn beyond_that_the_oldest_give_way() {
        let store = SessionStore::new(3);
        (0..3).for_each(|index| remember(&store, index));
        assert!(is_known(&store, 0), "which counts as a use");
        remember(&store, 3);
        assert!(!is_known(&store, 1) && is_known(&store, 0) && is_known(&store, 3));
        assert_eq!(store.len(), 3);
        let large = SessionStore::new(100);
        (0..10_000).for_each(|index| remember(&large, index));
        assert!(large.len() <= 100 + SHARDS, "{large:?}");
    }

    #[test]
    fn others_than_those_to_keep_are_forgotten() {
        let store = SessionStore::new(256);
        (0..200).for_each(|index| remember(&store, index));
        store.keep(&(100..500).map(name).collect());
        assert_eq!(store.len(), 100);
        assert!(!is_known(&store, 99) && is_known(&store, 100));
        (200..500).for_each(|index| remember(&store, index));
        assert_eq!(store.len(), 400);
        store.keep(&HashSet::new());
        remember(&store, 1);
        assert_eq!(store.len(), 0);
    }
}
