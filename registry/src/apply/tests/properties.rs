//! Any history, right and wrong records mixed: changes applied one by one give what a listing gives afterwards.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use roundhouse_config::Label;

use super::sample::{entry, good};
use crate::apply;
use crate::delta::{Delta, delta};
use crate::kv::{Batch, Change, Entry, Listing, Revision};
use crate::snapshot::Snapshot;

/// Keys and values, good and bad, from a small space so that they meet.
fn change() -> impl Strategy<Value = (String, Option<String>)> {
    let records = good();
    let keys: Vec<String> = records.iter().map(|(key, _)| key.clone()).collect();
    let values: Vec<String> = records.iter().map(|(_, value)| value.clone()).collect();
    let wrong = ["jobs/", "domains/Blog.net", "guards/cop.a_job.b", "vip-owners/017", "x/y", "jobs/ab\0"];
    let value = prop_oneof![
        select(values),
        "[abc]".prop_map(|name| format!(r#"{{"jobname":"job.{name}"}}"#)),
        (1..9u16).prop_map(|port| format!(r#"{{"address":"10.0.0.7","ports":{{"main":{port}}}}}"#)),
        Just("{".to_owned()),
    ];
    let key = prop_oneof![
        6 => select(keys),
        2 => "jobs/a-?b?",
        2 => "instances/a(-b)?/0a1b2c3d-0000-4000-8000-00000000000[01]",
        1 => select(wrong.map(str::to_owned).to_vec()),
    ];
    // Mostly a record of the key's own kind, so that most are good.
    let matching = select(records).prop_map(|(key, value)| (key, Some(value)));
    prop_oneof![matching, (key, proptest::option::weighted(0.7, value))]
}

/// What the store holds after each batch, kept as plainly as can be.
#[derive(Default)]
struct Twin(BTreeMap<String, Entry>);

impl Twin {
    fn change(&mut self, key: String, value: Option<String>, revision: u64) -> Change {
        let Some(value) = value else {
            self.0.remove(&key);
            return Change::Delete { key, revision: Revision(revision) };
        };
        let entry = entry(&key, &value, revision);
        self.0.insert(key, entry.clone());
        Change::Put(entry)
    }

    fn listed(&self, revision: u64) -> Snapshot {
        let entries = self.0.values().cloned().collect();
        Snapshot::from_listing(Listing { origin: String::new(), revision: Revision(revision), entries })
    }
}

/// The naive delta compares what would be written down.
fn naive(old: &Snapshot, new: &Snapshot) -> Delta {
    let (before, after) = (old.entries(), new.entries());
    let differing = before
        .iter()
        .filter(|entry| !after.contains(entry))
        .chain(after.iter().filter(|entry| !before.contains(entry)));
    let mut delta = Delta::default();
    for entry in differing {
        match entry.key.split('/').collect::<Vec<_>>()[..] {
            ["jobs" | "domains" | "vips", ..] => delta.names = true,
            ["instances" | "held", job, _] => drop(delta.instances.insert(job.parse::<Label>().unwrap())),
            _ => delta.shown = true,
        }
    }
    delta.shown |= !old.quarantine.iter().eq(new.quarantine.iter());
    delta
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn applying_changes_gives_what_listing_afterwards_gives(
        batches in proptest::collection::vec(proptest::collection::vec(change(), 1..6), 0..24)
    ) {
        let mut twin = Twin::default();
        let mut snapshot = Snapshot::default();
        for (batch, revision) in batches.into_iter().zip(1..) {
            let changes = batch.into_iter().map(|(key, value)| twin.change(key, value, revision)).collect();
            let next = apply(&snapshot, &Batch { revision: Revision(revision), changes });
            let listed = twin.listed(revision);
            prop_assert!(next.same_records(&listed), "{next:?}\n{listed:?}");
            prop_assert_eq!(next.revision, listed.revision);
            prop_assert_eq!(delta(&snapshot, &next).unwrap_or_default(), naive(&snapshot, &next));
            prop_assert_eq!(delta(&next, &next), None::<Delta>);
            snapshot = next;
        }
        let revision = snapshot.revision;
        let entries = snapshot.entries();
        prop_assert!(entries.is_sorted_by_key(|entry| &entry.key));
        let keys: BTreeSet<&String> = entries.iter().map(|entry| &entry.key).collect();
        prop_assert_eq!(keys.len(), entries.len());
        let again = Snapshot::from_listing(Listing { origin: String::new(), revision, entries });
        prop_assert!(again.quarantine.is_empty(), "{:?}", again.quarantine);
        // What is quarantined is not in the entries; everything else is.
        snapshot.quarantine = again.quarantine.clone();
        prop_assert!(again.same_records(&snapshot), "{again:?}\n{snapshot:?}");
    }
}
