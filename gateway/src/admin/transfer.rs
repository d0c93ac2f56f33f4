//! `/v1/export` and `/v1/import`: everything of the registry, out and in (see [`crate::transfer`]).
//!
//! Every secret that the registry holds passes here: certificates' keys, tokens. Who may call anything on this listener
//! may call these two; once there are tokens, the routes of this file are the `admin` role's alone.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::written::settled;
use super::{Api, Problem};
use crate::transfer::{
    Contents, Grace, ImportError, Lines, MAX_BYTES, Mode, Options, ReadError, Reader, Report, import, list,
    misfits,
};

/// Exports and imports at a time: each holds a whole registry in memory.
pub(super) const MAX_TRANSFERS: usize = 2;

pub(super) async fn export(State(api): State<Api>) -> Result<Response, Problem> {
    let permit = permit(&api.transfers)?;
    let shared = &api.shared;
    // From the registry itself: the snapshot has neither leases nor what it quarantined, and may be old.
    let listing = shared.registry.kv().list().await.map_err(|error| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{error}; nothing can be exported until it does"),
        )
    })?;
    let lines = Lines::new(listing, &shared.settings.registry.prefix, now());
    // A client that does not see the last line has not got it all: an error can only end the stream.
    let body = Body::from_stream(stream::iter(lines).inspect(move |_| {
        let _ = &permit;
    }));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let secret = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([kind, secret], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    #[serde(default)]
    mode: Mode,
    grace: Option<String>,
    #[serde(default)]
    dry_run: bool,
    /// Records that would be quarantined move as they are.
    #[serde(default)]
    quarantined: bool,
}

pub(super) async fn post(
    State(api): State<Api>,
    wish: Result<Query<Wish>, QueryRejection>,
    request: Request,
) -> Result<Json<Report>, Problem> {
    let permit = permit(&api.transfers);
    let first = permit.as_ref().map(|_| Reader::default()).map_err(|_| ReadError::TooLong);
    // Read to its end also where it is refused: an answer in the middle of a body is lost with the connection.
    let contents = read(request.into_body(), first).await;
    let _permit = permit?;
    let Query(wish) = wish.map_err(|rejection| {
        let instead = "write ?mode=fresh, merge or replace, &grace=60s, &dry_run=true, &quarantined=true";
        Problem::bad_request(format!("{}; {instead}", rejection.body_text()))
    })?;
    let grace = wish.grace.as_deref().map_or(Ok(Grace::default()), str::parse);
    let grace = grace.map_err(|error: String| Problem::bad_request(error).at("grace"))?;
    let contents = contents?;
    let misfits = misfits(&contents);
    if !misfits.is_empty() && !wish.quarantined {
        let detail = format!(
            "{} record(s) would be quarantined:\n{}\nmend or delete them where they come from, or move them as they are \
             with quarantined=true",
            misfits.len(),
            list(&misfits)
        );
        return Err(Problem::invalid(detail));
    }
    let options = Options { mode: wish.mode, grace, dry_run: wish.dry_run };
    let report = import(&**api.shared.registry.kv(), &contents, options, now(), |_| {}).await?;
    settled(&api.shared.store, report.revision).await;
    Ok(Json(report))
}

/// After an error nothing is kept, only read.
async fn read(body: Body, mut reader: Result<Reader, ReadError>) -> Result<Contents, Problem> {
    let mut pieces = body.into_data_stream();
    let mut taken = 0_usize;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::bad_request(format!("{error}; send the whole export")))?;
        taken = taken.saturating_add(piece.len());
        reader = reader.and_then(|mut reader| reader.push(&piece).map(|()| reader));
        if taken > MAX_BYTES {
            break;
        }
    }
    Ok(reader.and_then(Reader::finish)?)
}

fn permit(transfers: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    transfers.clone().try_acquire_owned().map_err(|_| {
        let detail =
            format!("{MAX_TRANSFERS} exports or imports are going on, which is the most; wait for one");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::TooLong => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            error => Problem::invalid(error),
        }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        let status = match error {
            ImportError::Refused { .. } => StatusCode::CONFLICT,
            ImportError::Unreachable(_) | ImportError::Interrupted { .. } | ImportError::Busy { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        Problem::new(status, error.to_string())
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
