//! When to ask again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Progress, Refusal};

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// After what was registered is lost. Many lose their leases together; they should not come back together.
pub(crate) const LOST: Duration = FIRST;

/// What a refusal to register means, and the pause until the next try. Pure.
pub(crate) struct Retry {
    ttl: Duration,
    next: Duration,
    /// So long a record in the way may be a former self's, whose lease has not run out.
    former_self: Instant,
}

impl Retry {
    pub(crate) fn new(ttl: Duration, now: Instant) -> Retry {
        Retry { ttl, next: FIRST, former_self: now + ttl }
    }

    pub(crate) fn succeeded(&mut self) {
        self.next = FIRST;
    }

    /// Nobody answered, and what was asked may have been done: what is in the way then is one's own.
    pub(crate) fn left_behind(&mut self, now: Instant) {
        self.former_self = now + self.ttl;
    }

    pub(crate) fn after(&mut self, refusal: Refusal, now: Instant) -> (Progress, Duration) {
        match refusal {
            Refusal::Taken(reason) if now < self.former_self => {
                let pause = (self.ttl / 4).min(self.former_self - now).max(FIRST);
                (Progress::Pending { error: Some(reason) }, pause)
            }
            // The cause may go.
            Refusal::No(reason) | Refusal::Taken(reason) => (Progress::Refused { reason }, self.ttl),
            Refusal::Unreachable(reason) => {
                let pause = self.next;
                self.next = (self.next * 2).min(LAST);
                (Progress::Pending { error: Some(reason) }, pause)
            }
        }
    }
}

pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(8);

    fn after(retry: &mut Retry, refusal: fn(String) -> Refusal, now: Instant) -> (bool, Duration) {
        let (progress, pause) = retry.after(refusal("why".to_owned()), now);
        (matches!(progress, Progress::Refused { .. }), pause)
    }

    #[test]
    fn a_former_self_is_waited_for_and_a_stranger_is_a_refusal() {
        let began = Instant::now();
        let mut retry = Retry::new(TTL, began);
        assert_eq!(after(&mut retry, Refusal::Taken, began), (false, TTL / 4));
        let second = Duration::from_secs(1);
        assert_eq!(after(&mut retry, Refusal::Taken, began + TTL - second), (false, second));
        assert_eq!(after(&mut retry, Refusal::Taken, began + TTL), (true, TTL));
        retry.left_behind(began + TTL);
        assert_eq!(after(&mut retry, Refusal::Taken, began + TTL), (false, TTL / 4));
    }

    #[test]
    fn silence_is_asked_again_ever_more_slowly_and_a_no_every_ttl() {
        let now = Instant::now();
        let mut retry = Retry::new(TTL, now);
        let pauses: Vec<u128> =
            (0..8).map(|_| after(&mut retry, Refusal::Unreachable, now).1.as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        retry.succeeded();
        assert_eq!(after(&mut retry, Refusal::Unreachable, now), (false, FIRST));
        assert_eq!(after(&mut retry, Refusal::No, now), (true, TTL));
    }
}
