//! How many agents, who they are, and how they behave.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bheka_net::pki::{CertificateAuthority, KeyKind};
use bheka_value::Timestamp;
use serde::Serialize;

use crate::Addresses;

/// Yields the time; the edge of the program hands it in.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks this function.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Where agents wait for the master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listen {
    /// Addresses of this machine.
    pub addresses: Addresses,
    /// The port of the agents that answer; 0 takes a free one. Those that misbehave
    /// ([`Roles`]) have free ports.
    pub port: u16,
}

/// How agents dial a master.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The name of the master's endpoint.
    pub master: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The pause before an agent without a connection tries again; Icinga 2's is 10 s.
    pub retry: Duration,
    /// Each agent begins at a moment of its own within this time.
    pub spread: Duration,
    /// Handshakes that all agents together begin at the same time; all at once when missing.
    pub at_once_max: Option<usize>,
}

impl Dial {
    /// All agents at once, and again after 10 s.
    #[must_use]
    pub fn new(master: &str, host: &str, port: u16) -> Self {
        Self {
            master: master.to_owned(),
            host: host.to_owned(),
            port,
            retry: Duration::from_secs(10),
            spread: Duration::ZERO,
            at_once_max: None,
        }
    }
}

/// What an agent does when it is dialled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It answers.
    Healthy,
    /// It is behind a firewall: the attempt to reach it is not even refused.
    Blackhole,
    /// It lets itself be connected and says nothing, not even in TLS.
    Mute,
    /// Nobody listens where it should be.
    Refuse,
    /// It answers, but takes its time between two messages that it reads.
    Slow,
}

impl Role {
    /// Whether a master can get a connection to it.
    #[must_use]
    pub fn can_connect(self) -> bool {
        matches!(self, Self::Healthy | Self::Slow)
    }
}

/// How many of a hundred agents misbehave. Which ones is decided by their numbers, evenly over the
/// fleet; agents that dial can only be [`Role::Mute`] and [`Role::Slow`], the others stay away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// Percent of [`Role::Blackhole`].
    pub blackhole: u8,
    /// Percent of [`Role::Mute`].
    pub mute: u8,
    /// Percent of [`Role::Refuse`].
    pub refuse: u8,
    /// Percent of [`Role::Slow`].
    pub slow: u8,
}

impl Roles {
    /// The role of the agent with this number, from 0.
    #[must_use]
    pub fn of(self, index: usize) -> Role {
        let place = spread(index);
        let mut end = 0;
        for (percent, role) in [
            (self.blackhole, Role::Blackhole),
            (self.mute, Role::Mute),
            (self.refuse, Role::Refuse),
            (self.slow, Role::Slow),
        ] {
            end += usize::from(percent);
            if place < end {
                return role;
            }
        }
        Role::Healthy
    }

    /// How many of the first `agents` a master can get a connection to.
    #[must_use]
    pub fn connectable(self, agents: usize) -> usize {
        (0..agents)
            .filter(|index| self.of(*index).can_connect())
            .count()
    }
}

/// A place from 0 to 99 for an agent: each hundred agents have all places, in a mixed order.
fn spread(index: usize) -> usize {
    // Prime to 100, near its golden section: any few in a row are far apart.
    (index % 100) * 61 % 100
}

/// An agent as a master must know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AgentEndpoint {
    /// The name of its endpoint.
    pub name: String,
    /// Where it waits; none when it only dials.
    pub address: Option<SocketAddr>,
    /// What it does.
    pub role: Role,
}

/// How many of a hundred checks are not OK. Which ones is decided by their names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateMix {
    /// Percent in state WARNING.
    pub warning: u8,
    /// Percent in state CRITICAL.
    pub critical: u8,
    /// Percent in state UNKNOWN.
    pub unknown: u8,
}

impl Default for StateMix {
    /// A healthy installation: 4 % warning, 2 % critical, 1 % unknown.
    fn default() -> Self {
        Self {
            warning: 4,
            critical: 2,
            unknown: 1,
        }
    }
}

impl StateMix {
    /// The state of a check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. The same names always yield
    /// the same state.
    #[must_use]
    pub fn state(self, host: &str, service: Option<&str>) -> u8 {
        let draw = draw(&[host, "!", service.unwrap_or_default()]);
        let warning = u16::from(self.warning);
        let critical = warning + u16::from(self.critical);
        let unknown = critical + u16::from(self.unknown);
        match draw {
            draw if draw < warning => 1,
            draw if draw < critical => 2,
            draw if draw < unknown => 3,
            _ => 0,
        }
    }
}

