//! Any history of jobs, VIPs, domains and instances, from a space so small that they meet.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use roundhouse_registry::Snapshot;
use roundhouse_registry::apply;
use roundhouse_registry::kv::{Batch, Change, Entry, Revision};

/// A key, its value (or that it goes), and in which revision it was created.
pub(crate) type Step = (String, Option<String>, u64);

pub(crate) const LABELS: [&str; 4] = ["a", "b", "x", "y"];
/// Three of them are one name in DNS.
const JOBNAMES: [&str; 6] =
    ["job.x", "job.y", "job.x_cop.y", "job.x_service.y", "job.x_owt.y", "job.a_service.x_cop.y"];
pub(crate) const NUMBERS: std::ops::RangeInclusive<u16> = 1..=3;
/// The last is no address of the prefix.
pub(crate) const OFFSETS: [u32; 4] = [1, 2, 3, 70_000];
pub(crate) const DOMAINS: [&str; 4] = ["d.net", "*.d.net", "w.d.net", "*.w.d.net"];

/// Batches of changes: what one delta holds may be several.
pub(crate) fn history() -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(vec(step(), 1..5), 1..24)
}

fn step() -> impl Strategy<Value = Step> {
    let job = (select(&LABELS[..]), select(&JOBNAMES[..]), vec((NUMBERS, 0..5usize), 1..4));
    let job = job.prop_map(|(label, jobname, ports)| {
        let port = |(index, (number, protocol)): (usize, &(u16, usize))| {
            let protocol = ["tcp", "udp", "tls", "http", "grpc"][*protocol];
            format!(r#"{{"name":"p{index}","port":{number},"protocol":"{protocol}"}}"#)
        };
        let ports: Vec<_> = ports.iter().enumerate().map(port).collect();
        (format!("jobs/{label}"), format!(r#"{{"jobname":"{jobname}","ports":[{}]}}"#, ports.join(",")))
    });
    let vip = (select(&LABELS[..]), select(&OFFSETS[..]))
        .prop_map(|(label, offset)| (format!("vips/{label}"), format!(r#"{{"offset":{offset}}}"#)));
    let domain = (select(&DOMAINS[..]), select(&LABELS[..])).prop_map(|(domain, label)| {
        (format!("domains/{domain}"), format!(r#"{{"routes":[{{"to":[{{"job":"{label}"}}]}}]}}"#))
    });
    let instance = (select(&LABELS[..]), 1..3u8, 0..3u8).prop_map(|(label, id, at)| {
        (
            format!("instances/{label}/{}", super::id(id)),
            format!(r#"{{"address":"10.0.0.{at}","ports":{{"p0":1,"p1":2}}}}"#),
        )
    });
    let record = prop_oneof![4 => job, 3 => vip, 2 => domain, 2 => instance];
    (record, proptest::bool::weighted(0.3), 1..4u64)
        .prop_map(|((key, value), goes, created)| (key, (!goes).then_some(value), created))
}

pub(crate) fn follow(snapshot: &Snapshot, steps: Vec<Step>) -> Snapshot {
    let at = Revision(snapshot.revision.0 + 1);
    let change = |(key, value, created): Step| match value {
        Some(value) => Change::Put(Entry {
            key,
            value: value.into(),
            created: Revision(created),
            modified: at,
            lease: None,
        }),
        None => Change::Delete { key, revision: at },
    };
    apply(snapshot, &Batch { revision: at, changes: steps.into_iter().map(change).collect() })
}
