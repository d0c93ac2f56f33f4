//! One good record of every kind.

use bytes::Bytes;

use crate::kv::{Batch, Change, Entry, Revision};
use crate::record::Digest;

pub(super) const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
/// PEM as far as a record looks into it: an ASN.1 SEQUENCE.
pub(super) const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
pub(super) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n";

pub(super) fn entry(key: &str, value: &str, revision: u64) -> Entry {
    let at = Revision(revision);
    Entry {
        key: key.into(),
        value: Bytes::copy_from_slice(value.as_bytes()),
        created: at,
        modified: at,
        lease: None,
    }
}

pub(super) fn put(key: &str, value: &str, revision: u64) -> Batch {
    Batch { revision: Revision(revision), changes: vec![Change::Put(entry(key, value, revision))] }
}

/// Every kind's name and a good value of it. A name ends where another may go on: `jobs/a`, `jobs/ab`.
pub(super) fn good() -> Vec<(String, String)> {
    let instance = r#"{"address":"10.0.0.7","ports":{"main":1111},"zone":"b","meta":{"k":"v"}}"#;
    let cert = serde_json::json!({ "chain": CHAIN, "key": KEY }).to_string();
    let token = format!(r#"{{"role":"register","hash":"{}","jobname":"cop.coding"}}"#, Digest::of(b""));
    let per_instance = |kind: &str| format!("{kind}/app/{ID}");
    let text = str::to_owned;
    vec![
        (text("addresses/tcp/10.0.0.7:1111"), per_instance("instances")),
        (text("certs/blog"), cert),
        (
            text("certs/file"),
            serde_json::json!({ "chain": CHAIN, "key": { "file": "/key.pem" } }).to_string(),
        ),
        (text("directors/lvs"), text(r#"{"version":"1","host":"lvs","sinks":["ipvs"],"revision":3}"#)),
        (text("domains/blog.net"), text(r#"{"routes":[{"to":[{"job":"app"}]}]}"#)),
        (text("entrypoints/mysql"), text(r#"{"listen":":3306","protocol":"tcp","job":"mysql"}"#)),
        (text("gateways/hub"), text(r#"{"version":"1","host":"h","vips":"10.0.0.0/8","admin":":1"}"#)),
        (text("guards/cop.coding"), text(r#"{"rule":"redis"}"#)),
        (per_instance("health"), text(r#"{"healthy":true,"since":17,"by":"hub"}"#)),
        (per_instance("held"), format!(r#"{{"instance":{instance},"since":17,"by":"hub"}}"#)),
        (per_instance("instances"), text(instance)),
        (text("jobs/app"), text(r#"{"jobname":"job.app","hold":false}"#)),
        (text("kv/old/client"), text("anything")),
        (text("leaders/haproxy"), text(r#"{"director":"lvs","since":17}"#)),
        (text("lines/telecom"), text(r#"{"vips":["203.0.113.0/28"],"fallback":["default"]}"#)),
        (text("pool-vips/203.0.113.10"), text(r#"{"pools":["blog"]}"#)),
        (text("pools/blog"), text(r#"{"to":{"job":"app"},"port":80,"lines":{"telecom":[]}}"#)),
        (text("rules/redis"), text(r#"{"to":{"job":"app"},"from":{"jobname":"cop.*"},"action":"deny"}"#)),
        (text("tokens/ci"), token),
        (text("vip-owners/17"), text(r#"{"job":"app"}"#)),
        (text("vips/app"), text(r#"{"offset":17}"#)),
    ]
}
