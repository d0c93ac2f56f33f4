//! A table and queries for the tests of this module.

use bytes::Bytes;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::IpNet;
use roundhouse_registry::kv::{Batch, Change, Entry, Revision};
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{Snapshot, apply};

use super::{Asker, Terms, Transport, answer};
use crate::table::{Facts, Own, Table};

pub(super) const TTL: u32 = 30;
pub(super) const TERMS: Terms = Terms { ttl: TTL, stale: None };

fn facts(vips: &str) -> Facts {
    let vips: IpNet = vips.parse().unwrap();
    Facts {
        zone: "jobs.coding.net".parse().unwrap(),
        vips,
        own: Own::new(vips, Vec::new()),
        workers: 1,
        hub: false,
        newcomer: Verdict::Healthy,
    }
}

pub(super) fn id(n: usize) -> String {
    format!("0a1b2c3d-0000-4000-8000-{n:012}")
}

/// The table of the records.
pub(super) fn table_of(vips: &str, records: &[(String, String)]) -> Table {
    table_with(&facts(vips), records)
}

/// The same of a hub with these addresses, whose names resolve to hubs.
pub(super) fn hub_table(own: &[&str], records: &[(String, String)]) -> Table {
    let facts = facts("127.99.0.0/16");
    let addresses = own.iter().map(|address| address.parse().unwrap()).collect();
    table_with(&Facts { own: facts.own.clone().with_hub(addresses), hub: true, ..facts }, records)
}

fn table_with(facts: &Facts, records: &[(String, String)]) -> Table {
    let mut snapshot = Snapshot::default();
    for (key, value) in records {
        let at = Revision(snapshot.revision.0 + 1);
        let value = Bytes::copy_from_slice(value.as_bytes());
        let entry = Entry { key: key.as_str().into(), value, created: at, modified: at, lease: None };
        snapshot = apply(&snapshot, &Batch { revision: at, changes: vec![Change::Put(entry)] });
        assert!(snapshot.quarantine.is_empty(), "{:?}", snapshot.quarantine);
    }
    Table::build(facts, &snapshot, &Table::empty(facts), &mut || 0)
}

/// `app2` with `instances` working instances, one draining and one over IPv6; `bare`, which has neither VIP nor
/// instance.
pub(super) fn records(instances: usize) -> Vec<(String, String)> {
    let app2 = r#"{"jobname":"job.app2_service.app_cop.coding","ports":[{"name":"main","port":1111},
        {"name":"web","port":80,"protocol":"http"},{"name":"log","port":514,"protocol":"udp"}]}"#;
    let mut records = vec![
        ("jobs/app2".to_owned(), app2.to_owned()),
        ("vips/app2".to_owned(), r#"{"offset":7}"#.to_owned()),
        ("jobs/bare".to_owned(), r#"{"jobname":"job.bare","ports":[{"name":"main","port":1}]}"#.to_owned()),
    ];
    let mut instance = |n: usize, address: &str, more: &str| {
        let value = format!(r#"{{"address":"{address}","ports":{{"main":1111,"web":8080}}{more}}}"#);
        records.push((format!("instances/app2/{}", id(n)), value));
    };
    for n in 0..instances {
        instance(n, &format!("10.0.{}.{}", n / 256, n % 256), r#","weight":70"#);
    }
    instance(900_000, "10.9.9.9", r#","state":"draining""#);
    instance(900_001, "fd00::7", "");
    records
}

pub(super) fn table() -> Table {
    table_of("127.99.0.0/16", &records(3))
}

pub(super) fn query(name: &str, of: RecordType) -> Message {
    query_labels(name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes), of)
}

/// Labels as bytes, which may be dots or worse.
pub(super) fn query_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>, of: RecordType) -> Message {
    let mut message = Message::new(4321, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_labels(labels).unwrap(), of));
    message
}

pub(super) fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.edns = Some(edns);
    message
}

/// A resolver of this host.
pub(super) fn local(transport: Transport) -> Asker {
    Asker { address: [127, 0, 0, 1].into(), transport }
}

pub(super) fn ask(table: &Table, query: &Message, transport: Transport) -> Message {
    ask_as(table, query, local(transport))
}

pub(super) fn ask_as(table: &Table, query: &Message, asker: Asker) -> Message {
    let bytes = answer(table, TERMS, &query.to_vec().unwrap(), asker).unwrap();
    let reply = Message::from_vec(&bytes).unwrap();
    assert_eq!(reply.metadata.id, query.metadata.id);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert!(!reply.metadata.recursion_available);
    reply
}

pub(super) fn look_up(table: &Table, name: &str, of: RecordType) -> Message {
    ask(table, &query(name, of), Transport::Udp)
}

/// What records say, without owner and TTL.
pub(super) fn data(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| RData::to_string(&record.data)).collect()
}
