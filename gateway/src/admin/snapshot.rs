//! `GET /v1/snapshot`: the registry whole, as entries that a watch from its revision builds on.
//!
//! ```text
//! {"origin":"…","revision":17,"epoch":0,"stale_seconds":0.0,"lost":null,"entries":[
//! {"key":"jobs/app2","value":{…},"created":5,"revision":17},
//! …
//! ]}
//! ```
//!
//! An entry is a line, and the body is made while it is sent ([`parts`]), from one immutable snapshot.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use roundhouse_registry::{Revision, Snapshot};
use serde::Serialize;

use super::caller::Caller;
use super::parts::{PATIENCE, Writer};
use super::visible::{Reader, visible};
use super::{Api, parts};

/// What comes before the entries.
#[derive(Serialize)]
struct Head<'a> {
    origin: &'a str,
    revision: Revision,
    /// Changes when this gateway ends a hold by itself: a watch does not tell.
    epoch: u64,
    stale_seconds: f64,
    lost: Option<&'a str>,
}

pub(super) async fn snapshot(State(api): State<Api>, caller: Caller) -> Response {
    let shared = &api.shared;
    // Asked first: what is said of a snapshot's age is never too little.
    let contact = shared.store.contact();
    let stale_seconds = shared.stale_seconds();
    let snapshot = shared.store.load();
    let (origin, revision, epoch) = (&*snapshot.origin, snapshot.revision, snapshot.epoch);
    let head = Head { origin, revision, epoch, stale_seconds, lost: contact.lost.as_deref() };
    // It always has a JSON form, and that ends with a brace.
    let mut head = serde_json::to_vec(&head).unwrap_or_default();
    head.pop();
    head.extend_from_slice(b",\"entries\":[");
    let (writer, body) = parts::body(PATIENCE);
    tokio::spawn(write(head, snapshot, caller.reader(), writer));
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn write(head: Vec<u8>, snapshot: Arc<Snapshot>, reader: Reader, writer: Writer) {
    let entries = snapshot.each_entry().filter_map(|entry| {
        let visible = visible(reader, &entry)?;
        serde_json::to_vec(&*visible).ok()
    });
    // The reader knows what it has not got.
    let _ = writer.array(head, entries, b"\n]}\n").await;
}
