//! sendmmsg(2): many datagrams in one call, each to its own peer and from its own address.
#![allow(unsafe_code)] // sendmmsg(2) reads through raw pointers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use super::BATCH;
use super::address::{Family, RawAddress};
use super::control::RawControl;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::udp) struct Message<'a> {
    pub(in crate::udp) bytes: &'a [u8],
    /// `None` on a connected socket.
    pub(in crate::udp) to: Option<SocketAddr>,
    /// The address to send from, where the socket is bound to all of them.
    pub(in crate::udp) from: Option<IpAddr>,
}

/// The headers of one call, used again for each.
pub(in crate::udp) struct Sender {
    names: Vec<RawAddress>,
    controls: Vec<RawControl>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Sender {
    pub(in crate::udp) fn new() -> Sender {
        // SAFETY: a zeroed header is a valid one that leads nowhere.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Sender {
            names: vec![RawAddress::EMPTY; BATCH],
            controls: vec![RawControl::EMPTY; BATCH],
            vectors: vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH],
            headers: vec![header; BATCH],
        }
    }

    /// Sends the first [`BATCH`] messages without waiting; returns how many the socket took. An error is the first
    /// message's. That of a later one ends the count and is not told: it comes again when that message is the first,
    /// unless it was an ICMP error waiting at the socket, which is lost.
    pub(in crate::udp) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        family: Family,
        messages: &mut dyn Iterator<Item = Message<'a>>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for message in messages.take(BATCH) {
            self.fill(count, family, message);
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the first `count` headers have just been filled; what they lead to are elements of vectors of `self`,
        // which nobody touches during the call, and bytes borrowed for `'a`. The kernel writes to the headers only.
        let returned = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count as libc::c_uint, flags as _)
        };
        usize::try_from(returned).map_err(|_| io::Error::last_os_error())
    }

    fn fill(&mut self, index: usize, family: Family, message: Message<'_>) {
        let vector = &mut self.vectors[index];
        *vector =
            libc::iovec { iov_base: message.bytes.as_ptr().cast_mut().cast(), iov_len: message.bytes.len() };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_iov = ptr::from_mut(vector);
        header.msg_iovlen = 1;
        (header.msg_name, header.msg_namelen) = match message.to {
            None => (ptr::null_mut(), 0),
            Some(to) => {
                let name = &mut self.names[index];
                let length = name.write(to, family);
                (ptr::from_mut(name).cast(), length as libc::socklen_t)
            }
        };
        (header.msg_control, header.msg_controllen) = match message.from {
            None => (ptr::null_mut(), 0),
            Some(from) => {
                let control = &mut self.controls[index];
                let length = control.write_source(from, family);
                (ptr::from_mut(control).cast(), length as _)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn each_goes_to_its_own_peer_from_its_own_address() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let clients: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let from = |index: usize| format!("127.7.0.{}", index + 1).parse().unwrap();
        let mut messages = clients.iter().enumerate().map(|(index, client)| Message {
            bytes: &b"abc"[..index],
            to: Some(client.local_addr().unwrap()),
            from: Some(from(index)),
        });
        let sent = Sender::new().send(socket.as_fd(), Family::V4, &mut messages).unwrap();
        assert_eq!(sent, 3);
        for (index, client) in clients.iter().enumerate() {
            let mut buffer = [0; 8];
            let (length, peer) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], peer.ip()), (&b"abc"[..index], from(index)));
        }
    }

    #[test]
    fn an_error_in_the_middle_ends_the_count_and_comes_when_it_is_first() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (good, long) = ([1; 8], [2; 65_508]);
        let to = Some(client.local_addr().unwrap());
        let all = [&good[..], &long, &good].map(|bytes| Message { bytes, to, from: None });
        let mut sender = Sender::new();
        assert_eq!(sender.send(socket.as_fd(), Family::V4, &mut all.into_iter()).unwrap(), 1);
        let error = sender.send(socket.as_fd(), Family::V4, &mut all.into_iter().skip(1)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    }
}
