//! Gives every job a VIP. Gateways race here on purpose: the registry's transaction lets one win, and all agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use roundhouse_config::Label;
use roundhouse_registry::record::Key;
use roundhouse_registry::{Snapshot, WriteError};

use crate::shared::Shared;

/// IPv6 prefixes are larger than any number of jobs; offsets are 32 bits.
const MOST: u32 = 1 << 24;
/// A registry that refused is asked again by the control plane's tick; this keeps one failing job from holding it up.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Allocator {
    shared: Arc<Shared>,
    /// Jobs without a VIP.
    lacking: BTreeSet<Label>,
    running: Arc<AtomicBool>,
    /// Where the next allocation begins; 0, which is no job's, when that is not known.
    next: Arc<AtomicU32>,
}

impl Allocator {
    pub(super) fn new(shared: Arc<Shared>) -> Allocator {
        Allocator { shared, lacking: BTreeSet::new(), running: Arc::default(), next: Arc::default() }
    }

    /// These jobs, or their VIPs, changed.
    pub(super) fn changed(&mut self, jobs: &BTreeSet<Label>, snapshot: &Snapshot) {
        for label in jobs {
            let lacks = snapshot.jobs.contains_key(label) && !snapshot.vips.contains_key(label);
            let _ = if lacks { self.lacking.insert(label.clone()) } else { self.lacking.remove(label) };
        }
        self.allocate(snapshot);
    }

    /// Starts allocating for the jobs without a VIP, unless that is going on already.
    pub(super) fn allocate(&self, snapshot: &Snapshot) {
        let wish = |label: &Label| Some((label.clone(), snapshot.jobs.get(label)?.value.vip));
        let without: Vec<_> = self.lacking.iter().filter_map(wish).collect();
        if without.is_empty() || self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        let retained =
            |label: &Label| snapshot.retained.contains_key(Key::Vip(label.clone()).to_string().as_str());
        let forgotten: Vec<u32> = match snapshot.retained.is_empty() {
            true => Vec::new(),
            false => snapshot
                .vips
                .iter()
                .filter(|(label, _)| retained(label))
                .map(|(_, vip)| vip.value.offset)
                .collect(),
        };
        let size = smallest_prefix(snapshot, self.shared.settings.names.vips);
        let (shared, running, next) = (self.shared.clone(), self.running.clone(), self.next.clone());
        tokio::spawn(async move {
            let guess = Some(next.load(Ordering::Relaxed)).filter(|next| *next > 0);
            let allocator = shared.registry.vip_allocator(size, now()).avoiding(forgotten);
            let mut allocator = allocator.guessing(guess);
            for (label, wish) in without {
                match tokio::time::timeout(PATIENCE, allocator.allocate(&label, wish)).await {
                    Ok(Ok(offset)) => tracing::info!(job = %label, offset, "VIP allocated"),
                    Ok(Err(WriteError::NotFound(_))) => {}
                    Ok(Err(error)) => tracing::warn!(job = %label, %error, "no VIP"),
                    Err(_) => tracing::warn!(job = %label, "no VIP: the registry is slow"),
                }
            }
            next.store(allocator.next().unwrap_or(0), Ordering::Relaxed);
            running.store(false, Ordering::Release);
        });
    }
}

/// Addresses in the smallest prefix that any live gateway announced, ours included.
fn smallest_prefix(snapshot: &Snapshot, own: IpNet) -> u32 {
    let announced = snapshot.gateways.values().map(|gateway| gateway.value.vips);
    announced.chain([own]).map(addresses).min().unwrap_or(0)
}

fn addresses(prefix: IpNet) -> u32 {
    let bits = u32::from(prefix.max_prefix_len() - prefix.prefix_len());
    1u32.checked_shl(bits).map_or(MOST, |size| size.min(MOST))
}

/// Seconds since the epoch: freed offsets are compared across gateways and restarts.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_two_to_the_rest_of_its_bits() {
        let size = |prefix: &str| addresses(prefix.parse().unwrap());
        assert_eq!((size("127.99.0.0/16"), size("10.0.0.0/30")), (65_536, 4));
        assert_eq!((size("fd00::/112"), size("fd00::/64"), size("10.0.0.0/8")), (65_536, MOST, MOST));
    }
}
