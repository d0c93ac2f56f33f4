//! The admin and registry API: what the CLI, job-init and people with curl speak to a running gateway.
//!
//! ```text
//! serve (TLS) ─► guard: Host? Origin? token? role? ─► handler ─► view of Snapshot + Table (reads)
//!                  │                                     └─► Registry: one transaction, then wait until the store has it
//!                  └─► X-Roundhouse-Revision, X-Roundhouse-Stale on every answer, refusals included; a line for a write
//! ```
//!
//! - GET never changes anything. Reads come from the local snapshot and go on when the registry is lost; the header then
//!   says how old they are. [`visible`] decides what of it a reader sees.
//! - Every route stands in one table with the role that it takes ([`routes`]). A [`caller`] without a token is on this
//!   machine and may do everything, unless the settings ask for tokens.
//! - Every kind of record goes the same way ([`records`]); jobs and instances, which have owners, have their own.
//! - Everything that goes wrong is a [`Problem`], an RFC 9457 document made in one place.

mod access;
mod bootstrap;
mod caller;
mod certificates;
mod conditional;
mod connections;
mod directors;
pub mod explain;
mod extract;
mod guard;
mod health;
mod holds;
mod instance_pool;
mod instances;
mod jobs;
mod leaders;
mod leases;
mod metrics;
mod overview;
mod own;
mod parts;
mod problem;
mod records;
mod routes;
mod seldom;
mod serve;
mod snapshot;
mod stall;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod transfer;
mod view;
mod visible;
mod watch;
mod written;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri};
use axum::{Router, middleware};
use roundhouse_registry::record::MAX_VALUE;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use self::bootstrap::first_token;
pub use self::jobs::job_record;
pub(crate) use self::jobs::refuse_taken_jobname;
use self::leases::Leases;
pub use self::problem::Problem;
use self::routes::{Table, routes};
use self::seldom::Seldom;
pub use self::serve::serve;
pub use self::tls::{Certificate, CertificateError};
use crate::shared::Shared;

/// A record of the usual size, and room for what a registration has around it.
const MAX_BODY: usize = MAX_VALUE + (4 << 10);
/// Each is a task and a socket; a gateway has a few watchers, a mistaken client has all it can get.
const MAX_WATCHES: usize = 1_024;
/// Of everything that one write asks of the registry.
const WRITE_DEADLINE: Duration = Duration::from_millis(2_800);

/// What handlers are given.
#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    table: Arc<Table>,
    watches: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    leases: Arc<Mutex<Leases>>,
    /// Heartbeats that were refused.
    refused: Arc<Seldom>,
}

pub fn router(shared: Arc<Shared>) -> Router {
    let (table, router) = routes().into_parts();
    let api = Api {
        shared,
        table: Arc::new(table),
        watches: Arc::new(Semaphore::new(MAX_WATCHES)),
        transfers: Arc::new(Semaphore::new(transfer::MAX_TRANSFERS)),
        leases: Arc::default(),
        refused: Arc::default(),
    };
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), guard::guard))
        .with_state(api)
}

async fn unknown_path(State(api): State<Api>, uri: Uri) -> Problem {
    Problem::unknown_path(uri.path(), &api.table.paths())
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::wrong_method(&method, uri.path())
}

impl Api {
    /// A write is several calls, each with a deadline of its own; this is that of them all.
    async fn write<T, E: Into<Problem>>(
        &self,
        write: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        match timeout(WRITE_DEADLINE, write).await {
            Ok(written) => written.map_err(Into::into),
            Err(_) => {
                let detail = format!(
                    "registry {} does not answer within {WRITE_DEADLINE:?}; the write may or may not have been taken: \
                     read the record, then repeat it",
                    self.shared.registry.kv().name()
                );
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
            }
        }
    }
}
