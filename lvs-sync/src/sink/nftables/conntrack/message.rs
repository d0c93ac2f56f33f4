//! ctnetlink's messages as bytes (linux/netfilter/nfnetlink_conntrack.h). Numbers of the netlink header are the machine's,
//! all others the network's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Flow, Shown};
use crate::model::Transport;
use crate::sink::nftables::vip::Vip;

/// NFNL_SUBSYS_CTNETLINK, in the upper byte of a message's type.
const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;

/// netlink(7), `nlmsg_flags`.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;

/// CTA_*.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const STATUS: u16 = 3;
const PROTOCOL_INFO: u16 = 4;
const ID: u16 = 12;
const ZONE: u16 = 18;
const STATUS_MASK: u16 = 26;
/// CTA_TUPLE_*, CTA_IP_*, CTA_PROTO_*, CTA_PROTOINFO_TCP and its state.
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_V4: [u16; 2] = [1, 2];
const IP_V6: [u16; 2] = [3, 4];
const PROTOCOL: u16 = 1;
const PORT: [u16; 2] = [2, 3];
const INFO_TCP: u16 = 1;
const TCP_STATE: u16 = 1;

/// TCP_CONNTRACK_TIME_WAIT and TCP_CONNTRACK_CLOSE.
const OVER: [u8; 2] = [7, 8];
/// IPS_DST_NAT.
const TRANSLATED: u32 = 1 << 5;

/// NLA_F_NESTED and NLA_F_NET_BYTEORDER are no part of a type.
const TYPE: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// AF_UNSPEC (for a dump: of every family), AF_INET and AF_INET6.
const ANY: u8 = 0;
const V4: u8 = 2;
const V6: u8 = 10;

/// A message without its length and sequence, which the link knows.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) payload: Vec<u8>,
}

pub(super) fn dump(shown: Shown) -> Request {
    let mut payload = header(ANY);
    if shown == Shown::Translated {
        attribute(&mut payload, STATUS, &TRANSLATED.to_be_bytes());
        attribute(&mut payload, STATUS_MASK, &TRANSLATED.to_be_bytes());
    }
    Request { kind: GET, flags: REQUEST | DUMP, payload }
}

/// By what the kernel finds the entry again: the tuple as the client began it, its zone, and which of those that have had
/// both. `None`: the entry is cut.
pub(super) fn delete(entry: &[u8]) -> Option<Request> {
    let attributes = entry.get(4..)?;
    let mut payload = header(*entry.first()?);
    attribute(&mut payload, ORIGINAL | NESTED, find(attributes, ORIGINAL)?);
    if let Some(zone) = find(attributes, ZONE) {
        attribute(&mut payload, ZONE, zone);
    }
    attribute(&mut payload, ID, find(attributes, ID)?);
    Some(Request { kind: DELETE, flags: REQUEST | ACK, payload })
}

/// `None`: of another protocol, or cut.
pub(super) fn flow(payload: &[u8]) -> Option<Flow> {
    let family = *payload.first()?;
    let attributes = payload.get(4..)?;
    let (transport, called, _) = ends(family, find(attributes, ORIGINAL)?)?;
    let (_, _, answering) = ends(family, find(attributes, REPLY)?)?;
    let state = find(attributes, PROTOCOL_INFO)
        .and_then(|info| find(info, INFO_TCP))
        .and_then(|tcp| find(tcp, TCP_STATE))
        .and_then(<[u8]>::first);
    let is_open = state.is_none_or(|state| !OVER.contains(state));
    Some(Flow { called: Vip { transport, address: called }, answering, is_open })
}

