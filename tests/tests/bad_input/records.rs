//! Records that somebody wrote into etcd past every check.

use roundhouse_tests::{Etcd, Gateway, SOON, eventually, seen};
use serde_json::Value;

use crate::{PORT, Served, entries};

const PREFIX: &str = "/roundhouse/v1/";

/// A bad record's key, its value and the reason that must be given.
type Bad = (&'static str, Vec<u8>, &'static str);

fn bad_records() -> Vec<Bad> {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = format!(r#"{{"jobname":"job.deep","a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    let good = r#"{"jobname":"job.good","ports":[{"name":"main","port":1}]}"#;
    vec![
        ("jobs/syntax", text(r#"{"jobname":"#), "EOF while parsing"),
        ("jobs/empty", Vec::new(), "EOF while parsing"),
        (
            "jobs/future",
            text(r#"{"schema":7,"anything":[]}"#),
            "schema 7 is newer than this program understands",
        ),
        ("jobs/nul", b"{\"jobname\":\"job.n\0l\"}".to_vec(), "control character"),
        ("jobs/bytes", vec![0xff, 0xfe, 0, 1], "expected value"),
        ("jobs/large", vec![b' '; 1 << 20], "value has 1048576 bytes; the most is 65536"),
        ("jobs/deep", text(&deep), "nests deeper than 32 levels"),
        ("jobs/App2", text(good), "label `App2` has upper-case letters; write `app2`"),
        ("jobs/a\0b", text(good), "label `a\\0b` contains"),
        ("jobs/", text(good), "label is empty"),
        ("jobz/app2", text(good), "unknown kind `jobz`"),
        ("jobs/type", text(r#"{"jobname":7}"#), "jobname: invalid type: integer `7`"),
        (
            "instances/web/0a1b2c3d-0000-4000-8000-000000000001",
            text(r#"{"address":"10.0.0.7","ports":{"main":65536}}"#),
            "ports.main: invalid value: integer `65536`, expected a whole number up to 65535",
        ),
        ("instances/web/17", text(r#"{"address":"10.0.0.7","ports":{"main":1}}"#), "no UUID"),
        ("domains/blog.coding.net:80", text(r#"{"routes":[{"to":[{"job":"web"}]}]}"#), "carries a port"),
        ("vips/web2", text(r#"{"offset":-1}"#), "offset"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_quarantined_with_its_reason_and_the_good_ones_are_served() {
    let etcd = Etcd::running();
    let served = Served::by(Gateway::on(&etcd.url()));
    let mut client = etcd.client().await;
    let records = bad_records();
    for (key, value, _) in &records {
        client.put(format!("{PREFIX}{key}"), value.clone(), None).await.unwrap();
    }
    let expected: Vec<(&str, &str)> = records.iter().map(|(key, _, reason)| (*key, *reason)).collect();
    served.wait_quarantined(&expected);
    served.still_serves();
    let others = served.gateway.api("/v1/snapshot").json();
    for kind in ["jobs/", "instances/", "domains/", "vips/"] {
        assert_eq!(entries(&others, kind), entries(&served.records, kind), "{kind}");
    }

    let shown = served.gateway.cli(&["get", "quarantine"]);
    let table = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success() && table.starts_with("KEY "), "{table}");
    for (key, reason) in &expected {
        let key = key.replace('\0', "\\u{0}");
        let line = table.lines().find(|line| line.split("  ").next() == Some(&key));
        assert!(line.is_some_and(|line| line.contains(reason)), "{key}: {table}");
    }

    // Good records go on being read, and a good value is the cure of a bad one.
    served.gateway.put_job("new", 1111, "tcp");
    client.put(format!("{PREFIX}jobs/syntax"), r#"{"jobname":"job.syntax"}"#, None).await.unwrap();
    client.delete(format!("{PREFIX}jobs/large"), None).await.unwrap();
    let left: Vec<_> =
        expected.into_iter().filter(|(key, _)| !["jobs/syntax", "jobs/large"].contains(key)).collect();
    served.wait_quarantined(&left);
    assert_eq!(served.gateway.job("syntax")["jobname"], "job.syntax");

    // A gateway that finds them at its start lists the same.
    let second = Gateway::on(&etcd.url());
    assert_eq!(second.api("/v1/quarantine").json(), served.gateway.api("/v1/quarantine").json());
    assert!(!second.process().stderr().contains("panicked"));
    served.still_serves();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_value_takes_its_own_record_out_and_no_other() {
    let etcd = Etcd::running();
    let served = Served::by(Gateway::on(&etcd.url()));
    served.gateway.put_job("other", 1111, "tcp");
    let mut client = etcd.client().await;
    client.put(format!("{PREFIX}jobs/other"), "{", None).await.unwrap();
    served.wait_quarantined(&[("jobs/other", "EOF")]);
    assert_eq!(served.gateway.api("/v1/jobs/other").status, 404);
    served.still_serves();
    // Writing over it is the cure.
    served.gateway.put_job("other", 1111, "tcp");
    served.wait_quarantined(&[]);
    assert_eq!(served.gateway.job("other")["jobname"], "job.other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_at_the_gateways_own_listener_is_never_dialled() {
    let etcd = Etcd::running();
    let served = Served::by(Gateway::on(&etcd.url()));
    let (own, vip) = (served.gateway.net.gateway(), served.gateway.vip("web"));
    let mut client = etcd.client().await;
    let loops =
        [(own, 8400, "own admin listener"), (own, 8080, "own entrypoint `http`"), (vip, PORT, "VIP prefix")];
    for ((address, port, _), n) in loops.iter().zip(1..) {
        let key = format!("{PREFIX}instances/web/0a1b2c3d-0000-4000-8000-{n:012}");
        let value = format!(r#"{{"address":"{address}","ports":{{"main":{port}}}}}"#);
        client.put(key, value, None).await.unwrap();
    }
    let instances = || served.gateway.job("web")["instances"].as_array().cloned().unwrap_or_default();
    let is_refused = |item: &&Value| item["refused"].is_string();
    let all = eventually(SOON, "they are shown as refused", || {
        seen(instances(), |all| all.len() == 4 && all.iter().filter(is_refused).count() == 3)
    });
    for ((address, port, reason), n) in loops.iter().zip(1..) {
        let id = format!("0a1b2c3d-0000-4000-8000-{n:012}");
        let found = all.iter().find(|item| item["id"] == id.as_str()).unwrap();
        assert!(found["refused"].as_str().unwrap().contains(reason), "{address}:{port}: {found}");
    }
    // Each turn is the good one's.
    for _ in 0..10 {
        served.still_serves();
    }
    for item in instances().iter().filter(is_refused) {
        assert_eq!((&item["served"], &item["connect_failures"]), (&0.into(), &0.into()), "{item}");
        assert_eq!(item["health"]["main"], "unknown", "{item}");
    }
    let described = served.gateway.cli(&["describe", "job", "web"]);
    let text = String::from_utf8(described.stdout).unwrap();
    assert_eq!(text.matches("\nrefused: ").count(), 3, "{text}");
    // Only the good instance is named by DNS and by explain.
    let explained = served.gateway.cli(&["explain", &format!("web.jobs.coding.net:{PORT}")]);
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(text.contains("1 of 4 in turn"), "{text}");
}
