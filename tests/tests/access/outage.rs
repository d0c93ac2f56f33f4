//! Rules hold while the registry is away: after it is killed, after the gateway starts again without it, and where it was
//! never heard.

use std::time::Duration;

use roundhouse_tests::{Background, Etcd, Gateway, SOON, Signal, eventually, http, listens, seen};

use super::{Stage, verdict};

/// Verdicts on a few peers.
fn verdicts(stage: &Stage) -> Vec<(String, String)> {
    let ask = |from: String, more: &str| {
        verdict(&stage.gateway, &format!(r#"{{"from":"{from}","to":"db"{more}}}"#))
    };
    (0..5u8)
        .flat_map(|n| {
            let from = stage.client(n).to_string();
            [
                ask(from.clone(), ""),
                ask(format!("::ffff:{from}"), ""),
                ask(from.clone(), r#","as":"job.good""#),
                ask(from, r#","as":"job.bad""#),
            ]
        })
        .collect()
}

#[test]
fn the_verdicts_are_the_same_without_a_registry_and_after_a_restart() {
    let mut etcd = Etcd::running();
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    gateway.run();
    let mut stage = Stage::of(gateway);
    stage.lives("good", 0, "");
    stage.lives("bad", 1, "");
    stage.lives("good", 2, r#","shared_ip":true"#);
    stage.lives("bad", 2, r#","shared_ip":true"#);
    stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    stage.rule("no", r#"{"to":{"job":"db"},"from":{"jobname":"job.bad"},"action":"deny"}"#);
    stage.wait_lets_in(1, false);
    stage.wait_lets_in(0, true);
    let before = verdicts(&stage);
    assert_eq!(before[0], ("allow".into(), "rule".into()));
    assert_eq!(before[4], ("deny".into(), "rule".into()));
    eventually(SOON, "the snapshot is saved", || {
        std::fs::read_to_string(stage.gateway.data_dir().join("snapshot.jsonl"))
            .is_ok_and(|saved| saved.contains("rules/no") && saved.contains("guards/job.db"))
    });

    etcd.kill9();
    eventually(SOON, "the gateway has noticed", || {
        seen(stage.gateway.api("/v1/status").json()["registry"].clone(), |registry| {
            !registry["lost"].is_null()
        })
    });
    assert_eq!(verdicts(&stage), before);
    assert!(stage.lets_in(0) && !stage.lets_in(1) && !stage.lets_in(2) && !stage.lets_in(3));

    stage.gateway.process().signal(Signal::TERM);
    drop(stage.gateway.stopped());
    stage.gateway.run();
    stage.gateway.wait_up("db", 1);
    stage.vip = stage.gateway.listening_vip("db", 3306);
    assert_eq!(verdicts(&stage), before);
    assert!(stage.lets_in(0) && !stage.lets_in(1) && !stage.lets_in(2) && !stage.lets_in(3));
}

#[test]
fn a_job_may_shut_its_door_when_what_is_known_is_old_or_want_proof_then() {
    let mut etcd = Etcd::running();
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    gateway.run();
    let stage = Stage::of(gateway);
    stage.lives("good", 0, "");
    for (job, outage) in [
        ("shuts", r#""outage":{"max_stale":"2s","then":"deny"}"#),
        ("freezes", r#""outage":{"max_stale":"2s"}"#),
        ("proves", r#""outage":{"proof_stale":"2s"}"#),
    ] {
        stage.gateway.write_job(job, r#""port":9"#, outage);
        let rule = format!(r#"{{"to":{{"job":"{job}"}},"from":{{"jobname":"job.good"}},"action":"allow"}}"#);
        stage.rule(job, &rule);
    }
    let ask =
        |job: &str| verdict(&stage.gateway, &format!(r#"{{"from":"{}","to":"{job}"}}"#, stage.client(0)));
    for job in ["shuts", "freezes", "proves"] {
        eventually(SOON, job, || seen(ask(job), |verdict| verdict.0 == "allow"));
    }
    etcd.kill9();
    eventually(SOON * 2, "it is old by now", || seen(ask("shuts"), |verdict| verdict.1 == "stale"));
    assert_eq!(ask("freezes"), ("allow".into(), "rule".into()));
    eventually(SOON, "and proof is wanted", || seen(ask("proves"), |verdict| verdict.1 == "stale_unproved"));
}

/// A first start with neither registry nor snapshot opens no port; with a file of rules it does, and they hold.
#[test]
fn a_first_start_without_a_registry_needs_a_bootstrap_file() {
    let dead = Etcd::stopped();
    let mut gateway = Gateway::prepared(&dead.url(), "");
    let process = Background::spawn(gateway.command());
    let status = process.wait_exit(SOON);
    assert!(!status.success(), "{status}");
    assert!(process.stderr().contains(&dead.url()), "{}", process.stderr());
    assert!(!listens(gateway.http()));

    let (db, client) = (gateway.net.app(90), gateway.net.app(0));
    let file = gateway.folder().join("bootstrap.json");
    let records = |rule: &str| {
        format!(
            r#"{{
              "jobs/db": {{"jobname":"job.db","check":null,"ports":[{{"name":"main","port":3306}}]}},
              "instances/db/0a1b2c3d-0000-4000-8000-000000000001": {{"address":"{db}","ports":{{"main":3306}}}},
              "instances/good/0a1b2c3d-0000-4000-8000-000000000002": {{"address":"{client}","ports":{{"main":7}}}},
              "jobs/good": {{"jobname":"job.good"}},
              "vips/db": {{"offset":5}},
              "guards/job.db": {{"job":"db"}},
              "rules/yes": {rule}
            }}"#
        )
    };
    let yes = r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#;
    gateway.add(&format!("[access]\nbootstrap = \"{}\"", file.display()));
    // One that cannot be read opens no door, and says why.
    std::fs::write(&file, records(&yes.replace("allow", "alow"))).unwrap();
    let process = Background::spawn(gateway.command());
    assert!(!process.wait_exit(SOON).success());
    assert!(
        process.stderr().contains("rules/yes") && process.stderr().contains("alow"),
        "{}",
        process.stderr()
    );

    std::fs::write(&file, records(yes)).unwrap();
    let server = roundhouse_tests::Server::echo(std::net::SocketAddr::new(db, 3306));
    gateway.run();
    gateway.wait_up("db", 1);
    let vip = gateway.listening_vip("db", 3306);
    let stage = Stage { gateway, vip, db: server };
    stage.wait_lets_in(0, true);
    assert!(!stage.lets_in(1));
}

/// Once the registry is heard, it is what counts, and what only the bootstrap file had is gone.
#[test]
fn the_registry_replaces_the_bootstrap_file() {
    let mut etcd = Etcd::stopped();
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    let file = gateway.folder().join("bootstrap.json");
    std::fs::write(&file, r#"{"jobs/early":{"jobname":"job.early"},"guards/job.early":{}}"#).unwrap();
    gateway.add(&format!("[access]\nbootstrap = \"{}\"", file.display()));
    gateway.run();
    let jobs = || http::get(gateway.admin(), &gateway.admin().to_string(), "/v1/jobs").unwrap().body;
    assert!(jobs().contains("early"));
    etcd.start();
    eventually(Duration::from_secs(30), "the registry is heard", || {
        seen(jobs(), |jobs| !jobs.contains("early"))
    });
    assert_eq!(gateway.api("/v1/guards").body.trim(), "[]");
}
