//! Leases: keys that go when nobody keeps them alive.

use std::time::{Duration, Instant};

use roundhouse_registry::kv::{Change, Commit, Condition, KvError, LeaseId, Revision, Txn};
use roundhouse_tests::{Backend, SOON, changes_until, eventually_async, next_batch, on_both_backends};

use crate::{done, keys, put, put_leased};

/// The shortest that both backends grant.
const TTL: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

on_both_backends!(
    revoking_removes_all_keys_in_one_batch,
    a_lease_that_runs_out_takes_its_keys_along_and_not_earlier,
    keeping_alive_prolongs,
    a_lease_that_is_gone_is_told_and_revoking_it_is_no_error,
    a_key_written_again_leaves_its_lease,
    a_lease_survives_a_restart,
);

async fn revoking_removes_all_keys_in_one_batch(backend: &Backend) {
    let kv = backend.open().await;
    let (lease, other) = (kv.grant(LONG).await.unwrap(), kv.grant(LONG).await.unwrap());
    assert_ne!(lease, other);
    put_leased(&*kv, "b", lease).await;
    put_leased(&*kv, "a", lease).await;
    put_leased(&*kv, "c", other).await;
    let last = put(&*kv, "d", "v").await;
    assert_eq!(kv.get("a").await.unwrap().unwrap().lease, Some(lease));
    assert_eq!(kv.list().await.unwrap().entries[2].lease, Some(other));
    let mut watch = kv.watch(last).await.unwrap();
    kv.revoke(lease).await.unwrap();
    assert_eq!(keys(&*kv, "").await, ["c", "d"]);
    let mut batch = next_batch(&mut watch).await;
    batch.changes.sort_by(|a, b| a.key().cmp(b.key()));
    let revision = Revision(last.0 + 1);
    let gone = |key: &str| Change::Delete { key: key.into(), revision };
    assert_eq!((batch.revision, batch.changes), (revision, vec![gone("a"), gone("b")]));
}

async fn a_lease_that_runs_out_takes_its_keys_along_and_not_earlier(backend: &Backend) {
    let kv = backend.open().await;
    let began = Instant::now();
    let lease = kv.grant(TTL).await.unwrap();
    let last =
        done(&*kv, Txn::new().put("a", "v", Some(lease)).put("b", "v", Some(lease)).put("c", "v", None))
            .await;
    let mut watch = kv.watch(last).await.unwrap();
    let batch = next_batch(&mut watch).await;
    assert!(began.elapsed() >= TTL, "after {:?}", began.elapsed());
    assert_eq!((batch.revision.0, batch.changes.len()), (last.0 + 1, 2));
    assert_eq!(keys(&*kv, "").await, ["c"]);
    assert!(matches!(kv.keep_alive(lease).await, Err(KvError::NoLease(id)) if id == lease));
}

async fn keeping_alive_prolongs(backend: &Backend) {
    let kv = backend.open().await;
    let (kept, left) = (kv.grant(TTL).await.unwrap(), kv.grant(TTL).await.unwrap());
    put_leased(&*kv, "kept", kept).await;
    put_leased(&*kv, "left", left).await;
    let began = Instant::now();
    let mut round = tokio::time::interval(TTL / 5);
    while began.elapsed() < TTL * 3 {
        round.tick().await;
        kv.keep_alive(kept).await.unwrap();
    }
    let stopped = Instant::now();
    assert_eq!(keys(&*kv, "").await, ["kept"]);
    eventually_async(SOON, "it runs out", async || kv.get("kept").await.unwrap().is_none()).await;
    let lasted = stopped.elapsed();
    assert!(lasted > TTL / 2 && lasted < TTL * 4, "a keepalive gives the full TTL, not {lasted:?}");
}

async fn a_lease_that_is_gone_is_told_and_revoking_it_is_no_error(backend: &Backend) {
    let kv = backend.open().await;
    let before = put(&*kv, "a", "v").await;
    let revoked = kv.grant(LONG).await.unwrap();
    kv.revoke(revoked).await.unwrap();
    for gone in [revoked, LeaseId(4711)] {
        kv.revoke(gone).await.unwrap();
        let told = |error: KvError| matches!(error, KvError::NoLease(id) if id == gone);
        assert!(told(kv.keep_alive(gone).await.unwrap_err()));
        let txn = Txn::new().put("free", "v", None).put("b", "v", Some(gone));
        assert!(told(kv.commit(txn.clone()).await.unwrap_err()));
        let refused = txn.when(Condition::Absent("a".into()));
        assert_eq!(kv.commit(refused).await.unwrap(), Commit::Refused, "conditions come first");
    }
    let listing = kv.list().await.unwrap();
    assert_eq!((listing.revision, listing.entries.len()), (before, 1), "nothing of it was written");
}

async fn a_key_written_again_leaves_its_lease(backend: &Backend) {
    let kv = backend.open().await;
    let (old, new) = (kv.grant(LONG).await.unwrap(), kv.grant(LONG).await.unwrap());
    for key in ["freed", "moved", "made-again", "stays"] {
        put_leased(&*kv, key, old).await;
    }
    put(&*kv, "freed", "v").await;
    put_leased(&*kv, "moved", new).await;
    done(&*kv, Txn::new().delete("made-again")).await;
    let last = put(&*kv, "made-again", "v").await;
    let mut watch = kv.watch(last).await.unwrap();
    kv.revoke(old).await.unwrap();
    assert_eq!(keys(&*kv, "").await, ["freed", "made-again", "moved"]);
    kv.revoke(new).await.unwrap();
    assert_eq!(keys(&*kv, "").await, ["freed", "made-again"]);
    let changes = changes_until(&mut watch, Revision(last.0 + 2)).await;
    assert_eq!(changes.iter().map(Change::key).collect::<Vec<_>>(), ["stays", "moved"]);
}

async fn a_lease_survives_a_restart(backend: &Backend) {
    let other = match backend {
        Backend::Embedded { .. } => Backend::embedded(),
        Backend::Etcd(_) => Backend::etcd(),
    };
    let kv = other.open().await;
    let (lease, ended) = (kv.grant(TTL).await.unwrap(), kv.grant(TTL).await.unwrap());
    put_leased(&*kv, "a", lease).await;
    kv.revoke(ended).await.unwrap();
    drop(kv);
    let other = other.restarted();
    let kv = other.open().await;
    kv.keep_alive(lease).await.unwrap();
    assert_eq!(kv.get("a").await.unwrap().unwrap().lease, Some(lease));
    assert!(matches!(kv.keep_alive(ended).await, Err(KvError::NoLease(_))));
    assert!(
        ![lease, ended].contains(&kv.grant(LONG).await.unwrap()),
        "an id never comes to mean another lease"
    );
    eventually_async(SOON, "it runs out", async || kv.get("a").await.unwrap().is_none()).await;
}
