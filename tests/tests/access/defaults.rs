//! What holds for whom no rule names, and that it changes only as a person wants.

use std::net::SocketAddr;

use roundhouse_tests::Server;
use serde_json::json;

use super::Stage;

#[test]
fn a_first_deny_and_a_rule_that_is_tried_out_change_nothing_for_others() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    stage.lives("bad", 1, "");
    assert!(stage.lets_in(0) && stage.lets_in(1) && stage.lets_in(2), "nobody has said anything");

    let answer = stage.rule(
        "tried",
        r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow","dry_run":true}"#,
    );
    assert_eq!(answer["guard"], json!(null));
    stage.rule("no", r#"{"to":{"job":"db"},"from":{"jobname":"job.bad"},"action":"deny"}"#);
    stage.wait_lets_in(1, false);
    assert!(stage.lets_in(0) && stage.lets_in(2), "others are let in as before");
    assert_eq!(stage.gateway.api("/v1/guards").json(), json!([]));
    // What it would change is counted.
    let metrics = stage.gateway.api("/metrics").body;
    assert!(metrics.contains(r#"roundhouse_access_dry_run_total{verdict="deny"} "#), "{metrics}");
    assert!(!metrics.contains(r#"roundhouse_access_dry_run_total{verdict="deny"} 0"#), "{metrics}");
}

#[test]
fn a_first_allow_shuts_the_door_to_others_and_its_end_opens_it_to_nobody() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    stage.lives("other", 1, "");
    let answer = stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    assert_eq!(answer["guard"], json!("job.db"), "it is said: {answer}");
    stage.wait_lets_in(1, false);
    assert!(stage.lets_in(0) && !stage.lets_in(2));
    // A second one finds the guard.
    let answer =
        stage.rule("yes-2", r#"{"to":{"job":"db"},"from":{"jobname":"job.other"},"action":"allow"}"#);
    assert_eq!(answer["guard"], json!(null));
    stage.wait_lets_in(1, true);

    for id in ["yes", "yes-2"] {
        assert_eq!(stage.gateway.call("DELETE", &format!("/v1/rules/{id}"), "").status, 200);
    }
    stage.wait_lets_in(0, false);
    assert!(!stage.lets_in(1) && !stage.lets_in(2), "the last rule is gone, and nobody comes in");

    assert_eq!(stage.gateway.call("DELETE", "/v1/guards/job.db", "").status, 200);
    stage.wait_lets_in(0, true);
    assert!(stage.lets_in(1) && stage.lets_in(2), "a person has opened it");
}

#[test]
fn who_is_refused_is_not_told_to_the_instance() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    stage.wait_lets_in(0, true);
    stage.wait_lets_in(5, false);
    let before = stage.db.accepted();
    assert!((0..20).all(|_| !stage.lets_in(5)));
    assert_eq!(stage.db.accepted(), before, "it is decided before anybody is dialled");
    assert!(stage.gateway.reason("denied") >= 20);
}

#[test]
fn a_guard_of_a_subtree_covers_jobs_that_come_later() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    let rule = r#"{"to":{"jobname":"service.store"},"from":{"jobname":"job.good"},"action":"allow"}"#;
    assert_eq!(stage.rule("store", rule)["guard"], json!("service.store"));
    assert!(stage.lets_in(1), "`db` is no part of it");
    let more = r#""port":3307"#;
    let record =
        format!(r#"{{"jobname":"job.late_service.store","check":null,"ports":[{{"name":"main",{more}}}]}}"#);
    assert_eq!(stage.gateway.call("PUT", "/v1/jobs/late", &record).status, 201);
    let server = Server::echo(SocketAddr::new(stage.client(91), 3307));
    stage.gateway.register("late", server.address);
    stage.gateway.wait_up("late", 1);
    let late = stage.gateway.listening_vip("late", 3307);
    assert!(super::lets_in(stage.client(0), late) && !super::lets_in(stage.client(1), late));
}

#[test]
fn a_rule_that_expires_opens_nothing() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let rule = format!(
        r#"{{"to":{{"job":"db"}},"from":{{"jobname":"job.good"}},"action":"allow","expires":{}}}"#,
        now + 2
    );
    stage.rule("for-now", &rule);
    stage.wait_lets_in(1, false);
    assert!(stage.lets_in(0), "for two seconds");
    stage.wait_lets_in(0, false);
    assert!(!stage.lets_in(1));
}

#[test]
fn a_newer_owner_of_an_address_takes_the_older_one_s_name_away() {
    let stage = Stage::start();
    stage.lives("good", 0, "");
    stage.rule("yes", r#"{"to":{"job":"db"},"from":{"jobname":"job.good"},"action":"allow"}"#);
    stage.wait_lets_in(0, true);
    let newer = stage.lives("stranger", 0, "");
    stage.wait_lets_in(0, false);
    // It goes, and the older one, which still has its lease, is who lives there.
    assert_eq!(stage.gateway.call("DELETE", &format!("/v1/instances/stranger/{newer}"), "").status, 200);
    stage.wait_lets_in(0, true);
    // On a host's own network both live there, and who does not say who it is might be either.
    stage.lives("good", 3, r#","shared_ip":true"#);
    stage.wait_lets_in(3, true);
    stage.lives("stranger", 3, r#","shared_ip":true"#);
    stage.wait_lets_in(3, false);
}
