//! The netlink socket (netlink(7), NETLINK_SOCK_DIAG): a request out, its answer in.

use std::io::{self, Cursor};

use neli::consts::nl::NlmF;
use neli::consts::socket::{Msg, NlFamily};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::types::Buffer;
use neli::utils::Groups;
use neli::{FromBytes, ToBytes};

use super::message::REQUEST;

/// What follows a netlink header.
pub(super) type Payload = Buffer;

pub(super) struct Link {
    socket: NlSocket,
    sequence: u32,
    received: [u8; ROOM],
}

/// An answer is a message of 88 bytes and some ten small attributes, an error the request over again.
const ROOM: usize = 1 << 10;

/// From linux/sock_diag.h: questions and their answers have the same type.
const SOCK_DIAG_BY_FAMILY: u16 = 20;

impl Link {
    pub(super) fn open() -> io::Result<Link> {
        let socket = NlSocket::connect(NlFamily::SockOrInetDiag, None, Groups::empty())?;
        Ok(Link { socket, sequence: 0, received: [0; ROOM] })
    }

    /// The answer to one question; `None` for ENOENT. After any other error a late answer may come, so that the link
    /// is not to be used again.
    ///
    /// Nobody else can put an answer into this socket: to send to one of this family takes CAP_NET_ADMIN.
    pub(super) fn ask(&mut self, request: &[u8; REQUEST]) -> io::Result<Option<Payload>> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(encode(self.sequence, request)?, Msg::DONTWAIT)?;
        // The kernel has answered before it returned from that: nothing to read means that there is no answer.
        let (length, _) = self.socket.recv(self.received.as_mut_slice(), Msg::DONTWAIT)?;
        decode(self.sequence, &self.received[..length.min(ROOM)])
    }
}

fn encode(sequence: u32, request: &[u8; REQUEST]) -> io::Result<Vec<u8>> {
    let message = NlmsghdrBuilder::default()
        .nl_type(SOCK_DIAG_BY_FAMILY)
        .nl_flags(NlmF::REQUEST)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(*request))
        .build()
        .map_err(invalid)?;
    let mut bytes = Cursor::new(Vec::with_capacity(ROOM));
    message.to_bytes(&mut bytes).map_err(invalid)?;
    Ok(bytes.into_inner())
}

fn decode(sequence: u32, bytes: &[u8]) -> io::Result<Option<Payload>> {
    let message = Nlmsghdr::<u16, Payload>::from_bytes(&mut Cursor::new(bytes)).map_err(invalid)?;
    if *message.nl_seq() != sequence {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match message.nl_payload() {
        NlPayload::Payload(payload) if *message.nl_type() == SOCK_DIAG_BY_FAMILY => Ok(Some(payload.clone())),
        NlPayload::Err(refused) => match io::Error::from_raw_os_error(-refused.error()) {
            error if error.kind() == io::ErrorKind::NotFound => Ok(None),
            error => Err(error),
        },
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
