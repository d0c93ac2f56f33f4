//! A peer that registered a moment ago is no stranger.

use roundhouse_registry::Registry;
use roundhouse_registry::record::{Instance, InstanceId};
use roundhouse_registry::write::NewInstance;
use roundhouse_tests::{Etcd, Gateway, sample};

use super::Stage;

/// Who registers with etcd itself and dials at once is let in at the first attempt, though the gateway has not heard of it
/// yet: each time it is asked how far the registry is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_registered_just_now_is_let_in_at_once() {
    let etcd = Etcd::running();
    let registry = Registry::new(etcd.kv("/roundhouse/v1").await);
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    gateway.run();
    let stage = Stage::of(gateway);
    stage.lives("good", 0, "");
    stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    stage.wait_lets_in(0, true);
    for n in 1..30 {
        let lease = registry.kv().grant(std::time::Duration::from_secs(60)).await.unwrap();
        let address = stage.client(n);
        let new = NewInstance {
            job: sample::label("good"),
            id: InstanceId::random(),
            instance: Instance::new(address, [("main".parse().unwrap(), 9_000)].into()),
            jobname: None,
            ports: vec![sample::port("main", 7)],
        };
        registry.register(&new, Some(lease)).await.unwrap();
        let vip = stage.vip;
        let let_in = tokio::task::spawn_blocking(move || super::lets_in(address, vip)).await.unwrap();
        assert!(let_in, "client {n}");
    }
    assert!(!stage.lets_in(60), "a stranger is one");
}
