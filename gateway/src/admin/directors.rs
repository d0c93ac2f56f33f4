//! `/v1/directors`: a program that programs balancers says that it is there, under a lease of its own.
//!
//! Whoever announces itself is answered with the lease, and by that says more, keeps it alive (`/v1/leases`) and leaves. An
//! id that a live director has is refused, so that no two programs undo each other's word.

use std::sync::{Arc, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use roundhouse_registry::http::presence::{AnnouncedBody, Lifetime};
use roundhouse_registry::record::{Director, Key};
use serde_json::json;

use super::extract::{NoPrecondition, OwnLease, RecordName, RecordWith};
use super::leases::{Holding, admit_ttl};
use super::written::answer;
use super::{Api, Problem};

pub(super) async fn put(
    State(api): State<Api>,
    RecordName(id): RecordName<Director>,
    OwnLease(lease): OwnLease,
    _: NoPrecondition,
    RecordWith(director, Lifetime { ttl }): RecordWith<Director, Lifetime>,
) -> Result<Response, Problem> {
    let id = checked(&id)?;
    let registry = &api.shared.registry;
    let (lease, written) = match (lease, ttl) {
        (Some(lease), _) => (lease, api.write(registry.put_director(&id, &director, lease)).await?),
        (None, Some(ttl)) => {
            admit_ttl(ttl)?;
            api.write(registry.announce_director(&id, &director, ttl)).await?
        }
        (None, None) => {
            let detail = "a director is there under a lease; write how long it lasts, as in \"15s\", or name its own \
                          as ?lease=";
            return Err(Problem::invalid(detail).at("ttl"));
        }
    };
    let location = format!("/v1/directors/{id}");
    let body = AnnouncedBody { id, lease: lease.to_string(), revision: written.revision };
    Ok(answer(&api.shared.store, written, &location, json!(body)).await)
}

/// Ends the lease that the record is under, with what else it holds of the director. Whose it is is proven by the lease.
pub(super) async fn delete(
    State(api): State<Api>,
    RecordName(id): RecordName<Director>,
    OwnLease(lease): OwnLease,
    _: NoPrecondition,
) -> Result<StatusCode, Problem> {
    let id = checked(&id)?;
    let Some(lease) = lease else {
        let detail = format!(
            "a director leaves by its own lease; write DELETE /v1/directors/{id}?lease=<the lease that announcing \
             answered>, or stop the program"
        );
        return Err(Problem::bad_request(detail).at("lease"));
    };
    let snapshot = api.shared.store.load();
    // Nothing between lock and unlock can leave it half changed.
    let held = api.leases.lock().unwrap_or_else(PoisonError::into_inner).of(lease, &snapshot);
    if held.iter().any(|holding| *holding != Holding::Director) {
        let detail =
            format!("lease {lease} holds more than a director's own records; it is not ended by its id");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    api.write(api.shared.registry.withdraw_director(&id, lease)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(id: &Arc<str>) -> Result<String, Problem> {
    match Key::parse(&format!("directors/{id}")) {
        Ok(_) => Ok(id.as_ref().to_owned()),
        Err(_) => {
            let detail =
                "is no director's id; write 1-253 letters, digits, `-`, `_`, `.` or `:`, as in `lvs-1`";
            Err(Problem::invalid(detail).at("id"))
        }
    }
}
