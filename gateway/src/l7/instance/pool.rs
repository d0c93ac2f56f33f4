//! Idle HTTP/1.1 connections, and those of HTTP/2.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::h2_client::Connections;
use crate::l4::Stream;
use crate::l7::inbound::Inbound;
use crate::plane::Tick;
use crate::table::Endpoint;
use crate::tls::ClientTls;

/// Idle connections kept to one endpoint: as many as a worker's clients use at once, or each burst dials those beyond
/// anew. They are gone within [`IDLE`] when nobody needs them.
const KEPT: usize = 512;
/// Shorter than the keep-alive timeouts that servers commonly have (nginx 75 s, Apache 5 s being the awkward one), so
/// that we are mostly the side that closes.
pub(in crate::l7) const IDLE: Duration = Duration::from_secs(4);
/// A request that must not be sent twice goes on one that was used just now, or on a new one.
const FRESH: Duration = Duration::from_secs(2);

/// An endpoint, spoken to in one way. The connections of a key hold the endpoint, so that its address in memory is
/// nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    live: usize,
    tls: usize,
}

/// Addresses in memory are spread enough but for their lowest bits.
#[derive(Default)]
pub(super) struct OfAddress(u64);

pub(super) type ByKey<T> = HashMap<Key, T, BuildHasherDefault<OfAddress>>;

#[derive(Default)]
pub(in crate::l7) struct Pool {
    #[expect(clippy::vec_box, reason = "each goes in and out at every request, and is large")]
    idle: ByKey<Vec<Box<H1Instance>>>,
    pub(super) h2: ByKey<Connections>,
}

/// A connection of HTTP/1.1 to an instance.
pub(in crate::l7) struct H1Instance {
    key: Key,
    /// While it lives its address in memory, which is the key, is nobody else's.
    endpoint: Arc<Endpoint>,
    pub(in crate::l7) stream: Stream,
    pub(in crate::l7) inbound: Inbound,
    /// When it was given back.
    since: Option<Tick>,
}

impl Key {
    pub(super) fn new(endpoint: &Arc<Endpoint>, tls: Option<&ClientTls>) -> Key {
        let live = Arc::as_ptr(&endpoint.live).addr();
        // Those of one content share their configuration.
        Key { live, tls: tls.map_or(0, |tls| Arc::as_ptr(tls.config()).addr()) }
    }
}

impl Hasher for OfAddress {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, n: usize) {
        // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the high bits decide, which hashbrown looks at.
        self.0 = (self.0.rotate_left(5) ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl H1Instance {
    pub(super) fn new(key: Key, endpoint: Arc<Endpoint>, stream: Stream) -> H1Instance {
        H1Instance { key, endpoint, stream, inbound: Inbound::default(), since: None }
    }

    pub(in crate::l7) fn is_reused(&self) -> bool {
        self.since.is_some()
    }

    fn is_younger(&self, now: Tick, age: Duration) -> bool {
        self.since.is_none_or(|since| now.0.saturating_sub(since.0) < Tick::of(age))
    }
}

impl Pool {
    /// The connection used last that is still open. `once`: for a request that must not be sent twice.
    pub(super) fn take(&mut self, key: Key, now: Tick, once: bool) -> Option<Box<H1Instance>> {
        let idle = self.idle.get_mut(&key)?;
        let age = if once { FRESH } else { IDLE };
        while let Some(kept) = idle.pop() {
            if kept.is_younger(now, age) && kept.stream.is_quiet(once) {
                return Some(kept);
            }
        }
        None
    }

    /// Takes one back whose last exchange is over on both sides.
    pub(in crate::l7) fn give(&mut self, mut instance: Box<H1Instance>, now: Tick) {
        instance.since = Some(now);
        let idle = self.idle.entry(instance.key).or_default();
        if idle.len() < KEPT && instance.inbound.is_empty() && !instance.endpoint.live.is_leaving() {
            idle.push(instance);
        }
    }

    /// The others were kept as long as one that turned out to be closed.
    pub(in crate::l7) fn forget(&mut self, instance: &H1Instance) {
        self.idle.remove(&instance.key);
    }

    /// Closes what was idle for too long, or goes to an instance that wants to leave: addresses that nobody asks for would keep theirs otherwise.
    pub(in crate::l7) fn sweep(&mut self, now: Tick) {
        self.idle.retain(|_, idle| {
            idle.retain(|kept| {
                let wanted = kept.is_younger(now, IDLE) && !kept.endpoint.live.is_leaving();
                wanted && kept.stream.is_quiet(false)
            });
            !idle.is_empty()
        });
        self.h2.retain(|_, connections| connections.sweep(now));
    }
}
