//! Question and answer, `inet_diag_req_v2` and `inet_diag_msg` with its attributes (sock_diag(7), linux/inet_diag.h),
//! as bytes. Numbers are the machine's, ports and addresses the network's.

use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use neli::FromBytesWithInput;
use neli::attr::Attribute;
use neli::types::{Buffer, RtBuffer};

use super::{Owner, Protocol};

pub(super) const REQUEST: usize = 8 + SOCKET_ID;
const ANSWER: usize = 4 + SOCKET_ID + 20;
/// `inet_diag_sockid`: ports, addresses (16 bytes each, IPv4 in the first 4), interface, cookie.
const SOCKET_ID: usize = 48;

/// INET_DIAG_NOCOOKIE: whichever socket has these addresses, not one seen before.
const NO_COOKIE: [u8; 8] = [0xff; 8];
const INET_DIAG_CGROUP_ID: u16 = 21;

// 2, 10, 6 and 17; each has a byte here.
const FAMILY_V4: u8 = libc::AF_INET as u8;
const FAMILY_V6: u8 = libc::AF_INET6 as u8;
const TCP: u8 = libc::IPPROTO_TCP as u8;
const UDP: u8 = libc::IPPROTO_UDP as u8;

/// The two ends as the socket in question sees them; both of one family, none of them mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    protocol: Protocol,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    /// A socket that speaks by a link-local address is bound to its interface (RFC 4007, 6). 0 elsewhere.
    interface: u32,
}

/// A socket, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    local: (IpAddr, u16),
    /// Port 0 as long as the socket is not connected.
    remote: (IpAddr, u16),
    /// `None` without a cgroup.
    pub(super) owner: Option<Owner>,
}

impl Flow {
    /// `None` for addresses of two families, which no socket has.
    pub(super) fn new(protocol: Protocol, local: SocketAddr, remote: SocketAddr) -> Option<Flow> {
        let interface = scope(local).max(scope(remote));
        let [local, remote] = [local, remote].map(|end| (end.ip().to_canonical(), end.port()));
        (local.0.is_ipv4() == remote.0.is_ipv4()).then_some(Flow { protocol, local, remote, interface })
    }

    /// IPv4 is asked for as such also when the socket may be an IPv6 one that speaks by mapped addresses: the kernel
    /// keeps both in the same tables, and looks for both.
    pub(super) fn request(&self) -> [u8; REQUEST] {
        let family = if self.local.0.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 };
        // One UDP socket is looked for as the recipient of a datagram is, "src and dst are swapped for historical
        // reasons" (net/ipv4/udp_diag.c).
        let (protocol, source, destination) = match self.protocol {
            Protocol::Tcp => (TCP, self.local, self.remote),
            Protocol::Udp => (UDP, self.remote, self.local),
        };
        let mut bytes = [0; REQUEST];
        bytes[..2].copy_from_slice(&[family, protocol]);
        // No extension: the cgroup is told unasked. All states: they restrict a dump only.
        bytes[4..8].fill(0xff);
        let id = &mut bytes[8..];
        id[..2].copy_from_slice(&source.1.to_be_bytes());
        id[2..4].copy_from_slice(&destination.1.to_be_bytes());
        write(&mut id[4..20], source.0);
        write(&mut id[20..36], destination.0);
        id[36..40].copy_from_slice(&self.interface.to_ne_bytes());
        id[40..].copy_from_slice(&NO_COOKIE);
        bytes
    }
}

impl Answer {
    /// `None` if it is cut, or of no internet family.
    pub(super) fn read(payload: &Buffer) -> Option<Answer> {
        let bytes = payload.as_ref();
        let attributes = bytes.get(ANSWER..)?;
        let family = bytes[0];
        let id = &bytes[4..];
        let cgroup = cgroup(attributes);
        let [uid, inode] = [u32::from_ne_bytes(array(bytes, 64)?), u32::from_ne_bytes(array(bytes, 68)?)];
        Some(Answer {
            local: (read(family, id, 4)?, u16::from_be_bytes(array(id, 0)?)),
            remote: (read(family, id, 20)?, u16::from_be_bytes(array(id, 2)?)),
            owner: cgroup.map(|cgroup| Owner { cgroup, inode, uid }),
        })
    }

    /// Whether it is the socket of this flow. For TCP the kernel may answer with a listener at the local address, and
    /// any lookup can be led elsewhere (BPF_PROG_TYPE_SK_LOOKUP).
    pub(super) fn is_about(&self, flow: &Flow) -> bool {
        let exactly = self.local == flow.local && self.remote == flow.remote;
        let (ip, port) = self.local;
        let unconnected =
            self.remote.1 == 0 && port == flow.local.1 && (ip == flow.local.0 || ip.is_unspecified());
        match flow.protocol {
            Protocol::Tcp => exactly,
            Protocol::Udp => exactly || unconnected,
        }
    }
}

