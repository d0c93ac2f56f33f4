//! The thread's side: it owns the file and the state, and does everything in turns.
//!
//! ```text
//! open   ── a write fails ──► closed: the file and the state are dropped, every request is refused
//!    ▲                           │
//!    └── opened and read again ──┘ at the next turn, at most once a second
//! ```
//!
//! redb refuses every call after one failed read or write until the file is opened again ("Previous I/O error"), and
//! what it holds in memory then is not to be trusted. So a full disk costs what was being written, and no restart.

use std::panic;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::disk::{Disk, OpenError};
use super::state::State;
use super::{Events, Message, unavailable};
use crate::kv::{Event, KvError, Revision};

/// More requests than this in one redb transaction only delay the first of them.
const GROUP: usize = 512;
/// Opening reads the whole file; a disk that stays full must not keep a core busy with it.
const REOPEN: Duration = Duration::from_secs(1);

pub(super) struct Owner {
    path: PathBuf,
    store: Result<Opened, Closed>,
    opened_at: Instant,
    watchers: Vec<Events>,
}

/// The file, and what it says.
struct Opened {
    disk: Disk,
    state: State,
}

struct Closed {
    reason: String,
    retry_at: Instant,
}

impl Owner {
    /// Opens or creates the file.
    pub(super) fn open(path: &Path) -> Result<Owner, OpenError> {
        let now = Instant::now();
        let store = Ok(Opened::read(path, now, Disk::open)?);
        Ok(Owner { path: path.to_owned(), store, opened_at: now, watchers: Vec::new() })
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self, inbox: &mpsc::Receiver<Message>) {
        loop {
            let first = match self.wakes_at() {
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

    fn wakes_at(&self) -> Option<Instant> {
        match &self.store {
            Ok(opened) => opened.state.next_expiry(),
            Err(closed) => Some(closed.retry_at),
        }
    }

    fn turn(&mut self, group: Vec<Message>) {
        let now = Instant::now();
        self.reopen(now);
        let Opened { disk, state } = match &mut self.store {
            Ok(opened) => opened,
            Err(closed) => return refuse(group, &closed.reason),
        };
        let mut answers = Vec::with_capacity(group.len());
        let mut new_watchers = Vec::new();
        for message in group {
            match message {
                Message::Call(request, answer) => answers.push((answer, state.handle(request, now))),
                Message::Watch(after, events, answer) => new_watchers.push((after, events, answer)),
            }
        }
        state.expire(now);
        let written = state.take_effects();
        if let Err(error) = disk.write(&written) {
            let reason = format!("cannot write {}: {error}", self.path.display());
            self.close(&reason);
            for (answer, _) in answers {
                let _ = answer.send(Err(unavailable(&reason)));
            }
            for (.., answer) in new_watchers {
                let _ = answer.send(Err(unavailable(&reason)));
            }
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
            let admitted = admit(state, after, &events).map(|()| self.watchers.push(events));
            let _ = answer.send(admitted);
        }
    }

    /// The state in memory has what the file may not have, and the watchers may come to believe it: all of it goes.
    fn close(&mut self, reason: &str) {
        tracing::error!(%reason, "embedded registry lost a write; its file is opened again");
        self.store = Err(Closed { reason: reason.to_owned(), retry_at: self.opened_at + REOPEN });
        self.watchers.clear();
    }

    fn reopen(&mut self, now: Instant) {
        let Err(closed) = &mut self.store else { return };
        if now < closed.retry_at {
            return;
        }
        match Opened::read(&self.path, now, Disk::reopen) {
            Ok(opened) => {
                tracing::warn!(path = %self.path.display(), "embedded registry is open again");
                self.opened_at = now;
                self.store = Ok(opened);
            }
            Err(error) => {
                let reason = error.to_string();
                // Each reason once, not every second.
                if reason != closed.reason {
                    tracing::error!(%reason, "embedded registry stays closed; it is tried again every second");
                }
                *closed = Closed { reason, retry_at: now + REOPEN };
            }
        }
    }
}

impl Opened {
    fn read(
        path: &Path,
        now: Instant,
        open: fn(&Path) -> Result<Disk, OpenError>,
    ) -> Result<Opened, OpenError> {
        let read = || {
            let disk = open(path)?;
            let state = disk.load(now)?;
            Ok(Opened { disk, state })
        };
        // redb panics at some kinds of damage, before it comes to its checksums.
        let damaged = |_| Err(OpenError::Damaged { path: path.to_owned() });
        panic::catch_unwind(read).unwrap_or_else(damaged)
    }
}

/// Gives a new watcher what it missed.
fn admit(state: &State, after: Revision, events: &Events) -> Result<(), KvError> {
    for batch in state.since(after)? {
        // A history longer than the buffer: listing again is cheaper than catching up.
        if events.try_send(Ok(Event::Batch(batch))).is_err() {
            return Err(KvError::Compacted(after));
        }
    }
    Ok(())
}

fn refuse(group: Vec<Message>, reason: &str) {
    for message in group {
        // A caller that gave up does not want it.
        match message {
            Message::Call(_, answer) => {
                let _ = answer.send(Err(unavailable(reason)));
            }
            Message::Watch(.., answer) => {
                let _ = answer.send(Err(unavailable(reason)));
            }
        }
    }
}
