//! What there is: the quarantine, and this gateway's own state.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;
use roundhouse_registry::Quarantined;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::visible::visible_key;
use super::{Api, certificates};
use crate::phase::Phase;
use crate::plane::{Reason, Totals};
use crate::run::Listed;
use crate::shared::Shared;

#[derive(Serialize)]
struct QuarantinedView<'a> {
    key: &'a str,
    #[serde(flatten)]
    entry: &'a Quarantined,
}

pub(super) async fn quarantine(State(api): State<Api>, caller: Caller) -> Json<Value> {
    let snapshot = api.shared.store.load();
    let seen = snapshot.quarantine.iter().filter(|(key, _)| visible_key(caller.reader(), key));
    let keys = seen.map(|(key, entry)| QuarantinedView { key, entry });
    Json(json!(keys.collect::<Vec<_>>()))
}

pub(super) async fn status(State(api): State<Api>) -> Json<Value> {
    let shared = &api.shared;
    let snapshot = shared.store.load();
    let settings = &shared.settings;
    let totals = Totals::sum(shared.counters.iter().map(|counters| &**counters));
    let draining = *shared.phase.borrow() == Phase::Draining;
    Json(json!({
        "id": shared.id,
        "version": env!("CARGO_PKG_VERSION"),
        "phase": if draining { "draining" } else { "serving" },
        "uptime_seconds": shared.started.elapsed().as_secs_f64(),
        "revision": snapshot.revision,
        "registry": {
            "name": shared.registry.kv().name(),
            "stale_seconds": shared.stale_seconds(),
            "lost": shared.store.contact().lost,
        },
        "totals": totals,
        "connections": { "open": totals.open, "reasons": reasons(shared) },
        "not_caught": **shared.not_caught.load(),
        "config": **shared.config.load(),
        "certificates": certificates::status(shared),
        "jobs_files": shared.jobs_files.iter().map(|file| json!(**file.load())).collect::<Vec<_>>(),
        "jobs": snapshot.jobs.len(),
        "instances": snapshot.all_members().count(),
        "held": snapshot.held_count() + snapshot.retained.len(),
        "domains": snapshot.domains.len(),
        "quarantined": snapshot.quarantine.len(),
        "listeners": {
            "admin": settings.admin.listen,
            "dns": settings.dns.listen,
            "entrypoints": shared.entrypoints.load().iter().map(entrypoint).collect::<Vec<_>>(),
            "vips": settings.names.vips,
            "zone": settings.names.zone,
        },
    }))
}

/// Its settings, with what became of them.
fn entrypoint(listed: &Listed) -> Value {
    let mut shown = json!(listed.settings);
    let open = listed.capacity.as_ref().map_or(0, |capacity| capacity.open());
    let (state, address) = match &listed.state {
        Ok(address) if listed.refused.is_some() => ("listening as before", Some(address)),
        Ok(address) => ("listening", Some(address)),
        Err(_) => ("not listening", None),
    };
    for (field, value) in [
        ("name", json!(listed.name)),
        ("origin", json!(listed.origin)),
        ("state", json!(state)),
        ("reason", json!(listed.reason())),
        ("address", json!(address)),
        ("open", json!(open)),
    ] {
        shown[field] = value;
    }
    shown
}

/// How often each was why a connection was refused or ended here; those that never were are left out.
fn reasons(shared: &Shared) -> Map<String, Value> {
    let counted = Reason::ALL.iter().map(|reason| (reason.as_str(), shared.ended(*reason)));
    counted.filter(|(_, count)| *count > 0).map(|(label, count)| (label.to_owned(), json!(count))).collect()
}

/// The process answers. Whether it serves is in `/v1/status`.
pub(super) async fn healthz() -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (headers, "ok\n")
}
