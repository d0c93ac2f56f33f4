//! `/v1/export` and `/v1/import`: everything of the registry, out and in (see [`crate::transfer`]).
//!
//! Every secret that the registry holds passes here: certificates' keys, tokens. Who may call anything on this listener
//! may call these two; once there are tokens, the routes of this file are the `admin` role's alone.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::parts::PATIENCE;
use super::written::settled;
use super::{Api, Problem, parts};
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
    let body = poured(lines, permit, PATIENCE);
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    let secret = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([kind, secret], body).into_response())
}

/// The permit is held until the last line is on its way or the client is given up. A client that does not see the last
/// line has not got it all: an error can only end the stream.
fn poured(
    lines: impl Iterator<Item = io::Result<Bytes>> + Send + 'static,
    permit: OwnedSemaphorePermit,
    patience: Duration,
) -> Body {
    let (writer, body) = parts::body(patience);
    tokio::spawn(async move {
        let _permit = permit;
        for lines in lines {
            let Ok(lines) = lines else { return };
            if writer.part(lines).await.is_err() {
                return;
            }
        }
        let _ = writer.end().await;
    });
    body
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
    let contents = read(request.into_body(), first, PATIENCE).await;
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

/// After an error nothing is kept, only read; `patience` is for each piece.
async fn read(
    body: Body,
    mut reader: Result<Reader, ReadError>,
    patience: Duration,
) -> Result<Contents, Problem> {
    let mut pieces = body.into_data_stream();
    let mut taken = 0_usize;
    let stalled = |_| {
        let detail = format!("nothing more of the export came within {patience:?}; send it again");
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    };
    while let Some(piece) = timeout(patience, pieces.next()).await.map_err(stalled)? {
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

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_client_that_stalls_does_not_keep_the_permit() {
        let transfers = Arc::new(Semaphore::new(1));
        let lines = std::iter::repeat_with(|| Ok(Bytes::from_static(b"{}\n")));
        let body = poured(lines, permit(&transfers).unwrap(), SHORT);
        assert!(permit(&transfers).is_err(), "it is held while the client may read");
        let free = timeout(Duration::from_secs(10), transfers.acquire()).await;
        free.unwrap().unwrap().forget();
        assert!(body.collect().await.is_err(), "and what came is not whole");
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        let begun = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"{")) });
        let body = Body::from_stream(begun.chain(stream::pending()));
        let problem = read(body, Ok(Reader::default()), SHORT).await.err().unwrap();
        assert_eq!(problem.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }
}
