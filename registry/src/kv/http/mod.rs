//! Another gateway's HTTP API behind the seam: for job-init, lvs-sync and guards, which have no credentials for etcd.
//!
//! ```text
//! list    GET /v1/snapshot        entries, parsed while they come
//! watch   GET /v1/watch?from=R    server-sent events ─► whole commits
//! ```
//!
//! - What is read is what the gateway serves: its records and no secrets, and nothing that it has quarantined. A gateway
//!   may itself have lost its registry; then it answers all the same, and the watch says [`Event::Stale`] with the age.
//! - A commit arrives whole or not at all: only its last event carries an id, and what comes before is kept back.
//! - The gateway shows life every 2 s; a stream silent for [`SILENCE`] is dead, whatever TCP thinks.
//! - 410, `gone` and another history are [`KvError::Compacted`]: list again. Reconnecting is the follower's business.
//!
//! [`Event::Stale`]: super::Event::Stale

mod commits;
mod listing;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::commits::{Commits, Listed};
use super::{Event, KvError, Listing, Pending, Revision, Source, Watch};
use crate::http::{HttpClient, HttpError, Stream, sse};

/// Three times the gateway's interval of progress.
const SILENCE: Duration = Duration::from_secs(6);
/// Events that wait for the follower. A slow one makes the gateway wait, which then says `gone`.
const WATCH_BUFFER: usize = 1024;

/// The API of one gateway.
pub struct Http {
    client: HttpClient,
    /// Of the last listing: a watch of something else has nothing to do with it.
    listed: Mutex<Option<Listed>>,
}

impl Http {
    /// Nothing is dialled here.
    pub fn new(client: HttpClient) -> Http {
        Http { client, listed: Mutex::default() }
    }

    async fn read_snapshot(&self) -> Result<Listing, KvError> {
        let stream = self.client.open("/v1/snapshot", "application/json").await;
        let stream = stream.map_err(|error| self.sort(error, Revision(0)))?;
        let (listing, epoch) = listing::read(stream).await.map_err(|error| self.sort(error, Revision(0)))?;
        *self.listed() = Some(Listed { origin: listing.origin.clone(), epoch });
        Ok(listing)
    }

    async fn open_watch(&self, after: Revision) -> Result<Watch, KvError> {
        let stream = self.client.open(&format!("/v1/watch?from={after}"), "text/event-stream").await;
        let stream = stream.map_err(|error| self.sort(error, after))?;
        let commits = Commits::after(after, self.listed().clone());
        let (sender, receiver) = mpsc::channel(WATCH_BUFFER);
        let name = self.name();
        tokio::spawn(async move {
            let ended = pump(stream, commits, &sender, name).await;
            // The reader may be gone already; then there is nobody to tell.
            let _ = sender.send(Err(ended)).await;
        });
        Ok(receiver)
    }

    /// By what the follower does next. 429 and 5xx pass by themselves, as do a proxy's 408 and 425.
    fn sort(&self, error: HttpError, at: Revision) -> KvError {
        match error {
            HttpError::Refused { status: StatusCode::GONE, .. } => KvError::Compacted(at),
            HttpError::Refused { status, message, .. }
                if status.is_client_error() && !matches!(status.as_u16(), 408 | 425 | 429) =>
            {
                KvError::Invalid(format!("{} says: {message}", self.name()))
            }
            HttpError::Unavailable { server, reason } => KvError::Unavailable { store: server, reason },
            error => KvError::Unavailable { store: self.name(), reason: error.to_string() },
        }
    }

    fn listed(&self) -> std::sync::MutexGuard<'_, Option<Listed>> {
        // Nothing between lock and unlock can leave it half changed.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Http {
    fn name(&self) -> String {
        self.client.server()
    }

    fn list(&self) -> Pending<'_, Listing> {
        Box::pin(self.read_snapshot())
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        Box::pin(self.open_watch(after))
    }

    fn newest(&self) -> Pending<'_, Revision> {
        #[derive(serde::Deserialize)]
        struct Status {
            revision: Revision,
        }
        Box::pin(async move {
            let answer = self.client.call(Method::GET, "/v1/status", &[], None).await;
            let strange = |error: serde_json::Error| KvError::Unavailable {
                store: self.name(),
                reason: format!("its status is none: {error}"),
            };
            let answer = answer.map_err(|error| self.sort(error, Revision(0)))?;
            Ok(serde_json::from_slice::<Status>(&answer.body).map_err(strange)?.revision)
        })
    }
}

/// Forwards until something is wrong, and says what.
async fn pump(
    mut stream: Stream,
    mut commits: Commits,
    out: &mpsc::Sender<Result<Event, KvError>>,
    store: String,
) -> KvError {
    let unavailable = |reason: String| KvError::Unavailable { store: store.clone(), reason };
    let mut parser = sse::Parser::default();
    loop {
        let chunk = tokio::select! {
            chunk = timeout(SILENCE, stream.chunk()) => chunk,
            () = out.closed() => return unavailable("nobody listens".into()),
        };
        let chunk = match chunk {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return unavailable("the watch was closed".into()),
            Ok(Err(HttpError::Unavailable { reason, .. })) => return unavailable(reason),
            Ok(Err(error)) => return unavailable(error.to_string()),
            Err(_) => return unavailable(format!("the watch was silent for {SILENCE:?}")),
        };
        let events = match parser.feed(&chunk) {
            Ok(events) => events,
            Err(error) => return unavailable(error.to_string()),
        };
        for event in events {
            match commits.take(&event) {
                Ok(events) => {
                    for event in events {
                        if out.send(Ok(event)).await.is_err() {
                            return unavailable("nobody listens".into());
                        }
                    }
                }
                Err(commits::Broken::Gone(at)) => return KvError::Compacted(at),
                Err(commits::Broken::Strange(reason)) => return unavailable(reason),
            }
        }
    }
}
