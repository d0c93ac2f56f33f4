//! The bootstrap file decides until the registry is heard, and not beyond.

use roundhouse_registry::access::Guard;
use roundhouse_registry::access::guard::Options;
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Registry, Revision};
use roundhouse_tests::sample::{job, label};
use roundhouse_tests::{Etcd, TempDir};

use super::{PREFIX, ask, said, until};

const FILE: &str = r#"{
    "jobs/redis": {"jobname": "job.redis", "ports": [{"name": "main", "port": 1111}]},
    "rules/old": {"to": {"job": "redis"}, "from": {"jobname": "job.app"}, "action": "allow"},
    "instances/app/0a1b2c3d-0000-4000-8000-000000000001": {"address": "10.0.0.1", "ports": {"main": 1111}}
}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_comes_is_believed_alone() {
    let (folder, mut etcd) = (TempDir::new().unwrap(), Etcd::stopped());
    let mut options = Options::new(etcd.url().parse().unwrap(), label("redis"));
    options.bootstrap = Some(folder.path().join("rules.json"));
    options.snapshot = Some(folder.path().join("snapshot.jsonl"));
    std::fs::write(folder.path().join("rules.json"), FILE).unwrap();
    let guard = Guard::open(options).unwrap();
    assert_eq!(said(&guard.check_with(&ask("10.0.0.1"))), "allow rule old job.app");
    assert_eq!(said(&guard.check_with(&ask("10.0.0.2"))), "deny guarded  ");
    assert_eq!(guard.status().revision, Revision(0));
    assert!(!folder.path().join("snapshot.jsonl").exists(), "the file is no snapshot of a registry");

    etcd.start();
    let registry = Registry::new(etcd.kv(PREFIX).await);
    until(&guard, "10.0.0.1", "deny no_job  ").await;
    registry.put_job(&label("redis"), &job("job.redis"), Expect::Any).await.unwrap();
    until(&guard, "10.0.0.1", "allow open  ").await;
}

#[test]
fn a_wrong_file_opens_nothing() {
    let (folder, etcd) = (TempDir::new().unwrap(), Etcd::running());
    let mut options = Options::new(etcd.url().parse().unwrap(), label("redis"));
    options.bootstrap = Some(folder.path().join("rules.json"));
    std::fs::write(folder.path().join("rules.json"), FILE.replace("allow", "alow")).unwrap();
    let error = Guard::open(options).unwrap_err().to_string();
    assert!(error.contains("rules.json: nothing of it is used, because of rules/old: "), "{error}");
}