/// The value of INET_DIAG_CGROUP_ID, since Linux 5.8.
fn cgroup(attributes: &[u8]) -> Option<u64> {
    let attributes =
        RtBuffer::<u16, Buffer>::from_bytes_with_input(&mut Cursor::new(attributes), attributes.len())
            .ok()?;
    let cgroup = attributes.iter().find(|attribute| *attribute.rta_type() == INET_DIAG_CGROUP_ID)?;
    cgroup.get_payload_as().ok()
}

fn scope(end: SocketAddr) -> u32 {
    match end {
        SocketAddr::V6(end) => end.scope_id(),
        SocketAddr::V4(_) => 0,
    }
}

fn write(place: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => place[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => place.copy_from_slice(&ip.octets()),
    }
}

/// Never a mapped address.
fn read(family: u8, bytes: &[u8], at: usize) -> Option<IpAddr> {
    match family {
        FAMILY_V4 => Some(Ipv4Addr::from(array::<4>(bytes, at)?).into()),
        FAMILY_V6 => Some(IpAddr::from(Ipv6Addr::from(array::<16>(bytes, at)?)).to_canonical()),
        _ => None,
    }
}

/// `N` bytes at an offset, if there are as many.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(protocol: Protocol, local: &str, remote: &str) -> Option<Flow> {
        Flow::new(protocol, local.parse().unwrap(), remote.parse().unwrap())
    }

    fn answer(local: &str, remote: &str) -> Answer {
        let [local, remote] = [local, remote].map(|end| end.parse::<SocketAddr>().unwrap());
        Answer { local: (local.ip(), local.port()), remote: (remote.ip(), remote.port()), owner: None }
    }

    #[test]
    fn a_request_is_laid_out_as_the_kernel_reads_it() {
        let tcp = flow(Protocol::Tcp, "10.0.0.7:258", "10.0.0.9:772").unwrap().request();
        let udp = flow(Protocol::Udp, "10.0.0.7:258", "10.0.0.9:772").unwrap().request();
        assert_eq!(tcp[..8], [2, 6, 0, 0, 255, 255, 255, 255]);
        assert_eq!(tcp[8..16], [1, 2, 3, 4, 10, 0, 0, 7]);
        assert_eq!(tcp[28..32], [10, 0, 0, 9]);
        assert_eq!(tcp[48..], NO_COOKIE);
        assert_eq!(udp[..2], [2, 17]);
        assert_eq!(udp[8..16], [3, 4, 1, 2, 10, 0, 0, 9]);
    }

    #[test]
    fn mapped_addresses_are_the_ones_they_map_and_families_do_not_mix() {
        let v4 = flow(Protocol::Tcp, "10.0.0.7:1", "10.0.0.9:2");
        assert_eq!(flow(Protocol::Tcp, "[::ffff:10.0.0.7]:1", "10.0.0.9:2"), v4);
        assert_eq!(flow(Protocol::Tcp, "10.0.0.7:1", "[::1]:2"), None);
    }

    #[test]
    fn the_interface_is_that_of_a_link_local_address() {
        let request = flow(Protocol::Tcp, "[fe80::1%3]:1", "[fe80::2%3]:2").unwrap().request();
        assert_eq!(request[44..48], 3u32.to_ne_bytes());
    }

    #[test]
    fn only_the_flow_s_own_socket_will_do() {
        let tcp = flow(Protocol::Tcp, "10.0.0.7:1", "10.0.0.9:2").unwrap();
        let udp = Flow { protocol: Protocol::Udp, ..tcp };
        for (local, remote, as_tcp, as_udp) in [
            ("10.0.0.7:1", "10.0.0.9:2", true, true),
            ("10.0.0.7:1", "0.0.0.0:0", false, true),
            ("0.0.0.0:1", "0.0.0.0:0", false, true),
            ("[::]:1", "[::]:0", false, true),
            ("0.0.0.0:3", "0.0.0.0:0", false, false),
            ("10.0.0.8:1", "0.0.0.0:0", false, false),
            ("10.0.0.7:1", "10.0.0.8:2", false, false),
        ] {
            let answer = answer(local, remote);
            assert_eq!((answer.is_about(&tcp), answer.is_about(&udp)), (as_tcp, as_udp), "{answer:?}");
        }
    }

    proptest! {
        /// Whatever stands there, reading it ends and stays within it.
        #[test]
        fn any_bytes_can_be_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Answer::read(&Buffer::from(bytes.clone()));
            if let Some(family) = bytes.first_mut() {
                *family = 2;
            }
            Answer::read(&Buffer::from(bytes));
        }
    }
}
