//! Writes the decisions into the registry, so that every reader agrees.
//!
//! The follower decides and never waits; this task writes what it is told to and forgets it. What fails is told again a
//! second later.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::keeper::{New, Unwritten};
use crate::kv::{Commit, Condition, Kv, KvError, Txn};
use crate::record::{Key, encode};

/// A hold takes two conditions and one operation, and etcd takes 128 of each in a transaction.
const TOGETHER: usize = 60;

pub(crate) async fn run(kv: Arc<dyn Kv>, mut work: mpsc::Receiver<Unwritten>) {
    while let Some(unwritten) = work.recv().await {
        if let Err(error) = write(&*kv, unwritten).await {
            tracing::warn!(%error, "holds not written; they stand in this program and are written when it can be");
        }
    }
}

async fn write(kv: &dyn Kv, unwritten: Unwritten) -> Result<(), KvError> {
    for delete in unwritten.delete.chunks(TOGETHER) {
        let keys = delete.iter().map(|(job, id)| Key::Held(job.clone(), *id).to_string());
        kv.commit(keys.fold(Txn::new(), Txn::delete)).await?;
    }
    for put in unwritten.put.chunks(TOGETHER) {
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
