//! `/v1/leaders`: of the directors that share a sink one has it, under its own lease.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use roundhouse_registry::LeaseId;
use roundhouse_registry::record::Leader;
use roundhouse_registry::write::Led;
use serde_json::json;

use super::extract::{NoPrecondition, OwnLease, RecordBody, RecordName};
use super::written::answer;
use super::{Api, Problem};

pub(super) async fn put(
    State(api): State<Api>,
    RecordName(name): RecordName<Leader>,
    lease: OwnLease,
    _: NoPrecondition,
    RecordBody(leader): RecordBody<Leader>,
) -> Result<Response, Problem> {
    let Led { fence, written } = api.write(api.shared.registry.lead(&name, &leader, own(&lease)?)).await?;
    let body = json!({ "name": name.to_string(), "fence": fence });
    Ok(answer(&api.shared.store, written, &format!("/v1/leaders/{name}"), body).await)
}

pub(super) async fn delete(
    State(api): State<Api>,
    RecordName(name): RecordName<Leader>,
    lease: OwnLease,
    _: NoPrecondition,
) -> Result<StatusCode, Problem> {
    api.write(api.shared.registry.resign(&name, own(&lease)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn own(OwnLease(lease): &OwnLease) -> Result<LeaseId, Problem> {
    lease.ok_or_else(|| {
        let detail =
            "a director leads by its own lease; write ?lease=<the lease that PUT /v1/directors answered>";
        Problem::bad_request(detail).at("lease")
    })
}
