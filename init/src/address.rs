//! The own address, as the registry's side of the network sees it.
//!
//! connect(2) on a UDP socket sends nothing and picks the source address of the route to the peer. It says the
//! right thing on hosts with several networks, where "the first interface" does not.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use roundhouse_config::RegistryUrl;
use tokio::net::lookup_host;

/// The source address of the way to the registry. Names are resolved each time, so that a registry that moves
/// while it cannot be reached is found.
pub(crate) async fn towards(registry: &RegistryUrl) -> io::Result<IpAddr> {
    let mut last = io::Error::other("the registry's URL names no host");
    for authority in authorities(registry) {
        match lookup_host(authority).await {
            Ok(peers) => {
                for peer in peers {
                    match source(peer) {
                        Ok(address) => return Ok(address),
                        Err(error) => last = error,
                    }
                }
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn source(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(peer)?;
    let address = socket.local_addr()?.ip();
    if address.is_unspecified() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(address) }
}

fn authorities(registry: &RegistryUrl) -> Vec<&str> {
    match registry {
        RegistryUrl::Embedded => Vec::new(),
        RegistryUrl::Etcd { endpoints } => {
            endpoints.iter().filter_map(|url| url.split_once("://")).map(|(_, host)| host).collect()
        }
        RegistryUrl::Http { authority, .. } => vec![authority],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(url: &str) -> io::Result<IpAddr> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(towards(&url.parse().unwrap()))
    }

    #[test]
    fn the_way_to_the_own_host_starts_at_the_own_host() {
        assert_eq!(own("http://127.0.0.1:1").unwrap(), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(own("etcds://127.0.0.1").unwrap(), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(own("etcd://127.0.0.1").unwrap(), IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn an_ipv6_registry_gives_an_ipv6_address() {
        // A host without IPv6 has no such way, and must say so.
        match own("http://[::1]:1") {
            Ok(address) => assert!(address.is_ipv6()),
            Err(error) => assert_ne!(error.to_string(), ""),
        }
    }

    #[test]
    fn a_name_that_does_not_resolve_is_an_error() {
        assert!(own("http://no-such-host.invalid:1").is_err());
    }
}
