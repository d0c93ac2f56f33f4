//! Socket addresses as the kernel has them: `sockaddr_in` (ip(7)) and `sockaddr_in6` (ipv6(7)), read and written as
//! bytes.
//!
//! A socket of the IPv6 family knows IPv4 peers by mapped addresses (RFC 4291, 2.5.5.2). Here they are IPv4 again as
//! soon as they are read, so that one client is one key, and mapped again only when they go to such a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The family of a socket, which says in what form it takes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::udp) enum Family {
    V4,
    V6,
}

/// Sizes of `sockaddr_in` and `sockaddr_in6`.
const V4_LENGTH: usize = 16;
const V6_LENGTH: usize = 28;

/// Room for either.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
pub(super) struct RawAddress([u8; V6_LENGTH]);

impl Family {
    pub(in crate::udp) fn of(address: SocketAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl RawAddress {
    pub(super) const EMPTY: RawAddress = RawAddress([0; V6_LENGTH]);

    /// Writes the address in the form that a socket of the family takes, and returns its length. An IPv6 address for an
    /// IPv4 socket is written as it is; the kernel refuses it (EAFNOSUPPORT).
    pub(super) fn write(&mut self, address: SocketAddr, family: Family) -> usize {
        let bytes = &mut self.0;
        *bytes = [0; V6_LENGTH];
        bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
        match (address, family) {
            (SocketAddr::V4(v4), Family::V4) => {
                bytes[..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                V4_LENGTH
            }
            (address, _) => {
                bytes[..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
                bytes[8..24].copy_from_slice(&as_v6(address.ip()).octets());
                if let SocketAddr::V6(v6) = address {
                    bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                }
                V6_LENGTH
            }
        }
    }

    /// The address in the first `length` bytes, never a mapped one. `None` for other families.
    pub(super) fn read(&self, length: usize) -> Option<SocketAddr> {
        read(self.0.get(..length)?)
    }
}

/// See [`RawAddress::read`].
pub(super) fn read(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(array(bytes, 2)?);
    match u16::from_ne_bytes(array(bytes, 0)?) {
        FAMILY_V4 => Some((Ipv4Addr::from(array::<4>(bytes, 4)?), port).into()),
        FAMILY_V6 => {
            let ip = Ipv6Addr::from(array::<16>(bytes, 8)?);
            match ip.to_ipv4_mapped() {
                Some(v4) => Some((v4, port).into()),
                // The flow label is no part of who the peer is.
                None => Some(SocketAddrV6::new(ip, port, 0, u32::from_ne_bytes(array(bytes, 24)?)).into()),
            }
        }
        _ => None,
    }
}

pub(super) fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// `N` bytes at an offset, if there are as many.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[allow(clippy::cast_possible_truncation)] // AF_INET is 2 and AF_INET6 is 10; sa_family_t has 16 bits.
const FAMILY_V4: u16 = libc::AF_INET as u16;
#[allow(clippy::cast_possible_truncation)]
const FAMILY_V6: u16 = libc::AF_INET6 as u16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mapped_address_is_the_one_it_maps() {
        let mut raw = RawAddress::EMPTY;
        let length = raw.write("10.1.2.3:53".parse().unwrap(), Family::V6);
        assert_eq!(length, V6_LENGTH);
        assert_eq!(raw.read(length), Some("10.1.2.3:53".parse().unwrap()));
    }

    #[test]
    fn what_is_cut_or_strange_is_no_address() {
        let mut raw = RawAddress::EMPTY;
        assert_eq!(raw.read(0), None);
        assert_eq!(raw.read(V6_LENGTH), None);
        let length = raw.write("[2001:db8::1]:53".parse().unwrap(), Family::V6);
        assert_eq!(raw.read(length - 1), None);
    }

    proptest! {
        #[test]
        fn addresses_survive(ip: IpAddr, port: u16, scope: u32) {
            let address = match ip {
                IpAddr::V4(v4) => (v4, port).into(),
                IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope)),
            };
            let mut raw = RawAddress::EMPTY;
            let length = raw.write(address, Family::of(address));
            let expected = if ip.is_ipv6() && ip.to_canonical() != ip { (ip.to_canonical(), port).into() } else { address };
            prop_assert_eq!(raw.read(length), Some(expected));
        }
    }
}
