//! etcd comes back at the same address without its data.

use std::time::{Duration, Instant};

use roundhouse_registry::Revision;
use roundhouse_tests::history::Chronicle;
use roundhouse_tests::soak::{report, scaled};
use roundhouse_tests::{Etcd, Gateway, Judge, SOON, Signal, eventually, seen};

use crate::{PREFIX, Stage, commit};

impl Stage {
    /// All apps are there without a lease: nobody registers them again by himself.
    pub(crate) async fn unmanned(etcd: &Etcd, more: &str) -> (Stage, Chronicle) {
        let kv = etcd.kv(PREFIX).await;
        let chronicle = Chronicle::begin(&etcd.endpoints(), PREFIX);
        let mut stage = Stage::prepared(kv, &etcd.url(), more).await;
        for app in &stage.fleet.apps {
            commit(&*stage.kv, app.put(None)).await;
        }
        stage.gateway.run();
        stage.wait_served();
        (stage, chronicle)
    }

    #[track_caller]
    pub(crate) fn wait_served(&self) {
        self.labels.iter().for_each(|label| self.gateway.wait_healthy(label, 3));
    }

    /// SIGKILL, once all that there is is on the disk.
    pub(crate) async fn kill_saved(&mut self, chronicle: &Chronicle) {
        let mark = chronicle.mark().await;
        let file = self.gateway.folder().join(SAVED);
        eventually(SOON, "the snapshot is saved", || saved_revision(&file).filter(|saved| *saved >= mark));
        self.gateway.process().signal(Signal::KILL);
        self.gateway.stopped();
    }
}

pub(crate) const SAVED: &str = "data/snapshot.jsonl";

fn saved_revision(file: &std::path::Path) -> Option<Revision> {
    let text = std::fs::read_to_string(file).ok()?;
    let header: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
    Some(Revision(header["revision"].as_u64()?))
}

fn wipe(etcd: &mut Etcd) {
    etcd.kill9();
    etcd.lose_data();
    etcd.start();
}

/// Six instances, and the jobs and VIPs without which nothing leads to them.
#[track_caller]
fn all_is_kept(gateway: &Gateway) {
    eventually(SOON, "what the registry lost is kept", || {
        let holds = crate::holds(gateway);
        let count = |prefix: &str| {
            holds
                .iter()
                .filter(|hold| hold["key"].as_str().is_some_and(|key| key.starts_with(prefix)))
                .count()
        };
        let kept = (count("instances/"), count("jobs/"), count("vips/"));
        seen((kept, holds), |(kept, _)| *kept == (6, 2, 2))
    });
}

#[track_caller]
fn nothing_is_left(gateway: &Gateway) {
    eventually(SOON, "the gateway has what the registry has", || {
        let left =
            (crate::holds(gateway), gateway.api("/v1/jobs").json(), gateway.api("/v1/instances").json());
        seen(left, |(holds, jobs, instances)| {
            holds.is_empty()
                && [jobs, instances].iter().all(|list| list.as_array().is_some_and(Vec::is_empty))
        })
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_lost_its_data_empties_nothing_until_a_person_says_so() {
    let mut etcd = Etcd::running();
    let (stage, chronicle) = Stage::unmanned(&etcd, "").await;
    let mut judge = Judge::begin(&stage.gateway, chronicle, &stage.labels);
    wipe(&mut etcd);
    all_is_kept(&stage.gateway);
    judge.agrees(Instant::now()).await;
    tokio::time::sleep(scaled(Duration::from_secs(3), Duration::from_secs(45))).await;
    // Once more: what is kept of a history before the last is kept.
    etcd.kill9();
    etcd.start();
    judge.agrees(Instant::now()).await;
    all_is_kept(&stage.gateway);
    let requests = judge.nobody_noticed();
    let released = stage.gateway.call("DELETE", "/v1/holds", "").json();
    assert!(released["released"].as_u64() >= Some(10), "{released}");
    judge.agrees(Instant::now()).await;
    nothing_is_left(&stage.gateway);
    report(
        "h  etcd wiped under a gateway",
        &format!("{requests} requests, 0 failed; released by hand: {}", released["released"]),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_decides_is_decided_by_the_deadline() {
    let deadline = scaled(Duration::from_secs(5), Duration::from_secs(20));
    let mut etcd = Etcd::running();
    let more = format!("[hold]\ndeadline = \"{}s\"", deadline.as_secs());
    let (stage, chronicle) = Stage::unmanned(&etcd, &more).await;
    let mut judge = Judge::begin(&stage.gateway, chronicle, &stage.labels);
    wipe(&mut etcd);
    all_is_kept(&stage.gateway);
    let kept = Instant::now();
    judge.agrees(Instant::now()).await;
    // Deadlines are in whole seconds of the wall clock.
    tokio::time::sleep_until((kept + deadline - Duration::from_secs(2)).into()).await;
    let requests = judge.nobody_noticed();
    nothing_is_left(&stage.gateway);
    judge.agrees(Instant::now()).await;
    let gone = kept.elapsed();
    report(
        "h  etcd wiped, nobody decides",
        &format!(
            "{requests} requests, 0 failed; gone after {:.1} s, deadline {} s",
            gone.as_secs_f64(),
            deadline.as_secs()
        ),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etcd_that_lost_its_data_while_the_gateway_was_down_empties_nothing() {
    let mut etcd = Etcd::running();
    let (mut stage, chronicle) = Stage::unmanned(&etcd, "").await;
    stage.kill_saved(&chronicle).await;
    wipe(&mut etcd);
    stage.gateway.run();
    let mut judge = Judge::begin(&stage.gateway, chronicle, &stage.labels);
    all_is_kept(&stage.gateway);
    judge.agrees(Instant::now()).await;
    // What is kept is on the disk, too: another start forgets nothing.
    judge.nobody_noticed();
    stage.kill_saved(&judge.chronicle).await;
    stage.gateway.run();
    all_is_kept(&stage.gateway);
    let mut judge = Judge::begin(&stage.gateway, judge.chronicle, &stage.labels);
    tokio::time::sleep(scaled(Duration::from_secs(2), Duration::from_secs(20))).await;
    let requests = judge.nobody_noticed();
    let released = stage.gateway.call("DELETE", "/v1/holds", "").json();
    nothing_is_left(&stage.gateway);
    report(
        "h  etcd wiped while the gateway was down",
        &format!("{requests} requests, 0 failed; released by hand: {}", released["released"]),
    );
}
