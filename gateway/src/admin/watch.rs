//! `GET /v1/watch`: every change of the registry as a server-sent event.
//!
//! ```text
//! id: 17
//! event: put
//! data: {"key":"jobs/app2","revision":17,"value":{…}}
//! ```
//!
//! A commit of several changes is several events of one revision; only the last of them carries the id, so that a client
//! that resumes by it (`Last-Event-ID`, as browsers do by themselves) never loses the rest of a commit. A client that is
//! too far behind is told 410 and reads a snapshot.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{self, Stream};
use roundhouse_registry::kv::{Batch, Change};
use roundhouse_registry::record::{Key, without_secrets};
use roundhouse_registry::{Revision, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::serve::draining;
use super::written::settled;
use super::{Api, MAX_WATCHES, Problem};
use crate::phase::Phase;

/// How often a silent stream shows that it lives; proxies and clients give up after some 30 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
pub(super) struct From {
    from: Option<Revision>,
}

#[derive(Serialize)]
struct Data<'a> {
    key: &'a str,
    revision: Revision,
    /// `null` for a deletion; text where it is no JSON.
    value: Option<Value>,
}

pub(super) async fn watch(
    State(api): State<Api>,
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
    store.history.since(position)?;
    let watcher = Watcher {
        changes: store.changes(),
        phase: api.shared.phase.clone(),
        pending: VecDeque::new(),
        position,
        store,
        _permit: permit,
    };
    let events = stream::unfold(watcher, |mut watcher| async { Some((Ok(watcher.next().await?), watcher)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
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
    pending: VecDeque<Event>,
    /// Everything up to here is in `pending` or was given.
    position: Revision,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    /// `None` ends the stream: the gateway drains, or the history went on without this client.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if *self.phase.borrow() == Phase::Draining {
                return None;
            }
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            // Marked as seen before the history is read, so that nothing falls between.
            self.changes.borrow_and_update();
            let batches = self.store.history.since(self.position).ok()?;
            self.pending = events(&batches, self.position);
            if let Some(last) = batches.last() {
                self.position = last.revision;
                continue;
            }
            tokio::select! {
                () = draining(&mut self.phase) => return None,
                changed = self.changes.changed() => changed.ok()?,
            }
        }
    }
}

/// A batch may hold several commits, of which the client may have some. Secrets stay out, and so does `kv/`.
fn events(batches: &[Arc<Batch>], after: Revision) -> VecDeque<Event> {
    let all = batches.iter().flat_map(|batch| &batch.changes);
    let changes: Vec<Cow<'_, Change>> =
        all.filter(|change| revision(change) > after).filter_map(shown).collect();
    let last_of_commit =
        |i: usize| changes.get(i + 1).is_none_or(|next| revision(next) != revision(&changes[i]));
    changes.iter().enumerate().map(|(i, change)| event(change, last_of_commit(i))).collect()
}

/// What a reader may see of it who may not see secrets.
fn shown(change: &Change) -> Option<Cow<'_, Change>> {
    match (Key::parse(change.key()), change) {
        (Ok(Key::Reserved | Key::Token(_)), _) => None,
        (_, Change::Delete { .. }) => Some(Cow::Borrowed(change)),
        (_, Change::Put(entry)) => match without_secrets(entry)? {
            Cow::Borrowed(_) => Some(Cow::Borrowed(change)),
            Cow::Owned(redacted) => Some(Cow::Owned(Change::Put(redacted))),
        },
    }
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

fn event(change: &Change, last_of_commit: bool) -> Event {
    let (name, value) = match change {
        Change::Put(entry) => {
            let text = || Value::String(String::from_utf8_lossy(&entry.value).into_owned());
            ("put", Some(serde_json::from_slice(&entry.value).unwrap_or_else(|_| text())))
        }
        Change::Delete { .. } => ("delete", None),
    };
    let data = Data { key: change.key(), revision: revision(change), value };
    // JSON has its line breaks escaped, so the data is one line. It always has a JSON form.
    let data = serde_json::to_string(&data).unwrap_or_default();
    let event =
        if last_of_commit { Event::default().id(revision(change).to_string()) } else { Event::default() };
    event.event(name).data(data)
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
        let Some(Cow::Owned(Change::Put(redacted))) = shown(&certificate) else { panic!("not redacted") };
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
            assert_eq!(shown(&change), None);
        }
        for change in [put("jobs/a", "{}"), put("rules/a", "{}"), gone("certs/blog"), put("jobz/a", "{}")] {
            assert_eq!(shown(&change).as_deref(), Some(&change));
        }
    }
}
