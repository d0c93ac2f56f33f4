//! Which records a lease holds.
//!
//! Registrars with tokens ask at every heartbeat, and a look at 100,000 instances each time would be the end of the
//! thread. The index follows the snapshot by what differs, which the maps tell in a time that only the difference costs.

use std::collections::HashMap;
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use roundhouse_config::Label;
use roundhouse_registry::{InstanceId, LeaseId, Records, Snapshot};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Holding {
    Instance(Label, InstanceId),
    /// A director, or what it has as one.
    Director,
    /// A gateway, or a hub's verdict.
    Other,
}

#[derive(Default)]
pub(in crate::admin) struct Leases {
    /// What `held` is of.
    snapshot: Arc<Snapshot>,
    held: HashMap<LeaseId, Vec<Holding>>,
}

impl Leases {
    /// What the lease holds in the snapshot.
    pub(in crate::admin) fn of(&mut self, lease: LeaseId, snapshot: &Arc<Snapshot>) -> Vec<Holding> {
        let old = std::mem::replace(&mut self.snapshot, snapshot.clone());
        self.follow_others(&old, snapshot);
        let none = Records::default();
        for difference in old.instances.diff(&snapshot.instances) {
            let (job, before, after) = match difference {
                DiffItem::Add(job, after) => (job, &none, after),
                DiffItem::Remove(job, before) => (job, before, &none),
                DiffItem::Update { old: (job, before), new: (_, after) } => (job, before, after),
            };
            let instance = |id: &InstanceId| Holding::Instance(job.clone(), *id);
            self.follow(before, after, instance);
        }
        self.held.get(&lease).cloned().unwrap_or_default()
    }

    fn follow_others(&mut self, old: &Snapshot, new: &Snapshot) {
        self.follow(&old.gateways, &new.gateways, |_| Holding::Other);
        self.follow(&old.directors, &new.directors, |_| Holding::Director);
        self.follow(&old.leaders, &new.leaders, |_| Holding::Director);
        let none = Records::default();
        for difference in old.health.diff(&new.health) {
            let (before, after) = match difference {
                DiffItem::Add(_, after) => (&none, after),
                DiffItem::Remove(_, before) => (before, &none),
                DiffItem::Update { old: (_, before), new: (_, after) } => (before, after),
            };
            self.follow(before, after, |_| Holding::Other);
        }
    }

    fn follow<K: Ord + Clone, T: PartialEq>(
        &mut self,
        old: &Records<K, T>,
        new: &Records<K, T>,
        holding: impl Fn(&K) -> Holding,
    ) {
        for difference in old.diff(new) {
            let (name, before, after) = match difference {
                DiffItem::Add(name, after) => (name, None, after.lease),
                DiffItem::Remove(name, before) => (name, before.lease, None),
                DiffItem::Update { old: (name, before), new: (_, after) } => {
                    (name, before.lease, after.lease)
                }
            };
            if before == after {
                continue;
            }
            let holding = holding(name);
            if let Some(before) = before {
                self.forget(before, &holding);
            }
            if let Some(after) = after {
                self.held.entry(after).or_default().push(holding);
            }
        }
    }

    fn forget(&mut self, lease: LeaseId, holding: &Holding) {
        let Some(held) = self.held.get_mut(&lease) else { return };
        if let Some(at) = held.iter().position(|held| held == holding) {
            held.swap_remove(at);
        }
        if held.is_empty() {
            self.held.remove(&lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use roundhouse_registry::kv::{Batch, Change, Entry};
    use roundhouse_registry::{Revision, apply};

    use super::*;

    const KEYS: [(&str, &str); 7] = [
        ("instances/a/0a1b2c3d-0000-4000-8000-000000000001", r#"{"address":"10.0.0.1","ports":{"main":1}}"#),
        ("instances/a/0a1b2c3d-0000-4000-8000-000000000002", r#"{"address":"10.0.0.2","ports":{"main":1}}"#),
        ("instances/b/0a1b2c3d-0000-4000-8000-000000000001", r#"{"address":"10.0.0.3","ports":{"main":1}}"#),
        ("directors/lvs", r#"{"version":"1","host":"h"}"#),
        ("leaders/a", r#"{"director":"lvs","since":1}"#),
        ("gateways/hub", r#"{"version":"1","host":"h","vips":"127.0.0.0/16","admin":"a"}"#),
        ("health/a/0a1b2c3d-0000-4000-8000-000000000001", r#"{"healthy":true,"since":1,"by":"hub"}"#),
    ];

    fn change((key, lease): (usize, Option<i64>), revision: u64) -> Change {
        let (key, value) = (KEYS[key].0.to_owned(), KEYS[key].1);
        let (created, modified) = (Revision(1), Revision(revision));
        match lease {
            None => Change::Delete { key, revision: modified },
            Some(lease) => {
                let lease = (lease > 0).then_some(LeaseId(lease));
                Change::Put(Entry { key, value: value.into(), created, modified, lease })
            }
        }
    }

    /// How many records each lease holds, and how many of them are instances and directors, by looking at all of them.
    fn naive(snapshot: &Snapshot) -> BTreeMap<LeaseId, (usize, usize, usize)> {
        let mut held: BTreeMap<LeaseId, (usize, usize, usize)> = BTreeMap::new();
        for entry in snapshot.entries() {
            if let Some(lease) = entry.lease {
                let (all, instances, directors) = held.entry(lease).or_default();
                *all += 1;
                *instances += usize::from(entry.key.starts_with("instances/"));
                *directors +=
                    usize::from(["directors/", "leaders/"].iter().any(|kind| entry.key.starts_with(kind)));
            }
        }
        held
    }

    proptest! {
        #[test]
        fn it_knows_what_a_look_at_everything_would(
            changes in prop::collection::vec((0..KEYS.len(), prop::option::of(0i64..4)), 1..40),
        ) {
            let mut leases = Leases::default();
            let mut snapshot = Arc::new(Snapshot::default());
            for (n, one) in changes.into_iter().enumerate() {
                let revision = Revision(n as u64 + 1);
                let batch = Batch { revision, changes: vec![change(one, revision.0)] };
                snapshot = Arc::new(apply(&snapshot, &batch));
                let expected = naive(&snapshot);
                for lease in (1..4).map(LeaseId) {
                    let held = leases.of(lease, &snapshot);
                    let instances = held.iter().filter(|held| matches!(held, Holding::Instance(..))).count();
                    let directors = held.iter().filter(|held| **held == Holding::Director).count();
                    let expected = expected.get(&lease).copied().unwrap_or_default();
                    prop_assert_eq!((held.len(), instances, directors), expected);
                }
                prop_assert_eq!(leases.held.len(), expected.len(), "nothing is kept for nobody");
            }
        }
    }
}
