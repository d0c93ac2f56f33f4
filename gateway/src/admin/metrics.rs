//! `GET /metrics`: the Prometheus text format (OpenMetrics 1.0).
//!
//! Everything is read at the moment of the scrape, so nothing is counted twice and a series cannot outlive its source.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use roundhouse_registry::access::{self, Verdict};

use super::{Api, Problem};
use crate::access::Verdicts;
use crate::plane::{Reason, Totals};
use crate::shared::Shared;

/// The type that Prometheus asks for first.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Series of one metric that are named after records: whoever has more asks the API.
const SERIES: usize = 1_000;

pub(super) async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("roundhouse");
    of_the_registry(&api.shared, &mut registry);
    of_the_data_plane(&api.shared, &mut registry);
    of_what_is_limited(&api.shared, &mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

fn of_the_registry(shared: &Shared, registry: &mut Registry) {
    let (snapshot, store) = (shared.store.load(), &shared.store);
    let lost = store.contact().lost.is_some();
    let stale: Gauge<f64, AtomicU64> = Gauge::default();
    stale.set(shared.stale_seconds());
    registry.register("registry_stale_seconds", "Age of the snapshot; 0 while the watch stands", stale);
    gauge(registry, "registry_connected", "1 while the watch stands", i64::from(!lost));
    gauge(registry, "registry_revision", "Revision of the snapshot", as_gauge(snapshot.revision.0));
    let records = Family::<[(&str, &str); 1], Gauge>::default();
    for (kind, count) in [
        ("jobs", snapshot.jobs.len()),
        ("instances", snapshot.instance_count()),
        ("domains", snapshot.domains.len()),
        ("gateways", snapshot.gateways.len()),
    ] {
        records.get_or_create(&[("kind", kind)]).set(as_gauge(count as u64));
    }
    registry.register("registry_records", "Records in the snapshot", records);
    let counted = [
        (
            "registry_quarantined",
            "Records that are kept out because they are wrong",
            snapshot.quarantine.len(),
        ),
        ("registry_held", "Instances served although the registry no longer has them", snapshot.held_count()),
        (
            "registry_retained",
            "Other records kept from another history of the registry",
            snapshot.retained.len(),
        ),
    ];
    for (name, help, count) in counted {
        gauge(registry, name, help, as_gauge(count as u64));
    }
    let stats = &store.stats;
    counter(registry, "registry_relists", "Whole listings after the first", stats.relists.load(Relaxed));
    counter(registry, "registry_changes", "Changes applied", stats.changes.load(Relaxed));
    counter(registry, "registry_publishes", "Snapshots published", stats.publishes.load(Relaxed));
    counter(registry, "registry_holds", "Holds decided by this gateway", stats.holds.load(Relaxed));
}

fn of_the_data_plane(shared: &Shared, registry: &mut Registry) {
    let totals = Totals::sum(shared.counters.iter().map(|counters| &**counters));
    gauge(registry, "connections_open", "Client connections open now", as_gauge(totals.open));
    gauge(registry, "udp_sessions_open", "UDP sessions open now", as_gauge(totals.udp_open));
    for (name, help, count) in [
        ("connections_accepted", "Client connections accepted", totals.accepted),
        ("connections_refused", "Closed at once at the connection limit", totals.refused),
        ("accept_errors", "Failed accepts, descriptors used up above all", totals.accept_errors),
        ("requests", "HTTP requests", totals.requests),
        ("no_route", "Requests for a name that leads nowhere", totals.no_route),
        ("no_backend", "Requests and connections that nobody could serve", totals.no_backend),
        ("retries", "Tried again at another instance", totals.retries),
        ("bytes_to_clients", "Bytes written to clients", totals.bytes_to_clients),
        ("bytes_to_instances", "Bytes written to instances", totals.bytes_to_instances),
        ("udp_sessions", "UDP sessions opened", totals.udp_sessions),
        ("udp_refused", "First datagrams that became no UDP session", totals.udp_refused),
        ("udp_datagrams_to_instances", "Datagrams sent to instances", totals.udp_datagrams_to_instances),
        ("udp_datagrams_to_clients", "Datagrams sent to clients", totals.udp_datagrams_to_clients),
        ("udp_dropped", "Datagrams that the kernel did not take", totals.udp_dropped),
    ] {
        counter(registry, name, help, count);
    }
    let answers = Family::<[(&str, &str); 1], Counter>::default();
    for (class, name) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
        answers.get_or_create(&[("class", name)]).inc_by(shared.answers(class));
    }
    registry.register(
        "answers",
        "HTTP answers by the class of their status; none: the client had gone",
        answers,
    );
    let log = &shared.access_log;
    for (name, help, count) in [
        ("access_log_lines", "Lines of the access log that were written", log.written()),
        (
            "access_log_dropped",
            "Lines that were not: its file is too slow, or cannot be written",
            log.dropped(),
        ),
        ("access_log_errors", "Writes and opens of the access log's file that failed", log.errors()),
    ] {
        counter(registry, name, help, count);
    }
    let ended = Family::<[(&str, &str); 1], Counter>::default();
    for reason in Reason::ALL {
        ended.get_or_create(&[("reason", reason.as_str())]).inc_by(shared.ended(*reason));
    }
    of_access(shared, registry);
    registry.register("connections_ended", "Connections refused or ended by the gateway, or reset", ended);
}

