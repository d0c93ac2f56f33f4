//! Where the current snapshot is: one writer, readers that never lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

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
    /// What was unheard of already at `last`: the age of a saved snapshot when this program started, or of a source's
    /// own snapshot.
    before: Duration,
}

impl Contact {
    /// How old the snapshot may be: zero while the watch stands.
    pub fn stale(&self, now: Instant) -> Duration {
        match self.lost {
            Some(_) => self.before.saturating_add(now.saturating_duration_since(self.last)),
            None => Duration::ZERO,
        }
    }

    /// By the wall clock, for a file.
    pub fn heard_at(&self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.stale(Instant::now())).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn heard() -> Contact {
        Contact { last: Instant::now(), lost: None, before: Duration::ZERO }
    }

    /// The registry was last heard this long ago, perhaps by an earlier process.
    pub(crate) fn lost_before(age: Duration, reason: String) -> Contact {
        Contact { last: Instant::now(), lost: Some(reason), before: age }
    }
}

/// What the follower has done since it started.
#[derive(Debug, Default)]
pub struct Stats {
    /// Whole listings after the first: the stream had a gap.
    pub relists: AtomicU64,
    pub changes: AtomicU64,
    pub publishes: AtomicU64,
    /// Holds decided here.
    pub holds: AtomicU64,
}

#[derive(Debug)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    contact: ArcSwap<Contact>,
    revision: watch::Sender<Revision>,
    pub history: History,
    pub stats: Stats,
}

impl Store {
    pub fn new(snapshot: Snapshot) -> Store {
        Store::cold(snapshot, Contact::heard())
    }

    /// A snapshot that is served before the registry was heard.
    pub(crate) fn cold(snapshot: Snapshot, contact: Contact) -> Store {
        let revision = watch::Sender::new(snapshot.revision);
        let history = History::default();
        history.restart(snapshot.revision);
        Store {
            current: ArcSwap::from_pointee(snapshot),
            contact: ArcSwap::from_pointee(contact),
            revision,
            history,
            stats: Stats::default(),
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
        self.stats.publishes.fetch_add(1, Relaxed);
    }

    pub(crate) fn heard(&self) {
        self.contact.store(Arc::new(Contact::heard()));
    }

    /// Whoever is followed has itself heard nothing for so long.
    pub(crate) fn stale(&self, age: Duration, reason: String) {
        self.contact.store(Arc::new(Contact::lost_before(age, reason)));
    }

    pub(crate) fn lost(&self, reason: String) {
        let contact = Contact { lost: Some(reason), ..(*self.contact()).clone() };
        self.contact.store(Arc::new(contact));
    }
}
