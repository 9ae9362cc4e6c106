//! The sockets of a fleet that waits: one for those who answer, one for each way not to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bheka_net::listen;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{Addresses, FleetError, Listen, Role};

/// Connections that the kernel holds until they are accepted: a master may dial all at once.
const BACKLOG: i32 = 4096;

/// Open sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) addresses: Addresses,
    pub(crate) healthy: Door,
    pub(crate) slow: Door,
    pub(crate) mute: Door,
    pub(crate) ports: Ports,
    pub(crate) traps: Traps,
}

/// Where which agents are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    healthy: u16,
    slow: u16,
    mute: u16,
    blackhole: u16,
    refuse: u16,
}

impl Ports {
    pub(crate) fn of(self, role: Role) -> u16 {
        match role {
            Role::Healthy => self.healthy,
            Role::Slow => self.slow,
            Role::Mute => self.mute,
            Role::Blackhole => self.blackhole,
            Role::Refuse => self.refuse,
        }
    }
}

/// Sockets that only have to exist.
#[derive(Debug)]
pub(crate) struct Traps {
    /// Its queue has room for one connection, which is `_stopper`: the kernel drops all others.
    _blackhole: TcpListener,
    _stopper: TcpStream,
    /// Bound, so that nobody else takes the port, but not listening.
    _refuse: TcpSocket,
}

/// A listening socket that only takes connections to its fleet's addresses.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    addresses: Addresses,
}

impl Door {
    fn open(addresses: Addresses, port: u16) -> io::Result<Self> {
        let address = addresses.socket_address().to_string();
        Ok(Self {
            listener: listen(Some(&address), port)?,
            addresses,
        })
    }

    fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let (tcp, _) = self.listener.accept().await?;
            // For a network the socket hears on all addresses of the machine, but strangers from
            // outside have no business here.
            let local = tcp.local_addr();
            if local.is_ok_and(|local| self.addresses.contains(local.ip())) {
                return Ok(tcp);
            }
        }
    }

    /// Lets the kernel drop who knocks (but the first, who waits), or takes everybody again.
    pub(crate) fn cut(&self, cut: bool) {
        let backlog = if cut { 0 } else { BACKLOG };
        if let Err(error) = rustix::net::listen(&self.listener, backlog) {
            tracing::warn!("cannot change the queue of a listening socket: {error}");
        }
    }
}

impl Sockets {
    pub(crate) async fn open(listen: Listen) -> Result<Self, FleetError> {
        Self::try_open(listen)
            .await
            .map_err(|cause| FleetError::Listen {
                address: format!("{}, port {}", listen.addresses, listen.port),
                cause,
            })
    }

    async fn try_open(listen: Listen) -> io::Result<Self> {
        let addresses = listen.addresses;
        let healthy = Door::open(addresses, listen.port)?;
        let (slow, mute) = (Door::open(addresses, 0)?, Door::open(addresses, 0)?);
        let blackhole = bound(addresses)?.listen(0)?;
        let blackhole_address = blackhole.local_addr()?;
        let stopper = TcpStream::connect(reachable(blackhole_address)).await?;
        let refuse = bound(addresses)?;
        Ok(Self {
            addresses,
            ports: Ports {
                healthy: healthy.port()?,
                slow: slow.port()?,
                mute: mute.port()?,
                blackhole: blackhole_address.port(),
                refuse: refuse.local_addr()?.port(),
            },
            healthy,
            slow,
            mute,
            traps: Traps {
                _blackhole: blackhole,
                _stopper: stopper,
                _refuse: refuse,
            },
        })
    }
}

/// A socket with a free port.
fn bound(addresses: Addresses) -> io::Result<TcpSocket> {
    let address = SocketAddr::new(addresses.socket_address(), 0);
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(address)?;
    Ok(socket)
}

/// The address at which a socket of this machine hears.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_is_where() {
        let listen = Listen {
            addresses: "127.1.0.0/16".parse().unwrap(),
            port: 0,
        };
        let sockets = Sockets::open(listen).await.unwrap();
        let ip = sockets.addresses.nth(300);
        let dial = |role, ip| TcpStream::connect((ip, sockets.ports.of(role)));
        let tcp = dial(Role::Healthy, ip).await.unwrap();
        let taken = sockets.healthy.accept().await.unwrap();
        assert_eq!(taken.local_addr().unwrap(), tcp.peer_addr().unwrap());
        let refused = dial(Role::Refuse, ip).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let silent = tokio::time::timeout(Duration::from_millis(300), dial(Role::Blackhole, ip));
        assert!(silent.await.is_err());
        // Another address of this machine is not of the fleet: closed at once, and never seen.
        let other = dial(Role::Healthy, IpAddr::from([127, 0, 0, 1]))
            .await
            .unwrap();
        let mine = dial(Role::Healthy, ip).await.unwrap();
        let taken = sockets.healthy.accept().await.unwrap();
        assert_eq!(taken.peer_addr().unwrap(), mine.local_addr().unwrap());
        drop(other);
    }

    #[tokio::test]
    async fn nobody_gets_in_while_it_is_cut() {
        let addresses = Addresses::one(Ipv4Addr::LOCALHOST.into());
        let door = Door::open(addresses, 0).unwrap();
        let address = door.listener.local_addr().unwrap();
        door.cut(true);
        let _first = TcpStream::connect(address).await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address));
        assert!(second.await.is_err());
        door.cut(false);
        TcpStream::connect(address).await.unwrap();
        door.accept().await.unwrap();
    }
}