/// Of every verdict and reason there is one series, whoever asks.
fn of_access(shared: &Shared, registry: &mut Registry) {
    let decisions = Family::<[(&str, &str); 2], Counter>::default();
    let tried = Family::<[(&str, &str); 1], Counter>::default();
    let sum = |of: &dyn Fn(&Verdicts) -> u64| {
        shared.counters.iter().map(|counters| of(&counters.access)).sum::<u64>()
    };
    for verdict in [Verdict::Allow, Verdict::Deny] {
        for reason in access::Reason::ALL {
            let labels = [("verdict", verdict.as_str()), ("reason", reason.as_str())];
            decisions.get_or_create(&labels).inc_by(sum(&|verdicts| verdicts.of(verdict, reason)));
        }
        tried
            .get_or_create(&[("verdict", verdict.as_str())])
            .inc_by(sum(&|verdicts| verdicts.tried(verdict)));
    }
    registry.register("access_decisions", "Who was let in and who was not, and why", decisions);
    let help = "Decisions that dry-run rules would have turned into this one";
    registry.register("access_dry_run", help, tried);
    let unwritten = sum(&|verdicts| verdicts.unwritten.load(Relaxed));
    counter(
        registry,
        "access_lines_unwritten",
        "Audit lines beyond a hundred a second and worker",
        unwritten,
    );
}

fn of_what_is_limited(shared: &Shared, registry: &mut Registry) {
    let (entrypoints, table) = (shared.entrypoints.load(), shared.table.load());
    let lacking = entrypoints.iter().filter(|listed| listed.state.is_err()).count();
    gauge(registry, "entrypoints_lacking", "Entrypoints that are not listened on", as_gauge(lacking as u64));
    let refused = entrypoints.iter().filter(|listed| listed.refused.is_some()).count();
    let help = "Entrypoints that listen as before, since what is written cannot be had";
    gauge(registry, "entrypoints_refused", help, as_gauge(refused as u64));
    let open = Family::<[(&str, String); 1], Gauge>::default();
    for listed in entrypoints.iter().take(SERIES) {
        // Of two that share a name one is served.
        let Some(capacity) = &listed.capacity else { continue };
        open.get_or_create(&[("entrypoint", listed.name.to_string())]).set(capacity.open().into());
    }
    registry.register("entrypoint_open", "Connections open at an entrypoint", open);
    of_certificates(shared, registry);
    if table.jobs().count() > SERIES {
        return;
    }
    let open = Family::<[(&str, String); 1], Gauge>::default();
    for job in table.jobs() {
        open.get_or_create(&[("job", job.label.to_string())]).set(job.capacity.open().into());
    }
    registry.register("job_open", "Relayed connections open to a job; of at most 1,000 jobs", open);
}

fn of_certificates(shared: &Shared, registry: &mut Registry) {
    let not_after = Family::<[(&str, String); 1], Gauge>::default();
    for one in shared.certificates.load().iter().take(SERIES) {
        let ends = as_gauge(one.facts.not_after.as_secs());
        not_after.get_or_create(&[("name", one.name.to_string())]).set(ends);
    }
    let help = "When a certificate that is served ends, in seconds since the epoch";
    registry.register("certificate_not_after_seconds", help, not_after);
    let refused = shared.certificates_refused.load().len();
    gauge(
        registry,
        "certificates_refused",
        "Certificates that are not served as written",
        as_gauge(refused as u64),
    );
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge<i64, AtomicI64> = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
