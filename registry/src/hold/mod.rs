//! The hold: what keeps a registry's mistake from emptying a service.
//!
//! etcd sends the same DELETE for a key that expired, was revoked or was deleted. One crashed host and an etcd that
//! forgot ten thousand leases look alike, key by key; they differ in how many go, how fast, and whether anybody said
//! farewell. So:
//!
//! ```text
//! DELETE ─► clean? (last state draining or down: the registrar wrote it before it left) ─► gone
//!             └─ unclean ─► Window: how many of this job, of all, within the last 30 s?
//!                             ├─ few ─► gone
//!                             └─ more than the share ─► held: all of them, those that went just before included
//! ```
//!
//! A held instance is served like a live one until it registers again, its address has a new owner, its check fails
//! (the gateway's part), its deadline passes, the registry is steady again, or a person releases it. Holds are records
//! (`held/<label>/<uuid>`), so that every reader of the registry agrees; between the decision and the record, and while
//! the registry takes no writes, they are the follower's own.
//!
//! A registry that comes back with another history (data wiped, an old backup restored) says nothing about what it does
//! not have. Its missing instances are held, and every other missing record is kept too: see [`retain`].
//!
//! Pure: the clock is an argument.

mod keeper;
pub mod retain;
mod window;
pub(crate) mod writer;

use std::time::{Duration, Instant};

pub use self::keeper::{Keeper, Release};
pub use self::retain::Retained;
use crate::record::Timestamp;

/// When a loss is too large to be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Of a job's or of all instances. More than this share must go.
    pub share: f64,
    /// And at least so many: 1 of 2 is a crash.
    pub least: usize,
    /// Departures this close together belong together. Stretched in a large registry: etcd expires at most 1,000
    /// leases a second.
    pub window: Duration,
    /// A held instance that no check vouches for goes after this time.
    pub deadline: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { share: 0.3, least: 3, window: Duration::from_secs(30), deadline: Duration::from_secs(600) }
    }
}

/// The default TTL of a lease: registrars that lose one registry at one moment expire within it.
const TTL: Duration = Duration::from_secs(10);
const EXPIRIES_PER_SECOND: f64 = 1_000.0;

impl Policy {
    fn window(&self, instances: usize) -> Duration {
        self.window.max(TTL + Duration::from_secs_f64(instances as f64 / EXPIRIES_PER_SECOND))
    }

    fn is_mass(&self, departed: usize, live: usize) -> bool {
        departed >= self.least && departed as f64 > self.share * (departed + live) as f64
    }
}

/// For how long nobody looked, and what is remembered of before.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    pub time: Duration,
    /// An earlier run's memory, in the saved snapshot.
    pub from_disk: bool,
}

/// One moment on both clocks: windows are measured on the monotonic one, records carry the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub monotonic: Instant,
    pub wall: Timestamp,
}

impl Now {
    pub fn read() -> Now {
        Now { monotonic: Instant::now(), wall: Timestamp::now() }
    }
}

#[cfg(test)]
mod tests;
