//! `/v1/leases`: a registrar's heartbeat, and its end.

mod index;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use roundhouse_registry::LeaseId;
use serde_json::{Value, json};

pub(super) use self::index::{Holding, Leases};
use super::caller::Caller;
use super::extract::Segment;
use super::{Api, Problem, own};

pub(super) async fn keep_alive(
    State(api): State<Api>,
    caller: Caller,
    Segment(lease): Segment<LeaseId>,
) -> Result<Json<Value>, Problem> {
    own::admit_lease(&api, &caller, lease)?;
    api.write(api.shared.registry.keep_alive(lease)).await?;
    Ok(Json(json!({ "lease": lease.to_string() })))
}

/// Ends the lease and what was registered under it. One that is gone already is no error; a program's own, by which it
/// says that it is there, ends with the program.
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Segment(lease): Segment<LeaseId>,
) -> Result<StatusCode, Problem> {
    let held = match own::admit_lease(&api, &caller, lease) {
        Err(problem) if problem.is_not_found() => return Ok(StatusCode::NO_CONTENT),
        held => held?,
    };
    if held.contains(&Holding::Other) {
        let detail = format!("lease {lease} is a gateway's or a director's own; stop that program instead");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    api.write(api.shared.registry.revoke(lease)).await?;
    Ok(StatusCode::NO_CONTENT)
}
