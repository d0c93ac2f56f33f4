//! `GET /v1/snapshot`: the registry whole, as entries that a watch from its revision builds on.
//!
//! ```text
//! {"origin":"…","revision":17,"epoch":0,"stale_seconds":0.0,"lost":null,"entries":[
//! {"key":"jobs/app2","value":{…},"created":5,"revision":17},
//! …
//! ]}
//! ```
//!
//! An entry is a line, and the body is made while it is sent: a task walks one immutable snapshot and is never more
//! than a few chunks ahead of its reader. So 100,000 instances cost the memory of a few hundred of them, and hold up
//! nobody else on the thread for longer than one chunk takes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use roundhouse_registry::{Revision, Snapshot};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Api;
use super::caller::Caller;
use super::visible::{Reader, visible};

/// Entries of one chunk: some 100 KB, a millisecond's work.
const CHUNK: usize = 256;
/// Chunks made ahead of the reader.
const AHEAD: usize = 2;
/// A reader that takes nothing for so long is given up: it would keep an old snapshot in memory for ever.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// A part of the body, and whether it is the last.
struct Chunk {
    bytes: Bytes,
    last: bool,
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
    let (chunks, body) = mpsc::channel(AHEAD);
    tokio::spawn(write(head, snapshot, caller.reader(), chunks));
    ([(header::CONTENT_TYPE, "application/json")], body_of(body)).into_response()
}

/// Ends early when the reader goes away or stalls.
async fn write(head: Vec<u8>, snapshot: Arc<Snapshot>, reader: Reader, out: mpsc::Sender<Chunk>) {
    let mut entries = snapshot.each_entry().filter_map(|entry| {
        let visible = visible(reader, &entry)?;
        serde_json::to_vec(&*visible).ok()
    });
    let mut text = head;
    let mut comma = "";
    loop {
        let mut last = true;
        for entry in entries.by_ref().take(CHUNK) {
            text.extend_from_slice(comma.as_bytes());
            text.push(b'\n');
            text.extend_from_slice(&entry);
            comma = ",";
            last = false;
        }
        if last {
            text.extend_from_slice(b"\n]}\n");
        }
        let bytes = Bytes::from(std::mem::take(&mut text));
        if out.send_timeout(Chunk { bytes, last }, PATIENCE).await.is_err() || last {
            return;
        }
        // A reader as fast as this loop must not keep the thread to itself.
        tokio::task::yield_now().await;
    }
}

/// A body that was given up ends as an error, not as if it were whole.
fn body_of(chunks: mpsc::Receiver<Chunk>) -> Body {
    Body::from_stream(stream::unfold(Some(chunks), |chunks| async {
        let mut chunks = chunks?;
        match chunks.recv().await {
            Some(Chunk { bytes, last }) => Some((Ok(bytes), (!last).then_some(chunks))),
            None => Some((Err(io::Error::from(io::ErrorKind::TimedOut)), None)),
        }
    }))
}
