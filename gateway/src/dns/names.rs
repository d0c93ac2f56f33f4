//! What a question's name stands for.
//!
//! | before the zone | is |
//! | --- | --- |
//! | nothing | the apex |
//! | `app2`, `<port>.app2`, `app2.app.coding` | the job, at its VIP or at the hubs |
//! | `_<port>._tcp.app2` | one port of the job |
//! | `app2.instances` | the job's instances |
//! | `<id>.app2.instances` | one of them |
//! | `revision` | what the table was built from, and for how long the registry has been away |
//!
//! Whatever stands above one of these exists too, without records (RFC 8020): to a resolver that asks label by label
//! (RFC 9156) an NXDOMAIN there would hide everything below.
//!
//! Outside of the zone, a public domain that a pool publishes is a zone of one name: `blog.coding.net`, and what is one
//! label under `*.coding.net`, as for requests. The names around it are not ours, and neither is a domain without a pool.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::Name;
use roundhouse_config::Protocol;
use roundhouse_registry::InstanceId;

use crate::table::{JobEntry, Named, PoolEntry, PortEntry, Table};

pub(super) enum Found {
    /// Not our zone. So is the short form `app2.jobs`, until a search path adds the rest.
    Outside,
    Nothing,
    Node(Node),
}

pub(super) enum Node {
    Apex,
    Revision,
    /// A name with no record of its own.
    Empty,
    Job(Arc<JobEntry>),
    Service {
        job: Arc<JobEntry>,
        port: u16,
    },
    Instances(Arc<JobEntry>),
    Instance(IpAddr),
    /// A public domain, at the VIPs of a pool.
    Published(Arc<PoolEntry>),
}

pub(super) fn find(table: &Table, name: &Name) -> Found {
    let text = text(name);
    let Some(before) = text.strip_suffix(table.zone.as_str()) else { return outside(table, &text) };
    let node = match before.strip_suffix('.') {
        Some(prefix) => below_apex(table, &text, prefix),
        None if before.is_empty() => Some(Node::Apex),
        // The zone's name as the end of a longer label.
        None => return outside(table, &text),
    };
    node.map_or(Found::Nothing, Found::Node)
}

fn outside(table: &Table, name: &str) -> Found {
    table.published(name).map_or(Found::Outside, |pool| Found::Node(Node::Published(pool)))
}

/// In lower case with dots, as the table spells names. A label may hold any byte, dots included: those that no name of
/// ours has become one that none has either.
fn text(name: &Name) -> String {
    let mut text = String::with_capacity(usize::from(u8::MAX));
    for (n, label) in name.iter().enumerate() {
        if n > 0 {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| match byte.to_ascii_lowercase() {
            byte @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => char::from(byte),
            _ => '?',
        }));
    }
    text
}

/// `prefix` is what stands before the zone in `name`.
fn below_apex(table: &Table, name: &str, prefix: &str) -> Option<Node> {
    if let Some(prefix) = prefix.strip_suffix(".instances") {
        return below_instances(table, prefix);
    }
    if prefix.starts_with('_') {
        return service(table, prefix);
    }
    match prefix {
        "revision" => Some(Node::Revision),
        "instances" => Some(Node::Empty),
        _ => match table.resolve(name) {
            Some(Named::Job { job, .. }) => Some(Node::Job(job)),
            // The apex's NS names it, so it exists; its address is whatever the client reached us at.
            _ => (prefix == "ns" || table.is_above_a_jobname(prefix)).then_some(Node::Empty),
        },
    }
}

fn below_instances(table: &Table, prefix: &str) -> Option<Node> {
    let Some((id, label)) = prefix.split_once('.') else {
        return table.job(prefix).cloned().map(Node::Instances);
    };
    let id: InstanceId = id.parse().ok()?;
    let address = |port: &PortEntry| port.endpoints().find(id).map(|endpoint| endpoint.address.ip());
    table.job(label)?.ports.iter().find_map(|port| address(port)).map(Node::Instance)
}

/// `_<port>._tcp.<job>`, or `_tcp.<job>` above it.
fn service(table: &Table, prefix: &str) -> Option<Node> {
    let (first, rest) = prefix.strip_prefix('_')?.split_once('.')?;
    let (port, transport, host) = match rest.strip_prefix('_').and_then(|rest| rest.split_once('.')) {
        Some((transport, host)) => (Some(first), transport, host),
        None => (None, first, rest),
    };
    let name = format!("{host}.{}", table.zone.as_str());
    let Some(Named::Job { job, port: None }) = table.resolve(&name) else { return None };
    let mut ports = job.ports.iter().map(|entry| &entry.port);
    let found = ports.find(|entry| {
        carried_by(entry.protocol) == transport && port.is_none_or(|port| entry.name.as_str() == port)
    })?;
    Some(match port {
        Some(_) => Node::Service { port: found.port, job: job.clone() },
        None => Node::Empty,
    })
}

fn carried_by(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Udp => "udp",
        Protocol::Tcp | Protocol::Http | Protocol::Grpc | Protocol::Tls => "tcp",
    }
}
