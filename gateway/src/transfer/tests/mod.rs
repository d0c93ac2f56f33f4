//! The file as text, the plan as a table, and an import that is cut off in the middle.

mod importing;
mod planning;
mod text;

use bytes::Bytes;
use roundhouse_registry::kv::{Entry, LeaseId, Listing, Revision};

use super::{Contents, Lines, Reader};

const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

fn entry(key: &str, value: &str) -> Entry {
    let value = Bytes::copy_from_slice(value.as_bytes());
    Entry { key: key.into(), value, created: Revision(3), modified: Revision(5), lease: None }
}

fn leased(key: &str, value: &str, lease: i64) -> Entry {
    Entry { lease: Some(LeaseId(lease)), ..entry(key, value) }
}

fn listing(mut entries: Vec<Entry>) -> Listing {
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Listing { origin: "origin".into(), revision: Revision(17), entries }
}

fn text(entries: Vec<Entry>) -> Vec<u8> {
    Lines::new(listing(entries), "/roundhouse/v1", 1_763_694_008).flat_map(Result::unwrap).collect()
}

fn contents(entries: Vec<Entry>) -> Contents {
    let mut reader = Reader::default();
    reader.push(&text(entries)).unwrap();
    reader.finish().unwrap()
}

/// One of each kind that has its own rule: a job, its VIP, an instance under a lease, a static one, a gateway.
fn some() -> Vec<Entry> {
    let instance = format!("instances/app2/{ID}");
    vec![
        entry("jobs/app2", r#"{"jobname":"job.app2","ports":[{"name":"main","port":1111}]}"#),
        entry("vips/app2", r#"{"offset":1}"#),
        entry("vip-owners/1", r#"{"job":"app2"}"#),
        leased(&instance, r#"{"address":"10.0.0.7","ports":{"main":1111}}"#, 7),
        leased("addresses/tcp/10.0.0.7:1111", &instance, 7),
        leased("gateways/hub", "{}", 8),
        entry("kv/x", "no JSON\n"),
    ]
}
