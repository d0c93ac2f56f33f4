//! What the registry and metrics are told of a director.

use roundhouse_tests::{SOON, Signal, eventually, http, seen};
use serde_json::json;

use crate::stage::{Stage, who};

#[test]
fn a_director_says_what_it_holds_and_leaves_in_order() {
    let stage = Stage::new();
    stage.job();
    let _servers = [stage.instance(1, "a"), stage.instance(2, "b")];
    let vip = stage.pool();
    stage.config(1, "");
    let director = stage.run(1);
    eventually(SOON, "the VIP leads to the instances", || who(vip));
    let record = eventually(SOON, "it says so", || {
        let record = stage.gateway.api("/v1/directors/lvs-1").json();
        seen(record, |record| record["applied"] == json!({"blog": [vip.ip()]}))
    });
    assert_eq!((&record["sinks"], &record["lines"]), (&json!(["haproxy"]), &json!(["telecom"])));
    let revision = stage.put("lines/unicom", &json!({}))["revision"].as_u64().unwrap();
    eventually(SOON, "it has applied what is newer too", || {
        let record = stage.gateway.api("/v1/directors/lvs-1").json();
        seen(record["revision"].as_u64(), |applied| *applied >= Some(revision))
    });

    let metrics = http::get(stage.listen(1), "x", "/metrics").unwrap().body;
    for line in [
        "lvs_sync_operations_total{sink=\"haproxy\",kind=\"added\"} 3",
        "lvs_sync_services{sink=\"haproxy\"} 1",
        "lvs_sync_destinations{sink=\"haproxy\"} 2",
        "lvs_sync_in_step{sink=\"haproxy\"} 1",
        "lvs_sync_registry_stale_seconds 0.0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}:\n{metrics}");
    }

    director.signal(Signal::TERM);
    assert!(director.wait_exit(SOON).success(), "{}", director.stderr());
    assert_eq!(stage.gateway.api("/v1/directors/lvs-1").status, 404);
    assert!(who(vip).is_ok(), "what is programmed stays");
}

#[test]
fn orders_are_not_taken_from_a_browser() {
    let stage = Stage::new();
    stage.config(1, "");
    let _director = stage.run(1);
    let mut connection = http::Connection::open(stage.listen(1)).unwrap();
    let headers = [("host", "x"), ("origin", "http://evil.example"), ("content-type", "application/json")];
    let reply = connection.request_with("POST", "/release", &headers, r#"{"all":true}"#).unwrap();
    assert_eq!(reply.status, 403, "{reply:?}");
}

#[test]
fn of_two_with_one_state_file_the_second_does_not_start() {
    let stage = Stage::new();
    stage.config(1, "");
    let _director = stage.run(1);
    let output = stage.lvs_sync(1, &["apply", "--once"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("lvs-1.state is held by another lvs-sync"), "{said}");
}

#[test]
fn orders_are_taken_from_this_host_alone() {
    let Some(mut command) = roundhouse_tests::inside("announced::orders_are_taken_from_this_host_alone")
    else {
        let run = |script: &str| std::process::Command::new("sh").args(["-ec", script]).output().unwrap();
        run("ip link set lo up; ip addr add 192.168.7.1/24 dev lo");
        let stage = Stage::new();
        let config = stage.config(1, "");
        let text = std::fs::read_to_string(&config).unwrap();
        let own = stage.listen(1).to_string();
        std::fs::write(&config, text.replace(&own, "0.0.0.0:8410")).unwrap();
        let _director = stage.run(1);
        let asked = |host: &str, path: &str| {
            let address = format!("{host}:8410").parse().unwrap();
            let mut connection = http::Connection::open(address).unwrap();
            let headers = [("host", host), ("content-type", "application/json")];
            connection.request_with("POST", path, &headers, r#"{"all":true}"#).unwrap().status
        };
        // Who dials that address comes from it.
        assert_eq!(asked("192.168.7.1", "/release"), 403);
        assert_eq!(asked("127.0.0.1", "/release"), 200);
        return;
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
