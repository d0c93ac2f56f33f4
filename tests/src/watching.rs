//! Reading a watch in a test.

use std::time::Duration;

use roundhouse_registry::kv::{Batch, Change, Event, KvError, Revision, Watch};
use tokio::time::timeout;

use crate::SOON;

/// The next commits; signs of life are skipped.
///
/// # Panics
/// When the watch ends or is silent.
pub async fn next_batch(watch: &mut Watch) -> Batch {
    let next = async {
        loop {
            match watch.recv().await {
                Some(Ok(Event::Batch(batch))) => return batch,
                Some(Ok(Event::Progress | Event::Stale { .. })) => {}
                Some(Err(error)) => panic!("the watch failed: {error}"),
                None => panic!("the watch ended"),
            }
        }
    };
    timeout(SOON, next).await.unwrap_or_else(|_| panic!("no commit was seen within {SOON:?}"))
}

/// All changes up to and including a revision, in the order in which they came.
pub async fn changes_until(watch: &mut Watch, last: Revision) -> Vec<Change> {
    let mut changes = Vec::new();
    loop {
        let batch = next_batch(watch).await;
        changes.extend(batch.changes);
        if batch.revision >= last {
            return changes;
        }
    }
}

/// How the watch ends: its error, or `None` if it just ends. What comes before is not looked at.
///
/// # Panics
/// When it does not end within the deadline.
pub async fn watch_end(watch: &mut Watch, deadline: Duration) -> Option<KvError> {
    let end = async {
        loop {
            match watch.recv().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(error),
                None => return None,
            }
        }
    };
    timeout(deadline, end).await.unwrap_or_else(|_| panic!("the watch did not end within {deadline:?}"))
}
