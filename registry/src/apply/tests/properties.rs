//! Any history, right and wrong records mixed: changes applied one by one give what a listing gives afterwards.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use roundhouse_config::{DomainName, Label};

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
    let wrong = [
        "jobs/",
        "domains/Blog.net",
        "guards/cop.a_job.b",
        "vip-owners/017",
        "pool-vips/::ffff:1.2.3.4",
        "x/y",
        "jobs/ab\0",
    ];
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
struct Twin {
    stored: BTreeMap<String, Entry>,
    /// Of rules and guards, the last value that could be read.
    good: BTreeMap<String, Entry>,
}

impl Twin {
    fn change(&mut self, key: String, value: Option<String>, revision: u64) -> Change {
        let Some(value) = value else {
            self.stored.remove(&key);
            self.good.remove(&key);
            return Change::Delete { key, revision: Revision(revision) };
        };
        let entry = entry(&key, &value, revision);
        let shuts = key.starts_with("rules/") || key.starts_with("guards/");
        if shuts && alone([entry.clone()], revision).quarantine.is_empty() {
            self.good.insert(key.clone(), entry.clone());
        }
        // A guard guards from its first value on, whatever that is.
        let bare = crate::apply::tests::sample::entry(&key, "{}", revision);
        if key.starts_with("guards/")
            && !self.good.contains_key(&key)
            && alone([bare.clone()], revision).quarantine.is_empty()
        {
            self.good.insert(key.clone(), bare);
        }
        self.stored.insert(key, entry.clone());
        Change::Put(entry)
    }

    fn listed(&self, revision: u64) -> Snapshot {
        let mut listed = alone(self.stored.values().cloned(), revision);
        listed.shut_as(&alone(self.good.values().cloned(), revision));
        listed
    }
}

fn alone(entries: impl IntoIterator<Item = Entry>, revision: u64) -> Snapshot {
    let entries = entries.into_iter().collect();
    Snapshot::from_listing(Listing { origin: String::new(), revision: Revision(revision), entries })
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
            ["jobs" | "vips", job] => drop(delta.jobs.insert(job.parse::<Label>().unwrap())),
            ["domains", domain] => drop(delta.domains.insert(domain.parse::<DomainName>().unwrap())),
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
            prop_assert_eq!(next.instance_count(), next.all_instances().count());
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
        // What is quarantined is not in the entries; everything else is, as it is in force.
        snapshot.quarantine = again.quarantine.clone();
        prop_assert!(again.same_records(&snapshot), "{again:?}\n{snapshot:?}");
    }
}

/// Small maps are one node; these have nodes to share.
#[test]
fn the_delta_of_many_jobs_is_what_changed() {
    let key = |job: usize| format!("instances/job-{job}/0a1b2c3d-0000-4000-8000-000000000000");
    let at = |port: usize| format!(r#"{{"address":"10.0.0.7","ports":{{"main":{port}}}}}"#);
    let put = |job: usize, port| Change::Put(entry(&key(job), &at(port), 1));
    let all = Batch { revision: Revision(1), changes: (0..2_000).map(|job| put(job * 2, 1)).collect() };
    let old = apply(&Snapshot::default(), &all);
    // Each the first, the last, or in the middle of its node now and then.
    for first in (0..3_900).step_by(61) {
        let delete = Change::Delete { key: key(first + 2 - first % 2), revision: Revision(2) };
        let changes = vec![put(first + 10 - first % 2, 2), delete, put(first + 51 - first % 2, 1)];
        let new = apply(&old, &Batch { revision: Revision(2), changes });
        let found = delta(&old, &new).unwrap().instances;
        assert_eq!(found, naive_jobs(&old, &new));
        assert_eq!(found.len(), 3);
        assert_eq!(delta(&new, &old).unwrap().instances, found);
    }
}

#[test]
fn the_delta_of_many_names_is_what_changed() {
    let domain = |n: usize, job: &str| {
        let value = format!(r#"{{"routes":[{{"to":[{{"job":"{job}"}}]}}]}}"#);
        Change::Put(entry(&format!("domains/d{n}.net"), &value, 1))
    };
    let vip =
        |n: usize, offset| Change::Put(entry(&format!("vips/j{n}"), &format!(r#"{{"offset":{offset}}}"#), 1));
    let all = (1_000..3_000).flat_map(|n| [domain(n, "a"), vip(n, n)]).collect();
    let old = apply(&Snapshot::default(), &Batch { revision: Revision(1), changes: all });
    for n in (1_000..2_999).step_by(61) {
        let delete = Change::Delete { key: format!("domains/d{}.net", n + 1), revision: Revision(2) };
        let changes = vec![domain(n, "b"), delete, vip(n, 1), vip(n + 2_000, 2)];
        let new = apply(&old, &Batch { revision: Revision(2), changes });
        let jobs = [n, n + 2_000].map(|n| format!("j{n}").parse().unwrap()).into();
        let domains = [n, n + 1].map(|n| format!("d{n}.net").parse().unwrap()).into();
        let expected = Delta { jobs, domains, ..Delta::default() };
        assert_eq!(delta(&old, &new), Some(expected.clone()));
        assert_eq!(delta(&new, &old), Some(expected));
    }
}

fn naive_jobs(old: &Snapshot, new: &Snapshot) -> BTreeSet<Label> {
    let labels: BTreeSet<&Label> = old.instances.keys().chain(new.instances.keys()).collect();
    let differs = |label: &&Label| old.instances.get(*label) != new.instances.get(*label);
    labels.into_iter().filter(differs).cloned().collect()
}
