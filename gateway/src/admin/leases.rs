//! `/v1/leases`: a registrar's heartbeat, and its end.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use roundhouse_registry::LeaseId;
use serde_json::{Value, json};

use super::extract::Segment;
use super::{Api, Problem};

pub(super) async fn keep_alive(
    State(api): State<Api>,
    Segment(lease): Segment<LeaseId>,
) -> Result<Json<Value>, Problem> {
    api.shared.registry.keep_alive(lease).await?;
    Ok(Json(json!({ "lease": lease.to_string() })))
}

/// Ends the lease and what was registered under it. One that is gone already is no error.
pub(super) async fn revoke(
    State(api): State<Api>,
    Segment(lease): Segment<LeaseId>,
) -> Result<StatusCode, Problem> {
    api.shared.registry.revoke(lease).await?;
    Ok(StatusCode::NO_CONTENT)
}
