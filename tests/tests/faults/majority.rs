//! Two of three members are dead.

use std::time::{Duration, Instant};

use roundhouse_tests::EtcdCluster;
use roundhouse_tests::soak::{promised, report};

use crate::{PREFIX, Stage, TTL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_reads_go_on_and_writes_say_so() {
    let mut cluster = EtcdCluster::running();
    let kv = cluster.kv(PREFIX).await;
    let (stage, mut judge) = Stage::set(kv, &cluster.endpoints(), &cluster.url(), &cluster.url()).await;
    let dead = [(cluster.leader() + 1) % 3, cluster.leader()];
    let began = Instant::now();
    for member in dead {
        cluster.kill9(member);
    }
    stage.wait_lost();
    let noticed = began.elapsed();
    let jobs = stage.gateway.api("/v1/jobs");
    assert!(jobs.status == 200 && jobs.header("x-roundhouse-stale").is_some(), "{jobs:?}");
    let mut slowest = Duration::ZERO;
    for (method, path, body) in [
        ("PUT", "/v1/jobs/late", r#"{"jobname":"job.late"}"#),
        ("POST", "/v1/instances/web", r#"{"address":"10.0.0.7","ports":{"main":1}}"#),
        ("DELETE", "/v1/jobs/web", ""),
    ] {
        let asked = Instant::now();
        let refused = stage.gateway.call(method, path, body);
        assert_eq!(refused.status, 503, "{method} {path}: {refused:?}");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest <= promised(Duration::from_secs(3)), "a 503 took {slowest:?}");
    judge.cpu_while_away().await;
    // Beyond the leases: nobody can end them, and nobody is forgotten.
    tokio::time::sleep_until((began + TTL * 2).into()).await;
    for member in dead {
        cluster.start(member);
    }
    dead.iter().for_each(|member| cluster.wait_healthy(*member));
    judge.agrees(Instant::now()).await;
    stage.wait_nothing_held();
    let verdict = judge.verdict().await;
    let numbers = format!(
        "{verdict}; noticed after {:.2} s, 503 within {:.2} s",
        noticed.as_secs_f64(),
        slowest.as_secs_f64()
    );
    report("d  2 of 3 members dead", &numbers);
}
