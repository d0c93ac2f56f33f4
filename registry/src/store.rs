//! Where the current snapshot is: one writer, readers that never lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::history::History;
use crate::kv::Revision;
use crate::snapshot::Snapshot;

/// When the registry was last heard, and what is wrong since.
#[derive(Clone, Debug)]
pub struct Contact {
    pub last: Instant,
    /// `None` while the watch stands.
    pub lost: Option<String>,
}

impl Contact {
    /// How old the snapshot may be: zero while the watch stands.
    pub fn stale(&self, now: Instant) -> Duration {
        match self.lost {
            Some(_) => now.saturating_duration_since(self.last),
            None => Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    contact: ArcSwap<Contact>,
    revision: watch::Sender<Revision>,
    pub history: History,
}

impl Store {
    pub fn new(snapshot: Snapshot) -> Store {
        let revision = watch::Sender::new(snapshot.revision);
        let history = History::default();
        history.restart(snapshot.revision);
        let contact = Contact { last: Instant::now(), lost: None };
        Store {
            current: ArcSwap::from_pointee(snapshot),
            contact: ArcSwap::from_pointee(contact),
            revision,
            history,
        }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Wakes at each publish; a slow reader sees the newest only.
    pub fn changes(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    pub fn contact(&self) -> Arc<Contact> {
        self.contact.load_full()
    }

    /// For the one writer.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        let revision = snapshot.revision;
        self.current.store(Arc::new(snapshot));
        self.revision.send_replace(revision);
    }

    pub(crate) fn heard(&self) {
        self.contact.store(Arc::new(Contact { last: Instant::now(), lost: None }));
    }

    /// Whoever is followed has itself heard nothing for so long.
    pub(crate) fn stale(&self, age: Duration, reason: String) {
        let now = Instant::now();
        // A monotonic clock may have begun later than that.
        let last = now.checked_sub(age).unwrap_or_else(|| self.contact.load().last);
        self.contact.store(Arc::new(Contact { last, lost: Some(reason) }));
    }

    pub(crate) fn lost(&self, reason: String) {
        let last = self.contact.load().last;
        self.contact.store(Arc::new(Contact { last, lost: Some(reason) }));
    }
}
