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
    let instances =
        if old.instances.ptr_eq(&new.instances) { BTreeSet::new() } else { changed_jobs(old, new) };
    let delta = Delta { names, instances, shown };
    (delta != Delta::default()).then_some(delta)
}

/// Both maps are sorted, so one walk over both finds what is new, gone or different.
fn changed_jobs(old: &Snapshot, new: &Snapshot) -> BTreeSet<Label> {
    let mut changed = BTreeSet::new();
    let mut before = old.instances.iter().peekable();
    for (label, now) in &new.instances {
        while let Some((gone, _)) = before.next_if(|(earlier, _)| *earlier < label) {
            changed.insert(gone.clone());
        }
        let same = before
            .next_if(|(same, _)| *same == label)
            .is_some_and(|(_, instances)| instances.ptr_eq(now) || instances == now);
        if !same {
            changed.insert(label.clone());
        }
    }
    changed.extend(before.map(|(gone, _)| gone.clone()));
    changed
}
