//! What a backend promises (`roundhouse_registry::kv`), checked once for each of them.
//!
//! ```text
//! reads, txns, leases, watches   the promise itself: each check runs against the embedded store and a real etcd
//! embedded                       its file: kill, lock, corruption
//! etcd                           its cluster: prefixes, paging, compaction, silence
//! http                           the reading half through a gateway, on either of them
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod embedded;
mod etcd;
mod http;
mod leases;
mod reads;
mod txns;
mod watches;

use roundhouse_registry::kv::{Commit, Kv, LeaseId, Revision, Txn};

/// Writes one key.
async fn put(kv: &dyn Kv, key: &str, value: &str) -> Revision {
    done(kv, Txn::new().put(key, value.to_owned(), None)).await
}

/// Writes one key under a lease.
async fn put_leased(kv: &dyn Kv, key: &str, lease: LeaseId) -> Revision {
    done(kv, Txn::new().put(key, "v", Some(lease))).await
}

/// Commits what must not be refused.
async fn done(kv: &dyn Kv, txn: Txn) -> Revision {
    match kv.commit(txn).await.unwrap() {
        Commit::Done(revision) => revision,
        Commit::Refused => panic!("refused"),
    }
}

async fn keys(kv: &dyn Kv, prefix: &str) -> Vec<String> {
    kv.range(prefix).await.unwrap().into_iter().map(|entry| entry.key).collect()
}
