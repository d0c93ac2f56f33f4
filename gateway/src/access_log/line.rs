//! An entry as a line: the schema of docs/access-log.md, in its order.

use std::time::Duration;

use super::json::Object;
use super::time::Stamp;
use super::{Entry, SCHEMA};

/// What of a request is shown, besides the schema's fixed fields.
#[derive(Debug)]
pub(super) struct Shown {
    /// Whether a path has its query.
    pub(super) query: bool,
    /// Fields of the request by name, in lower case.
    pub(super) headers: Vec<Box<str>>,
}

/// Appends the line, with its end.
pub(super) fn write(out: &mut Vec<u8>, stamp: &mut Stamp, shown: &Shown, entry: &Entry<'_>) {
    let mut line = Object::open(out);
    line.number("v", SCHEMA);
    line.word("time", stamp.of(entry.time));
    came_from(&mut line, entry);
    asked_for(&mut line, shown, entry);
    answered(&mut line, entry);
    led_to(&mut line, entry);
    took(&mut line, entry);
    told(&mut line, shown, entry);
    line.close();
    out.push(b'\n');
}

fn came_from(line: &mut Object<'_>, entry: &Entry<'_>) {
    line.ip("client", entry.client);
    if let Some(port) = entry.client_port {
        line.number("client_port", port.into());
    }
    if let Some(peer) = entry.peer {
        line.address("peer", peer);
    }
    line.address("local", entry.local);
    optional(line, "entrypoint", entry.entrypoint);
    if let Some(tls) = &entry.tls {
        line.object("tls", |line| {
            line.text("version", tls.version.as_bytes());
            optional(line, "sni", tls.sni);
            optional(line, "alpn", tls.alpn);
        });
    }
}

fn asked_for(line: &mut Object<'_>, shown: &Shown, entry: &Entry<'_>) {
    line.word("protocol", entry.protocol.as_str().as_bytes());
    line.text("method", entry.method);
    line.word("scheme", entry.scheme.as_str().as_bytes());
    line.text("host", entry.host);
    let query = entry.path.iter().position(|byte| *byte == b'?').filter(|_| !shown.query);
    line.text("path", &entry.path[..query.unwrap_or(entry.path.len())]);
    line.number("request_bytes", entry.request_bytes);
}

fn answered(line: &mut Object<'_>, entry: &Entry<'_>) {
    if let Some(status) = entry.status {
        line.number("status", status.into());
    }
    line.number("response_bytes", entry.response_bytes);
    line.word("reason", entry.end.as_str().as_bytes());
    if let Some(status) = entry.grpc_status {
        line.number("grpc_status", status.into());
    }
}

fn led_to(line: &mut Object<'_>, entry: &Entry<'_>) {
    optional(line, "job", entry.job);
    optional(line, "jobname", entry.jobname);
    if let Some(route) = &entry.route {
        line.object("route", |line| {
            line.text("domain", route.domain.as_bytes());
            line.text("path", route.path.as_bytes());
        });
    }
    if let Some(instance) = &entry.instance {
        line.object("instance", |line| {
            line.shown("id", instance.id);
            line.address("address", instance.address);
            line.word("protocol", instance.protocol.as_str().as_bytes());
        });
    }
    line.number("attempts", entry.attempts.into());
}

fn took(line: &mut Object<'_>, entry: &Entry<'_>) {
    line.number("total_us", micros(entry.total));
    if let Some(to_head) = entry.to_head {
        line.number("head_us", micros(to_head));
    }
    if let Some(connect) = entry.connect {
        line.number("connect_us", micros(connect));
    }
}

fn told(line: &mut Object<'_>, shown: &Shown, entry: &Entry<'_>) {
    if let Some(trace) = entry.trace {
        line.word("trace_id", &trace.trace_id());
        line.word("span_id", &trace.span_id());
    }
    optional(line, "user_agent", entry.user_agent);
    optional(line, "referer", entry.referer);
    if shown.headers.is_empty() {
        return;
    }
    line.object("headers", |line| {
        for name in &shown.headers {
            optional(line, name, (entry.header)(name));
        }
    });
}

fn optional(line: &mut Object<'_>, name: &str, value: Option<impl AsRef<[u8]>>) {
    if let Some(value) = value {
        line.text(name, value.as_ref());
    }
}

/// Of half a million years all are shown.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
