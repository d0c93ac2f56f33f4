//! Status and metrics, and for who is on this host orders.
//!
//! ```text
//! GET /status   GET /metrics   GET /healthz   POST /adopt   POST /release   POST /resync
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use roundhouse_registry::record::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::worker::Order;
use super::{Director, metrics};
use crate::model::ServiceKey;
use crate::sync::Chosen;

/// A list of some ten thousand services.
const MAX_BODY: usize = 1 << 20;

type Shared = Arc<Director>;

pub(super) async fn serve(listener: TcpListener, director: Shared) {
    let router = Router::new()
        .route("/status", get(status))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/adopt", post(adopt))
        .route("/release", post(release))
        .route("/resync", post(resync))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(director);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(%error, "status and metrics are not served any more");
    }
}

async fn status(State(director): State<Shared>) -> Json<Value> {
    let (snapshot, contact) = (director.store.load(), director.store.contact());
    let now = Timestamp::now();
    let sinks: Vec<Value> = director.sinks.iter().map(|sink| sink.shown.borrow().json(now)).collect();
    Json(json!({
        "director": director.settings.director,
        "version": env!("CARGO_PKG_VERSION"),
        "lines": director.settings.lines,
        "registry": {
            "url": director.settings.registry.url,
            "revision": snapshot.revision,
            "lost": contact.lost,
            "stale_seconds": contact.stale(std::time::Instant::now()).as_secs(),
        },
        "sinks": sinks,
    }))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    services: Vec<ServiceKey>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    remove: bool,
}

impl Which {
    fn chosen(&self) -> Chosen {
        if self.all { Chosen::All } else { Chosen::These(self.services.iter().cloned().collect()) }
    }
}

type Peer = ConnectInfo<SocketAddr>;

async fn adopt(
    State(director): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Json(which): Json<Which>,
) -> Response {
    each(&director, &peer, &headers, |done| Order::Adopt(which.chosen(), done)).await
}

async fn release(
    State(director): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    Json(which): Json<Which>,
) -> Response {
    let remove = which.remove;
    each(&director, &peer, &headers, |done| Order::Release { chosen: which.chosen(), remove, done }).await
}

async fn resync(State(director): State<Shared>, peer: Peer, headers: HeaderMap) -> Response {
    if let Some(refusal) = refused(&peer, &headers) {
        return refusal;
    }
    for sink in &director.sinks {
        let _ = sink.orders.send(Order::Look).await;
    }
    StatusCode::ACCEPTED.into_response()
}

type Done = oneshot::Sender<Result<Vec<ServiceKey>, String>>;

/// The same order for each sink.
async fn each(
    director: &Director,
    peer: &Peer,
    headers: &HeaderMap,
    order: impl Fn(Done) -> Order,
) -> Response {
    if let Some(refusal) = refused(peer, headers) {
        return refusal;
    }
    let mut services = Vec::new();
    for sink in &director.sinks {
        let (done, answer) = oneshot::channel();
        if sink.orders.send(order(done)).await.is_err() {
            return problem(StatusCode::SERVICE_UNAVAILABLE, "the sink's thread has ended");
        }
        match answer.await {
            Ok(Ok(keys)) => services.extend(keys),
            Ok(Err(error)) => return problem(StatusCode::INTERNAL_SERVER_ERROR, &error),
            Err(_) => return problem(StatusCode::SERVICE_UNAVAILABLE, "the sink's thread has ended"),
        }
    }
    Json(json!({ "services": services })).into_response()
}

/// Whoever else may reach the metrics must not give orders, and neither must a page that somebody on this host looks at.
fn refused(ConnectInfo(peer): &Peer, headers: &HeaderMap) -> Option<Response> {
    if !peer.ip().to_canonical().is_loopback() {
        return Some(problem(
            StatusCode::FORBIDDEN,
            "orders are taken from this host alone; run lvs-sync there",
        ));
    }
    let foreign = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    foreign.then(|| problem(StatusCode::FORBIDDEN, "orders are not taken from a browser"))
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = json!({ "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
