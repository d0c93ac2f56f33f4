//! etcd stands still: connections stand, nobody answers, leases run out by its clock.

use std::time::{Duration, Instant};

use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::{Etcd, EtcdCluster, SOON, eventually, seen};
use tokio::time::sleep_until;

use crate::writes::Writes;
use crate::{PREFIX, Stage, TTL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_etcd_is_noticed_cheaply_and_forgiven() {
    let freeze = scaled(Duration::from_secs(12), Duration::from_secs(20));
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let (stage, mut judge) = Stage::set(kv, &etcd.endpoints(), &etcd.url(), &etcd.url()).await;
    let thaw = Instant::now() + freeze;
    etcd.pause();
    stage.wait_lost();
    judge.cpu_while_away().await;
    sleep_until(thaw.into()).await;
    etcd.resume();
    judge.agrees(Instant::now()).await;
    // All leases ran out while it stood still, so all registrars come back.
    stage.wait_nothing_held();
    report(&format!("b  etcd SIGSTOP {} s", freeze.as_secs()), &judge.verdict().await.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_frozen_for_longer_than_a_lease_empties_nothing() {
    let freeze = scaled(TTL + Duration::from_secs(3), TTL * 4);
    let cluster = EtcdCluster::running();
    let kv = cluster.kv(PREFIX).await;
    let (stage, mut judge) =
        Stage::set(kv.clone(), &cluster.endpoints(), &cluster.url(), &cluster.url()).await;
    let writes = Writes::begin(kv).await;
    let leader = cluster.leader();
    cluster.pause(leader);
    let thaw = Instant::now() + freeze;
    eventually(SOON, "another leads", || seen(cluster.leader(), |other| *other != leader));
    // A watch on the frozen member is silent for 6 s before it is given up.
    judge.caught_up(Instant::now() + Duration::from_secs(6)).await;
    sleep_until(thaw.into()).await;
    cluster.resume(leader);
    judge.caught_up(Instant::now()).await;
    let written = writes.end().await;
    judge.agrees(Instant::now()).await;
    stage.wait_nothing_held();
    let verdict = judge.verdict().await;
    report(
        &format!("c  leader SIGSTOP {} s, leases {} s", freeze.as_secs(), TTL.as_secs()),
        &format!("{verdict}; {written} writes"),
    );
}
