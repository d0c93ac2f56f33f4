//! What only a cluster has: others under other prefixes, compaction, and servers that go away.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use roundhouse_registry::kv::etcd::Options;
use roundhouse_registry::kv::{Change, Condition, Event, Kv, KvError, Revision, Txn};
use roundhouse_tests::{Etcd, changes_until, watch_end};

use crate::{done, keys, put};

/// The HTTP API promises an answer within 3 s.
const ANSWER: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_do_not_see_each_other() {
    let etcd = Etcd::running();
    let (one, ten) = (etcd.kv("/rh/v1").await, etcd.kv("/rh/v10").await);
    let mut client = etcd.client().await;
    let before = put(&*one, "jobs/a", "one").await;
    let mut watch = one.watch(before).await.unwrap();
    put(&*ten, "jobs/a", "ten").await;
    put(&*ten, "jobs/b", "ten").await;
    for outside in ["/rh/v1", "/rh/v0/jobs/a", "/rh/v1jobs/c", "zzz", "/rh/v1-/jobs/a"] {
        client.put(outside, "outside", None).await.unwrap();
    }
    client.put("/rh/v1/jobs/d", "inside", None).await.unwrap();
    assert_eq!(keys(&*one, "").await, ["jobs/a", "jobs/d"]);
    assert_eq!(keys(&*ten, "jobs/").await, ["jobs/a", "jobs/b"]);
    assert_eq!(one.get("jobs/a").await.unwrap().unwrap().value, "one");
    assert_eq!(one.get("jobs/b").await.unwrap(), None);
    done(&*one, Txn::new().when(Condition::Absent("jobs/b".into())).put("jobs/b", "one", None)).await;
    let last = done(&*ten, Txn::new().delete("jobs/b")).await;
    assert_eq!(keys(&*one, "").await, ["jobs/a", "jobs/b", "jobs/d"]);
    let listing = one.list().await.unwrap();
    assert_eq!((listing.revision, listing.entries.len()), (last, 3), "the revision is the cluster's");
    let end = put(&*one, "jobs/e", "one").await;
    let seen: Vec<_> =
        changes_until(&mut watch, end).await.iter().map(|change| change.key().to_owned()).collect();
    assert_eq!(seen, ["jobs/d", "jobs/b", "jobs/e"]);
}

/// The pages of a listing are one moment, whatever is written between them: the first and the last key are always
/// written together, and must be listed with one revision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_of_many_pages_is_one_moment() {
    const KEYS: usize = 11_000;
    let etcd = Etcd::running();
    let kv = etcd.kv("/rh").await;
    let names: Vec<String> = (0..KEYS).map(|i| format!("k/{i:05}")).collect();
    for chunk in names.chunks(128) {
        done(&*kv, chunk.iter().fold(Txn::new(), |txn, key| txn.put(key.clone(), "v", None))).await;
    }
    let (other, first, last) = (etcd.kv("/rh").await, names[0].clone(), names[KEYS - 1].clone());
    let both = Txn::new().put(first, "v", None).put(last, "v", None);
    done(&*other, both.clone()).await;
    let writer = tokio::spawn(async move {
        loop {
            done(&*other, both.clone()).await;
        }
    });
    let mut revisions = Vec::new();
    for _ in 0..5 {
        let listing = kv.list().await.unwrap();
        assert!(listing.entries.iter().map(|entry| &entry.key).eq(&names));
        assert_eq!(listing.entries[0].modified, listing.entries[KEYS - 1].modified);
        assert!(listing.entries.iter().all(|entry| entry.modified <= listing.revision));
        revisions.push(listing.revision);
    }
    writer.abort();
    assert!(revisions.is_sorted() && revisions[0] < revisions[4], "the writer was at work: {revisions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_a_compacted_revision_says_so() {
    let etcd = Etcd::running();
    let kv = etcd.kv("/rh").await;
    let mut last = Revision(0);
    for _ in 0..10 {
        last = put(&*kv, "a", "v").await;
    }
    let compacted = Revision(last.0 - 3);
    etcd.client().await.compact(compacted.0 as i64, None).await.unwrap();
    let mut watch = kv.watch(Revision(last.0 - 8)).await.unwrap();
    let end = watch_end(&mut watch, ANSWER).await;
    assert!(matches!(end, Some(KvError::Compacted(at)) if at == compacted), "{end:?}");
    let mut watch = kv.watch(Revision(compacted.0 - 1)).await.unwrap();
    let next = Revision(compacted.0);
    assert_eq!(
        changes_until(&mut watch, last).await.first().map(modified),
        Some(next),
        "what is left is given"
    );
    let listing = kv.list().await.unwrap();
    assert_eq!((listing.revision, listing.entries.len()), (last, 1));
}

fn modified(change: &Change) -> Revision {
    match change {
        Change::Put(entry) => entry.modified,
        Change::Delete { revision, .. } => *revision,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_an_error_within_3_s_and_back_at_once() {
    let mut etcd = Etcd::stopped();
    let kv = etcd.kv("/rh").await;
    assert_eq!(kv.name(), etcd.url(), "as the operator wrote it");
    calls_fail(&*kv, &etcd.url()).await;
    etcd.start();
    let last = put(&*kv, "a", "v").await;
    let mut watch = kv.watch(last).await.unwrap();
    etcd.kill9();
    let end = watch_end(&mut watch, ANSWER).await;
    assert!(matches!(end, Some(KvError::Unavailable { .. })), "{end:?}");
    calls_fail(&*kv, &etcd.url()).await;
    etcd.start();
    assert_eq!(keys(&*kv, "").await, ["a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_silent_is_an_error_within_3_s() {
    // It takes connections (the kernel does) and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = silent.local_addr().unwrap().to_string();
    let endpoints = [format!("http://{authority}")];
    let kv = roundhouse_registry::kv::etcd::Etcd::new(Options::plain(&endpoints, "/rh"));
    calls_fail(&kv, &authority).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_on_a_server_that_froze_ends_by_itself() {
    let etcd = Etcd::running();
    let kv = etcd.kv("/rh").await;
    let last = put(&*kv, "a", "v").await;
    let mut watch = kv.watch(last).await.unwrap();
    assert!(matches!(watch.recv().await, Some(Ok(Event::Progress))));
    etcd.pause();
    let end = watch_end(&mut watch, Duration::from_secs(6)).await;
    assert!(matches!(end, Some(KvError::Unavailable { .. })), "{end:?}");
    etcd.resume();
    assert_eq!(keys(&*kv, "").await, ["a"]);
}

/// Every call says that the store is away, names it, and does so in time.
async fn calls_fail(kv: &dyn Kv, name: &str) {
    let lease = roundhouse_registry::LeaseId(4711);
    let calls = async |call: usize| match call {
        0 => kv.list().await.err(),
        1 => kv.range("a").await.err(),
        2 => kv.get("a").await.err(),
        3 => kv.commit(Txn::new().put("a", "v", None)).await.err(),
        4 => kv.grant(ANSWER).await.err(),
        5 => kv.keep_alive(lease).await.err(),
        6 => kv.revoke(lease).await.err(),
        _ => kv.watch(Revision(1)).await.err(),
    };
    let checks = (0..8).map(async |call| {
        let began = Instant::now();
        let error = calls(call).await;
        assert!(began.elapsed() < ANSWER, "call {call} took {:?}", began.elapsed());
        let Some(KvError::Unavailable { store, .. }) = &error else { panic!("call {call}: {error:?}") };
        assert!(store.contains(name), "{store}");
    });
    futures_util::future::join_all(checks).await;
}
