//! What differs between two snapshots, in the terms in which a table is brought along.
//!
//! Names (jobs, VIPs, domains) and instances are named one by one: whoever follows pays for what changed, not for what
//! there is. Structure that two snapshots share is skipped by pointer, so a change among 100,000 instances or 10,000 jobs
//! costs a walk down the maps.

use std::collections::BTreeSet;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use roundhouse_config::{DomainName, Label};

use crate::snapshot::Snapshot;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Jobs whose record or VIP came, went or changed; there may be a VIP without a job.
    pub jobs: BTreeSet<Label>,
    /// Domains that came, went or changed.
    pub domains: BTreeSet<DomainName>,
    /// Jobs whose instances, live or held, changed.
    pub instances: BTreeSet<Label>,
    /// A record of another kind, or a quarantined key, came, went or changed: shown, not served from the table.
    pub shown: bool,
}

/// `None`: nothing that anybody serves or shows has changed.
pub fn delta(old: &Snapshot, new: &Snapshot) -> Option<Delta> {
    let shown = differ(&old.gateways, &new.gateways)
        || differ(&old.certs, &new.certs)
        || differ(&old.directors, &new.directors)
        || differ(&old.entrypoints, &new.entrypoints)
        || differ(&old.guards, &new.guards)
        || differ(&old.health, &new.health)
        || differ(&old.leaders, &new.leaders)
        || differ(&old.lines, &new.lines)
        || differ(&old.pools, &new.pools)
        || differ(&old.rules, &new.rules)
        || differ(&old.tokens, &new.tokens)
        || !old.quarantine.same(&new.quarantine)
        || differ(&old.retained, &new.retained);
    let jobs = &changed(&old.jobs, &new.jobs) | &changed(&old.vips, &new.vips);
    let domains = changed(&old.domains, &new.domains);
    let instances = &changed(&old.instances, &new.instances) | &changed(&old.held, &new.held);
    let delta = Delta { jobs, domains, instances, shown };
    (delta != Delta::default()).then_some(delta)
}

fn differ<K: Ord, V: PartialEq>(old: &OrdMap<K, V>, new: &OrdMap<K, V>) -> bool {
    !old.ptr_eq(new) && old != new
}

/// Skips what both share, node by node: a change among 100,000 jobs does not cost a walk over them.
fn changed<K: Ord + Clone, V: PartialEq>(old: &OrdMap<K, V>, new: &OrdMap<K, V>) -> BTreeSet<K> {
    let key = |item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
            K::clone(key)
        }
    };
    old.diff(new).map(key).collect()
}
