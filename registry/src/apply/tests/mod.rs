//! `apply` against a naive twin, and what it keeps out.

mod properties;
mod quarantined;
mod sample;

use super::apply;
use crate::kv::{Batch, Change, LeaseId, Listing, Revision};
use crate::record::{Cert, CertKey, Digest};
use crate::snapshot::Snapshot;
use sample::{CHAIN, ID, KEY, entry, good, put};

#[test]
fn every_kind_is_read_and_goes_again() {
    let records = good();
    let listing = Listing {
        origin: "test".into(),
        revision: Revision(1),
        entries: records.iter().map(|(key, value)| entry(key, value, 1)).collect(),
    };
    let snapshot = Snapshot::from_listing(listing);
    assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    // Offsets' owners, VIPs' pools, held addresses and old clients' keys are for writers only.
    let only_written = ["vip-owners/", "pool-vips/", "addresses/", "kv/"];
    let kept = records.iter().filter(|(key, _)| !only_written.iter().any(|kind| key.starts_with(kind)));
    let keys: Vec<String> = snapshot.entries().into_iter().map(|entry| entry.key).collect();
    let mut expected: Vec<&String> = kept.map(|(key, _)| key).collect();
    expected.sort();
    assert_eq!(keys.iter().collect::<Vec<_>>(), expected);

    let changes = records.into_iter().map(|(key, _)| Change::Delete { key, revision: Revision(2) }).collect();
    let gone = apply(&snapshot, &Batch { revision: Revision(2), changes });
    assert!(gone.same_records(&Snapshot::default()), "{gone:?}");
}

#[test]
fn the_last_instance_takes_its_map_along() {
    let key = format!("instances/app2/{ID}");
    let with = apply(&Snapshot::default(), &put(&key, r#"{"address":"10.0.0.7","ports":{"main":1}}"#, 1));
    let delete =
        Batch { revision: Revision(2), changes: vec![Change::Delete { key, revision: Revision(2) }] };
    assert!(apply(&with, &delete).instances.is_empty());
}

#[test]
fn revisions_and_the_largest_lease_id_come_back() {
    let mut written =
        entry(&format!("instances/app2/{ID}"), r#"{"address":"10.0.0.7","ports":{"main":1}}"#, 9);
    written.created = Revision(u64::MAX);
    written.lease = Some(LeaseId(i64::MAX));
    let batch = Batch { revision: Revision(9), changes: vec![Change::Put(written.clone())] };
    let [back] = apply(&Snapshot::default(), &batch).entries().try_into().unwrap();
    assert_eq!((back.created, back.modified, back.lease), (written.created, written.modified, written.lease));
    assert_eq!(back.lease.unwrap().to_string(), "7fffffffffffffff");
    assert_eq!("7fffffffffffffff".parse(), Ok(LeaseId(i64::MAX)));
}

#[test]
fn who_may_not_see_secrets_sees_none() {
    let value = format!(r#"{{"chain":{},"key":{}}}"#, serde_json::json!(CHAIN), serde_json::json!(KEY));
    let token = format!(r#"{{"role":"admin","hash":"{}"}}"#, Digest::of(b"x"));
    let snapshot = apply(&Snapshot::default(), &put("certs/blog", &value, 1));
    let snapshot = apply(&snapshot, &put("tokens/ci", &token, 2));
    assert_eq!(snapshot.entries().len(), 2);
    let [shown] = snapshot.entries_without_secrets().try_into().unwrap();
    let text = String::from_utf8(shown.value.to_vec()).unwrap();
    assert!(
        shown.key == "certs/blog" && text.contains("fingerprints") && !text.contains("PRIVATE"),
        "{text}"
    );

    let redacted: Cert = crate::record::read(text.as_bytes()).unwrap();
    let whole = &snapshot.certs.get("blog").unwrap().value;
    assert_eq!((&redacted.chain, &redacted.key), (&whole.chain, &CertKey::Withheld));
    assert!(!format!("{snapshot:?}").contains("PRIVATE"));
}

#[test]
fn a_secret_that_cannot_be_read_is_not_shown() {
    for key in ["certs/blog", "certs/Blog", "tokens/ci", "tokens/Ci", "Certs/blog"] {
        let bad = entry(key, &format!("\"{KEY}\""), 1);
        assert_eq!(crate::record::without_secrets(&bad), None, "{key}");
        let snapshot = apply(&Snapshot::default(), &put(key, &format!("\"{KEY}\""), 1));
        let reason = &snapshot.quarantine.get(key).unwrap().reason;
        assert!(!reason.contains("PRIVATE") && !reason.contains("MIGH"), "{reason}");
    }
}
