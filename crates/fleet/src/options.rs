//! How many agents, who they are, and how they behave.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bheka_net::pki::{CertificateAuthority, KeyKind};
use bheka_value::Timestamp;

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

/// Who dials.
#[derive(Clone, Debug)]
pub enum Mode {
    /// The master dials the agents at this address; a free port is taken.
    Listen {
        /// An address of this machine, `127.0.0.1`.
        address: String,
    },
    /// The agents dial the master.
    Dial {
        /// The name of the master's endpoint.
        master: String,
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// The pause before an agent without a connection tries again; Icinga 2's is 10 s.
        retry: Duration,
    },
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
        // FNV-1a: stable over releases and platforms, which the standard hasher is not.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |text: &str| {
            for byte in text.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(host);
        add("!");
        add(service.unwrap_or_default());
        // The low bits of FNV are its weakest.
        let draw = u16::try_from((hash >> 32) % 100).unwrap_or(0);
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

/// What fleet to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many agents.
    pub agents: usize,
    /// Their names are this and a number: `agent-0001`.
    pub prefix: String,
    /// Who signs their certificates.
    pub authority: CertificateAuthority,
    /// The kind of their keys.
    pub key_kind: KeyKind,
    /// How many different keys they have; each its own when missing. RSA keys take seconds each,
    /// and for most purposes a few are enough.
    pub keys_max: Option<usize>,
    /// Who dials.
    pub mode: Mode,
    /// How long a check runs.
    pub delay: Duration,
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
            key_kind: KeyKind::EcP256,
            keys_max: None,
            mode: Mode::Listen {
                address: "127.0.0.1".to_owned(),
            },
            delay: Duration::ZERO,
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
