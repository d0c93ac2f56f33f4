//! What differs between two snapshots, in the terms in which a table is rebuilt.
//!
//! Names (jobs, domains, VIPs) change rarely and are rebuilt whole; instances change all the time and are named job by
//! job. Structure that two snapshots share is skipped by pointer, so a change among 100,000 instances costs a walk over
//! the jobs.

use std::collections::BTreeSet;

use roundhouse_config::Label;

use crate::snapshot::Snapshot;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// A job, a domain or a VIP came, went or changed.
    pub names: bool,
    /// Jobs whose instances changed.
    pub instances: BTreeSet<Label>,
    /// Gateways or quarantined keys changed: shown, not served.
    pub shown: bool,
}

/// `None`: nothing that anybody serves or shows has changed.
pub fn delta(old: &Snapshot, new: &Snapshot) -> Option<Delta> {
    let names = !(old.jobs.ptr_eq(&new.jobs) || old.jobs == new.jobs)
        || !(old.domains.ptr_eq(&new.domains) || old.domains == new.domains)
        || !(old.vips.ptr_eq(&new.vips) || old.vips == new.vips);
    let shown = !(old.gateways.ptr_eq(&new.gateways) || old.gateways == new.gateways)
        || !(old.quarantine.ptr_eq(&new.quarantine) || old.quarantine == new.quarantine);
    let mut instances = BTreeSet::new();
    if !old.instances.ptr_eq(&new.instances) {
        for (label, now) in &new.instances {
            let same = old.instances.get(label).is_some_and(|before| before.ptr_eq(now) || before == now);
            if !same {
                instances.insert(label.clone());
            }
        }
        let gone = old.instances.keys().filter(|label| !new.instances.contains_key(*label));
        instances.extend(gone.cloned());
    }
    let delta = Delta { names, instances, shown };
    (delta != Delta::default()).then_some(delta)
}
