//! A registrar stands still while its app lives.

use std::time::{Duration, Instant};

use roundhouse_tests::history::Chronicle;
use roundhouse_tests::soak::report;
use roundhouse_tests::{Etcd, Gateway, Job, Judge, SOON, Signal, eventually, eventually_async, seen};

use crate::{OFTEN, PREFIX, holds, put_job};

/// job-init's, as [`Job`] starts it.
const TTL: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_whose_registrar_is_frozen_is_served() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let chronicle = Chronicle::begin(&etcd.endpoints(), PREFIX);
    let registry = format!("url = \"{}\"\nrecord = \"{}\"", etcd.url(), Judge::RECORD);
    let mut gateway = Gateway::configured(&registry, "");
    put_job(&*kv, "solo", Some(OFTEN), true).await;
    gateway.run();
    // The only instance: a service that would be empty.
    let init = Job::new(&etcd.url(), "solo", gateway.net.app(0), 9090).http().start();
    gateway.wait_healthy("solo", 1);
    let mut judge = Judge::begin(&gateway, chronicle, &["solo".to_owned()]);
    init.signal(Signal::STOP);
    let frozen = Instant::now();
    let instances = async || {
        let keys = judge.chronicle.fresh().await;
        keys.into_keys().filter(|key| key.starts_with("instances/solo/")).collect::<Vec<_>>()
    };
    eventually_async(TTL + SOON, "the lease runs out", async || seen(instances().await, Vec::is_empty)).await;
    eventually(SOON, "it is held", || seen(holds(&gateway), |holds| holds.len() == 1));
    judge.agrees(Instant::now()).await;
    tokio::time::sleep_until((frozen + TTL * 2).into()).await;
    init.signal(Signal::CONT);
    let thawed = Instant::now();
    eventually(SOON, "it is registered again", || seen(holds(&gateway), Vec::is_empty));
    let again = thawed.elapsed();
    judge.agrees(Instant::now()).await;
    let verdict = judge.verdict().await;
    let numbers = format!("{verdict}; registered again after {:.2} s", again.as_secs_f64());
    report("g  registrar SIGSTOP 2 TTLs", &numbers);
}
