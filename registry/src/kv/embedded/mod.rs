//! The embedded store: etcd's semantics for one machine, in one redb file.
//!
//! One thread owns everything. It takes requests from a channel, applies as many as wait (group commit) to its
//! [`State`](state::State), writes what changed in ONE redb transaction, and only then answers and tells the watchers:
//! what was acknowledged is on disk. If the disk refuses, the requests fail, and so does every later one until the file
//! is opened and read again: what is not on disk is never shown.
//!
//! Lease clocks live in memory only, on the monotonic clock: a restart re-arms every lease with its full TTL. Watch
//! history lives in memory too, so a watch from before the start is told `Compacted` and lists again.

mod disk;
mod owner;
mod state;

use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc as async_mpsc, oneshot};

use self::owner::Owner;
use self::state::{Outcome, Request};
use super::{Commit, Entry, Event, Kv, KvError, LeaseId, Listing, Pending, Revision, Source, Txn, Watch};

pub use self::disk::OpenError;

/// A watcher this far behind is dropped and lists again; its memory is bounded.
const WATCH_BUFFER: usize = 1024;

pub struct Embedded {
    requests: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Call(Request, oneshot::Sender<Result<Outcome, KvError>>),
    Watch(Revision, Events, oneshot::Sender<Result<(), KvError>>),
}

/// A watcher, as the thread sees it.
type Events = async_mpsc::Sender<Result<Event, KvError>>;

impl Embedded {
    /// Opens or creates the file. It is locked by redb until this value is dropped.
    pub fn open(path: &Path) -> Result<Embedded, OpenError> {
        let owner = Owner::open(path)?;
        let (requests, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("registry".into())
            .spawn(move || owner.run(&inbox))
            .map_err(OpenError::Thread)?;
        Ok(Embedded { requests, thread: Some(thread) })
    }

    async fn call(&self, request: Request) -> Result<Outcome, KvError> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Message::Call(request, answer)).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // The thread ends with its channel; then the file is closed and may be opened again.
        let (unconnected, _) = mpsc::channel();
        self.requests = unconnected;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Source for Embedded {
    fn name(&self) -> String {
        "embedded".into()
    }

    fn list(&self) -> Pending<'_, Listing> {
        Box::pin(async move {
            match self.call(Request::List).await? {
                Outcome::Listing(listing) => Ok(listing),
                _ => Err(closed()),
            }
        })
    }

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        Box::pin(async move {
            let (events, watch) = async_mpsc::channel(WATCH_BUFFER);
            let (answer, answered) = oneshot::channel();
            self.requests.send(Message::Watch(after, events, answer)).map_err(|_| closed())?;
            answered.await.map_err(|_| closed())??;
            Ok(watch)
        })
    }

    fn newest(&self) -> Pending<'_, Revision> {
        Box::pin(async move {
            match self.call(Request::Newest).await? {
                Outcome::Revision(newest) => Ok(newest),
                _ => Err(closed()),
            }
        })
    }
}

impl Kv for Embedded {
    fn range<'a>(&'a self, prefix: &'a str) -> Pending<'a, Vec<Entry>> {
        Box::pin(async move {
            match self.call(Request::Range(prefix.to_owned())).await? {
                Outcome::Entries(entries) => Ok(entries),
                _ => Err(closed()),
            }
        })
    }

    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Entry>> {
        Box::pin(async move {
            match self.call(Request::Get(key.to_owned())).await? {
                Outcome::Entry(entry) => Ok(entry),
                _ => Err(closed()),
            }
        })
    }

    fn commit(&self, txn: Txn) -> Pending<'_, Commit> {
        Box::pin(async move {
            match self.call(Request::Commit(txn)).await? {
                Outcome::Commit(commit) => Ok(commit),
                _ => Err(closed()),
            }
        })
    }

    fn grant(&self, ttl: Duration) -> Pending<'_, LeaseId> {
        Box::pin(async move {
            match self.call(Request::Grant(ttl)).await? {
                Outcome::Lease(lease) => Ok(lease),
                _ => Err(closed()),
            }
        })
    }

    fn keep_alive(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move { self.call(Request::KeepAlive(lease)).await.map(|_| ()) })
    }

    fn revoke(&self, lease: LeaseId) -> Pending<'_, ()> {
        Box::pin(async move { self.call(Request::Revoke(lease)).await.map(|_| ()) })
    }
}

fn closed() -> KvError {
    unavailable("the store is closed")
}

fn unavailable(reason: &str) -> KvError {
    KvError::Unavailable { store: "embedded".into(), reason: reason.into() }
}
