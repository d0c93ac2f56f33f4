//! recvmmsg(2): many datagrams in one call, each with its peer and the destination that was asked.
#![allow(unsafe_code)] // recvmmsg(2) writes through raw pointers, into memory that outlives the call.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::BATCH;
use super::address::RawAddress;
use super::control::{self, Destination, RawControl};

/// The largest length that a UDP header can tell (RFC 768), so nothing is ever cut but what is no UDP.
const SLOT: usize = 65_535;
/// Slots begin a cache line further in their page than the one before: with the same place in each page, the first
/// bytes of all of them would compete for one set of the first-level cache.
const STRIDE: usize = 65_536 + 64;

/// One call's datagrams; used again for each call.
///
/// Its memory is 32 x 64 KiB of address space; pages are taken by what is really received into them, so small datagrams
/// use 128 KiB of it. A worker has one, whatever the number of its sockets.
pub(in crate::udp) struct Inbound {
    // The headers point into the other vectors, which therefore never grow and are never lent out mutably.
    slots: Vec<u8>,
    names: Vec<RawAddress>,
    controls: Vec<RawControl>,
    #[allow(dead_code)] // Read by the kernel only.
    vectors: Vec<libc::iovec>,
    /// With room for addresses and control messages.
    told: Vec<libc::mmsghdr>,
    /// Without: a connected socket's peer is known.
    bare: Vec<libc::mmsghdr>,
    received: Kind,
    count: usize,
}

/// What is asked for beside the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::udp) enum Kind {
    /// Peer and destination.
    Told,
    Bare,
}

#[derive(Clone, Copy)]
pub(in crate::udp) struct Datagram<'a> {
    pub(in crate::udp) bytes: &'a [u8],
    /// `None` on a connected socket.
    pub(in crate::udp) peer: Option<SocketAddr>,
    pub(in crate::udp) destination: Destination,
    /// It was longer than its slot.
    pub(in crate::udp) truncated: bool,
}

impl Inbound {
    pub(in crate::udp) fn new() -> Inbound {
        let mut slots = vec![0; STRIDE * BATCH];
        let mut names = vec![RawAddress::EMPTY; BATCH];
        let mut controls = vec![RawControl::EMPTY; BATCH];
        let (slot, name, control) = (slots.as_mut_ptr(), names.as_mut_ptr(), controls.as_mut_ptr());
        let mut vectors: Vec<libc::iovec> = (0..BATCH)
            .map(|index| libc::iovec { iov_base: slot.wrapping_add(index * STRIDE).cast(), iov_len: SLOT })
            .collect();
        let vector = vectors.as_mut_ptr();
        let bare: Vec<_> = (0..BATCH).map(|index| header(vector.wrapping_add(index))).collect();
        let mut told = bare.clone();
        for (index, header) in told.iter_mut().enumerate() {
            header.msg_hdr.msg_name = name.wrapping_add(index).cast();
            header.msg_hdr.msg_control = control.wrapping_add(index).cast();
            reset(header);
        }
        Inbound { slots, names, controls, vectors, told, bare, received: Kind::Bare, count: 0 }
    }

    /// Receives what is there, up to [`BATCH`] datagrams, without waiting. Fewer than that means that the queue was
    /// empty for a moment, so the caller need not ask again before the next event.
    pub(in crate::udp) fn receive(&mut self, socket: BorrowedFd<'_>, kind: Kind) -> io::Result<usize> {
        self.received = kind;
        self.count = 0;
        let headers = match kind {
            Kind::Told => &mut self.told,
            Kind::Bare => &mut self.bare,
        };
        // SAFETY: the headers lead to BATCH slots, names and control buffers of the lengths they tell, all of which live
        // as long as `self` and are borrowed by nobody while `self` is borrowed mutably; no timeout is passed.
        let returned = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.count = usize::try_from(returned).map_err(|_| io::Error::last_os_error())?.min(BATCH);
        Ok(self.count)
    }

