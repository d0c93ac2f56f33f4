//! By which socket a reply leaves.
//!
//! Normally the downstream socket, by queues. Captured datagrams came for addresses that it is not bound to; whoever
//! opened it answers those ([`Host::reply`](crate::udp::Host::reply)).

use std::os::fd::BorrowedFd;

use super::outbound::Outbound;
use crate::udp::UdpCounters;
use crate::udp::counters::add;
use crate::udp::sys::address::Family;
use crate::udp::sys::sendmmsg::Sender;

#[derive(Default)]
pub(super) struct Replies {
    own: Option<Outbound>,
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

    /// Sends what can be sent now; the rest when the socket takes more.
    pub(super) fn flush(&mut self, own: BorrowedFd<'_>, family: Family, means: &mut Means<'_>) {
        means.flush(own, family, &mut self.own);
    }

    /// The socket was full and takes more.
    pub(super) fn unblock(&mut self) {
        self.own.iter_mut().for_each(Outbound::unblock);
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
