//! What a guard knows: shared by the thread that keeps it and by all who ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::access::Table;
use crate::kv::Revision;
use crate::store::Store;

/// How often the thread says that it lives.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// A thread silent for so long keeps nothing: it ended, it was left behind by a fork(2), or it gets no processor.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) struct Known {
    table: ArcSwap<Table>,
    store: Arc<Store>,
    revision: watch::Sender<Revision>,
    opened: Instant,
    /// Milliseconds after `opened` at which the thread lived.
    alive: AtomicU64,
}

/// What holds at this moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Of the table that decides; 0: of the bootstrap file.
    pub revision: Revision,
    /// How long ago the registry was last heard: zero while it is there. How old the bootstrap file is, while that
    /// decides.
    pub stale: Duration,
    /// What is wrong with the registry, where something is.
    pub error: Option<String>,
}

impl Known {
    pub(super) fn new(table: &Arc<Table>, store: Arc<Store>) -> Known {
        Known {
            table: ArcSwap::new(table.clone()),
            store,
            revision: watch::Sender::new(table.revision),
            opened: Instant::now(),
            alive: AtomicU64::new(0),
        }
    }

    /// Takes neither a lock nor memory, but for the few bytes with which a thread that asks for the first time begins.
    pub(super) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    pub(super) fn stale(&self) -> Duration {
        let now = Instant::now();
        let alive = self.opened + Duration::from_millis(self.alive.load(Relaxed));
        let silent = now.saturating_duration_since(alive);
        let stale = self.store.contact().stale(now);
        if silent > SILENCE { stale.max(silent) } else { stale }
    }

    pub(super) fn status(&self) -> Status {
        let error = self.store.contact().lost.clone();
        Status { revision: self.table().revision, stale: self.stale(), error }
    }

    pub(super) fn changes(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(super) fn publish(&self, table: &Arc<Table>) {
        self.table.store(table.clone());
        self.revision.send_replace(table.revision);
    }

    /// Wakes whoever looks at changes: the table is the same, and the time is another one.
    pub(super) fn wake(&self) {
        self.revision.send_modify(|_| {});
    }

    pub(super) fn beat(&self) {
        let alive = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.alive.store(alive, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Snapshot;

    #[test]
    fn a_thread_that_says_nothing_keeps_nothing() {
        let store = Arc::new(Store::new(Snapshot::default()));
        let mut known = Known::new(&Arc::default(), store);
        assert_eq!(known.stale(), Duration::ZERO);
        known.opened -= Duration::from_secs(60);
        assert!((60..120).contains(&known.stale().as_secs()), "{:?}", known.stale());
        known.beat();
        assert_eq!(known.stale(), Duration::ZERO);
    }
}
