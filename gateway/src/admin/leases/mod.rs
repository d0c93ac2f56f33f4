//! `/v1/leases`: a heartbeat, and a registrar's end.

mod index;

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use roundhouse_config::duration;
use roundhouse_registry::LeaseId;
use serde_json::{Value, json};

pub(super) use self::index::{Holding, Leases};
use super::caller::Caller;
use super::extract::Segment;
use super::{Api, Problem, own};

/// Under a second a scheduling hiccup takes an instance out; after a day a lease means nothing.
const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

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
/// says that it is there, ends with the program (a director's by `DELETE /v1/directors/<id>`).
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Segment(lease): Segment<LeaseId>,
) -> Result<StatusCode, Problem> {
    let held = match own::admit_lease(&api, &caller, lease) {
        Err(problem) if problem.is_not_found() => return Ok(StatusCode::NO_CONTENT),
        held => held?,
    };
    if held.iter().any(|holding| !matches!(holding, Holding::Instance(..))) {
        let detail = format!("lease {lease} is a gateway's or a director's own; stop that program instead");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    api.write(api.shared.registry.revoke(lease)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How long a lease that is asked for may last.
pub(super) fn admit_ttl(ttl: Duration) -> Result<(), Problem> {
    if TTL.contains(&ttl) {
        return Ok(());
    }
    let [least, most] = [*TTL.start(), *TTL.end()].map(duration::format);
    let detail = format!("{} is out of bounds; write \"{least}\" to \"{most}\"", duration::format(ttl));
    Err(Problem::invalid(detail).at("ttl"))
}
