//! Control messages (cmsg(3)): where a datagram was sent to, and where its answer must come from.
//!
//! A message is a `cmsghdr` (length, level, type), its data, and padding to the next word. Both are read and written as
//! bytes; the layout is the kernel's own ABI (include/linux/socket.h), whatever the C library says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::address::{self, Family, array};

/// An IPv6 socket may report a packet info (20 bytes) and an original destination (28) and, of a mapped peer, the IPv4
/// ones besides (12 and 16), each after 16 bytes of header: 144 with their padding.
pub(super) const LENGTH: usize = 160;

const WORD: usize = size_of::<usize>();
/// `size_t`, two `int`s.
const HEADER: usize = WORD + 8;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct RawControl([u8; LENGTH]);

/// What a datagram's control messages say about its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::udp) struct Destination {
    /// From the packet info.
    pub(in crate::udp) ip: Option<IpAddr>,
    /// The original destination, port included: the one to go by when it is there, because a captured datagram's own
    /// socket has another port.
    pub(in crate::udp) address: Option<SocketAddr>,
}

impl RawControl {
    pub(super) const EMPTY: RawControl = RawControl([0; LENGTH]);

    /// The destination in the first `length` bytes.
    pub(super) fn read(&self, length: usize) -> Destination {
        let mut destination = Destination::default();
        let mut rest = self.0.get(..length).unwrap_or_default();
        while let Some((level, kind, data, next)) = split(rest) {
            rest = next;
            match (level, kind) {
                // in_pktinfo: interface, local address, destination address in the header (ip(7)).
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    destination.ip = array::<4>(data, 8).map(|octets| Ipv4Addr::from(octets).into());
                }
                // in6_pktinfo: address, interface (RFC 3542, 6).
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    destination.ip = array::<16>(data, 0)
                        .map(|octets| IpAddr::from(Ipv6Addr::from(octets)).to_canonical());
                }
                (libc::IPPROTO_IP, libc::IP_ORIGDSTADDR) | (libc::IPPROTO_IPV6, libc::IPV6_ORIGDSTADDR) => {
                    destination.address = address::read(data);
                }
                _ => {}
            }
        }
        destination
    }

    /// Writes a packet info that has the kernel send from this address, and returns its length.
    pub(super) fn write_source(&mut self, ip: IpAddr, family: Family) -> usize {
        match (ip, family) {
            (IpAddr::V4(v4), Family::V4) => {
                let mut data = [0; 12];
                // ipi_spec_dst is the one that counts when sending; interface 0 leaves the route to the kernel.
                data[4..8].copy_from_slice(&v4.octets());
                self.write(libc::IPPROTO_IP, libc::IP_PKTINFO, &data)
            }
            (ip, _) => {
                let mut data = [0; 20];
                data[..16].copy_from_slice(&address::as_v6(ip).octets());
                self.write(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data)
            }
        }
    }

    fn write(&mut self, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = HEADER + data.len();
        let padded = length.next_multiple_of(WORD);
        let bytes = &mut self.0[..padded];
        bytes.fill(0);
        bytes[..WORD].copy_from_slice(&length.to_ne_bytes());
        bytes[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        bytes[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        bytes[HEADER..length].copy_from_slice(data);
        padded
    }
}

/// Level, type and data of the first message, and what follows it.
fn split(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let length = usize::from_ne_bytes(array(bytes, 0)?);
    let level = i32::from_ne_bytes(array(bytes, WORD)?);
    let kind = i32::from_ne_bytes(array(bytes, WORD + 4)?);
    let data = bytes.get(HEADER..length)?;
    Some((level, kind, data, bytes.get(length.next_multiple_of(WORD)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_source_is_written_where_the_kernel_looks() {
        let mut control = RawControl::EMPTY;
        let length = control.write_source("127.9.8.7".parse().unwrap(), Family::V4);
        assert_eq!(length, 32);
        let (level, kind, data, rest) = split(&control.0[..length]).unwrap();
        assert_eq!((level, kind, rest), (libc::IPPROTO_IP, libc::IP_PKTINFO, [].as_slice()));
        assert_eq!(data, [0, 0, 0, 0, 127, 9, 8, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn an_ipv6_destination_is_read_as_it_is_written() {
        for ip in ["2001:db8::7", "10.0.0.7"] {
            let ip = ip.parse().unwrap();
            let mut control = RawControl::EMPTY;
            let length = control.write_source(ip, Family::V6);
            assert_eq!(control.read(length), Destination { ip: Some(ip), address: None });
        }
    }

    #[test]
    fn messages_stand_beside_each_other() {
        let mut first = RawControl::EMPTY;
        let info = first.write(libc::IPPROTO_IP, libc::IP_PKTINFO, &[0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 9]);
        let mut second = RawControl::EMPTY;
        let mut name = [0; 16];
        name[..2].copy_from_slice(&2u16.to_ne_bytes());
        name[2..8].copy_from_slice(&[4, 87, 10, 0, 0, 9]);
        let original = second.write(libc::IPPROTO_IP, libc::IP_ORIGDSTADDR, &name);
        first.0[info..info + original].copy_from_slice(&second.0[..original]);
        let read = first.read(info + original);
        assert_eq!(read.ip, Some("10.0.0.9".parse().unwrap()));
        assert_eq!(read.address, Some("10.0.0.9:1111".parse().unwrap()));
    }

    proptest! {
        /// Whatever stands there, reading it ends and stays within it.
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), LENGTH), small in 0usize..40) {
            let mut control = RawControl::EMPTY;
            control.0.copy_from_slice(&bytes);
            control.read(LENGTH);
            control.0[..WORD].copy_from_slice(&small.to_ne_bytes());
            control.read(LENGTH);
            control.read(small);
        }
    }
}
