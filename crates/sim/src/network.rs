//! Connections between nodes: in order, late, and sometimes not at all.

use std::collections::{BTreeMap, BTreeSet};

use bheka_cluster::LinkId;
use bheka_cluster::netstring::Decoder;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) node: String,
    /// Which life of the node it belongs to.
    pub(crate) life: u64,
    pub(crate) link: LinkId,
    /// Whether the node has been told of it; an acceptor is told with the first byte.
    pub(crate) is_up: bool,
    pub(crate) is_open: bool,
    pub(crate) decoder: Decoder,
    /// When the last frame for it arrives.
    pub(crate) arrival_last: f64,
}

/// A connection; `ends[0]` dialled.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) ends: [End; 2],
    /// What each end has sent while the way was blocked.
    pub(crate) held: [Vec<Vec<u8>>; 2],
}

/// All connections, and what is blocked.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) last_connection: u64,
    pub(crate) last_link: u64,
    pub(crate) by_link: BTreeMap<LinkId, (u64, usize)>,
    pub(crate) blocked: BTreeSet<(String, String)>,
}

impl Network {
    pub(crate) fn is_blocked(&self, one: &str, other: &str) -> bool {
        self.blocked.contains(&pair(one, other))
    }

    pub(crate) fn connect(&mut self, dialler: (&str, u64), acceptor: (&str, u64)) -> u64 {
        self.last_connection += 1;
        let mut end = |(node, life): (&str, u64)| {
            self.last_link += 1;
            End {
                node: node.to_owned(),
                life,
                link: LinkId(self.last_link),
                is_up: false,
                is_open: true,
                decoder: Decoder::default(),
                arrival_last: 0.0,
            }
        };
        let ends = [end(dialler), end(acceptor)];
        let id = self.last_connection;
        for (side, end) in ends.iter().enumerate() {
            self.by_link.insert(end.link, (id, side));
        }
        self.connections.insert(
            id,
            Connection {
                ends,
                held: [Vec::new(), Vec::new()],
            },
        );
        id
    }

    /// Forgets a connection that is closed at both ends.
    pub(crate) fn forget_closed(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.ends.iter().any(|end| end.is_open) {
            return;
        }
        for end in &connection.ends {
            self.by_link.remove(&end.link);
        }
        self.connections.remove(&id);
    }
}

pub(crate) fn pair(one: &str, other: &str) -> (String, String) {
    if one <= other {
        (one.to_owned(), other.to_owned())
    } else {
        (other.to_owned(), one.to_owned())
    }
}
