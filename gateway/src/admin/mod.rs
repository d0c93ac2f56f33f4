//! The admin and registry API: what the CLI, job-init and people with curl speak to a running gateway.
//!
//! ```text
//! serve ─► guard: loopback Host? Origin? ─► handler ─► view of Snapshot + Table (reads)
//!            │                                 └─► Registry: one transaction, then wait until the store has it (writes)
//!            └─► X-Roundhouse-Revision, X-Roundhouse-Stale on every answer, refusals included
//! ```
//!
//! - GET never changes anything. Reads come from the local snapshot and go on when the registry is lost; the header then
//!   says how old they are.
//! - Everything that goes wrong is a [`Problem`], an RFC 9457 document made in one place.
//! - There are no tokens in this version: the listener is on loopback, and [`guard`] keeps browsers from being led
//!   there by a foreign page (DNS rebinding, CSRF).

mod domains;
pub mod explain;
mod extract;
mod guard;
mod holds;
mod instances;
mod jobs;
mod leases;
mod metrics;
mod overview;
mod problem;
mod serve;
mod snapshot;
#[cfg(test)]
mod tests;
mod transfer;
mod view;
mod visible;
mod watch;
mod written;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::routing::{get, post};
use axum::{Router, middleware};
use roundhouse_registry::record::MAX_VALUE;
use tokio::sync::Semaphore;

pub use self::jobs::job_record;
pub(crate) use self::jobs::refuse_taken_jobname;
pub use self::problem::Problem;
pub use self::serve::serve;
use crate::shared::Shared;

/// A record of the largest size, and room for what a registration has around it.
const MAX_BODY: usize = MAX_VALUE + (4 << 10);
/// Each is a task and a socket; a gateway has a few watchers, a mistaken client has all it can get.
const MAX_WATCHES: usize = 1_024;

/// What a caller who asked for something else is told.
const PATHS: [&str; 23] = [
    "/v1/jobs",
    "/v1/jobs/{label}",
    "/v1/instances",
    "/v1/instances/{label}",
    "/v1/instances/{label}/{id}",
    "/v1/instances/{label}/{id}/state",
    "/v1/leases/{id}",
    "/v1/leases/{id}/keepalive",
    "/v1/domains",
    "/v1/domains/{host}",
    "/v1/gateways",
    "/v1/quarantine",
    "/v1/holds",
    "/v1/holds/{what}",
    "/v1/restore",
    "/v1/snapshot",
    "/v1/export",
    "/v1/import",
    "/v1/watch",
    "/v1/status",
    "/v1/explain",
    "/metrics",
    "/healthz",
];

/// What handlers are given.
#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    watches: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
}

pub fn router(shared: Arc<Shared>) -> Router {
    let api = Api {
        shared: shared.clone(),
        watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        transfers: Arc::new(Semaphore::new(transfer::MAX_TRANSFERS)),
    };
    Router::new()
        .route("/v1/jobs", get(jobs::list))
        .route("/v1/jobs/{label}", get(jobs::show).put(jobs::put).delete(jobs::delete))
        .route("/v1/instances", get(instances::list))
        .route("/v1/instances/{label}", get(instances::list_of_job).post(instances::post))
        .route(
            "/v1/instances/{label}/{id}",
            get(instances::show).put(instances::put).delete(instances::delete),
        )
        .route("/v1/instances/{label}/{id}/state", post(instances::set_state))
        .route("/v1/leases/{id}", axum::routing::delete(leases::revoke))
        .route("/v1/leases/{id}/keepalive", post(leases::keep_alive))
        .route("/v1/domains", get(domains::list))
        .route("/v1/domains/{host}", get(domains::show).put(domains::put).delete(domains::delete))
        .route("/v1/gateways", get(overview::gateways))
        .route("/v1/quarantine", get(overview::quarantine))
        .route("/v1/holds", get(holds::list).delete(holds::release_all))
        .route("/v1/holds/{*what}", axum::routing::delete(holds::release))
        .route("/v1/restore", post(holds::restore))
        .route("/v1/snapshot", get(snapshot::snapshot))
        .route("/v1/watch", get(watch::watch))
        .route("/v1/status", get(overview::status))
        .route("/v1/explain", get(explain::handler))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/export", get(transfer::export))
        .route("/v1/import", post(transfer::post))
        .route("/healthz", get(overview::healthz))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(shared, guard::guard))
        .with_state(api)
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::unknown_path(uri.path(), &PATHS)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::wrong_method(&method, uri.path())
}
