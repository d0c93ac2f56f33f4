//! etcd is killed, again and again.

use std::time::Instant;

use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::{Etcd, SOON, eventually};

use crate::writes::Writes;
use crate::{PREFIX, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_is_killed_under_writes_loses_nobody() {
    let kills = scaled(4, 20);
    let mut etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let (stage, mut judge) = Stage::set(kv.clone(), &etcd.endpoints(), &etcd.url(), &etcd.url()).await;
    let writes = Writes::begin(kv).await;
    for kill in 0..kills {
        writes.go_on(scaled(50, 150)).await;
        etcd.kill9();
        if kill % 2 == 0 {
            stage.wait_lost();
        }
        etcd.start();
        judge.caught_up(Instant::now()).await;
    }
    let written = writes.end().await;
    judge.agrees(Instant::now()).await;
    let relists = eventually(SOON, "it was noticed", || {
        let metrics = stage.gateway.api("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("roundhouse_registry_relists"))?;
        line.split(' ').nth(1)?.parse::<u64>().ok().filter(|relists| *relists >= kills / 2)
    });
    let verdict = judge.verdict().await;
    report(&format!("a  etcd SIGKILL x {kills}"), &format!("{verdict}; {written} writes, {relists} relists"));
}
