//! What nobody should write, written into etcd past every check.

use std::time::Instant;

use etcd_client::{LeaseGrantOptions, PutOptions};
use roundhouse_tests::soak::report;
use roundhouse_tests::{Etcd, SOON, eventually, seen};

use crate::{PREFIX, Stage};

/// Keys and values, and the reason that must be given.
fn bad_values() -> Vec<(String, Vec<u8>, &'static str)> {
    let job = r#"{"jobname":"job.x"}"#.to_owned();
    let deep = format!(r#"{{"jobname":"job.deep","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let deep_objects =
        format!(r#"{{"jobname":"job.deep","x":{}1{}}}"#, r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    let port = |n: u8, port: &str| {
        let key = format!("instances/web/0a1b2c3d-0000-4000-8000-{n:012}");
        (key, format!(r#"{{"address":"127.0.0.1","ports":{{"main":{port}}}}}"#))
    };
    let mut bad: Vec<(String, Vec<u8>, &'static str)> = [
        ("jobs/deep".to_owned(), deep, "the most is 65536"),
        ("jobs/deep-objects".to_owned(), deep_objects, "nests deeper than 32 levels"),
        ("jobs/large".to_owned(), " ".repeat(1 << 20), "value has 1048576 bytes"),
        ("jobs/nul".to_owned(), "{\"jobname\":\"job.n\0l\"}".to_owned(), "control character"),
        (
            "jobs/future".to_owned(),
            r#"{"schema":4294967295,"jobname":"job.x"}"#.to_owned(),
            "is newer than this program",
        ),
        (format!("jobs/{}", "k".repeat(64 << 10)), job.clone(), "bytes; the most is 512"),
        ("jobs/a\0b".to_owned(), job, "contains"),
    ]
    .map(|(key, value, reason)| (key, value.into_bytes(), reason))
    .into();
    for (n, number, reason) in [
        (1, "65536", "up to 65535"),
        (2, "0", "port 0"),
        (3, "-1", "invalid value"),
        (4, "1e400", "number out of range"),
    ] {
        let (key, value) = port(n, number);
        bad.push((key, value.into_bytes(), reason));
    }
    bad.push(("jobs/bytes".to_owned(), vec![0xff, 0xfe, 0x00], "expected value"));
    bad
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_values_are_quarantined_one_by_one() {
    let etcd = Etcd::running();
    let kv = etcd.kv(PREFIX).await;
    let (stage, mut judge) = Stage::set(kv, &etcd.endpoints(), &etcd.url(), &etcd.url()).await;
    let mut client = etcd.client().await;
    let bad = bad_values();
    for (key, value, _) in &bad {
        client.put(format!("{PREFIX}/{key}"), value.clone(), None).await.unwrap();
    }
    // Lease ids are any of 63 bits; JSON numbers are not.
    let leases = [1, (1 << 53) + 1, i64::MAX];
    for (id, n) in leases.iter().zip(1..) {
        client.lease_grant(60, Some(LeaseGrantOptions::new().with_id(*id))).await.unwrap();
        let key = format!("{PREFIX}/instances/leased/0a1b2c3d-0000-4000-8000-{n:012}");
        let value = format!(r#"{{"address":"127.0.0.1","ports":{{"main":{n}}}}}"#);
        client.put(key, value, Some(PutOptions::new().with_lease(*id))).await.unwrap();
    }
    let listed = eventually(SOON, "all are quarantined", || {
        let listed = stage.gateway.api("/v1/quarantine").json();
        let all = listed.as_array().cloned().unwrap_or_default();
        seen(all, |all| all.len() == bad.len())
    });
    for (key, _, reason) in &bad {
        let shown: String = key.chars().take(512).collect();
        let found = listed.iter().find(|one| one["key"].as_str().is_some_and(|key| key.starts_with(&shown)));
        let said = found.and_then(|one| one["reason"].as_str()).unwrap_or_else(|| panic!("{shown}"));
        assert!(said.contains(reason), "{shown}: {said}");
    }
    let metrics = stage.gateway.api("/metrics").body;
    assert!(
        metrics.lines().any(|line| line == format!("roundhouse_registry_quarantined {}", bad.len())),
        "{metrics}"
    );
    eventually(SOON, "every leased instance is there", || {
        let leased = stage.gateway.api("/v1/instances/leased").json();
        let all = leased.as_array().cloned().unwrap_or_default();
        seen(all, |all| all.len() == leases.len())
    });
    for id in leases {
        let kept = stage.gateway.call("POST", &format!("/v1/leases/{id:x}/keepalive"), "");
        assert!(kept.status < 300, "{id:x}: {kept:?}");
    }
    // The next value under a bad key is its cure, and a key that goes is off the list.
    for (key, _, _) in &bad {
        client.delete(format!("{PREFIX}/{key}"), None).await.unwrap();
    }
    eventually(SOON, "none is left", || {
        seen(stage.gateway.api("/v1/quarantine").body, |body| body.trim() == "[]")
    });
    judge.agrees(Instant::now()).await;
    let verdict = judge.verdict().await;
    assert!(!stage.gateway.process().stderr().contains("panicked"));
    report("i  bad values", &format!("{verdict}; {} quarantined by name", bad.len()));
}
