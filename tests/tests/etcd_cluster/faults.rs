//! One member at a time.

use roundhouse_tests::EtcdCluster;

use crate::PREFIX;
use crate::busy::Busy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_are_killed_in_turn_lose_nothing() {
    let mut cluster = EtcdCluster::running();
    let busy = Busy::start(cluster.kv(PREFIX).await).await;
    for member in 0..3 {
        cluster.kill9(member);
        busy.goes_on("without a member").await;
        cluster.start(member);
        cluster.wait_healthy(member);
        busy.goes_on("with it again").await;
    }
    let failures = busy.check().await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_freeze_in_turn_lose_nothing() {
    let cluster = EtcdCluster::running();
    let busy = Busy::start(cluster.kv(PREFIX).await).await;
    for member in 0..3 {
        cluster.pause(member);
        busy.goes_on("beside a frozen member").await;
        cluster.resume(member);
        cluster.wait_healthy(member);
        busy.goes_on("with it again").await;
    }
    let failures = busy.check().await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_changes_is_not_noticed() {
    let cluster = EtcdCluster::running();
    let busy = Busy::start(cluster.kv(PREFIX).await).await;
    for _ in 0..3 {
        let leader = cluster.leader();
        let mut client = cluster.client(leader).await;
        let heir = cluster.client((leader + 1) % 3).await.status().await.unwrap();
        client.move_leader(heir.header().unwrap().member_id()).await.unwrap();
        busy.goes_on("under another leader").await;
        assert_ne!(cluster.leader(), leader);
    }
    let failures = busy.check().await;
    assert!(failures.is_empty(), "{failures:#?}");
}
