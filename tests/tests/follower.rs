//! The follower: what the store says is in the snapshot, soon, whatever happens to the store.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use roundhouse_registry::kv::{Commit, Txn};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Domain, Follower, InstanceId, Kv, Registry, Snapshot, State, Store};
use roundhouse_tests::sample::{instance, job, label, new_instance};
use roundhouse_tests::{Backend, Etcd, SOON, Wire, eventually_async, on_both_backends};
use tokio::task::JoinHandle;

const PREFIX: &str = "/roundhouse/v1";
/// The follower's own back-off goes up to 5 s.
const RECOVERY: Duration = Duration::from_secs(15);

on_both_backends!(
    what_another_client_writes_is_applied,
    random_writes_end_in_what_a_fresh_listing_says,
    a_burst_of_1_000_commits_is_seen_whole_and_gathered,
    a_store_that_is_busy_all_the_time_is_not_stale,
);

/// A follower at work; it ends with the test.
struct Following {
    store: Arc<Store>,
    task: JoinHandle<()>,
}

impl Following {
    async fn start(kv: Arc<dyn Kv>) -> Following {
        let follower = Follower::start(kv).await.unwrap();
        let (store, listed) = (follower.store(), follower.store().contact().last);
        let following = Following { store, task: tokio::spawn(follower.run()) };
        eventually_async(SOON, "the watch stands", async || following.store.contact().last > listed).await;
        following
    }

    /// Until the snapshot is what a fresh listing says, and the store is heard.
    async fn caught_up(&self, kv: &dyn Kv) -> Snapshot {
        eventually_async(RECOVERY, "the follower catches up", async || {
            let fresh = Snapshot::from_listing(kv.list().await.map_err(|error| error.to_string())?);
            let now = self.store.load();
            let lost = self.store.contact().lost.clone();
            let caught_up = now.same_records(&fresh) && lost.is_none();
            if caught_up {
                Ok(fresh)
            } else {
                Err(format!("{} of {}, lost: {lost:?}", now.revision, fresh.revision))
            }
        })
        .await
    }

    async fn lost(&self) -> String {
        let look = async || self.store.contact().lost.clone();
        eventually_async(RECOVERY, "the follower notices that the registry is away", look).await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

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

/// The clock of staleness runs from the last sign of life, and a commit is one.
async fn a_store_that_is_busy_all_the_time_is_not_stale(backend: &Backend) {
    let kv = backend.open().await;
    let following = Following::start(kv.clone()).await;
    let busy = async |writer: usize| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1_500) {
            kv.commit(Txn::new().put(format!("kv/{writer}"), "v", None)).await.unwrap();
        }
    };
    futures_util::future::join_all((0..8).map(busy)).await;
    let since = following.store.contact().last.elapsed();
    assert!(since < Duration::from_millis(500), "last heard {since:?} ago, with commits all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_the_registry_keeps_the_snapshot_and_coming_back_needs_nobody() {
    let mut etcd = Etcd::running();
    let registry = Registry::new(etcd.kv(PREFIX).await);
    let new = new_instance("app", "10.0.0.7:1111");
    registry.register(&new, None).await.unwrap();
    let following = Following::start(etcd.kv(PREFIX).await).await;
    let before = following.caught_up(&**registry.kv()).await;
    etcd.stop();
    let reason = following.lost().await;
    assert!(reason.contains(&etcd.url()), "{reason}");
    let contact = following.store.contact();
    let now = Instant::now();
    assert_eq!(contact.stale(now + SOON), contact.stale(now) + SOON, "staleness grows");
    assert!(following.store.load().same_records(&before), "a failed watch is not an empty registry");
    etcd.start();
    following.caught_up(&**registry.kv()).await;
    assert_eq!(following.store.contact().stale(Instant::now() + SOON), Duration::ZERO);
    // And it follows again, rather than having listed once.
    registry.set_state(&new.job, new.id, State::Maintenance).await.unwrap();
    let after = following.caught_up(&**registry.kv()).await;
    assert_eq!(after.instance(&new.job, new.id).unwrap().value.state, State::Maintenance);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_away_appears_even_after_a_compaction() {
    let etcd = Etcd::running();
    let wire = Wire::to(([127, 0, 0, 1], etcd.port()).into()).await;
    let registry = Registry::new(etcd.kv(PREFIX).await);
    let first = new_instance("app", "10.0.0.7:1111");
    registry.register(&first, None).await.unwrap();
    let behind =
        roundhouse_registry::kv::etcd::Etcd::connect(&[format!("http://{}", wire.address())], PREFIX).await;
    let following = Following::start(Arc::new(behind.unwrap())).await;
    for compact in [false, true] {
        let start = following.caught_up(&**registry.kv()).await;
        wire.cut();
        following.lost().await;
        let second = new_instance("app", "10.0.0.8:1111");
        let gone = registry.register(&second, None).await.unwrap();
        registry.set_state(&first.job, first.id, State::Draining).await.unwrap();
        registry.deregister(&second.job, second.id).await.unwrap();
        let third = new_instance("app", &format!("10.0.0.9:{}", 1 + u16::from(compact)));
        let last = registry.register(&third, None).await.unwrap();
        if compact {
            etcd.client().await.compact(last.revision.0 as i64, None).await.unwrap();
        }
        assert!(following.store.load().same_records(&start), "away is away");
        wire.mend();
        let now = following.caught_up(&**registry.kv()).await;
        assert!(
            now.instance(&third.job, third.id).is_some() && now.instance(&second.job, second.id).is_none()
        );
        assert_eq!(now.instance(&first.job, first.id).unwrap().value.state, State::Draining);
        assert!(
            following.store.history.since(gone.revision).is_err(),
            "who watched the API must list again too"
        );
        registry.set_state(&first.job, first.id, State::Up).await.unwrap();
    }
}

/// etcd lost its disk: the same address, lower revisions, and not even another cluster id (etcd hashes it from the
/// members' addresses). A watch from the old revision would be silent for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_history_at_the_same_address_is_taken_over() {
    let mut etcd = Etcd::running();
    let registry = Registry::new(etcd.kv(PREFIX).await);
    for name in ["a", "b", "c"] {
        registry.put_job(&label(name), &job(&format!("job.{name}")), Expect::Any).await.unwrap();
    }
    let following = Following::start(etcd.kv(PREFIX).await).await;
    let before = following.caught_up(&**registry.kv()).await;
    etcd.stop();
    etcd.lose_data();
    etcd.start();
    registry.put_job(&label("d"), &job("job.d"), Expect::Any).await.unwrap();
    following.caught_up(&**registry.kv()).await;
    let after = following.store.load();
    assert!(after.revision < before.revision);
    assert_eq!(after.jobs.keys().collect::<Vec<_>>(), [&label("d")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_froze_is_noticed_and_stale_since_it_froze() {
    let etcd = Etcd::running();
    let following = Following::start(etcd.kv(PREFIX).await).await;
    let frozen = Instant::now();
    etcd.pause();
    following.lost().await;
    let stale = following.store.contact().stale(Instant::now());
    assert!(
        stale + Duration::from_secs(1) > frozen.elapsed(),
        "{stale:?} stale, frozen for {:?}",
        frozen.elapsed()
    );
    etcd.resume();
    following.caught_up(&*etcd.kv(PREFIX).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_without_a_registry_is_an_error_that_names_it() {
    let etcd = Etcd::stopped();
    let began = Instant::now();
    let error = Follower::start(etcd.kv(PREFIX).await).await.err().unwrap();
    assert!(error.to_string().contains(&etcd.url()), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}
