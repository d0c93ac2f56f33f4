//! UDP answers from VIP:port that bind no port: a raw socket, to which we give the UDP header (RFC 768) and the kernel the
//! IP header and, where it takes them, the fragments.
//!
//! Needs CAP_NET_RAW. A socket bound to VIP:port would collide with an app of this host on the same port of all
//! addresses, whichever came first (EADDRINUSE).

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sys;

/// Source and destination port, length, checksum.
const HEADER: usize = 8;

/// What an IPv4 datagram of 65,535 bytes leaves after both headers; IPv6's own limit is 20 bytes higher.
const LONGEST: usize = 65_535 - 20 - HEADER;

/// Answers of one address family, from any VIP; one for each worker.
pub struct Replies {
    socket: Socket,
}

impl Replies {
    /// `quiet` is an address of this host that never gets UDP, such as the VIP prefix's network address, which is no
    /// job's: a raw socket gets a copy of all UDP to the address it is bound to.
    pub fn open(quiet: IpAddr) -> io::Result<Replies> {
        let address = SocketAddr::new(quiet, 0);
        let socket = Socket::new(Domain::for_address(address), Type::RAW, Some(Protocol::UDP))?;
        match quiet {
            IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            IpAddr::V6(_) => {
                socket.set_ip_transparent_v6(true)?;
                // The kernel chooses routes and so knows the pseudo-header; for IPv4 it has no such offer.
                sys::option::checksum_at(&socket, 6)?;
            }
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(Replies { socket })
    }

    /// Sends `payload` from the VIP's port to the client. `EMSGSIZE` for more than a datagram holds.
    pub fn send(&self, vip: SocketAddr, client: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let header = header(vip, client, payload)?;
        // A raw socket takes no port.
        let to = SockAddr::from(SocketAddr::new(client.ip(), 0));
        sys::message::send(&self.socket, vip.ip(), &to, &header, payload)
    }
}

fn header(vip: SocketAddr, client: SocketAddr, payload: &[u8]) -> io::Result<[u8; HEADER]> {
    if payload.len() > LONGEST {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    // At most 65,515.
    let length = u16::try_from(HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut header = [0; HEADER];
    header[0..2].copy_from_slice(&vip.port().to_be_bytes());
    header[2..4].copy_from_slice(&client.port().to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    if let (IpAddr::V4(vip), IpAddr::V4(client)) = (vip.ip(), client.ip()) {
        let mut pseudo = [0; 12];
        pseudo[0..4].copy_from_slice(&vip.octets());
        pseudo[4..8].copy_from_slice(&client.octets());
        pseudo[9] = libc::IPPROTO_UDP as u8;
        pseudo[10..12].copy_from_slice(&length.to_be_bytes());
        let checksum = match !folded(sum(&pseudo) + sum(&header) + sum(payload)) {
            // Zero would mean that there is none.
            0 => u16::MAX,
            checksum => checksum,
        };
        header[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(header)
}

/// Sixteen-bit words, the last padded with zero (RFC 1071). 64 KiB of them fit easily.
fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    bytes.chunks(2).map(word).sum()
}

/// The carries are added at the low end (RFC 1071).
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_has_its_limit() {
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(header(address, address, &vec![0; LONGEST]).is_ok());
        let error = header(address, address, &vec![0; LONGEST + 1]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_ones() {
        let address = "127.0.0.1:1".parse().unwrap();
        let complement = header(address, address, &[0, 0]).unwrap();
        assert_eq!(header(address, address, &complement[6..8]).unwrap()[6..8], [0xff, 0xff]);
    }

    proptest! {
        /// A receiver adds up all words, the checksum included, in ones' complement, and wants all ones (RFC 768). The
        /// twin does so a word at a time.
        #[test]
        fn the_checksum_is_what_a_receiver_wants(
            vip: std::net::Ipv4Addr,
            client: std::net::Ipv4Addr,
            ports: (u16, u16),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let header = header((vip, ports.0).into(), (client, ports.1).into(), &payload).unwrap();
            let length = (header.len() + payload.len()) as u16;
            let mut bytes = [vip.octets(), client.octets()].concat();
            bytes.extend([0, 17]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(header);
            bytes.extend(payload);
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            let added = bytes.chunks(2).fold(0u16, |sum, pair| {
                let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair[1]]));
                sum + u16::from(carry)
            });
            prop_assert_eq!(added, 0xffff);
            prop_assert_ne!(&header[6..8], &[0, 0]);
        }
    }
}
