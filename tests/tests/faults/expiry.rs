//! Thousands of leases run out together, as when the registry forgets its clients.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use roundhouse_registry::LeaseId;
use roundhouse_registry::kv::Kv;
use roundhouse_tests::history::Chronicle;
use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::{App, Etcd, Judge, SOON, eventually, eventually_async, seen};

use crate::{PREFIX, Stage, commit, holds, put_job};

/// Calls to etcd at once.
const TOGETHER: usize = 32;
/// Thousands of probes a second are not what is tested here.
const SELDOM: &str = "10s";
const LONG: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_run_out_together_are_held_until_somebody_comes_or_decides() {
    let (jobs, each) = scaled((4, 375), (20, 500));
    let ttl = Duration::from_secs(scaled(15, 90));
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let chronicle = Chronicle::begin(&etcd.endpoints(), PREFIX);
    let mut stage = Stage::prepared(kv.clone(), &etcd.url(), "").await;
    let crowds: Vec<String> = (0..jobs).map(|n| format!("crowd-{n}")).collect();
    for (n, crowd) in crowds.iter().enumerate() {
        // One in four is checked and listens; nobody but the deadline vouches for the others.
        let checked = n % 4 == 0;
        put_job(&*kv, crowd, checked.then_some(SELDOM), true).await;
        stage.fleet.add(&stage.gateway.net, crowd, each, checked).await;
    }
    let apps = &stage.fleet.apps;
    let leases = register(&*kv, apps.iter(), ttl).await;
    stage.gateway.run();
    stage.gateway.wait_healthy(&crowds[0], each);
    let served = [stage.labels.clone(), vec![crowds[0].clone()]].concat();
    let watched = [stage.labels.clone(), crowds.clone()].concat();
    let mut judge = Judge::watching(&stage.gateway, chronicle, &served, &watched);

    // Once more, so that they end at one moment. Then nobody keeps anything alive.
    stream::iter(&leases)
        .for_each_concurrent(TOGETHER, async |lease| kv.keep_alive(*lease).await.unwrap())
        .await;
    let kept = Instant::now();
    let all = format!("roundhouse_registry_held {}", apps.len());
    // etcd ends at most 1,000 a second.
    let slack = Duration::from_secs(20 + apps.len() as u64 / 500);
    eventually_async(ttl + slack, "all are held", async || {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let metrics = stage.gateway.api("/metrics").body;
        let held =
            metrics.lines().find(|line| line.starts_with("roundhouse_registry_held ")).unwrap_or_default();
        seen(held.to_owned(), |held| *held == all)
    })
    .await;
    let expired = kept.elapsed();
    eventually(SOON * 3, "all holds are recorded", || {
        let unrecorded = holds(&stage.gateway).iter().filter(|hold| hold["recorded"] != true).count();
        seen(unrecorded, |count| *count == 0)
    });
    assert_eq!(holds(&stage.gateway).len(), apps.len());
    judge.agrees(Instant::now()).await;

    // Four of five come back.
    let back = apps.iter().enumerate().filter(|(n, _)| n % 5 != 0).map(|(_, app)| app);
    register(&*kv, back, LONG).await;
    judge.agrees(Instant::now()).await;
    let left =
        apps.iter().enumerate().filter(|(n, app)| n % 5 == 0 && app.label.as_str() == crowds[0]).count();
    eventually(SOON, "those who came back are held no longer", || {
        let held = holds(&stage.gateway).iter().filter(|hold| hold["job"] == crowds[0].as_str()).count();
        seen(held, |held| *held == left)
    });
    // A check vouches for them, so they stay until a person says otherwise.
    let released = stage.gateway.call("DELETE", &format!("/v1/holds/{}", crowds[0]), "").json();
    assert_eq!(released["released"], left, "{released}");
    let rest = stage.gateway.call("DELETE", "/v1/holds", "").json();
    judge.agrees(Instant::now()).await;
    stage.wait_nothing_held();
    let count = apps.len();
    let verdict = judge.verdict().await;
    let numbers = format!(
        "{verdict}; all held {:.1} s after the last keepalive (leases {} s), {left} and {} released by hand",
        expired.as_secs_f64(),
        ttl.as_secs(),
        rest["released"]
    );
    report(&format!("f  {count} leases run out together"), &numbers);
}

/// Each under a lease of its own.
async fn register<'a>(kv: &dyn Kv, apps: impl Iterator<Item = &'a App>, ttl: Duration) -> Vec<LeaseId> {
    let one = async |app: &App| {
        let lease = kv.grant(ttl).await.unwrap();
        commit(kv, app.put(Some(lease))).await;
        lease
    };
    stream::iter(apps.map(one)).buffer_unordered(TOGETHER).collect().await
}
