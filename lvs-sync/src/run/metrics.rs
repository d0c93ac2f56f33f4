//! `GET /metrics`: the Prometheus text format (OpenMetrics 1.0), read at the moment of the scrape.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Director;
use crate::sync::Report;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Services with series of their own; whoever has more asks the status.
const SERIES: usize = 1_000;

type OfSink = [(&'static str, String); 1];
type OfKind = [(&'static str, String); 2];

pub(super) async fn metrics(State(director): State<Arc<Director>>) -> Response {
    let mut registry = Registry::with_prefix("lvs_sync");
    of_the_registry(&director, &mut registry);
    of_the_sinks(&director, &mut registry);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn of_the_registry(director: &Director, registry: &mut Registry) {
    let contact = director.store.contact();
    let stale: Gauge<f64, AtomicU64> = Gauge::default();
    stale.set(contact.stale(Instant::now()).as_secs_f64());
    registry.register("registry_stale_seconds", "Age of the snapshot; 0 while the watch stands", stale);
    let revision = Gauge::<i64>::default();
    revision.set(director.store.load().revision.0 as i64);
    registry.register("registry_revision", "Revision of the snapshot", revision);
}

fn of_the_sinks(director: &Director, registry: &mut Registry) {
    let gauges = ["services", "destinations", "draining", "doubted", "fallen", "revision", "in_step"]
        .map(|name| (name, Family::<OfSink, Gauge>::default()));
    let operations = Family::<OfKind, Counter>::default();
    let problems = Family::<OfKind, Gauge>::default();
    let drift = Family::<OfSink, Counter>::default();
    let connections = Family::<OfKind, Counter>::default();
    let bytes_in = Family::<OfKind, Counter>::default();
    let bytes_out = Family::<OfKind, Counter>::default();
    for sink in &director.sinks {
        let shown = sink.shown.borrow();
        let of = |more: String| [("sink", shown.sink.to_string()), ("kind", more)];
        let label = [("sink", shown.sink.to_string())];
        let Some(report) = &shown.report else { continue };
        for (name, family) in &gauges {
            family.get_or_create(&label).set(gauge(name, report, shown.error.is_some()));
        }
        let counters = &report.counters;
        for (kind, count) in [
            ("added", counters.added),
            ("set", counters.set),
            ("removed", counters.removed),
            ("failed", counters.failed),
        ] {
            operations.get_or_create(&of(kind.to_owned())).inc_by(count);
        }
        drift.get_or_create(&label).inc_by(counters.drift);
        for problem in &report.plan.problems {
            problems.get_or_create(&of(problem.wrong.code().to_owned())).inc();
        }
        for (key, stats) in report.stats.iter().take(SERIES) {
            let of_service = [("sink", shown.sink.to_string()), ("service", key.to_string())];
            connections.get_or_create(&of_service).inc_by(stats.connections);
            bytes_in.get_or_create(&of_service).inc_by(stats.bytes_in);
            bytes_out.get_or_create(&of_service).inc_by(stats.bytes_out);
        }
    }
    let helps = [
        "Services that are ours",
        "Destinations that are ours",
        "Destinations whose connections are waited for",
        "Services most of whose destinations vanished together, and that wait for a second look",
        "Pools below their quorum, line by line",
        "Revision of the registry that the sink shows",
        "1 while the last round went well",
    ];
    for ((name, family), help) in gauges.into_iter().zip(helps) {
        registry.register(name, help, family);
    }
    registry.register("operations", "Operations on the sink", operations);
    registry.register("drift", "Entries of ours that another hand had changed", drift);
    registry.register("problems", "Pools that are not programmed as they are written", problems);
    registry.register("service_connections", "Connections of a service", connections);
    registry.register("service_bytes_in", "Bytes from clients", bytes_in);
    registry.register("service_bytes_out", "Bytes to clients", bytes_out);
}

fn gauge(name: &str, report: &Report, in_error: bool) -> i64 {
    let count = match name {
        "services" => report.services,
        "destinations" => report.destinations,
        "draining" => report.plan.draining.len(),
        "doubted" => report.plan.doubted.len(),
        "fallen" => report.falls.iter().count(),
        "revision" => return i64::try_from(report.revision.0).unwrap_or(i64::MAX),
        _ => usize::from(!in_error && report.failed.is_empty()),
    };
    i64::try_from(count).unwrap_or(i64::MAX)
}
