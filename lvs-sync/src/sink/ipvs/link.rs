//! The netlink socket: requests out, answers in (netlink(7), Documentation/userspace-api/netlink/intro.rst).
//!
//! The kernel answers before a send returns, and goes on with a dump at each read, so that nothing is ever waited for: no
//! answer is an error at once.

use std::collections::HashMap;
use std::io::{self, Cursor};

use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::socket::{Msg, NlFamily};
use neli::genl::{Genlmsghdr, GenlmsghdrBuilder};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::types::{Buffer, GenlBuffer};
use neli::utils::Groups;
use neli::{FromBytes, FromBytesWithInput, ToBytes};

use super::attribute::{self, Attribute, Attributes, FAMILY, VERSION, invalid, strange};

/// What the kernel puts into one part of a dump at most (net/netlink/af_netlink.c), twice.
const ROOM: usize = 64 << 10;
/// Asked for; the system's net.core.rmem_max may allow less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// From linux/genetlink.h: the controller, which knows every family's number.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

pub(super) struct Link {
    socket: NlSocket,
    sequence: u32,
    family: u16,
    received: Vec<u8>,
}

/// One message.
pub(super) struct Request {
    pub(super) command: u8,
    pub(super) attributes: Vec<Attribute>,
}

/// The request with this place among those that were sent was not done.
pub(super) struct Refusal {
    pub(super) request: usize,
    /// errno(3).
    pub(super) error: i32,
}

impl Refusal {
    pub(super) fn is(&self, error: i32) -> bool {
        self.error == error
    }
}

impl Link {
    pub(super) fn open() -> io::Result<Link> {
        let socket = NlSocket::connect(NlFamily::Generic, None, Groups::empty())?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let mut link = Link { socket, sequence: 0, family: CONTROLLER, received: vec![0; ROOM] };
        link.family = link.resolve()?;
        Ok(link)
    }

    fn resolve(&mut self) -> io::Result<u16> {
        let mut name = FAMILY.as_bytes().to_vec();
        name.push(0);
        let name = attribute::attribute(FAMILY_NAME, Buffer::from(name))?;
        let request = Request { command: GET_FAMILY, attributes: vec![name] };
        let answers = self.ask(&request, NlmF::REQUEST)?;
        let answer = answers.first().ok_or_else(|| strange("no answer"))?;
        let id = answer.iter().find(|attribute| *attribute.nla_type().nla_type() == FAMILY_ID);
        let id = id.ok_or_else(|| strange("a family without a number"))?;
        u16::from_bytes(&mut Cursor::new(id.nla_payload().as_ref())).map_err(invalid)
    }

    /// All that there is.
    pub(super) fn dump(&mut self, request: &Request) -> io::Result<Vec<Attributes>> {
        self.ask(request, NlmF::REQUEST | NlmF::DUMP)
    }

    /// One service; `None` if there is none.
    pub(super) fn one(&mut self, request: &Request) -> io::Result<Option<Attributes>> {
        match self.ask(request, NlmF::REQUEST) {
            Ok(answers) => Ok(answers.into_iter().next()),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(&mut self, request: &Request, flags: NlmF) -> io::Result<Vec<Attributes>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Cursor::new(Vec::new());
        self.encode(request, flags, self.sequence, &mut bytes)?;
        self.socket.send(bytes.into_inner(), Msg::DONTWAIT)?;
        let mut answers = Vec::new();
        let many = flags.contains(NlmF::DUMP);
        loop {
            for message in self.receive()? {
                if *message.nl_seq() != self.sequence {
                    return Err(strange("an answer to another question"));
                }
                if *message.nl_type() == u16::from(Nlmsg::Done) {
                    return Ok(answers);
                }
                match message.nl_payload() {
                    NlPayload::Err(refused) => return Err(io::Error::from_raw_os_error(-refused.error())),
                    NlPayload::Payload(payload) => answers.push(attributes(payload)?),
                    _ => return Err(strange("an answer of another kind")),
                }
                if !many {
                    return Ok(answers);
                }
            }
        }
    }

    /// Sends them together. The kernel says what it refuses, and at the last one that it is through; each stands for
    /// itself.
    pub(super) fn change(&mut self, requests: &[Request]) -> io::Result<Vec<Refusal>> {
        let Some(last) = requests.len().checked_sub(1) else { return Ok(Vec::new()) };
        let mut bytes = Cursor::new(Vec::new());
        let mut places = HashMap::with_capacity(requests.len());
        for (n, request) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            places.insert(self.sequence, n);
            let flags = if n == last { NlmF::REQUEST | NlmF::ACK } else { NlmF::REQUEST };
            self.encode(request, flags, self.sequence, &mut bytes)?;
        }
        self.socket.send(bytes.into_inner(), Msg::DONTWAIT)?;
        let mut refusals = Vec::new();
        loop {
            for message in self.receive()? {
                let request =
                    *places.get(message.nl_seq()).ok_or_else(|| strange("an answer to another question"))?;
                match message.nl_payload() {
                    NlPayload::Err(refused) => refusals.push(Refusal { request, error: -refused.error() }),
                    NlPayload::Ack(_) => {}
                    _ => return Err(strange("an answer of another kind")),
                }
                if request == last {
                    return Ok(refusals);
                }
            }
        }
    }

    fn encode(
        &self,
        request: &Request,
        flags: NlmF,
        sequence: u32,
        bytes: &mut Cursor<Vec<u8>>,
    ) -> io::Result<()> {
        let attributes: GenlBuffer<u16, Buffer> = request.attributes.iter().cloned().collect();
        let payload = GenlmsghdrBuilder::default()
            .cmd(request.command)
            .version(VERSION)
            .attrs(attributes)
            .build()
            .map_err(invalid)?;
        let message = NlmsghdrBuilder::default()
            .nl_type(self.family)
            .nl_flags(flags)
            .nl_seq(sequence)
            .nl_payload(NlPayload::Payload(payload))
            .build()
            .map_err(invalid)?;
        // Messages begin at multiples of 4, to which attributes are filled up already.
        message.to_bytes(bytes).map_err(invalid)
    }

    /// The messages of one read.
    fn receive(&mut self) -> io::Result<Vec<Nlmsghdr<u16, Buffer>>> {
        let (length, _) = self.socket.recv(self.received.as_mut_slice(), Msg::DONTWAIT)?;
        let received = self.received.get(..length).ok_or_else(|| strange("an answer that is cut"))?;
        let mut cursor = Cursor::new(received);
        let mut messages = Vec::new();
        while (cursor.position() as usize) < length {
            messages.push(Nlmsghdr::from_bytes(&mut cursor).map_err(invalid)?);
        }
        Ok(messages)
    }
}

fn attributes(payload: &Buffer) -> io::Result<Attributes> {
    let bytes: &[u8] = payload.as_ref();
    let message = Genlmsghdr::<u8, u16>::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len());
    Ok(message.map_err(invalid)?.attrs().clone())
}
