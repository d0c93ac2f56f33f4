//! What becomes of destinations that are wanted no more.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_registry::record::Timestamp;

use super::{Facts, SECOND_LOOK};
use crate::model::Service;

/// One of ours that is there and not wanted.
pub(super) struct Leaving {
    pub(super) address: SocketAddr,
    pub(super) weight: u32,
    /// When it began to leave this was set.
    pub(super) deadline: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Remove,
    Drain { deadline: Timestamp },
}

pub(super) fn fate(one: &Leaving, open: u64, drains: bool, drain: Duration, facts: &Facts) -> Fate {
    if !drains || facts.dead.contains(&one.address) {
        return Fate::Remove;
    }
    // It takes nothing new since the last look, and nothing is left. Of one that took some until now this cannot be said:
    // between a look and a removal a connection might have come.
    if open == 0 && one.weight == 0 {
        return Fate::Remove;
    }
    match one.deadline {
        Some(deadline) if deadline <= facts.now => Fate::Remove,
        // A clock that was set back does not make it longer than it may be.
        Some(deadline) => Fate::Drain { deadline: deadline.min(facts.now + drain) },
        None => Fate::Drain { deadline: facts.now + drain },
    }
}

/// Those that worked until now, went without a farewell (`draining` gives weight 0 first) and may be alive.
pub(super) fn vanished(leaving: &[Leaving], facts: &Facts) -> BTreeSet<SocketAddr> {
    let worked = leaving.iter().filter(|one| one.weight > 0 && one.deadline.is_none());
    worked.map(|one| one.address).filter(|address| !facts.dead.contains(address)).collect()
}

/// Since when it is doubted that they are gone: more than half of what works, and not yet looked at twice.
pub(super) fn doubt(
    vanished: &BTreeSet<SocketAddr>,
    found: &Service,
    since: Option<Timestamp>,
    facts: &Facts,
) -> Option<Timestamp> {
    let working = found.destinations.values().filter(|destination| destination.weight > 0).count();
    if facts.forced || vanished.is_empty() || vanished.len() * 2 <= working {
        return None;
    }
    let since = since.unwrap_or(facts.now).min(facts.now);
    (facts.now.since(since) < SECOND_LOOK).then_some(since)
}
