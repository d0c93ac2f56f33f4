//! By which socket a reply leaves.
//!
//! Normally the downstream socket. Captured datagrams came for addresses that it is not bound to, so their replies leave
//! by sockets that are, one for each address asked; those used last are kept.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use super::outbound::Outbound;
use crate::udp::UdpCounters;
use crate::udp::counters::add;
use crate::udp::sys::address::Family;
use crate::udp::sys::sendmmsg::Sender;

#[derive(Default)]
pub(super) struct Replies {
    own: Option<Outbound>,
    captured: HashMap<SocketAddr, Captured>,
    /// Those of `captured` that have something to send.
    waiting: Vec<SocketAddr>,
    /// Counts uses, to tell which was used last.
    uses: u64,
}

struct Captured {
    socket: UdpSocket,
    queue: Option<Outbound>,
    used: u64,
}

/// What a flush needs, of the worker.
pub(super) struct Means<'a> {
    pub(super) sender: &'a mut Sender,
    pub(super) spare: &'a mut Spare,
    pub(super) counters: &'a UdpCounters,
    /// Has the downstream told when a socket that was full takes more.
    pub(super) watch: &'a dyn Fn(BorrowedFd<'_>),
}

/// Empty queues of a worker, so that idle sockets hold none.
#[derive(Default)]
pub(super) struct Spare(Vec<Outbound>);

/// 64 KiB each at most.
const SPARE: usize = 16;

impl Replies {
    /// The queue of the downstream socket itself.
    pub(super) fn own(&mut self, spare: &mut Spare) -> &mut Outbound {
        self.own.get_or_insert_with(|| spare.take())
    }

    /// The queue of the socket that is bound to `asked`, which is opened if need be.
    pub(super) fn captured(
        &mut self,
        asked: SocketAddr,
        limit: usize,
        means: &mut Means<'_>,
        open: impl FnOnce(SocketAddr) -> io::Result<UdpSocket>,
    ) -> io::Result<&mut Outbound> {
        if !self.captured.contains_key(&asked) {
            // Before opening, so that there are never more than `limit`.
            self.make_room(limit, means);
            let socket = open(asked)?;
            socket.set_nonblocking(true)?;
            self.captured.insert(asked, Captured { socket, queue: None, used: 0 });
        }
        let Some(captured) = self.captured.get_mut(&asked) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.uses += 1;
        captured.used = self.uses;
        if captured.queue.is_none() {
            self.waiting.push(asked);
        }
        Ok(captured.queue.get_or_insert_with(|| means.spare.take()))
    }

    /// Sends what can be sent now; the rest when the socket takes more.
    pub(super) fn flush(&mut self, own: BorrowedFd<'_>, family: Family, means: &mut Means<'_>) {
        means.flush(own, family, &mut self.own);
        let captured = &mut self.captured;
        self.waiting.retain(|asked| {
            let Some(captured) = captured.get_mut(asked) else { return false };
            means.flush(captured.socket.as_fd(), Family::of(*asked), &mut captured.queue);
            captured.queue.is_some()
        });
    }

    /// Some socket that was full takes more. Asking those that are still full once more is cheaper than telling them
    /// apart.
    pub(super) fn unblock(&mut self) {
        let queues = self.captured.values_mut().filter_map(|captured| captured.queue.as_mut());
        queues.chain(&mut self.own).for_each(Outbound::unblock);
    }

    fn make_room(&mut self, limit: usize, means: &mut Means<'_>) {
        while self.captured.len() >= limit.max(1) {
            let oldest =
                self.captured.iter().min_by_key(|(_, captured)| captured.used).map(|(asked, _)| *asked);
            let Some((asked, mut captured)) = oldest.and_then(|asked| self.captured.remove_entry(&asked))
            else {
                return;
            };
            self.waiting.retain(|waiting| *waiting != asked);
            means.flush(captured.socket.as_fd(), Family::of(asked), &mut captured.queue);
            add(&means.counters.dropped, captured.queue.map_or(0, |queue| queue.len()));
        }
    }
}

impl Means<'_> {
    fn flush(&mut self, socket: BorrowedFd<'_>, family: Family, queue: &mut Option<Outbound>) {
        let Some(outbound) = queue else { return };
        if outbound.is_blocked() {
            return;
        }
        let flushed = outbound.flush(|messages| self.sender.send(socket, family, messages));
        add(&self.counters.datagrams_to_clients, flushed.datagrams);
        add(&self.counters.bytes_to_clients, flushed.bytes);
        add(&self.counters.dropped, flushed.dropped);
        if outbound.is_blocked() {
            (self.watch)(socket);
        } else if let Some(outbound) = queue.take() {
            self.spare.give(outbound);
        }
    }
}

impl Spare {
    fn take(&mut self) -> Outbound {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, outbound: Outbound) {
        if self.0.len() < SPARE {
            self.0.push(outbound);
        }
    }
}
