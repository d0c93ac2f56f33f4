//! What a worker's UDP engine counts; its own thread only.

use std::cell::Cell;

#[derive(Debug, Default)]
pub struct UdpCounters {
    /// Sessions, ever and now.
    pub opened: Cell<u64>,
    pub open: Cell<u64>,
    /// First datagrams that became no session: no instance, no room, draining.
    pub refused: Cell<u64>,
    /// Sessions that made room for others.
    pub evicted: Cell<u64>,
    pub expired: Cell<u64>,
    /// First datagrams tried again at another instance.
    pub retries: Cell<u64>,
    /// What the kernel took.
    pub datagrams_to_instances: Cell<u64>,
    pub bytes_to_instances: Cell<u64>,
    pub datagrams_to_clients: Cell<u64>,
    pub bytes_to_clients: Cell<u64>,
    /// Datagrams that the kernel did not take: a full send buffer, too long for the path, a local packet filter.
    pub dropped: Cell<u64>,
    /// Sessions whose instance turned out to be unreachable (port unreachable, above all).
    pub icmp_errors: Cell<u64>,
    /// Datagrams longer than UDP allows, which were dropped.
    pub truncated: Cell<u64>,
}

pub(super) fn add(counter: &Cell<u64>, n: usize) {
    counter.set(counter.get().wrapping_add(n as u64));
}
