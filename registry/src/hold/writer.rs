//! Writes the decisions into the registry, so that every reader agrees.
//!
//! The follower decides and never waits; what it offers is written by a task and forgotten. What fails is offered again
//! a second later. While one offer is being written no other is taken: one that waited would be old when its turn comes,
//! and each of ten thousand holds that are there already would be refused by itself.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::keeper::{New, Unwritten};
use crate::kv::{Commit, Condition, Kv, KvError, Txn, portions};
use crate::record::{Key, encode};

/// A hold takes two conditions and one operation, and etcd takes 128 of each in a transaction.
const TOGETHER: usize = 60;

pub(crate) struct Writer {
    kv: Arc<dyn Kv>,
    idle: Arc<Semaphore>,
}

impl Writer {
    pub(crate) fn new(kv: Arc<dyn Kv>) -> Writer {
        Writer { kv, idle: Arc::new(Semaphore::new(1)) }
    }

    /// Writes what is unwritten, unless it is still busy; then the next offer says it again.
    pub(crate) fn offer(&self, unwritten: impl FnOnce() -> Option<Unwritten>) {
        let Ok(busy) = self.idle.clone().try_acquire_owned() else { return };
        let Some(unwritten) = unwritten() else { return };
        let kv = self.kv.clone();
        tokio::spawn(async move {
            if let Err(error) = write(&*kv, unwritten).await {
                tracing::warn!(%error, "holds not written; they stand in this program and are written when it can be");
            }
            drop(busy);
        });
    }
}

async fn write(kv: &dyn Kv, unwritten: Unwritten) -> Result<(), KvError> {
    for delete in unwritten.delete.chunks(TOGETHER) {
        let keys = delete.iter().map(|(job, id)| Key::Held(job.clone(), *id).to_string());
        kv.commit(keys.fold(Txn::new(), Txn::delete)).await?;
    }
    for put in portions(&unwritten.put, TOGETHER, |(.., held)| encode(&held.value).len()) {
        if kv.commit(put.iter().fold(Txn::new(), hold)).await? == Commit::Refused {
            // One of them came back, or is held by another gateway's word; the others are still to be written.
            for one in put {
                kv.commit(hold(Txn::new(), one)).await?;
            }
        }
    }
    Ok(())
}

/// Only what neither lives nor is held.
fn hold(txn: Txn, (job, id, held): &New) -> Txn {
    let key = Key::Held(job.clone(), *id).to_string();
    txn.when(Condition::Absent(Key::Instance(job.clone(), *id).to_string()))
        .when(Condition::Absent(key.clone()))
        .put(key, encode(&held.value), None)
}
