//! etcd stops, freezes, compacts and forgets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_registry::hold::Release;
use roundhouse_registry::kv::etcd::{self, Options};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Follower, Registry, State};
use roundhouse_tests::sample::{job, label, new_instance};
use roundhouse_tests::{Etcd, SOON, Wire, eventually_async, seen};

use crate::{Following, RECOVERY};

const PREFIX: &str = "/roundhouse/v1";

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
    let behind = Options::plain(&[format!("http://{}", wire.address())], PREFIX);
    let following = Following::start(Arc::new(etcd::Etcd::new(behind))).await;
    for compact in [false, true] {
        let start = following.caught_up(&**registry.kv()).await;
        wire.cut();
        following.lost().await;
        let second = new_instance("app", "10.0.0.8:1111");
        registry.register(&second, None).await.unwrap();
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
            following.store.history.since(start.revision).is_err(),
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
    // Two that share a VIP, and one whose port there is given away meanwhile.
    let pool = |port: u16| {
        let text = format!(r#"{{"to":{{"job":"a"}},"port":{port},"lines":{{"telecom":["203.0.113.1"]}}}}"#);
        roundhouse_registry::record::read(text.as_bytes()).unwrap()
    };
    for (name, port) in [("blog", 80), ("shop", 443), ("late", 8080)] {
        registry.put_pool(&label(name), &pool(port), Expect::Any, 0).await.unwrap();
    }
    let following = Following::start(etcd.kv(PREFIX).await).await;
    let before = following.caught_up(&**registry.kv()).await;
    etcd.stop();
    etcd.lose_data();
    etcd.start();
    registry.put_job(&label("d"), &job("job.d"), Expect::Any).await.unwrap();
    let look = async || {
        let now = following.store.load();
        let jobs: Vec<String> = now.jobs.keys().map(ToString::to_string).collect();
        if now.revision < before.revision && jobs == ["a", "b", "c", "d"] { Ok(now) } else { Err(jobs) }
    };
    let after = eventually_async(RECOVERY, "the new history, and what only the old one had", look).await;
    assert_eq!(
        after.retained.keys().map(|key| &**key).collect::<Vec<_>>(),
        ["jobs/a", "jobs/b", "jobs/c", "pools/blog", "pools/late", "pools/shop"]
    );
    // What was an accident is written back, and then the registry's own again; what is still missing is given up.
    registry.put_job(&label("b"), &job("job.b"), Expect::Any).await.unwrap();
    registry.put_pool(&label("new"), &pool(8080), Expect::Any, 0).await.unwrap();
    let restored = registry.restore(&after, 0).await.unwrap();
    assert_eq!((restored.written, restored.left), (4, 2));
    let vip = registry.kv().get("pool-vips/203.0.113.1").await.unwrap().unwrap();
    assert_eq!(vip.value, r#"{"pools":["blog","new","shop"]}"#);
    let retained = async || {
        let keys: Vec<String> = following.store.load().retained.keys().map(ToString::to_string).collect();
        seen(keys, |keys| keys == &["pools/late"])
    };
    eventually_async(RECOVERY, "only that is missing whose place is another's", retained).await;
    assert_eq!(following.holds.release(Release::All).await, 1);
    let now = following.caught_up(&**registry.kv()).await;
    assert_eq!(now.jobs.len(), 4);
    registry.delete_job(&label("a"), Expect::Any, 0).await.unwrap();
    let now = following.caught_up(&**registry.kv()).await;
    assert_eq!(now.jobs.keys().collect::<Vec<_>>(), [&label("b"), &label("c"), &label("d")]);
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
