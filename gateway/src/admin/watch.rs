//! `GET /v1/watch`: every change of the registry as a server-sent event.
//!
//! ```text
//! event: progress
//! data: {"origin":"…","revision":16,"stale_seconds":0.0,"lost":null}
//!
//! id: 17
//! event: put
//! data: {"key":"jobs/app2","value":{…},"created":5,"revision":17,"lease":"694d7a"}
//!
//! id: 18
//! event: delete
//! data: {"key":"jobs/app2","revision":18}
//! ```
//!
//! - A commit of several changes is several events of one revision; only the last of them carries the id, so that a
//!   client that resumes by it (`Last-Event-ID`, as browsers do by themselves) never loses the rest of a commit.
//! - `progress` comes first and then every two seconds: everything up to its revision has been given. It says whether
//!   this gateway hears its own registry, so that whoever follows behind it knows how old the data is.
//! - The stream ends when the reader's token is changed or revoked, or runs out; resuming it then is refused with the reason.
//! - A client that is too far behind is told 410, or `gone` when that happens on the way, and reads a snapshot. A stream
//!   that ends without it may be resumed.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use roundhouse_registry::kv::{Batch, Change};
use roundhouse_registry::record::Timestamp;
use roundhouse_registry::{Revision, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::caller::Caller;
use super::serve::draining;
use super::visible::{Reader, visible, visible_key};
use super::written::settled;
use super::{Api, MAX_WATCHES, Problem};
use crate::phase::Phase;

/// Clocks of tokens count seconds; their end is looked for this often at most.
const TICK: Duration = Duration::from_millis(200);
/// A follower takes three times this as death (`roundhouse_registry::kv::http`).
const PROGRESS: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(super) struct From {
    from: Option<Revision>,
}

#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a str,
    revision: Revision,
}

#[derive(Serialize)]
struct Progress<'a> {
    origin: &'a str,
    revision: Revision,
    epoch: u64,
    stale_seconds: f64,
    lost: Option<&'a str>,
}

pub(super) async fn watch(
    State(api): State<Api>,
    caller: Caller,
    query: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Ok(Query(From { from })) = query else {
        return Err(Problem::bad_request("`from` is a revision, as in /v1/watch?from=17").at("from"));
    };
    let Ok(permit) = api.watches.clone().try_acquire_owned() else {
        let detail = format!("{MAX_WATCHES} watches are open, which is the most; close one, or share one");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let store = api.shared.store.clone();
    let position = last_event_id(&headers)?.or(from).unwrap_or_else(|| store.load().revision);
    // A revision that another gateway, or a write, has just answered may be a moment ahead of this store.
    settled(&store, position).await;
    let now = store.load();
    let (origin, epoch) = (now.origin.clone(), now.epoch);
    store.history.since(position)?;
    let watcher = Watcher {
        changes: store.changes(),
        phase: api.shared.phase.clone(),
        due: Instant::now(),
        pending: Pending::of(caller.reader()),
        caller,
        position,
        origin,
        epoch,
        store,
        _permit: permit,
    };
    let events = stream::unfold(Some(watcher), |watcher| async {
        let mut watcher = watcher?;
        match watcher.next().await? {
            Ok(event) => Some((Ok(event), Some(watcher))),
            Err(gone) => Some((Ok(Event::default().event("gone").data(gone)), None)),
        }
    });
    Ok(Sse::new(events))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(id) = headers.get("last-event-id").filter(|id| !id.is_empty()) else { return Ok(None) };
    let revision = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong =
        || Problem::bad_request("Last-Event-ID is no id of this stream; leave it out").at("Last-Event-ID");
    revision.map(|revision| Some(Revision(revision))).ok_or_else(wrong)
}

struct Watcher {
    store: Arc<Store>,
    changes: watch::Receiver<Revision>,
    phase: watch::Receiver<Phase>,
    /// Who reads; the stream ends with the token.
    caller: Caller,
    /// When the next progress is.
    due: Instant,
    pending: Pending,
    /// Everything up to here is in `pending` or was given.
    position: Revision,
    /// The history that `position` counts in.
    origin: Arc<str>,
    epoch: u64,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// `None` ends the stream: the gateway drains, or the reader's token was changed, revoked or ran out. An error ends it too: the history went on without this client.
    async fn next(&mut self) -> Option<Result<Event, String>> {
        loop {
            if *self.phase.borrow() == Phase::Draining
                || !self.caller.still_holds(&self.store.load(), Timestamp::now())
            {
                return None;
            }
            if let Some(event) = self.pending.next() {
                return Some(Ok(event));
            }
            // Before what is new, so that it comes first, and however busy the registry is.
            if Instant::now() >= self.due {
                self.due = Instant::now() + PROGRESS;
                return Some(Ok(self.sign_of_life()));
            }
            // Marked as seen before the history is read, so that nothing falls between.
            self.changes.borrow_and_update();
            match self.later() {
                Ok(batches) if batches.is_empty() => {}
                Ok(batches) => {
                    self.pending.refill(self.position, batches);
                    self.position = self.pending.end(self.position);
                    continue;
                }
                Err(gone) => return Some(Err(gone)),
            }
            let wake = self.wake();
            tokio::select! {
                () = draining(&mut self.phase) => return None,
                () = tokio::time::sleep_until(wake) => {}
                changed = self.changes.changed() => changed.ok()?,
            }
        }
    }

    /// The next progress, or the token's end before it.
    fn wake(&self) -> Instant {
        let left = self.caller.expires().map(|expires| expires.since(Timestamp::now()));
        // The token's second is over when it has gone by.
        left.map_or(self.due, |left| self.due.min(Instant::now() + left.max(TICK)))
    }

    fn later(&self) -> Result<Vec<Arc<Batch>>, String> {
        let batches = self.store.history.since(self.position).map_err(|gone| gone.to_string())?;
        // Asked after: another history's snapshot is published before its first batch is kept.
        let now = self.store.load();
        let why = if now.origin != self.origin {
            "the registry has another history now"
        } else if now.epoch != self.epoch {
            "what was held is held no longer"
        } else {
            return Ok(batches);
        };
        Err(format!("{why}; GET /v1/snapshot, then watch from its revision"))
    }

    fn sign_of_life(&self) -> Event {
        let contact = self.store.contact();
        let stale = contact.stale(std::time::Instant::now());
        let (origin, revision) = (&*self.origin, self.position);
        let progress = Progress {
            origin,
            revision,
            epoch: self.epoch,
            stale_seconds: stale.as_secs_f64(),
            lost: contact.lost.as_deref(),
        };
        filled(Event::default(), "progress", &progress)
    }
}

/// Batches that are still to be given, each change made into text only when it is sent.
struct Pending {
    reader: Reader,
    batches: VecDeque<Arc<Batch>>,
    /// The next change of the first batch.
    at: usize,
    after: Revision,
}

impl Pending {
    fn of(reader: Reader) -> Pending {
        Pending { reader, batches: VecDeque::new(), at: 0, after: Revision(0) }
    }

    /// A batch may hold several commits, of which the client may have some: those up to `after`.
    fn refill(&mut self, after: Revision, batches: Vec<Arc<Batch>>) {
        *self = Pending { reader: self.reader, batches: batches.into(), at: 0, after };
    }

    fn end(&self, start: Revision) -> Revision {
        self.batches.back().map_or(start, |batch| batch.revision)
    }

    fn next(&mut self) -> Option<Event> {
        loop {
            let batch = self.batches.front()?.clone();
            let changes = batch.changes.iter().enumerate().skip(self.at);
            let mut shown = changes.filter_map(|(i, change)| Some((i, self.shown(change)?)));
            let Some((i, change)) = shown.next() else {
                self.batches.pop_front();
                self.at = 0;
                continue;
            };
            let commit = revision(&change);
            // A commit is never split over two batches.
            let last_of_commit = shown.next().is_none_or(|(_, next)| revision(&next) != commit);
            self.at = i + 1;
            let event =
                if last_of_commit { Event::default().id(commit.to_string()) } else { Event::default() };
            return Some(changed(event, &change));
        }
    }

    /// `None`: the client has it already, or must not.
    fn shown<'a>(&self, change: &'a Change) -> Option<Cow<'a, Change>> {
        let reader = self.reader;
        match change {
            change if revision(change) <= self.after => None,
            Change::Delete { key, .. } => visible_key(reader, key).then_some(Cow::Borrowed(change)),
            Change::Put(entry) => match visible(reader, entry)? {
                Cow::Borrowed(_) => Some(Cow::Borrowed(change)),
                Cow::Owned(part) => Some(Cow::Owned(Change::Put(part))),
            },
        }
    }
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

