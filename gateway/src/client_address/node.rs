//! An address as proxies write it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The longest is an IPv6 address that ends in an IPv4 one, in brackets and with a port.
const MAX_NODE: usize = 64;

/// An address, and its port where one is written: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`. IPv4 in IPv6's clothes is IPv4, as everywhere. `unknown` and `_names` (RFC 7239, 6.2 and 6.3) are no
/// addresses; an obfuscated port is none.
pub(super) fn node(text: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    if text.len() > MAX_NODE {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address.to_canonical(), None));
    }
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Some((both.ip().to_canonical(), Some(both.port())));
    }
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(v6, port)| (v6.parse::<Ipv6Addr>().map(IpAddr::V6), port)),
        None => text.split_once(':').map(|(v4, _)| (v4.parse().map(IpAddr::V4), &text[v4.len()..])),
    }?;
    let without_port = port.is_empty() || port.starts_with(":_");
    if without_port { Some((address.ok()?.to_canonical(), None)) } else { None }
}
