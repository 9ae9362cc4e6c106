//! Listening sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted: a whole fleet may come back at once.
/// `net.core.somaxconn` limits it.
const BACKLOG: i32 = 65_535;

/// Listens. Without an address on all of them: `::` for IPv6 and IPv4 alike, or `0.0.0.0` on a
/// machine without IPv6. Port 0 takes a free one. Must be called within the async runtime.
///
/// # Errors
/// When the address is malformed or taken.
pub fn listen(address: Option<&str>, port: u16) -> io::Result<TcpListener> {
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        return bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).or_else(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        });
    };
    if let Ok(ip) = address.parse::<IpAddr>() {
        return bind(SocketAddr::new(ip, port));
    }
    // A name is resolved once, at start.
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(address, port))?;
    let mut last = io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("name '{address}' has no address"),
    );
    for address in addresses {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for old connections. SO_REUSEPORT stays off: with it a second daemon
    // could take half of the connections unnoticed.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn all_addresses_by_default() {
        let listener = listen(None, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let taken = listen(None, port).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn names_and_nonsense() {
        let listener = listen(Some("localhost"), 0).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
        listen(Some("not an address"), 0).unwrap_err();
    }
}