fn changed(event: Event, change: &Change) -> Event {
    match change {
        Change::Put(entry) => filled(event, "put", entry),
        Change::Delete { key, revision } => filled(event, "delete", &Deleted { key, revision: *revision }),
    }
}

/// Entries are one line of JSON and so is everything else here, as it must be for `data`.
fn filled(event: Event, name: &str, data: &impl Serialize) -> Event {
    event.event(name).data(serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::kv::Entry;

    use super::*;

    fn put(key: &str, value: &str) -> Change {
        let at = Revision(1);
        let value = value.as_bytes().to_vec().into();
        Change::Put(Entry { key: key.into(), value, created: at, modified: at, lease: None })
    }

    #[test]
    fn secrets_stay_out_of_the_stream() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nMAMCAQA=\n-----END {kind}-----\n");
        let value = serde_json::json!({ "chain": pem("CERTIFICATE"), "key": pem("PRIVATE KEY") }).to_string();
        let certificate = put("certs/blog", &value);
        let Some(Cow::Owned(Change::Put(redacted))) = Pending::of(Reader::WithoutSecrets).shown(&certificate)
        else {
            panic!("not redacted")
        };
        let redacted = String::from_utf8(redacted.value.to_vec()).unwrap();
        assert!(redacted.contains("fingerprints") && !redacted.contains("PRIVATE"), "{redacted}");

        let gone = |key: &str| Change::Delete { key: key.into(), revision: Revision(1) };
        let hidden = [
            put("tokens/ci", "{}"),
            gone("tokens/ci"),
            put("kv/a", "1"),
            put("certs/Blog", &value),
            put("certs/b", &pem("PRIVATE KEY")),
        ];
        for change in hidden {
            assert_eq!(Pending::of(Reader::WithoutSecrets).shown(&change), None);
        }
        for change in [put("jobs/a", "{}"), put("rules/a", "{}"), gone("certs/blog"), put("jobz/a", "{}")] {
            assert_eq!(Pending::of(Reader::WithoutSecrets).shown(&change).as_deref(), Some(&change));
        }
    }
}
