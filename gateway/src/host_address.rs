//! By which address of this host others reach it, where no setting says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ipnet::IpNet;
use roundhouse_registry::program::{self, Limits};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(prefix: IpNet) -> Family {
        if matches!(prefix, IpNet::V4(_)) { Family::V4 } else { Family::V6 }
    }
}

/// The address this host uses towards others (connecting a UDP socket sends nothing; the peers are documentation's,
/// RFC 5737 and RFC 3849), or on a network with no way out its first one that others may know. None of `not`: VIPs are
/// everybody's.
///
/// It may run `ip` and wait for it.
pub(crate) fn host_address(family: Family, not: IpNet) -> Option<IpAddr> {
    let (any, anywhere): (IpAddr, IpAddr) = match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        Family::V6 => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let outwards = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((anywhere, 9))?;
        socket.local_addr()
    });
    let outwards = outwards.ok().map(|address| address.ip()).filter(|address| !not.contains(address));
    outwards.or_else(|| global_addresses(family).into_iter().find(|address| !not.contains(address)))
}

fn global_addresses(family: Family) -> Vec<IpAddr> {
    #[derive(Deserialize)]
    struct Link {
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        local: Option<IpAddr>,
    }
    let family = if family == Family::V4 { "-4" } else { "-6" };
    let arguments = [family, "-json", "address", "show", "scope", "global"];
    let shown =
        program::run("ip", &arguments, "", Limits::BRIEF).map(|answer| answer.stdout).unwrap_or_default();
    let links: Vec<Link> = serde_json::from_str(&shown).unwrap_or_default();
    links.into_iter().flat_map(|link| link.addr_info).filter_map(|address| address.local).collect()
}
