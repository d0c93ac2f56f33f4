//! What is worth a line in the log, but not one every second from everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(60);
/// Peers remembered. Beyond that the rest waits until the first are a minute old.
const MAX_PEERS: usize = 1_024;

/// Lets one a minute and peer through.
#[derive(Default)]
pub(super) struct Seldom(Mutex<HashMap<IpAddr, Instant>>);

impl Seldom {
    pub(super) fn is_due(&self, peer: IpAddr, now: Instant) -> bool {
        let is_recent = |told: &Instant| now.saturating_duration_since(*told) < PAUSE;
        // Nothing between lock and unlock can leave it half changed.
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&peer).is_some_and(is_recent) {
            return false;
        }
        if told.len() >= MAX_PEERS {
            told.retain(|_, told| is_recent(told));
        }
        let due = told.len() < MAX_PEERS;
        if due {
            told.insert(peer, now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_and_peer_of_so_many_peers() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        let peer = |n: usize| IpAddr::from((n as u32).to_be_bytes());
        assert!(seldom.is_due(peer(0), now) && seldom.is_due(peer(1), now));
        assert!(!seldom.is_due(peer(0), now + PAUSE - Duration::from_millis(1)));
        assert!(seldom.is_due(peer(0), now + PAUSE));
        let told = (2..2 * MAX_PEERS).filter(|n| seldom.is_due(peer(*n), now + PAUSE)).count();
        assert_eq!(told, MAX_PEERS - 1, "the one that is a minute old makes room");
        assert_eq!(seldom.0.lock().unwrap().len(), MAX_PEERS);
        assert!(seldom.is_due(peer(9_999), now + PAUSE * 2));
    }
}