    /// The datagrams of the last call.
    pub(in crate::udp) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.count).map(|index| self.datagram(index))
    }

    #[allow(clippy::unnecessary_cast)] // The length's type is not the same in every C library.
    pub(in crate::udp) fn datagram(&self, index: usize) -> Datagram<'_> {
        let header = match self.received {
            Kind::Told => &self.told[index],
            Kind::Bare => &self.bare[index],
        };
        let length = (header.msg_len as usize).min(SLOT);
        let start = index * STRIDE;
        let message = &header.msg_hdr;
        let (peer, destination) = match self.received {
            Kind::Bare => (None, Destination::default()),
            Kind::Told => (
                self.names[index].read(message.msg_namelen as usize),
                self.controls[index].read(message.msg_controllen as usize),
            ),
        };
        Datagram {
            bytes: &self.slots[start..start + length],
            peer,
            destination,
            truncated: message.msg_flags & libc::MSG_TRUNC != 0,
        }
    }

    /// Done with the last call's datagrams: their headers are as before it.
    pub(in crate::udp) fn clear(&mut self) {
        if self.received == Kind::Told {
            self.told[..self.count].iter_mut().for_each(reset);
        }
        self.count = 0;
    }
}

fn header(vector: *mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: a zeroed header is a valid one that leads nowhere.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

/// The kernel has written the lengths it used over those it was offered.
fn reset(header: &mut libc::mmsghdr) {
    header.msg_hdr.msg_namelen = size_of::<RawAddress>() as libc::socklen_t;
    header.msg_hdr.msg_controllen = control::LENGTH as _;
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;
    use crate::udp::sys::address::Family;
    use crate::udp::sys::option;

    #[test]
    fn a_batch_has_each_datagram_whole_with_its_addresses() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        option::report_ip(socket.as_fd(), Family::V4).unwrap();
        let port = socket.local_addr().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sizes = [0, 1, 1_400, 65_507];
        for (index, size) in sizes.into_iter().enumerate() {
            client.send_to(&vec![7; size], format!("127.5.0.{}:{port}", index + 1)).unwrap();
        }
        let mut inbound = Inbound::new();
        for _ in 0..2 {
            assert_eq!(inbound.receive(socket.as_fd(), Kind::Told).unwrap(), sizes.len());
            for (index, datagram) in inbound.datagrams().enumerate() {
                assert_eq!(datagram.bytes, vec![7; sizes[index]]);
                assert_eq!(datagram.peer, Some(client.local_addr().unwrap()));
                let asked = format!("127.5.0.{}", index + 1).parse().unwrap();
                assert_eq!(datagram.destination, Destination { ip: Some(asked), address: None });
                assert!(!datagram.truncated);
            }
            inbound.clear();
            assert_eq!(
                inbound.receive(socket.as_fd(), Kind::Told).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
            inbound.clear();
            for (index, size) in sizes.into_iter().enumerate() {
                client.send_to(&vec![7; size], format!("127.5.0.{}:{port}", index + 1)).unwrap();
            }
        }
    }

    #[test]
    fn the_original_destination_has_its_port() {
        let socket = UdpSocket::bind("[::]:0").unwrap();
        option::report_ip(socket.as_fd(), Family::V6).unwrap();
        option::report_original(socket.as_fd(), Family::V6).unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut inbound = Inbound::new();
        for asked in [format!("[::1]:{port}"), format!("127.3.2.1:{port}")] {
            let client =
                UdpSocket::bind(if asked.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
            client.send_to(b"?", &asked).unwrap();
            assert_eq!(inbound.receive(socket.as_fd(), Kind::Told).unwrap(), 1);
            let asked = asked.parse::<SocketAddr>().unwrap();
            assert_eq!(
                inbound.datagram(0).destination,
                Destination { ip: Some(asked.ip()), address: Some(asked) }
            );
            assert_eq!(inbound.datagram(0).peer, Some(client.local_addr().unwrap()));
            inbound.clear();
        }
    }
}
