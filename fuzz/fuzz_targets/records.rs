//! A key and a value as anybody may write them into the store. The first line is the key, the rest is the value.
//!
//! Whatever they are: nothing panics, a record is either taken or quarantined with a bounded reason, what was taken
//! is written down and read again as the same, and a deletion leaves nothing behind.

#![no_main]

use libfuzzer_sys::fuzz_target;
use roundhouse_registry::kv::{Batch, Change, Entry, LeaseId, Revision};
use roundhouse_registry::record::{Key, without_secrets};
use roundhouse_registry::{Snapshot, apply};

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let key = String::from_utf8_lossy(&input[..end]).into_owned();
    let value = input.get(end + 1..).unwrap_or_default().to_vec();
    let at = Revision(1);
    let entry = Entry { key, value: value.into(), created: at, modified: at, lease: Some(LeaseId(i64::MAX)) };

    let parsed = Key::parse(&entry.key);
    if let Ok(key) = &parsed
        && *key != Key::Reserved
    {
        assert_eq!(key.to_string(), entry.key, "a key has one spelling");
    }

    let taken = put(&Snapshot::default(), &entry);
    let entries = taken.entries();
    match taken.quarantine.iter().next() {
        Some((key, quarantined)) => {
            assert!(entries.is_empty() && taken.quarantine.len() == 1);
            assert!(key.chars().count() < 600 && quarantined.reason.len() < 8_000 && !quarantined.reason.is_empty());
        }
        None => {
            assert!(parsed.is_ok() && entries.len() <= 1);
        }
    }

    let mut again = Snapshot::default();
    for stored in &entries {
        assert_eq!((&stored.key, stored.lease), (&entry.key, entry.lease));
        again = put(&again, stored);
        // Readers without rights read what they get with the same program.
        if let Some(shown) = without_secrets(stored) {
            assert!(put(&Snapshot::default(), &shown).quarantine.is_empty());
        }
    }
    assert!(again.quarantine.is_empty() && again.entries() == entries);
    if taken.quarantine.is_empty() {
        assert!(again.same_records(&taken));
    }

    let deleted = Change::Delete { key: entry.key, revision: Revision(2) };
    let gone = apply(&taken, &Batch { revision: Revision(2), changes: vec![deleted] });
    assert!(gone.same_records(&Snapshot::default()));
});

fn put(snapshot: &Snapshot, entry: &Entry) -> Snapshot {
    apply(snapshot, &Batch { revision: Revision(1), changes: vec![Change::Put(entry.clone())] })
}
