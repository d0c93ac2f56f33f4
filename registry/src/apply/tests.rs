use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::apply;
use crate::delta::{Delta, delta};
use crate::kv::{Batch, Change, Entry, Listing, Revision};
use crate::snapshot::Snapshot;

fn entry(key: &str, value: &str, revision: u64) -> Entry {
    let at = Revision(revision);
    Entry {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        created: at,
        modified: at,
        lease: None,
    }
}

fn put(key: &str, value: &str, revision: u64) -> Batch {
    Batch { revision: Revision(revision), changes: vec![Change::Put(entry(key, value, revision))] }
}

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

#[test]
fn a_bad_record_is_kept_out_and_listed_and_comes_back_when_it_is_mended() {
    let good = r#"{"jobname":"job.app2"}"#;
    let first = apply(&Snapshot::default(), &put("jobs/app2", good, 1));
    let bad = apply(&first, &put("jobs/app2", r#"{"jobname":7}"#, 2));
    assert!(bad.jobs.is_empty(), "the old record is not what the store says");
    let reason = &bad.quarantine.get("jobs/app2").unwrap().reason;
    assert!(reason.starts_with("jobname: "), "{reason}");
    let mended = apply(&bad, &put("jobs/app2", good, 3));
    assert_eq!((mended.jobs.len(), mended.quarantine.len()), (1, 0));
}

#[test]
fn a_bad_record_does_not_stop_its_neighbours() {
    let batch = Batch {
        revision: Revision(1),
        changes: vec![
            Change::Put(entry("instances/app2/nonsense", "{}", 1)),
            Change::Put(entry("jobs/ok", r#"{"jobname":"job.ok"}"#, 1)),
            Change::Put(entry("\u{0}", "\u{0}", 1)),
        ],
    };
    let snapshot = apply(&Snapshot::default(), &batch);
    assert_eq!((snapshot.jobs.len(), snapshot.quarantine.len()), (1, 2));
}

#[test]
fn the_last_instance_takes_its_map_along() {
    let key = format!("instances/app2/{ID}");
    let with = apply(&Snapshot::default(), &put(&key, r#"{"address":"10.0.0.7","ports":{"main":1}}"#, 1));
    let delete =
        Batch { revision: Revision(2), changes: vec![Change::Delete { key, revision: Revision(2) }] };
    assert!(apply(&with, &delete).instances.is_empty());
}

/// Keys and values, good and bad, from a small space so that they meet.
fn change() -> impl Strategy<Value = (String, Option<String>)> {
    let label = prop_oneof!["[abc]", Just("BAD".to_owned())];
    let id = (0..4u8).prop_map(|n| format!("0a1b2c3d-0000-4000-8000-00000000000{n}"));
    let key = prop_oneof![
        label.clone().prop_map(|label| format!("jobs/{label}")),
        (label.clone(), id).prop_map(|(label, id)| format!("instances/{label}/{id}")),
        label.clone().prop_map(|label| format!("domains/{label}.net")),
        label.prop_map(|label| format!("vips/{label}")),
        "[a-z/]{0,12}",
    ];
    let value = prop_oneof![
        "[abc]".prop_map(|name| format!(r#"{{"jobname":"job.{name}"}}"#)),
        (1..9u16).prop_map(|port| format!(r#"{{"address":"10.0.0.7","ports":{{"main":{port}}}}}"#)),
        "[abc]".prop_map(|job| format!(r#"{{"routes":[{{"to":[{{"job":"{job}"}}]}}]}}"#)),
        (0..9u32).prop_map(|offset| format!(r#"{{"offset":{offset}}}"#)),
        Just("{".to_owned()),
    ];
    (key, proptest::option::weighted(0.7, value))
}

proptest! {
    /// The naive twin keeps plain keys and values and builds the snapshot from a listing.
    #[test]
    fn applying_changes_gives_what_listing_afterwards_gives(
        batches in proptest::collection::vec(proptest::collection::vec(change(), 1..6), 0..24)
    ) {
        let mut twin: BTreeMap<String, Entry> = BTreeMap::new();
        let mut snapshot = Snapshot::default();
        for (i, batch) in batches.into_iter().enumerate() {
            let revision = i as u64 + 1;
            let changes: Vec<Change> = batch
                .into_iter()
                .map(|(key, value)| match value {
                    Some(value) => {
                        let entry = entry(&key, &value, revision);
                        twin.insert(key, entry.clone());
                        Change::Put(entry)
                    }
                    None => {
                        twin.remove(&key);
                        Change::Delete { key, revision: Revision(revision) }
                    }
                })
                .collect();
            let next = apply(&snapshot, &Batch { revision: Revision(revision), changes });

            let listing = Listing {
                origin: String::new(),
                revision: Revision(revision),
                entries: twin.values().cloned().collect(),
            };
            let listed = Snapshot::from_listing(listing);
            prop_assert!(next.same_records(&listed), "{next:?}\n{listed:?}");
            prop_assert_eq!(next.revision, listed.revision);

            // A delta is exactly the set of jobs whose view differs.
            let changed = delta(&snapshot, &next).unwrap_or_default();
            for label in ["a", "b", "c"].map(|text| text.parse::<roundhouse_config::Label>().unwrap()) {
                let differs = snapshot.instances.get(&label) != next.instances.get(&label);
                prop_assert_eq!(differs, changed.instances.contains(&label));
            }
            let names_differ =
                snapshot.jobs != next.jobs || snapshot.domains != next.domains || snapshot.vips != next.vips;
            prop_assert!(!names_differ || changed.names);
            prop_assert_eq!(delta(&next, &next), None::<Delta>);
            snapshot = next;
        }
    }
}
