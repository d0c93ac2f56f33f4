//! The two ends of a connection, and how they are brought into one address family.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The ends of the connection that is passed on, never IPv4-mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

impl Addresses {
    pub(super) fn new(source: SocketAddr, destination: SocketAddr) -> Addresses {
        Addresses { source: canonical(source), destination: canonical(destination) }
    }

    /// A header has one family for both ends. Where they differ, IPv4 becomes IPv4-mapped IPv6 (RFC 4291, 2.5.5.2),
    /// which loses nothing.
    pub(super) fn in_one_family(&self) -> OneFamily {
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => OneFamily::V4 { source, destination },
            (source, destination) => {
                OneFamily::V6 { source: mapped(source), destination: mapped(destination) }
            }
        }
    }
}

pub(super) enum OneFamily {
    V4 { source: Ipv4Addr, destination: Ipv4Addr },
    V6 { source: Ipv6Addr, destination: Ipv6Addr },
}

/// Scope and flow label do not pass through a header either.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}
