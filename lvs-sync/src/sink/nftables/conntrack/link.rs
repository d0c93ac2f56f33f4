//! The netlink socket (netlink(7), NETLINK_NETFILTER): a request out, its answers in.
//!
//! The kernel answers before `send` returns, and goes on with a dump while it is read: so nothing here ever waits, and
//! nothing to read means that there is no answer.

use std::io;

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;

use super::message::Request;

pub(super) struct Link {
    socket: NlSocket,
    sequence: u32,
    received: Vec<u8>,
}

/// The kernel fills at most 32 KiB of a dump at a time (NLMSG_GOODSIZE, net/netlink/af_netlink.c).
const ROOM: usize = 64 << 10;

/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Whether more is to come.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    Nothing,
}

impl Link {
    pub(super) fn open() -> io::Result<Link> {
        let socket = NlSocket::connect(NlFamily::Netfilter, None, Groups::empty())?;
        Ok(Link { socket, sequence: 0, received: vec![0; ROOM] })
    }

    /// For what is answered by yes or no.
    pub(super) fn call(&mut self, request: &Request) -> io::Result<()> {
        self.dump(request, &mut |_| {})
    }

    /// After an error a late answer may come, so that the link is not to be used again.
    pub(super) fn dump(&mut self, request: &Request, look: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(encode(self.sequence, request), Msg::DONTWAIT)?;
        loop {
            let (length, _) = self.socket.recv(self.received.as_mut_slice(), Msg::DONTWAIT)?;
            let received = self.received.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            if read(self.sequence, received, look)? == Next::Nothing {
                return Ok(());
            }
        }
    }
}

fn encode(sequence: u32, request: &Request) -> Vec<u8> {
    let Request { kind, flags, payload } = request;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    // A request is some hundred bytes.
    bytes.extend(((HEADER + payload.len()) as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // From whichever port the socket has.
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// The messages of one datagram.
fn read(sequence: u32, mut bytes: &[u8], look: &mut dyn FnMut(&[u8])) -> io::Result<Next> {
    while !bytes.is_empty() {
        let (length, kind, of, payload) = message(bytes).ok_or(io::ErrorKind::InvalidData)?;
        if of != sequence {
            return Err(io::ErrorKind::InvalidData.into());
        }
        match kind {
            ERROR | DONE => return ended(kind, payload),
            _ => look(payload),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Next::More)
}

/// Length, type, sequence and payload of the first.
fn message(bytes: &[u8]) -> Option<(usize, u16, u32, &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
    Some((length, kind, sequence, bytes.get(HEADER..length)?))
}

/// The end of a dump has a result as an answer has one (0 or -errno), except in old kernels.
fn ended(kind: u16, payload: &[u8]) -> io::Result<Next> {
    match payload.first_chunk().map(|errno| i32::from_ne_bytes(*errno)) {
        Some(0) => Ok(Next::Nothing),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        None if kind == DONE => Ok(Next::Nothing),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(messages: &[(u16, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, sequence, payload) in messages {
            bytes.extend(encode(*sequence, &Request { kind: *kind, flags: 0, payload: payload.to_vec() }));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn seen(bytes: &[u8]) -> (Result<bool, io::ErrorKind>, Vec<Vec<u8>>) {
        let mut seen = Vec::new();
        let next = read(7, bytes, &mut |payload| seen.push(payload.to_vec()));
        (next.map(|next| next == Next::More).map_err(|error| error.kind()), seen)
    }

    #[test]
    fn a_datagram_is_read_to_its_end() {
        let two = datagram(&[(0x100, 7, b"abc"), (0x100, 7, b"d")]);
        assert_eq!(seen(&two), (Ok(true), vec![b"abc".to_vec(), b"d".to_vec()]));
        let last = datagram(&[(0x100, 7, b"abcd"), (DONE, 7, &[0; 4])]);
        assert_eq!(seen(&last), (Ok(false), vec![b"abcd".to_vec()]));
    }

    #[test]
    fn errors_and_answers_of_others_are_told() {
        let refused = datagram(&[(ERROR, 7, &(-1i32).to_ne_bytes())]);
        assert_eq!(seen(&refused).0, Err(io::ErrorKind::PermissionDenied));
        assert_eq!(seen(&datagram(&[(0x100, 8, b"abcd")])).0, Err(io::ErrorKind::InvalidData));
        assert_eq!(seen(&datagram(&[(0x100, 7, b"abcd")])[..18]).0, Err(io::ErrorKind::InvalidData));
    }
}
