//! Whether who has left the registry is alive: one that does not answer need not be drained.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use roundhouse_registry::probe;

/// Nearly all answers are refusals, which take a round trip.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Asked at once; the rest waits for the next round.
const AT_ONCE: usize = 256;

#[derive(Debug, Default)]
pub struct Probes {
    /// What they said: once for each departure.
    alive: BTreeMap<SocketAddr, bool>,
}

impl Probes {
    pub(super) fn dead(&self) -> BTreeSet<SocketAddr> {
        self.alive.iter().filter(|(_, alive)| !**alive).map(|(address, _)| *address).collect()
    }

    /// Of those who have departed.
    pub fn any_dead(&self) -> bool {
        self.alive.values().any(|alive| !alive)
    }

    /// Those that were not asked yet.
    pub(super) fn unknown(&self, addresses: BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
        addresses.into_iter().filter(|address| !self.alive.contains_key(address)).take(AT_ONCE).collect()
    }

    /// Who is wanted again is asked again at its next departure.
    pub(super) fn forget_all_but(&mut self, departed: &BTreeSet<SocketAddr>) {
        self.alive.retain(|address, _| departed.contains(address));
    }

    pub async fn ask(&mut self, addresses: &BTreeSet<SocketAddr>) {
        let ask = |address: &SocketAddr| {
            let address = *address;
            async move { (address, probe::tcp(address, TIMEOUT).await.is_ok()) }
        };
        self.alive.extend(join_all(addresses.iter().map(ask)).await);
    }
}
