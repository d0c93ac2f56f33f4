//! Consistent hashing: Maglev's table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
//! NSDI 2016, 3.4), which ip_vs's `mh` has too.
//!
//! Each destination has a permutation of the slots of its own, and they take turns at choosing their next free one: as
//! often as their weights say. Shares are exact to a slot, and one that comes or goes moves about its own share.

use std::net::SocketAddr;

use super::slots::{interleaved, scaled};

/// Primes, so that every step visits every slot. The next one when there are a tenth as many destinations: a table whose
/// size changes moves nearly all clients.
const SIZES: [u32; 5] = [251, 1_021, 4_093, 16_381, 65_521];
const SLOTS_A_DESTINATION: usize = 10;

/// The index of the destination of each slot. There is at least one, and no weight is 0.
pub(super) fn table(destinations: &[SocketAddr], weights: &[u32]) -> Vec<usize> {
    let wanted = destinations.len() * SLOTS_A_DESTINATION;
    let size = SIZES.into_iter().find(|size| *size as usize >= wanted).unwrap_or(SIZES[SIZES.len() - 1]);
    let mut preferences: Vec<Preference> =
        destinations.iter().map(|destination| Preference::of(*destination, size)).collect();
    let round = interleaved(&scaled(weights, size.into()));
    let mut slots: Vec<Option<usize>> = vec![None; size as usize];
    for index in round.into_iter().cycle().take(slots.len()) {
        if let Some(free) = preferences[index].by_ref().find(|slot| slots[*slot].is_none()) {
            slots[free] = Some(index);
        }
    }
    slots.into_iter().flatten().collect()
}

struct Preference {
    next: u32,
    step: u32,
    size: u32,
}

impl Preference {
    fn of(destination: SocketAddr, size: u32) -> Preference {
        let hash = hash(&destination.to_string());
        let (high, low) = ((hash >> 32) as u32, hash as u32);
        Preference { next: high % size, step: low % (size - 1) + 1, size }
    }
}

impl Iterator for Preference {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let slot = self.next as usize;
        self.next = (self.next + self.step) % self.size;
        Some(slot)
    }
}

/// FNV-1a, its bits mixed by MurmurHash3's finalizer: the same on every director and in every version.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(hosts: impl IntoIterator<Item = u8>) -> Vec<SocketAddr> {
        hosts.into_iter().map(|host| SocketAddr::from(([10, 0, 0, host], 80))).collect()
    }

    fn led_to(destinations: &[SocketAddr], weights: &[u32]) -> Vec<SocketAddr> {
        table(destinations, weights).into_iter().map(|index| destinations[index]).collect()
    }

    #[test]
    fn shares_are_as_the_weights_to_a_slot() {
        let table = table(&destinations(1..=3), &[1, 2, 5]);
        let shares: Vec<_> =
            (0..3).map(|index| table.iter().filter(|slot| **slot == index).count()).collect();
        assert_eq!(table.len(), 251);
        for (share, wanted) in shares.iter().zip([31.375, 62.75, 156.875]) {
            assert!((*share as f64 - wanted).abs() <= 1.0, "{shares:?}");
        }
    }

    #[test]
    fn one_that_goes_moves_few_others() {
        let (all, fewer) = (destinations(1..=10), destinations((1..=10).filter(|host| *host != 4)));
        let (before, after) = (led_to(&all, &[1; 10]), led_to(&fewer, &[1; 9]));
        let moved = before.iter().zip(&after).filter(|(was, is)| **was != all[3] && was != is).count();
        // 226 slots were not its own.
        assert!(moved < 226 / 4, "{moved}");
    }

    #[test]
    fn every_destination_has_a_slot_however_many_there_are() {
        let many: Vec<SocketAddr> = (0..9_000u32).map(|n| (std::net::Ipv4Addr::from(n), 80).into()).collect();
        let weights: Vec<u32> = (0..9_000).map(|n| if n == 0 { u32::MAX } else { 1 }).collect();
        let table = table(&many, &weights);
        assert_eq!(table.len(), 65_521);
        let seen: std::collections::BTreeSet<usize> = table.into_iter().collect();
        assert!(seen.len() >= 8_999, "{}", seen.len());
    }
}
