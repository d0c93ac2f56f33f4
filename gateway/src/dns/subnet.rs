//! The client's subnet, as a resolver tells it (EDNS Client Subnet, RFC 7871).
//!
//! It is read from the query's own bytes: the decoder of messages takes what has bits beyond its prefix or bytes behind
//! its end, which is a FORMERR (RFC 7871, 6), and knows only two families. What it is given has the option under a number
//! that means nothing to it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use hickory_proto::rr::rdata::opt::EdnsOption;

/// The option's number, and one for local use (RFC 6891, 9).
const CODE: u16 = 8;
const LOCAL: u16 = 65_001;
/// The type of an OPT record.
const OPT: u16 = 41;

/// What the option of a query says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    /// 1, 2, or 0 with nothing.
    family: u16,
    source: u8,
    address: IpAddr,
}

/// Not as RFC 7871, 6 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) type Told = Result<Option<Subnet>, Malformed>;

impl Subnet {
    /// The option of a query, and the query for the decoder. A query that is no message has none.
    pub(super) fn of(query: &[u8]) -> (Told, Cow<'_, [u8]>) {
        let Some(options) = options(query) else { return (Ok(None), query.into()) };
        let mut found = Vec::new();
        let mut at = options.start;
        while at < options.end {
            let (Some(code), Some(length)) = (number(query, at), number(query, at + 2)) else { break };
            let data = at + 4..at + 4 + usize::from(length);
            if data.end > options.end {
                return (Err(Malformed), query.into());
            }
            if code == CODE {
                found.push(at..data.end);
            }
            at = data.end;
        }
        if found.is_empty() {
            return (Ok(None), query.into());
        }
        let mut rest = query.to_vec();
        for option in &found {
            rest[option.start..option.start + 2].copy_from_slice(&LOCAL.to_be_bytes());
        }
        let told = match &found[..] {
            [option] => Subnet::parse(&query[option.start + 4..option.end]).map(Some),
            // Of two nobody can tell which counts.
            _ => Err(Malformed),
        };
        (told, rest.into())
    }

    fn parse(data: &[u8]) -> Result<Subnet, Malformed> {
        let [high, low, source, scope, address @ ..] = data else { return Err(Malformed) };
        let family = u16::from_be_bytes([*high, *low]);
        let bits = match family {
            // Somebody who says nothing (BIND's `dig +subnet=0` says it so).
            0 => 0,
            1 => 32,
            2 => 128,
            _ => return Err(Malformed),
        };
        let bytes = usize::from(*source).div_ceil(8);
        let beyond = (8 - source % 8) % 8;
        let spills = address.last().is_some_and(|last| last & ((1u16 << beyond) - 1) as u8 != 0);
        if *source > bits || *scope != 0 || address.len() != bytes || spills {
            return Err(Malformed);
        }
        let mut octets = [0; 16];
        octets[..bytes].copy_from_slice(address);
        let [a, b, c, d, ..] = octets;
        let address =
            if family == 2 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() };
        Ok(Subnet { family, source: *source, address })
    }

    /// `None`: the client does not want it known where it is (RFC 7871, 7.1.2).
    pub(super) fn client(self) -> Option<IpAddr> {
        (self.source > 0).then_some(self.address)
    }

    /// The option of the answer: the same with the scope for which it is right.
    pub(super) fn answered(self, scope: u8) -> EdnsOption {
        let [high, low] = self.family.to_be_bytes();
        let mut data = vec![high, low, self.source, if self.source == 0 { 0 } else { scope }];
        let octets: &[u8] = match &self.address {
            IpAddr::V4(address) => &address.octets(),
            IpAddr::V6(address) => &address.octets(),
        };
        data.extend(&octets[..usize::from(self.source).div_ceil(8)]);
        EdnsOption::Unknown(CODE, data)
    }
}

/// Whether a resolver may speak for its clients: one of this host or of a network of our own. Anybody else could ask
/// for every subnet's answer.
pub(super) fn is_trusted(resolver: IpAddr) -> bool {
    match resolver {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// Where the options of the message's OPT record stand. Every step goes on by a byte at least, so a message costs no
/// more than its length.
fn options(message: &[u8]) -> Option<Range<usize>> {
    let count = |at| number(message, at);
    let (questions, records) = (count(4)?, [count(6)?, count(8)?, count(10)?]);
    let mut at = 12;
    for _ in 0..questions {
        at = behind_name(message, at)? + 4;
    }
    for _ in 0..records.into_iter().map(u32::from).sum() {
        at = behind_name(message, at)?;
        let (kind, length) = (number(message, at)?, number(message, at + 8)?);
        let data = at + 10..at + 10 + usize::from(length);
        if data.end > message.len() {
            return None;
        }
        if kind == OPT {
            return Some(data);
        }
        at = data.end;
    }
    None
}

/// A name ends with the root or with a pointer (RFC 1035, 4.1.4).
fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length < 64 => at += 1 + usize::from(length),
            _ => return Some(at + 2),
        }
    }
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}
