//! A batch of datagrams to their sessions' instances.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::downstream::Socket;
use super::upstream::{Fault, SEND, fault};
use crate::udp::Host;
use crate::udp::counters::add;
use crate::udp::session::Slot;
use crate::udp::sys::address::Family;
use crate::udp::sys::recvmmsg::Inbound;
use crate::udp::sys::sendmmsg::{Message, Sender};

/// What sorting a batch takes, used again for each.
#[derive(Default)]
pub(super) struct Scratch {
    /// Session and index in the batch.
    known: Vec<(Slot, usize)>,
    /// Datagrams whose session failed at them.
    again: Vec<usize>,
}

/// What came of sending a run.
#[derive(Default)]
struct Sent {
    datagrams: usize,
    bytes: usize,
    dropped: usize,
    /// The instance is not reachable; the rest of the run has not been sent.
    failure: Option<io::Error>,
}

impl<H: Host + 'static> Socket<H> {
    /// Datagrams of one session leave together and in order. A new session may push out an old one, so what has been
    /// sorted until then is sent first.
    pub(super) fn forward_all(&self, inbound: &Inbound, scratch: &mut Scratch) {
        scratch.known.clear();
        for (index, datagram) in inbound.datagrams().enumerate() {
            let Some(key) = self.key(&datagram) else { continue };
            let found = self.sessions.borrow().find(&key);
            match found {
                Some(slot) => scratch.known.push((slot, index)),
                None => {
                    self.forward_known(inbound, scratch);
                    self.forward_one(inbound, index);
                }
            }
        }
        self.forward_known(inbound, scratch);
    }

    fn forward_known(&self, inbound: &Inbound, scratch: &mut Scratch) {
        let Scratch { known, again } = scratch;
        // By session, and within one in the order of arrival.
        known.sort_unstable();
        for run in known.chunk_by(|one, other| one.0 == other.0) {
            if let Some((slot, _)) = run.first() {
                self.forward_run(inbound, *slot, run, again);
            }
        }
        known.clear();
        for index in again.drain(..) {
            self.forward_one(inbound, index);
        }
    }

    /// To its session, or to a new one.
    fn forward_one(&self, inbound: &Inbound, index: usize) {
        let datagram = inbound.datagram(index);
        let Some(key) = self.key(&datagram) else { return };
        let found = self.sessions.borrow().find(&key);
        match found {
            None => self.open_session(key, datagram.bytes),
            Some(slot) => {
                let mut again = Vec::new();
                self.forward_run(inbound, slot, &[(slot, index)], &mut again);
                // The session was new and has failed already: the client will ask again, and then of another.
                add(&self.shared.host.counters().dropped, again.len());
            }
        }
    }

    fn forward_run(&self, inbound: &Inbound, slot: Slot, run: &[(Slot, usize)], again: &mut Vec<usize>) {
        let counters = self.shared.host.counters();
        let mut sessions = self.sessions.borrow_mut();
        let Some((_, session)) = sessions.get_mut(slot) else { return };
        let sent = send(&mut self.shared.sender.borrow_mut(), session.upstream.as_fd(), inbound, run);
        session.traffic.datagrams_to_instance += sent.datagrams as u64;
        session.traffic.bytes_to_instance += sent.bytes as u64;
        add(&counters.datagrams_to_instances, sent.datagrams);
        add(&counters.bytes_to_instances, sent.bytes);
        add(&counters.dropped, sent.dropped);
        sessions.asked(slot, self.shared.now.get());
        drop(sessions);
        if let Some(error) = sent.failure {
            again.extend(run.iter().skip(sent.datagrams + sent.dropped).map(|(_, index)| *index));
            self.fail(slot, &error);
        }
    }
}

fn send(sender: &mut Sender, upstream: BorrowedFd<'_>, inbound: &Inbound, run: &[(Slot, usize)]) -> Sent {
    let mut sent = Sent::default();
    loop {
        let rest = &run[sent.datagrams + sent.dropped..];
        let mut messages = rest.iter().map(|(_, index)| inbound.datagram(*index).bytes);
        let taken = match rest {
            [] => return sent,
            // Alone is the usual case, and this the cheaper call. The first of several goes alone too: an instance on this
            // host that does not listen has said so by the next call, and sendmmsg(2) would lose that error.
            [(_, index), others @ ..] if others.is_empty() || sent.datagrams == 0 => {
                let bytes = inbound.datagram(*index).bytes;
                rustix::net::send(upstream, bytes, SEND).map(|_| 1).map_err(io::Error::from)
            }
            _ => {
                let mut all = messages.clone().map(|bytes| Message { bytes, to: None, from: None });
                // The family is for addresses, of which there are none.
                sender.send(upstream, Family::V4, &mut all)
            }
        };
        match taken {
            Ok(taken) => {
                sent.bytes += messages.by_ref().take(taken).map(<[u8]>::len).sum::<usize>();
                sent.datagrams += taken;
            }
            Err(error) => match fault(&error) {
                Fault::Interrupted => {}
                Fault::Full => {
                    sent.dropped += rest.len();
                    return sent;
                }
                Fault::Datagram | Fault::Shortage => sent.dropped += 1,
                Fault::Instance => {
                    sent.failure = Some(error);
                    return sent;
                }
            },
        }
    }
}
