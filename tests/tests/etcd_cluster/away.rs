//! What is not there: a majority, a member from the start, an answer.

use std::time::{Duration, Instant};

use etcd_client::LeaseGrantOptions;
use futures_util::future::join_all;
use roundhouse_registry::kv::etcd::{Etcd as Client, Options};
use roundhouse_registry::kv::{Commit, Condition, Event, Kv, KvError, LeaseId, Revision, Source, Txn};
use roundhouse_tests::{
    Etcd, EtcdCluster, SOON, Wire, changes_until, eventually_async, free_port, watch_end,
};

use crate::{ANSWER, PREFIX};

async fn put(kv: &dyn Kv, key: &str) -> Result<Revision, KvError> {
    match kv.commit(Txn::new().put(key, "v", None)).await? {
        Commit::Done(revision) => Ok(revision),
        Commit::Refused => panic!("refused"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_every_call_fails_within_3_s_and_with_one_it_does_not() {
    let mut cluster = EtcdCluster::running();
    let kv = cluster.kv(PREFIX).await;
    let before = put(&*kv, "a").await.unwrap();
    let lease = kv.grant(SOON).await.unwrap();
    // One is gone, one is frozen.
    cluster.kill9(0);
    cluster.pause(1);
    let calls = (0..6).map(async |call| {
        let began = Instant::now();
        let error = match call {
            0 => put(&*kv, "b").await.err(),
            1 => kv.commit(Txn::new().when(Condition::Absent("c".into())).put("c", "v", None)).await.err(),
            2 => kv.get("a").await.err(),
            3 => kv.list().await.err(),
            4 => kv.grant(SOON).await.err(),
            _ => kv.revoke(lease).await.err(),
        };
        let took = began.elapsed();
        assert!(took < ANSWER, "call {call} took {took:?}");
        let Some(error @ KvError::Unavailable { .. }) = error else { panic!("call {call}: {error:?}") };
        assert!(error.to_string().contains(&cluster.url()), "{error}");
    });
    join_all(calls).await;
    cluster.start(0);
    cluster.resume(1);
    let look = async || put(&*kv, "a").await.map_err(|error| error.to_string());
    let after = eventually_async(SOON, "writes are taken again", look).await;
    let mut watch = kv.watch(before).await.unwrap();
    assert!(changes_until(&mut watch, after).await.iter().any(|change| change.key() == "a"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_where_nobody_is_cost_nothing() {
    let etcd = Etcd::running();
    let nobody = || format!("http://127.0.0.1:{}", free_port());
    let endpoints = [vec![nobody(), nobody()], etcd.endpoints()].concat();
    // Which endpoint is tried first is chance.
    for _ in 0..4 {
        let kv = Client::new(Options::plain(&endpoints, PREFIX));
        let began = Instant::now();
        let at = put(&kv, "a").await.unwrap();
        kv.list().await.unwrap();
        drop(kv.watch(at).await.unwrap());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_on_a_frozen_member_ends_within_6_s_and_goes_on_at_another() {
    let cluster = EtcdCluster::running();
    let address = cluster.endpoints()[1].trim_start_matches("http://").parse().unwrap();
    let wire = Wire::to(address).await;
    wire.cut();
    // Only member 0 can be reached, so the watch is there.
    let endpoints = [cluster.endpoints()[0].clone(), format!("http://{}", wire.address())];
    let kv = Client::new(Options::plain(&endpoints, PREFIX));
    let other = Client::new(Options::plain(&cluster.endpoints()[1..], PREFIX));
    let eventual = async || put(&kv, "a").await.map_err(|error| error.to_string());
    let before = eventually_async(SOON, "the first write", eventual).await;
    let mut watch = kv.watch(before).await.unwrap();
    assert!(matches!(watch.recv().await, Some(Ok(Event::Progress))));
    wire.mend();
    cluster.pause(0);
    let frozen = Instant::now();
    let end = watch_end(&mut watch, Duration::from_secs(6)).await;
    assert!(matches!(end, Some(KvError::Unavailable { .. })), "{end:?}");
    assert!(frozen.elapsed() > Duration::from_secs(3), "no false alarm: {:?}", frozen.elapsed());
    let after = put(&other, "b").await.unwrap();
    let began = Instant::now();
    let mut watch = kv.watch(before).await.unwrap();
    let changes = changes_until(&mut watch, after).await;
    assert_eq!(changes.len() as u64, after.0 - before.0);
    assert!(began.elapsed() < ANSWER, "{:?}", began.elapsed());
}

/// etcd gives ids of 63 bits, and takes any that a client asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_ids_may_use_all_63_bits() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    for id in [1, 1 << 53, (1 << 53) + 1, i64::MAX] {
        let options = LeaseGrantOptions::new().with_id(id);
        let granted = etcd.client().await.lease_grant(60, Some(options)).await.unwrap();
        let lease: LeaseId = LeaseId(granted.id()).to_string().parse().unwrap();
        assert_eq!(lease.0, id, "through text and back");
        let put = Txn::new().put("leased", "v", Some(lease));
        assert!(matches!(kv.commit(put).await.unwrap(), Commit::Done(_)));
        assert_eq!(kv.get("leased").await.unwrap().unwrap().lease, Some(lease));
        kv.keep_alive(lease).await.unwrap();
        kv.revoke(lease).await.unwrap();
        assert_eq!(kv.get("leased").await.unwrap(), None);
        assert!(matches!(kv.keep_alive(lease).await, Err(KvError::NoLease(gone)) if gone == lease));
    }
}
