//! Verdicts change with the registry, and stay when it goes.

use std::time::Duration;

use roundhouse_registry::access::Guard;
use roundhouse_registry::access::guard::{Ask, Options};
use roundhouse_registry::record::Key;
use roundhouse_registry::write::Expect;
use roundhouse_tests::sample::label;
use roundhouse_tests::{Gateway, SOON, Signal, TempDir, eventually, free_port, seen};

use super::{Stage, TOKEN, ask, said, until, until_lost, verdicts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_etcd() {
    let stage = Stage::start().await;
    let url = stage.etcd.url();
    follows(stage, &url, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_gateway() {
    let stage = Stage::start().await;
    let gateway = Gateway::on(&stage.etcd.url());
    let url = gateway.url();
    follows(stage, &url, Some(gateway)).await;
}

/// `gateway`: between the guard and etcd.
async fn follows(mut stage: Stage, url: &str, gateway: Option<Gateway>) {
    let guard = Guard::open(stage.options(url)).unwrap();
    assert_eq!(said(&guard.check_with(&ask("10.0.0.2"))), "allow open  ");
    stage.rule("app", r#"{"to":{"job":"redis"},"from":{"jobname":"job.app"},"action":"allow"}"#).await;
    until(&guard, "10.0.0.2", "deny guarded  job.other").await;
    until(&guard, "10.0.0.1", "allow rule app job.app").await;
    assert!(guard.check_with(&ask("10.0.0.2")).revokes(), "a session of before ends");
    stage.rule("bad", r#"{"to":{"jobname":"cop.x"},"from":{"cidr":["10.0.0.1/32"]},"action":"deny"}"#).await;
    until(&guard, "10.0.0.1", "deny rule bad job.app").await;
    let rule = Key::Rule("bad".parse().unwrap());
    stage.registry.delete_record(&rule, Expect::Any).await.unwrap();
    until(&guard, "10.0.0.1", "allow rule app job.app").await;

    let shared = guard.check("10.0.0.3".parse().unwrap(), Some("job.app"), 1111);
    assert_eq!(
        (said(&shared).as_str(), shared.shared_ip, shared.proved),
        ("allow rule app job.app", true, false)
    );
    let proved = guard.check_with(&Ask { token: Some(TOKEN), ..ask("10.0.0.3").claiming(Some("job.app")) });
    assert!(proved.allows() && proved.proved, "{proved:?}");
    let forged = guard.check_with(&Ask { token: Some("rh_app_none"), ..ask("10.0.0.1") });
    assert_eq!(forged.reason.as_str(), "false_claim");
    // Who registered a moment ago is no stranger; through a gateway, once that one has heard of it.
    for n in 10..20 {
        let registered = stage.lives("app", &format!("10.0.0.{n}:1111"), false).await;
        if let Some(gateway) = &gateway {
            eventually(SOON, "the gateway has heard of it", || {
                seen(gateway.api("/v1/status").json()["revision"].clone(), |now| {
                    now.as_u64() >= Some(registered.0)
                })
            });
        }
        let decision = guard.check_fresh(&ask(&format!("10.0.0.{n}"))).await;
        assert!(decision.allows(), "{n}: {decision:?}");
    }

    let before = verdicts(&guard);
    assert_eq!(guard.status().stale, Duration::ZERO);
    stage.etcd.kill9();
    until_lost(&guard).await;
    assert_eq!(verdicts(&guard), before);
    let stale = guard.check_with(&ask("10.0.0.1")).stale;
    assert!(stale > Duration::ZERO, "{stale:?}");
    let revision = guard.status().revision;
    // The guard's last act is to save what it knows.
    drop(guard);
    if let Some(gateway) = &gateway {
        gateway.process().signal(Signal::KILL);
        gateway.process().wait_exit(SOON);
    }
    let guard = Guard::open(stage.options(url)).unwrap();
    assert_eq!(verdicts(&guard), before);
    let status = guard.status();
    assert_eq!(status.revision, revision);
    assert!(status.stale >= stale && status.error.is_some(), "{status:?}");

    if gateway.is_none() {
        stage.etcd.start();
        stage.lives("app", "10.0.0.30:1111", false).await;
        until(&guard, "10.0.0.30", "allow rule app job.app").await;
        let fresh = || guard.status().stale.is_zero();
        eventually(SOON, "it is heard again", fresh);
    }
}

#[test]
fn with_neither_registry_nor_snapshot_nobody_opens_the_door() {
    let folder = TempDir::new().unwrap();
    for scheme in ["etcd", "http"] {
        let url = format!("{scheme}://127.0.0.1:{}", free_port());
        let mut options = Options::new(url.parse().unwrap(), label("redis"));
        options.snapshot = Some(folder.path().join("snapshot.jsonl"));
        options.wait = Duration::from_millis(300);
        let error = Guard::open(options).unwrap_err().to_string();
        assert!(
            error.contains(&format!("no registry at {url} (")) && error.contains("no snapshot"),
            "{error}"
        );
    }
}
