//! A round as JSON: of `plan`, of `apply`, and in the status of a director.

use roundhouse_registry::record::Timestamp;
use serde_json::{Value, json};

use super::Report;
use crate::model::Op;

pub(crate) fn json(report: &Report, now: Timestamp) -> Value {
    let op = |op: &Op| {
        json!({
            "op": op.kind(),
            "service": op.service(),
            "destination": op.destination(),
            "ipvsadm": op.to_string(),
        })
    };
    let failed = report.failed.iter().map(|failed| {
        let mut shown = op(&failed.op);
        shown["error"] = json!(failed.error.to_string());
        shown
    });
    let draining = report.plan.draining.iter().map(|draining| {
        json!({
            "service": draining.service,
            "destination": draining.address,
            "connections": draining.open,
            "seconds_left": draining.deadline.since(now).as_secs(),
        })
    });
    let doubted = report.plan.doubted.iter().map(|doubted| {
        json!({
            "service": doubted.service,
            "vanished": doubted.vanished,
            "seconds_left": doubted.until.since(now).as_secs(),
        })
    });
    let fallen = report.falls.iter().map(|(pool, line, fallen)| {
        json!({ "pool": pool, "line": line, "since": fallen.since, "enough_since": fallen.enough })
    });
    let counters = &report.counters;
    json!({
        "sink": report.sink,
        "revision": report.revision,
        "services": report.services,
        "destinations": report.destinations,
        "applied": report.applied,
        "operations": report.plan.ops.iter().map(op).collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
        "problems": report.plan.problems,
        "draining": draining.collect::<Vec<_>>(),
        "doubted": doubted.collect::<Vec<_>>(),
        "fallen": fallen.collect::<Vec<_>>(),
        "counters": {
            "added": counters.added, "set": counters.set, "removed": counters.removed, "failed": counters.failed,
            "drift": counters.drift,
        },
    })
}
