//! Watching: every later commit, in order, without a gap.

use futures_util::future::join_all;
use roundhouse_registry::kv::{Change, Event, Kv, Revision, Txn};
use roundhouse_tests::{Backend, SOON, changes_until, next_batch, on_both_backends};
use tokio::time::timeout;

use crate::{done, put};

on_both_backends!(
    every_later_commit_comes_in_order,
    a_transaction_comes_as_one_batch,
    a_watch_resumes_from_the_past,
    watchers_see_the_same,
    a_slow_reader_is_never_given_a_gap,
);

/// Writes of every kind; what they change, in order.
async fn write(kv: &dyn Kv, rounds: usize) -> Vec<Change> {
    let mut expected = Vec::new();
    for i in 0..rounds {
        let key = format!("k/{}", i % 7);
        match i % 3 {
            0 => put(kv, &key, &i.to_string()).await,
            1 => done(kv, Txn::new().put(key.clone(), "v", None).put(format!("t/{i}"), "v", None)).await,
            _ => {
                put(kv, &key, "v").await;
                expected.push(Change::Put(kv.get(&key).await.unwrap().unwrap()));
                let revision = done(kv, Txn::new().delete(key.clone()).delete("never")).await;
                expected.push(Change::Delete { key, revision });
                continue;
            }
        };
        expected.push(Change::Put(kv.get(&key).await.unwrap().unwrap()));
        if let Some(entry) = kv.get(&format!("t/{i}")).await.unwrap() {
            expected.push(Change::Put(entry));
        }
    }
    expected
}

fn revision(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

async fn every_later_commit_comes_in_order(backend: &Backend) {
    let kv = backend.open().await;
    let before = put(&*kv, "k/before", "v").await;
    let mut watch = kv.watch(before).await.unwrap();
    let expected = write(&*kv, 100).await;
    let last = kv.list().await.unwrap().revision;
    let changes = changes_until(&mut watch, last).await;
    assert_eq!(changes, expected);
    let mut revisions: Vec<u64> = changes.iter().map(|change| revision(change).0).collect();
    revisions.dedup();
    assert_eq!(revisions, (before.0 + 1..=last.0).collect::<Vec<_>>());
}

async fn a_transaction_comes_as_one_batch(backend: &Backend) {
    let kv = backend.open().await;
    let before = put(&*kv, "k/000", "v").await;
    let mut watch = kv.watch(before).await.unwrap();
    let txn = (1..128).fold(Txn::new().delete("k/000"), |txn, i| txn.put(format!("k/{i:03}"), "v", None));
    let revision = done(&*kv, txn).await;
    let batch = next_batch(&mut watch).await;
    assert_eq!((batch.revision, batch.changes.len()), (revision, 128));
    let keys: Vec<String> = batch.changes.iter().map(|change| change.key().to_owned()).collect();
    assert_eq!(
        keys,
        (0..128).map(|i| format!("k/{i:03}")).collect::<Vec<_>>(),
        "in the order of the operations"
    );
}

async fn a_watch_resumes_from_the_past(backend: &Backend) {
    let kv = backend.open().await;
    let before = kv.list().await.unwrap().revision;
    let expected = write(&*kv, 40).await;
    let last = kv.list().await.unwrap().revision;
    let later = |from: Revision| {
        expected.iter().filter(|change| revision(change) > from).cloned().collect::<Vec<_>>()
    };
    let mut watches = Vec::new();
    for from in [before, revision(&expected[10]), revision(&expected[expected.len() - 2]), last] {
        watches.push((later(from), kv.watch(from).await.unwrap()));
    }
    let next = put(&*kv, "k/next", "v").await;
    let next = Change::Put(
        kv.list().await.unwrap().entries.into_iter().find(|entry| entry.modified == next).unwrap(),
    );
    for (mut expected, mut watch) in watches {
        // The past leads into the present.
        expected.push(next.clone());
        assert_eq!(changes_until(&mut watch, revision(&next)).await, expected);
    }
}

async fn watchers_see_the_same(backend: &Backend) {
    let (kv, other) = (backend.open().await, backend.open().await);
    let before = kv.list().await.unwrap().revision;
    let mut watches = [kv.watch(before).await.unwrap(), kv.watch(before).await.unwrap()];
    let mut third = other.watch(before).await.unwrap();
    let expected = write(&*kv, 30).await;
    let last = kv.list().await.unwrap().revision;
    assert_eq!(changes_until(&mut third, last).await, expected);
    drop(third);
    put(&*kv, "k/next", "v").await;
    for watch in &mut watches {
        assert_eq!(changes_until(watch, last).await, expected, "one watcher's end is not another's");
    }
}

/// More commits than anybody buffers, while nobody reads: the stream ends early or goes on, and skips nothing.
async fn a_slow_reader_is_never_given_a_gap(backend: &Backend) {
    const COMMITS: usize = 2_500;
    let kv = backend.open().await;
    let before = kv.list().await.unwrap().revision;
    let mut watch = kv.watch(before).await.unwrap();
    let writers = (0..50).map(async |i| {
        for _ in 0..COMMITS / 50 {
            put(&*kv, &format!("k/{i}"), "v").await;
        }
    });
    join_all(writers).await;
    let mut at = before;
    while at.0 < before.0 + COMMITS as u64 {
        match timeout(SOON, watch.recv()).await.expect("neither an event nor an end") {
            Some(Ok(Event::Progress | Event::Stale { .. })) => {}
            Some(Ok(Event::Batch(batch))) => {
                let revisions: Vec<u64> = batch.changes.iter().map(|change| revision(change).0).collect();
                assert_eq!(revisions, (at.0 + 1..=batch.revision.0).collect::<Vec<_>>());
                at = batch.revision;
            }
            Some(Err(_)) | None => break,
        }
    }
    assert!(at.0 >= before.0 + 1_000, "a burst of 1,000 commits must fit: only {} came", at.0 - before.0);
}
