//! The latest batches, so that an API watch can resume by revision and an applied history can be checked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::kv::{Batch, Revision};

/// Changes (not batches) that are kept: at 1,000 changes a second a watcher may be away for ten seconds.
const KEPT: usize = 10_000;

#[derive(Debug, Default)]
pub struct History {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Nothing at or before this revision can be given any more.
    start: Revision,
    end: Revision,
    changes: usize,
    batches: VecDeque<Arc<Batch>>,
}

/// The wanted revision is older than what is kept, or of another history: read a snapshot, then watch from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "revision {from} is not in the history kept ({start} to {end}); GET /v1/snapshot, then watch from its revision"
)]
pub struct Gone {
    pub from: Revision,
    pub start: Revision,
    pub end: Revision,
}

impl History {
    /// Forgets everything: what came before this revision came as a listing.
    pub fn restart(&self, at: Revision) {
        let mut inner = self.lock();
        *inner = Inner { start: at, end: at, ..Inner::default() };
    }

    pub fn push(&self, batch: Arc<Batch>) {
        let mut inner = self.lock();
        inner.end = batch.revision;
        inner.changes += batch.changes.len();
        inner.batches.push_back(batch);
        while inner.changes > KEPT && inner.batches.len() > 1 {
            if let Some(oldest) = inner.batches.pop_front() {
                inner.changes -= oldest.changes.len();
                inner.start = oldest.revision;
            }
        }
    }

    /// The batches after `from`, oldest first.
    pub fn since(&self, from: Revision) -> Result<Vec<Arc<Batch>>, Gone> {
        let inner = self.lock();
        if from < inner.start || from > inner.end {
            return Err(Gone { from, start: inner.start, end: inner.end });
        }
        Ok(inner.batches.iter().filter(|batch| batch.revision > from).cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing between lock and unlock can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Change;

    fn batch(revision: u64, changes: usize) -> Arc<Batch> {
        let revision = Revision(revision);
        let change = Change::Delete { key: "k".into(), revision };
        Arc::new(Batch { revision, changes: vec![change; changes] })
    }

    #[test]
    fn a_watch_resumes_where_it_was_or_is_told_that_it_cannot() {
        let history = History::default();
        history.restart(Revision(5));
        history.push(batch(6, 1));
        history.push(batch(9, 1));
        assert_eq!(history.since(Revision(6)).unwrap().len(), 1);
        assert_eq!(history.since(Revision(9)).unwrap().len(), 0);
        assert!(history.since(Revision(4)).is_err());
        assert!(history.since(Revision(10)).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let history = History::default();
        for revision in 1..=20 {
            history.push(batch(revision, KEPT / 10));
        }
        assert!(history.since(Revision(9)).is_err());
        assert_eq!(history.since(Revision(10)).unwrap().len(), 10);
    }
}
