//! The embedded store: etcd's semantics for one machine, in one redb file.
//!
//! One thread owns everything. It takes requests from a channel, applies as many as wait (group commit) to its
//! [`State`], writes what changed in ONE redb transaction, and only then answers and tells the watchers: what was
//! acknowledged is on disk. If the disk refuses, the state is read back from the file and the requests fail.
//!
//! Lease clocks live in memory only, on the monotonic clock: a restart re-arms every lease with its full TTL. Watch
//! history lives in memory too, so a watch from before the start is told `Compacted` and lists again.

mod disk;
mod state;

use std::panic;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc as async_mpsc, oneshot};

use self::disk::Disk;
use self::state::{Outcome, Request, State};
use super::{Commit, Entry, Event, Kv, KvError, LeaseId, Listing, Pending, Revision, Txn, Watch};

pub use self::disk::OpenError;

/// More requests than this in one redb transaction only delay the first of them.
const GROUP: usize = 512;
/// A watcher this far behind is dropped and lists again; its memory is bounded.
const WATCH_BUFFER: usize = 1024;

pub struct Embedded {
    requests: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Call(Request, oneshot::Sender<Result<Outcome, KvError>>),
    Watch(Revision, async_mpsc::Sender<Result<Event, KvError>>, oneshot::Sender<Result<(), KvError>>),
}

impl Embedded {
    /// Opens or creates the file. It is locked by redb until this value is dropped.
    pub fn open(path: &Path) -> Result<Embedded, OpenError> {
        let read = || {
            let disk = Disk::open(path)?;
            let state = disk.load(Instant::now())?;
            Ok((disk, state))
        };
        // redb panics at some kinds of damage, before it comes to its checksums.
        let damaged = |_| Err(OpenError::Damaged { path: path.to_owned() });
        let (disk, state) = panic::catch_unwind(read).unwrap_or_else(damaged)?;
        let (requests, inbox) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("registry".into())
            .spawn(move || Owner { disk, state, watchers: Vec::new() }.run(&inbox))
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

impl Kv for Embedded {
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

    fn watch(&self, after: Revision) -> Pending<'_, Watch> {
        Box::pin(async move {
            let (events, watch) = async_mpsc::channel(WATCH_BUFFER);
            let (answer, answered) = oneshot::channel();
            self.requests.send(Message::Watch(after, events, answer)).map_err(|_| closed())?;
            answered.await.map_err(|_| closed())??;
            Ok(watch)
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
    KvError::Unavailable { store: "embedded".into(), reason: "the store is closed".into() }
}

/// The thread's side.
struct Owner {
    disk: Disk,
    state: State,
    watchers: Vec<async_mpsc::Sender<Result<Event, KvError>>>,
}

impl Owner {
    fn run(mut self, inbox: &mpsc::Receiver<Message>) {
        loop {
            let first = match self.state.next_expiry() {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let mut group = Vec::new();
            match first {
                Ok(message) => group.push(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            group.extend(inbox.try_iter().take(GROUP));
            self.turn(group);
        }
    }

    fn turn(&mut self, group: Vec<Message>) {
        let now = Instant::now();
        let mut answers = Vec::with_capacity(group.len());
        let mut new_watchers = Vec::new();
        for message in group {
            match message {
                Message::Call(request, answer) => answers.push((answer, self.state.handle(request, now))),
                Message::Watch(after, events, answer) => new_watchers.push((after, events, answer)),
            }
        }
        self.state.expire(now);
        let written = self.state.take_effects();
        if let Err(error) = self.disk.write(&written) {
            let reason = format!("cannot write {}: {error}", self.disk.path().display());
            tracing::error!(%reason, "embedded registry lost a write; its state is read back from the file");
            match self.disk.load(now) {
                Ok(state) => self.state = state,
                Err(error) => tracing::error!(%error, "embedded registry cannot be read back"),
            }
            for (answer, _) in answers {
                let error = KvError::Unavailable { store: "embedded".into(), reason: reason.clone() };
                let _ = answer.send(Err(error));
            }
            // Whatever the watchers believe may not be on disk: they list again.
            self.watchers.clear();
            return;
        }
        for batch in &written.batches {
            self.watchers.retain(|watcher| watcher.try_send(Ok(Event::Batch(batch.clone()))).is_ok());
        }
        for (answer, outcome) in answers {
            // A caller that gave up does not want it.
            let _ = answer.send(outcome);
        }
        for (after, events, answer) in new_watchers {
            let _ = answer.send(self.admit(after, events));
        }
    }

    fn admit(
        &mut self,
        after: Revision,
        events: async_mpsc::Sender<Result<Event, KvError>>,
    ) -> Result<(), KvError> {
        for batch in self.state.since(after)? {
            // A history longer than the buffer: listing again is cheaper than catching up.
            if events.try_send(Ok(Event::Batch(batch))).is_err() {
                return Err(KvError::Compacted(after));
            }
        }
        self.watchers.push(events);
        Ok(())
    }
}
