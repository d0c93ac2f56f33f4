//! Replies that wait to leave by one socket; no socket in it.
//!
//! Replies are copied here, so that those of many sessions leave by one call. Normally it is empty again at the end of
//! each round; when the socket takes no more it holds a bounded number of bytes, and the oldest make way: whoever waits
//! for a datagram that late has asked again.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::udp::sys::BATCH;
use crate::udp::sys::sendmmsg::Message;

/// What a datagram counts for beside its bytes, so that empty ones are bounded too: its place in the queue.
const OVERHEAD: usize = size_of::<Item>();
/// Kept by an empty queue.
const KEPT: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Outbound {
    items: VecDeque<Item>,
    bytes: Vec<u8>,
    /// How many of `bytes` have left already.
    gone: usize,
    /// The socket took no more when asked last.
    blocked: bool,
}

#[derive(Debug)]
struct Item {
    length: usize,
    to: SocketAddr,
    from: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flushed {
    pub(super) datagrams: usize,
    pub(super) bytes: usize,
    /// Refused by the kernel for what they are.
    pub(super) dropped: usize,
}

impl Outbound {
    /// Takes a reply; returns how many older ones made way so that no more than `limit` bytes wait.
    pub(super) fn push(&mut self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>, limit: usize) -> usize {
        let mut dropped = 0;
        while !self.items.is_empty() && self.weight() + bytes.len() + OVERHEAD > limit {
            self.pop();
            dropped += 1;
        }
        if self.gone > self.bytes.len() / 2 {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.items.push_back(Item { length: bytes.len(), to, from });
        dropped
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// As many as one call takes, and a socket that may take them.
    pub(super) fn is_due(&self) -> bool {
        self.items.len() >= BATCH && !self.blocked
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub(super) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Hands everything to `send`, which returns how many of the first ones were taken, or the first one's error, as
    /// sendmmsg(2) does. Ends early only when the socket takes no more.
    pub(super) fn flush(
        &mut self,
        mut send: impl FnMut(&mut dyn Iterator<Item = Message<'_>>) -> io::Result<usize>,
    ) -> Flushed {
        let mut flushed = Flushed::default();
        // An error of an earlier datagram is reported at the next call, whose own datagram it says nothing about.
        let mut earlier = false;
        while !self.items.is_empty() && !self.blocked {
            let sent = send(&mut self.messages());
            match sent {
                Ok(count) => {
                    // 0 is no answer that the kernel gives; taking it for one would never end.
                    self.blocked = count == 0;
                    for _ in 0..count {
                        flushed.bytes += self.pop();
                        flushed.datagrams += 1;
                    }
                    earlier = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !earlier => earlier = true,
                Err(error) => {
                    tracing::debug!(to = ?self.items.front().map(|item| item.to), %error, "reply dropped");
                    self.pop();
                    flushed.dropped += 1;
                    earlier = false;
                }
            }
        }
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.items.shrink_to(KEPT / OVERHEAD);
            self.gone = 0;
        }
        flushed
    }

    fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let mut at = self.gone;
        self.items.iter().map(move |item| {
            let bytes = &self.bytes[at..at + item.length];
            at += item.length;
            Message { bytes, to: Some(item.to), from: item.from }
        })
    }

    /// Removes the first and returns its length.
    fn pop(&mut self) -> usize {
        let length = self.items.pop_front().map_or(0, |item| item.length);
        self.gone += length;
        length
    }

    fn weight(&self) -> usize {
        self.bytes.len() - self.gone + self.items.len() * OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1_000;

    fn to(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    #[test]
    fn one_bad_datagram_is_dropped_alone() {
        let mut outbound = Outbound::default();
        for port in 1..=4 {
            assert_eq!(outbound.push(b"ab", to(port), None, LIMIT), 0);
        }
        let mut taken = Vec::new();
        let flushed = outbound.flush(|messages| {
            let good: Vec<_> =
                messages.map(|message| message.to.unwrap().port()).take_while(|port| *port != 2).collect();
            if good.is_empty() {
                return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
            }
            taken.extend_from_slice(&good);
            Ok(good.len())
        });
        assert_eq!(taken, [1, 3, 4]);
        assert_eq!(flushed, Flushed { datagrams: 3, bytes: 6, dropped: 1 });
        assert!(outbound.is_empty() && !outbound.is_blocked());
    }

    #[test]
    fn an_earlier_ones_error_costs_nobody() {
        let mut outbound = Outbound::default();
        outbound.push(b"ab", to(1), None, LIMIT);
        let mut answers = [Err(io::ErrorKind::ConnectionRefused.into()), Ok(1)].into_iter();
        assert_eq!(outbound.flush(|_| answers.next().unwrap()).datagrams, 1);
        outbound.push(b"ab", to(1), None, LIMIT);
        assert_eq!(outbound.flush(|_| Err(io::ErrorKind::ConnectionRefused.into())).dropped, 1);
    }

    proptest! {
        /// Whatever the socket takes: everything leaves once, whole and in order, or was the oldest when there was no
        /// room.
        #[test]
        fn it_is_a_queue_that_loses_its_oldest(
            steps in proptest::collection::vec((0usize..300, any::<u8>(), proptest::option::of(0usize..5)), 1..100),
        ) {
            let mut outbound = Outbound::default();
            let mut twin: VecDeque<Vec<u8>> = VecDeque::new();
            for (length, fill, flush) in steps {
                let bytes = vec![fill; length];
                let dropped = outbound.push(&bytes, to(1), None, LIMIT);
                for _ in 0..dropped {
                    twin.pop_front();
                }
                twin.push_back(bytes);
                let weight: usize = twin.iter().map(|bytes| bytes.len() + OVERHEAD).sum();
                prop_assert!(weight <= LIMIT);
                let Some(mut space) = flush else { continue };
                outbound.unblock();
                outbound.flush(|messages| {
                    let taken: Vec<_> = messages.take(space).map(|message| message.bytes.to_vec()).collect();
                    space -= taken.len();
                    if taken.is_empty() {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    for bytes in &taken {
                        assert_eq!(Some(bytes), twin.pop_front().as_ref());
                    }
                    Ok(taken.len())
                });
                prop_assert_eq!(outbound.len(), twin.len());
                prop_assert_eq!(outbound.is_blocked(), !twin.is_empty());
            }
        }

        #[test]
        fn nothing_makes_way_while_there_is_room(lengths in proptest::collection::vec(0usize..100, 1..6)) {
            let mut outbound = Outbound::default();
            for length in lengths {
                prop_assert_eq!(outbound.push(&vec![0; length], to(1), None, 6 * (100 + OVERHEAD)), 0);
            }
        }
    }
}
