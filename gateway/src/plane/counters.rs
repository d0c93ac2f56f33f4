//! What a worker counts: written by its own thread only, on its own cache lines.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::Reasons;
use crate::access::Verdicts;

/// Cache lines of its own: adjacent lines are fetched in pairs on x86-64.
#[repr(align(128))]
#[derive(Debug, Default)]
pub struct Counters {
    /// Client connections accepted, and those open now.
    pub accepted: AtomicU64,
    pub open: AtomicU64,
    /// Accepted and closed at once: the worker's connection limit.
    pub refused: AtomicU64,
    /// `accept` errors, EMFILE above all.
    pub accept_errors: AtomicU64,
    pub requests: AtomicU64,
    /// Their answers by the first digit of the status; 0: none was given.
    pub answers: [AtomicU64; 6],
    /// Requests answered by the gateway itself because the name leads nowhere, or nobody serves it.
    pub no_route: AtomicU64,
    pub no_backend: AtomicU64,
    /// Connects and requests tried again at another instance.
    pub retries: AtomicU64,
    pub bytes_to_clients: AtomicU64,
    pub bytes_to_instances: AtomicU64,
    pub reasons: Reasons,
    pub access: Verdicts,
    /// UDP sessions opened, first datagrams that became none, and sessions open now.
    pub udp_sessions: AtomicU64,
    pub udp_refused: AtomicU64,
    pub udp_open: AtomicU64,
    pub udp_datagrams_to_instances: AtomicU64,
    pub udp_datagrams_to_clients: AtomicU64,
    /// Datagrams that the kernel did not take.
    pub udp_dropped: AtomicU64,
}

/// Adds to what this thread alone writes: no other's addition can come between, so that nothing has to be locked for it.
pub fn count(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

/// The sum over workers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub accepted: u64,
    pub open: u64,
    pub refused: u64,
    pub accept_errors: u64,
    pub requests: u64,
    pub no_route: u64,
    pub no_backend: u64,
    pub retries: u64,
    pub bytes_to_clients: u64,
    pub bytes_to_instances: u64,
    pub udp_sessions: u64,
    pub udp_refused: u64,
    pub udp_open: u64,
    pub udp_datagrams_to_instances: u64,
    pub udp_datagrams_to_clients: u64,
    pub udp_dropped: u64,
}

impl Totals {
    pub fn sum<'a>(counters: impl IntoIterator<Item = &'a Counters>) -> Totals {
        counters.into_iter().fold(Totals::default(), |sum, one| Totals {
            accepted: sum.accepted + one.accepted.load(Relaxed),
            open: sum.open + one.open.load(Relaxed),
            refused: sum.refused + one.refused.load(Relaxed),
            accept_errors: sum.accept_errors + one.accept_errors.load(Relaxed),
            requests: sum.requests + one.requests.load(Relaxed),
            no_route: sum.no_route + one.no_route.load(Relaxed),
            no_backend: sum.no_backend + one.no_backend.load(Relaxed),
            retries: sum.retries + one.retries.load(Relaxed),
            bytes_to_clients: sum.bytes_to_clients + one.bytes_to_clients.load(Relaxed),
            bytes_to_instances: sum.bytes_to_instances + one.bytes_to_instances.load(Relaxed),
            udp_sessions: sum.udp_sessions + one.udp_sessions.load(Relaxed),
            udp_refused: sum.udp_refused + one.udp_refused.load(Relaxed),
            udp_open: sum.udp_open + one.udp_open.load(Relaxed),
            udp_datagrams_to_instances: sum.udp_datagrams_to_instances
                + one.udp_datagrams_to_instances.load(Relaxed),
            udp_datagrams_to_clients: sum.udp_datagrams_to_clients
                + one.udp_datagrams_to_clients.load(Relaxed),
            udp_dropped: sum.udp_dropped + one.udp_dropped.load(Relaxed),
        })
    }
}
