//! What is written arrives, and bursts are gathered.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use roundhouse_registry::kv::{Commit, Txn};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Domain, InstanceId, Registry, State};
use roundhouse_tests::sample::{instance, job, label, new_instance};
use roundhouse_tests::{Backend, Meddler, SOON, eventually_async, on_both_backends};

use crate::{Following, RECOVERY};

on_both_backends!(
    what_another_client_writes_is_applied,
    random_writes_end_in_what_a_fresh_listing_says,
    a_burst_of_1_000_commits_is_seen_whole_and_gathered,
);

async fn what_another_client_writes_is_applied(backend: &Backend) {
    let following = Following::start(backend.open().await).await;
    let mut changes = following.store.changes();
    let registry = Registry::new(backend.open().await);
    let new = new_instance("app", "10.0.0.7:1111");
    let (lease, written) = registry.register_leased(&new, SOON).await.unwrap();
    let began = Instant::now();
    tokio::time::timeout(SOON, changes.wait_for(|at| *at >= written.revision)).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "the first change after quiet is published at once");
    let snapshot = following.store.load();
    let record = snapshot.instance(&new.job, new.id).unwrap();
    assert_eq!((&record.value, record.lease), (&new.instance, Some(lease)));
    assert!(snapshot.jobs.contains_key(&label("app")));
    registry
        .put_domain(&"blog.coding.net".parse().unwrap(), &Domain::to_job(label("app")), Expect::Any)
        .await
        .unwrap();
    registry.kv().commit(Txn::new().put("jobs/bad", "{", None)).await.unwrap();
    registry.set_state(&new.job, new.id, State::Draining).await.unwrap();
    let snapshot = following.caught_up(&**registry.kv()).await;
    assert_eq!((snapshot.domains.len(), snapshot.quarantine.len()), (1, 1));
    assert_eq!(snapshot.instance(&new.job, new.id).unwrap().value.state, State::Draining);
    registry.revoke(lease).await.unwrap();
    assert!(following.caught_up(&**registry.kv()).await.instances.is_empty());
}

async fn random_writes_end_in_what_a_fresh_listing_says(backend: &Backend) {
    let following = Following::start(backend.open().await).await;
    let seed: u64 = rand::random();
    let writers = (0..4).map(async |i| {
        let registry = Registry::new(backend.open().await);
        write_anything(&registry, &mut StdRng::seed_from_u64(seed ^ i), 60).await;
    });
    futures_util::future::join_all(writers).await;
    let kv = backend.open().await;
    let last = following.caught_up(&*kv).await;
    assert!(last.revision.0 > 50, "seed {seed}: only {} commits", last.revision);
    // The way there is kept too: it starts where the follower did.
    let history = following.store.history.since(last.revision).unwrap();
    assert!(history.is_empty());
}

/// Writes of every kind, some of them refused and some of them nonsense.
async fn write_anything(registry: &Registry, rng: &mut StdRng, writes: usize) {
    let labels = ["a", "b", "c"].map(label);
    let mut mine: Vec<(usize, InstanceId)> = Vec::new();
    for _ in 0..writes {
        let which = rng.random_range(0..labels.len());
        let app = &labels[which];
        match rng.random_range(0..8) {
            0 => drop(registry.put_job(app, &job(&format!("job.{app}")), Expect::Any).await),
            1 => drop(registry.delete_job(app, Expect::Any, 0).await),
            2 => drop(registry.allocate_vip(app, None, 16, 1 << 40).await),
            3 => {
                let key = ["jobs/a", "domains/x.y", "instances/a/1", "nonsense"].choose(rng).unwrap();
                let value = ["{", "[]", r#"{"jobname":"job.a"}"#].choose(rng).unwrap();
                registry.kv().commit(Txn::new().put(*key, *value, None)).await.unwrap();
            }
            4..=6 => {
                let new = new_instance(app.as_str(), &format!("10.0.0.7:{}", rng.random_range(1..30)));
                if registry.register_leased(&new, RECOVERY * 2).await.is_ok() {
                    mine.push((which, new.id));
                }
            }
            _ => {
                if let Some((which, id)) = mine.pop() {
                    drop(registry.deregister(&labels[which], id).await);
                }
            }
        }
    }
}

async fn a_burst_of_1_000_commits_is_seen_whole_and_gathered(backend: &Backend) {
    const COMMITS: usize = 1_000;
    let kv = backend.open().await;
    let following = Following::start(kv.clone()).await;
    let start = following.store.load().revision;
    let mut changes = following.store.changes();
    let counter = tokio::spawn(async move {
        let mut published = 0;
        while changes.changed().await.is_ok() {
            published += 1;
            if changes.borrow_and_update().0 >= start.0 + COMMITS as u64 {
                break;
            }
        }
        published
    });
    let commits = (0..COMMITS).map(|i| {
        let value = serde_json::to_vec(&instance(&format!("10.0.0.7:{}", 1000 + i))).unwrap();
        kv.commit(Txn::new().put(format!("instances/app/{}", InstanceId::random()), value, None))
    });
    let began = Instant::now();
    let answers = futures_util::future::join_all(commits).await;
    let took = began.elapsed();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Commit::Done(_)))));
    let last = following.caught_up(&*kv).await;
    assert_eq!(last.instances[&label("app")].len(), COMMITS);
    let seen: usize =
        following.store.history.since(start).unwrap().iter().map(|batch| batch.changes.len()).sum();
    assert_eq!(seen, COMMITS, "each commit once, and none by listing again");
    let published = tokio::time::timeout(SOON, counter).await.unwrap().unwrap();
    // One at once, then one each 5 ms; twice that for a machine that stumbles.
    let most = 10 + 2 * took.as_millis() / 5;
    assert!(published < most.min(COMMITS as u128 / 2), "{published} publishes in {took:?}");
}

/// The clock of staleness runs from the last sign of life, and a commit is one: also when there is never a quiet moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_all_the_time_is_not_stale() {
    let backend = Backend::embedded();
    let following = Following::start(Meddler::never_quiet(backend.open().await)).await;
    let began = Instant::now();
    let fresh = async || {
        let (at, since) = (following.store.load().revision, following.store.contact().last.elapsed());
        if began.elapsed() < Duration::from_secs(1) {
            Err(format!("at {at}, heard {since:?} ago"))
        } else {
            Ok(since)
        }
    };
    let since = eventually_async(SOON, "a busy second has gone by", fresh).await;
    assert!(since < Duration::from_millis(500), "last heard {since:?} ago, with commits all the time");
    assert!(following.store.load().revision.0 > 100, "and they are published meanwhile");
}