/// Protocol, destination and source of a tuple.
fn ends(family: u8, tuple: &[u8]) -> Option<(Transport, SocketAddr, SocketAddr)> {
    let (ip, protocol) = (find(tuple, TUPLE_IP)?, find(tuple, TUPLE_PROTOCOL)?);
    let transport = match find(protocol, PROTOCOL)? {
        [6] => Transport::Tcp,
        [17] => Transport::Udp,
        _ => return None,
    };
    let [source, destination] = [0, 1].map(|end| {
        let ip: IpAddr = match family {
            V4 => Ipv4Addr::from(*find(ip, IP_V4[end])?.first_chunk::<4>()?).into(),
            V6 => Ipv6Addr::from(*find(ip, IP_V6[end])?.first_chunk::<16>()?).into(),
            _ => return None,
        };
        let port = u16::from_be_bytes(*find(protocol, PORT[end])?.first_chunk()?);
        Some(SocketAddr::new(ip, port))
    });
    Some((transport, destination?, source?))
}

/// `struct nfgenmsg`: family, version, and nothing.
fn header(family: u8) -> Vec<u8> {
    vec![family, 0, 0, 0]
}

fn attribute(into: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // A tuple is some dozens of bytes.
    let length = (4 + value.len()) as u16;
    into.extend(length.to_ne_bytes());
    into.extend(kind.to_ne_bytes());
    into.extend(value);
    into.resize(into.len().next_multiple_of(4), 0);
}

fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
        let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
        let value = attributes.get(4..length)?;
        if kind & TYPE == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested(parts: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in parts {
            attribute(&mut bytes, *kind, value);
        }
        bytes
    }

    fn tuple(source: [u8; 4], destination: [u8; 4], protocol: u8, ports: [u16; 2]) -> Vec<u8> {
        let ip = nested(&[(1, &source), (2, &destination)]);
        let [from, to] = ports.map(u16::to_be_bytes);
        let protocol = nested(&[(1, &[protocol]), (2, &from), (3, &to)]);
        nested(&[(TUPLE_IP | NESTED, &ip), (TUPLE_PROTOCOL | NESTED, &protocol)])
    }

    fn entry(protocol: u8, state: Option<u8>) -> Vec<u8> {
        let mut bytes = header(V4);
        let original = tuple([10, 1, 0, 2], [203, 0, 113, 10], protocol, [40_000, 80]);
        let reply = tuple([10, 0, 0, 1], [10, 0, 0, 254], protocol, [8_080, 40_000]);
        attribute(&mut bytes, ORIGINAL | NESTED, &original);
        attribute(&mut bytes, REPLY | NESTED, &reply);
        attribute(&mut bytes, ID, &[0, 0, 0, 9]);
        if let Some(state) = state {
            let tcp = nested(&[(TCP_STATE, &[state])]);
            attribute(&mut bytes, PROTOCOL_INFO | NESTED, &nested(&[(INFO_TCP | NESTED, &tcp)]));
        }
        bytes
    }

    #[test]
    fn an_entry_says_who_was_called_and_who_answers() {
        let entry = entry(6, Some(3));
        let flow = flow(&entry).unwrap();
        assert_eq!(flow.called.key().to_string(), "tcp/203.0.113.10:80");
        assert_eq!(flow.answering, "10.0.0.1:8080".parse().unwrap());
        assert!(flow.is_open);
        let request = delete(&entry).unwrap();
        assert_eq!((request.kind, &request.payload[..4]), (0x102, &[V4, 0, 0, 0][..]));
        assert_eq!(find(&request.payload[4..], ORIGINAL), find(&entry[4..], ORIGINAL));
        assert_eq!(find(&request.payload[4..], ID), Some(&[0, 0, 0, 9][..]));
    }

    #[test]
    fn what_is_over_is_not_open_and_other_protocols_are_none() {
        for (state, is_open) in [(1, true), (3, true), (6, true), (7, false), (8, false)] {
            assert_eq!(flow(&entry(6, Some(state))).unwrap().is_open, is_open, "{state}");
        }
        assert!(flow(&entry(17, None)).unwrap().is_open);
        assert_eq!(flow(&entry(132, None)), None);
    }

    proptest! {
        /// Whatever stands there, reading it ends and stays within it.
        #[test]
        fn any_bytes_can_be_read(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            flow(&bytes);
            bytes.splice(.., entry(6, Some(3)).into_iter().take(cut));
            flow(&bytes);
        }
    }
}
