//! From the peer to the left, while whoever said so is trusted.

use std::net::IpAddr;

use super::Came;
use super::element::{of_whom, split_last};
use super::node::node;

/// Proxies in a row that are believed. There are never so many; a field of nothing but commas has more.
pub const MAX_HOPS: usize = 64;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// Where somebody wrote it down; of the peer itself the caller knows it.
    pub port: Option<u16>,
    /// How many trusted proxies are between it and us, the peer included. 0: it is the peer.
    pub hops: usize,
}

/// The first from the right, the peer being the rightmost, that is not `trusted`. Where the walk ends before (nobody else
/// is named, what is written is no address, [`MAX_HOPS`]) it is the last that was come to: somebody trusted says nothing of
/// its client, and is treated as one.
pub fn client<'a, X, F>(peer: IpAddr, came: Came<X, F>, trusted: impl Fn(IpAddr) -> bool) -> Client
where
    X: DoubleEndedIterator<Item = &'a [u8]>,
    F: DoubleEndedIterator<Item = &'a [u8]>,
{
    let peer = Client { address: peer.to_canonical(), port: None, hops: 0 };
    if !trusted(peer.address) {
        return peer;
    }
    let mut by_list = came.x_forwarded_for.rev().flat_map(list_from_the_right).peekable();
    if by_list.peek().is_some() {
        return walk(peer, by_list.map(node), trusted);
    }
    let elements = came.forwarded.rev().flat_map(elements_from_the_right);
    walk(peer, elements.map(|element| node(of_whom(element)?)), trusted)
}

/// Whom the last proxy says that it was asked by: the last element of `X-Forwarded-For`, in the order of its lines.
pub fn last_forwarded<'a>(lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> Option<IpAddr> {
    let (address, _) = node(lines.rev().flat_map(list_from_the_right).next()?)?;
    Some(address)
}

fn walk(
    peer: Client,
    named: impl Iterator<Item = Option<(IpAddr, Option<u16>)>>,
    trusted: impl Fn(IpAddr) -> bool,
) -> Client {
    let mut last = peer;
    for next in named.take(MAX_HOPS) {
        let Some((address, port)) = next else { break };
        last = Client { address, port, hops: last.hops + 1 };
        if !trusted(address) {
            break;
        }
    }
    last
}

fn list_from_the_right(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let entries = field.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    // RFC 9110, 5.6.1.2: empty elements of a list mean nothing.
    entries.filter(|entry| !entry.is_empty())
}

fn elements_from_the_right(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(field);
    let elements = std::iter::from_fn(move || {
        let (rest, element) = split_last(left?);
        left = rest;
        Some(element)
    });
    elements.filter(|element| !element.is_empty())
}
