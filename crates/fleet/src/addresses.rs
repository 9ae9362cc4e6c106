//! The addresses on which a fleet can be reached.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One address, or a network all of whose addresses are this machine's (`127.1.0.0/16`).
///
/// With a network each agent has an address of its own, as in reality. It also keeps the master
/// from running out of ports for its own side: there are about 28,000 for each address that it
/// dials, and those of closed connections are blocked for a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    first: IpAddr,
    prefix: u8,
}

/// A text is no address and no network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is no address (127.0.0.1) and no network (127.1.0.0/16)")]
pub struct AddressesError(String);

impl Addresses {
    /// Just one address.
    #[must_use]
    pub fn one(address: IpAddr) -> Self {
        Self {
            first: address,
            prefix: bits(address),
        }
    }

    /// Whether there is more than one.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.prefix < bits(self.first)
    }

    /// How many agents can have one each. The first of a network is left out, because it names
    /// the network; so is the last of IPv4, the broadcast address.
    #[must_use]
    pub fn count(&self) -> u128 {
        let size = self.size();
        match self.first {
            _ if size == 1 => 1,
            IpAddr::V4(_) if size > 2 => size - 2,
            _ => size - 1,
        }
    }

    /// The address of an agent; when there are more agents than addresses, they share.
    #[must_use]
    pub fn nth(&self, index: usize) -> IpAddr {
        if !self.is_network() {
            return self.first;
        }
        let offset = index as u128 % self.count() + 1;
        match self.first {
            IpAddr::V4(first) => {
                let offset = u32::try_from(offset).unwrap_or(0);
                Ipv4Addr::from(u32::from(first).wrapping_add(offset)).into()
            }
            IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).wrapping_add(offset)).into(),
        }
    }

    /// Whether an address is one of these.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = u32::from(bits(self.first) - self.prefix);
        let head = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(other)) => {
                head(u32::from(first).into()) == head(u32::from(other).into())
            }
            (IpAddr::V6(first), IpAddr::V6(other)) => head(first.into()) == head(other.into()),
            _ => false,
        }
    }

    /// What to bind a socket to that can be reached at all of them.
    #[must_use]
    pub fn socket_address(&self) -> IpAddr {
        match self.first {
            first if !self.is_network() => first,
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    fn size(&self) -> u128 {
        1_u128
            .checked_shl(u32::from(bits(self.first) - self.prefix))
            .unwrap_or(u128::MAX)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl FromStr for Addresses {
    type Err = AddressesError;

    fn from_str(text: &str) -> Result<Self, AddressesError> {
        let wrong = || AddressesError(text.to_owned());
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse().map(Self::one).map_err(|_| wrong());
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > bits(address) {
            return Err(wrong());
        }
        let shift = u32::from(bits(address) - prefix);
        let first = match address {
            IpAddr::V4(it) => {
                let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
                Ipv4Addr::from(u32::from(it) & mask).into()
            }
            IpAddr::V6(it) => {
                let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                Ipv6Addr::from(u128::from(it) & mask).into()
            }
        };
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.is_network() {
            write!(f, "/{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Addresses {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address() {
        let one = read("127.0.0.1");
        assert_eq!((one.count(), one.nth(7)), (1, ip("127.0.0.1")));
        assert_eq!(one.socket_address(), ip("127.0.0.1"));
        assert!(one.contains(ip("127.0.0.1")) && !one.contains(ip("127.0.0.2")));
        assert_eq!(read("::1").to_string(), "::1");
        assert_eq!(read("127.0.0.1/32").to_string(), "127.0.0.1");
    }

    #[test]
    fn a_network() {
        let network = read("127.1.2.3/16");
        assert_eq!(network.to_string(), "127.1.0.0/16");
        assert_eq!(network.count(), 65_534);
        assert_eq!(network.nth(0), ip("127.1.0.1"));
        assert_eq!(network.nth(65_533), ip("127.1.255.254"));
        assert_eq!(network.nth(65_534), network.nth(0));
        assert_eq!(network.socket_address(), ip("0.0.0.0"));
        assert!(network.contains(ip("127.1.9.9")));
        assert!(!network.contains(ip("127.2.0.1")) && !network.contains(ip("::1")));
        let network = read("fd00::/64");
        assert_eq!(network.nth(1), ip("fd00::2"));
        assert!(network.contains(ip("fd00::ffff")) && !network.contains(ip("fd01::1")));
        assert!(read("0.0.0.0/0").contains(ip("192.0.2.1")));
        assert_eq!(read("127.0.0.0/31").nth(5), ip("127.0.0.1"));
    }

    #[test]
    fn nonsense() {
        for text in [
            "",
            "localhost",
            "127.0.0.1/33",
            "::1/129",
            "127.0.0.1/x",
            "1/2/3",
        ] {
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
    }
}
