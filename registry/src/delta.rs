//! What differs between two snapshots, in the terms in which a table is rebuilt.
//!
//! Names (jobs, domains, VIPs) change rarely and are rebuilt whole; instances change all the time and are named job by
//! job. Structure that two snapshots share is skipped by pointer, so a change among 100,000 instances costs a walk down
//! the maps, however many jobs they belong to.

use std::collections::BTreeSet;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use roundhouse_config::Label;

use crate::snapshot::{PerInstance, Snapshot};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// A job, a domain or a VIP came, went or changed.
    pub names: bool,
    /// Jobs whose instances, live or held, changed.
    pub instances: BTreeSet<Label>,
    /// A record of another kind, or a quarantined key, came, went or changed: shown, not served from the table.
    pub shown: bool,
}

/// `None`: nothing that anybody serves or shows has changed.
pub fn delta(old: &Snapshot, new: &Snapshot) -> Option<Delta> {
    let names =
        differ(&old.jobs, &new.jobs) || differ(&old.domains, &new.domains) || differ(&old.vips, &new.vips);
    let shown = differ(&old.gateways, &new.gateways)
        || differ(&old.certs, &new.certs)
        || differ(&old.directors, &new.directors)
        || differ(&old.entrypoints, &new.entrypoints)
        || differ(&old.guards, &new.guards)
        || differ(&old.health, &new.health)
        || differ(&old.lines, &new.lines)
        || differ(&old.pools, &new.pools)
        || differ(&old.rules, &new.rules)
        || differ(&old.tokens, &new.tokens)
        || !old.quarantine.same(&new.quarantine)
        || differ(&old.retained, &new.retained);
    let instances = &changed_jobs(&old.instances, &new.instances) | &changed_jobs(&old.held, &new.held);
    let delta = Delta { names, instances, shown };
    (delta != Delta::default()).then_some(delta)
}

fn differ<K: Ord, V: PartialEq>(old: &OrdMap<K, V>, new: &OrdMap<K, V>) -> bool {
    !old.ptr_eq(new) && old != new
}

/// Skips what both share, node by node: a change among 100,000 jobs does not cost a walk over them.
fn changed_jobs<T: PartialEq>(old: &PerInstance<T>, new: &PerInstance<T>) -> BTreeSet<Label> {
    let label = |item| match item {
        DiffItem::Add(label, _) | DiffItem::Remove(label, _) | DiffItem::Update { new: (label, _), .. } => {
            Label::clone(label)
        }
    };
    old.diff(new).map(label).collect()
}
