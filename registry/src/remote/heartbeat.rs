//! The clock of a lease.

use std::time::Duration;

use tokio::time::Instant;

/// Between two tries of a keepalive that failed, at most.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Kept alive every TTL/3; a try that failed is made again sooner.
///
/// A registry sets the lease's clock back at some moment between a request and its answer. So only the moment before
/// the request counts: a TTL after it, and not a moment later, the lease may be gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat {
    ttl: Duration,
    next: Instant,
    ends: Instant,
}

impl Heartbeat {
    /// Of a lease that was asked for at `asked`.
    pub(crate) fn new(ttl: Duration, asked: Instant) -> Heartbeat {
        Heartbeat { ttl, next: asked + ttl / 3, ends: asked + ttl }
    }

    /// Of a lease that lives, and nobody knows for how long.
    pub(crate) fn overdue(ttl: Duration, now: Instant) -> Heartbeat {
        Heartbeat { ttl, next: now, ends: now }
    }

    /// When to keep it alive.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Until when it surely lives.
    pub(crate) fn ends(&self) -> Instant {
        self.ends
    }

    pub(crate) fn answered(&mut self, asked: Instant) {
        (self.next, self.ends) = (asked + self.ttl / 3, asked + self.ttl);
    }

    /// Whether that is all: a registry that is away may have the lease still (leases restart at an election), so only
    /// a full TTL of silence counts as lost.
    pub(crate) fn failed(&mut self, asked: Instant, now: Instant) -> bool {
        self.next = asked + (self.ttl / 10).min(MOST_PAUSE);
        now > self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_before_the_question_counts() {
        let (ttl, second) = (Duration::from_secs(9), Duration::from_secs(1));
        let asked = Instant::now();
        let mut heartbeat = Heartbeat::new(ttl, asked);
        assert_eq!((heartbeat.next(), heartbeat.ends()), (asked + ttl / 3, asked + ttl));
        let again = asked + second * 4;
        heartbeat.answered(again);
        assert_eq!((heartbeat.next(), heartbeat.ends()), (again + ttl / 3, again + ttl));
        let late = again + ttl;
        assert!(!heartbeat.failed(late, late), "a TTL of silence, and no less");
        assert_eq!((heartbeat.next(), heartbeat.ends()), (late + ttl / 10, again + ttl));
        assert!(heartbeat.failed(late, late + Duration::from_nanos(1)));
        let overdue = Heartbeat::overdue(ttl, asked);
        assert_eq!((overdue.next(), overdue.ends()), (asked, asked), "nobody knows for how long it lives");
    }
}