/// A number from 0 to 99 that the same texts always yield.
pub(crate) fn draw(texts: &[&str]) -> u16 {
    // FNV-1a: stable over releases and platforms, which the standard hasher is not.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in texts.iter().flat_map(|text| text.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV are its weakest.
    u16::try_from((hash >> 32) % 100).unwrap_or(0)
}

/// What fleet to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many agents.
    pub agents: usize,
    /// Their names are this and a number: `agent-0001`.
    pub prefix: String,
    /// Who signs their certificates.
    pub authority: CertificateAuthority,
    /// How many of a hundred have RSA keys with 4096 bits, as Icinga 2 makes them; the others have
    /// P-256.
    pub rsa_percent: u8,
    /// How many different keys of a kind they have; each its own when missing. RSA keys take
    /// seconds each, and for most purposes a few are enough.
    pub keys_max: Option<usize>,
    /// Where they wait to be dialled; none when they are not to.
    pub listen: Option<Listen>,
    /// Whom they dial; none when they only wait.
    pub dial: Option<Dial>,
    /// Who misbehaves.
    pub roles: Roles,
    /// How long a check runs.
    pub delay: Duration,
    /// How long an agent hesitates before it begins to answer a handshake, as if it were far away.
    pub handshake_delay: Duration,
    /// How long a slow agent pauses after each message that it reads.
    pub slow_pause: Duration,
    /// How many checks are not OK.
    pub states: StateMix,
    /// The time.
    pub clock: Clock,
}

impl Options {
    /// Agents with P-256 keys that wait on `127.0.0.1` and answer at once.
    #[must_use]
    pub fn new(agents: usize, authority: CertificateAuthority, clock: Clock) -> Self {
        Self {
            agents,
            prefix: "agent-".to_owned(),
            authority,
            rsa_percent: 0,
            keys_max: None,
            listen: Some(Listen {
                addresses: Addresses::one(Ipv4Addr::LOCALHOST.into()),
                port: 0,
            }),
            dial: None,
            roles: Roles::default(),
            delay: Duration::ZERO,
            handshake_delay: Duration::ZERO,
            slow_pause: Duration::from_secs(1),
            states: StateMix::default(),
            clock,
        }
    }

    /// The names of the agents: numbers from 1, all of the same width (four digits or more).
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let width = self.agents.to_string().len().max(4);
        (1..=self.agents)
            .map(|number| format!("{}{number:0width$}", self.prefix))
            .collect()
    }

    /// The kind of the key of the agent with this number, from 0.
    pub(crate) fn key_kind(&self, index: usize) -> KeyKind {
        if spread(index) < usize::from(self.rsa_percent) {
            KeyKind::Rsa4096
        } else {
            KeyKind::EcP256
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_spread_evenly() {
        let roles = Roles {
            blackhole: 10,
            mute: 0,
            refuse: 5,
            slow: 20,
        };
        let count = |agents: usize, role: Role| {
            (0..agents).filter(|index| roles.of(*index) == role).count()
        };
        assert_eq!(count(2_000, Role::Blackhole), 200);
        assert_eq!(count(2_000, Role::Refuse), 100);
        assert_eq!(count(2_000, Role::Slow), 400);
        assert_eq!(count(20, Role::Blackhole), 2);
        assert_eq!(roles.connectable(200), 170);
        assert_eq!(Roles::default().connectable(7), 7);
        let all = Roles {
            refuse: 100,
            ..Roles::default()
        };
        assert_eq!(all.connectable(1_000), 0);
    }

    #[test]
    fn states_follow_the_mix_and_never_change() {
        let mix = StateMix {
            warning: 10,
            critical: 5,
            unknown: 1,
        };
        let mut counts = [0; 4];
        for number in 0..10_000 {
            let host = format!("agent-{number:04}");
            let state = mix.state(&host, Some("load"));
            assert_eq!(state, mix.state(&host, Some("load")));
            counts[usize::from(state)] += 1;
        }
        assert!((900..1100).contains(&counts[1]), "{counts:?}");
        assert!((400..600).contains(&counts[2]), "{counts:?}");
        assert!((50..150).contains(&counts[3]), "{counts:?}");
        // Pinned: other runs and releases must agree.
        let default = StateMix::default();
        let problems: Vec<(u32, u8)> = (0..40)
            .map(|number| (number, default.state(&format!("agent-{number:04}"), None)))
            .filter(|(_, state)| *state > 0)
            .collect();
        assert_eq!(problems, [(7, 2), (9, 2), (12, 1), (25, 1)]);
    }
}
