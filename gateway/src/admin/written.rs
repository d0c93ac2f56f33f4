//! A reader of this gateway sees its own write.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundhouse_registry::{Revision, Store, Written};
use serde_json::{Value, json};

/// A watch that is this far behind is as good as lost: the writer is answered anyhow.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits until the store has this revision; at once when the registry is lost, since then it never comes.
pub(super) async fn settled(store: &Store, revision: Revision) {
    let mut changes = store.changes();
    if store.contact().lost.is_none() {
        let _ = tokio::time::timeout(PATIENCE, changes.wait_for(|now| *now >= revision)).await;
    }
}

/// The answer to a write: 201 where it created, and the revision as the ETag for the next one.
pub(super) async fn answer(store: &Store, written: Written, location: &str, mut body: Value) -> Response {
    settled(store, written.revision).await;
    let mut headers = HeaderMap::new();
    let mut status = StatusCode::OK;
    if written.created {
        status = StatusCode::CREATED;
        headers.extend(HeaderValue::from_str(location).ok().map(|location| (header::LOCATION, location)));
    }
    headers.extend(etag(written.revision));
    body["revision"] = json!(written.revision);
    (status, headers, Json(body)).into_response()
}

/// A record's ETag is its quoted modification revision (RFC 9110, 8.8.3).
pub(super) fn etag(revision: Revision) -> Option<(header::HeaderName, HeaderValue)> {
    HeaderValue::from_str(&format!("\"{revision}\"")).ok().map(|tag| (header::ETAG, tag))
}
