//! Bad input is refused with a sentence, or kept out with one; a bad set opens no door.

use roundhouse_registry::kv::Txn;
use roundhouse_registry::record::{Key, Rule, read};
use roundhouse_tests::{Etcd, Gateway, SOON, Signal, eventually, seen};

use super::Stage;

#[test]
fn the_api_says_what_is_wrong_with_a_rule_and_what_to_write() {
    let stage = Stage::start();
    let put = |id: &str, rule: &str| {
        let reply = stage.gateway.call("PUT", &format!("/v1/rules/{id}"), rule);
        assert!(reply.status == 422 || reply.status == 400, "{rule}: {reply:?}");
        reply.body
    };
    let rule =
        |to: &str, from: &str, more: &str| format!(r#"{{"to":{to},"from":{from},"action":"allow"{more}}}"#);
    let db = r#"{"job":"db"}"#;
    for (rule, expected) in [
        (rule(db, r#"{"jobname":"app.x"}"#, ""), "unknown tag `app`; the tags are cop, owt"),
        (rule(db, r#"{"jobname":"cop.x_cop.y"}"#, ""), "has the tag `cop` twice"),
        (rule(db, r#"{"jobname":"cop."}"#, ""), "is empty"),
        (rule(db, r#"{"cidr":["10.0.0.7/8"]}"#, ""), "write `10.0.0.0/8`"),
        (rule(db, r#"{"cidr":["::ffff:10.0.0.0/104"]}"#, ""), "write `10.0.0.0/8`"),
        (rule(db, "{}", ""), "names nobody"),
        (
            rule(r#"{"job":"nobody"}"#, r#"{"jobname":"cop.x"}"#, ""),
            "there is no job `nobody`; put the job first",
        ),
        (rule(db, r#"{"jobname":"cop.x"}"#, r#","expires":17"#), "expires"),
        (rule(db, r#"{"jobname":"cop.x"}"#, r#","ports":[0]"#), "1 to 65535"),
        (
            r#"{"to":{"job":"db"},"from":{"jobname":"cop.x"},"action":"deny","proof":"token"}"#.to_owned(),
            "would let in whoever shows none",
        ),
    ] {
        let said = put("r", &rule);
        assert!(said.contains(expected), "{rule}: {said}");
    }
    assert!(put("R_1", &rule(db, r#"{"jobname":"cop.x"}"#, "")).contains("is no name; write"));
    // An id is one rule's: whoever means a new one is told that there is one.
    let good = rule(db, r#"{"jobname":"cop.x"}"#, "");
    stage.rule("r", &good);
    let again = stage.gateway.call_with("PUT", "/v1/rules/r", &[("If-None-Match", "*")], &good);
    assert_eq!(again.status, 412, "{again:?}");
    assert!(stage.gateway.api("/v1/quarantine").body.contains("[]"), "nothing of it was written");
}

/// Somebody writes into etcd by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typing_error_in_the_registry_leaves_the_rule_that_was_there_in_force() {
    let etcd = Etcd::running();
    let kv = etcd.kv("/roundhouse/v1").await;
    let mut gateway = Gateway::prepared(&etcd.url(), "");
    gateway.run();
    let mut stage = Stage::of(gateway);
    stage.lives("bad", 1, "");
    stage.rule("no", r#"{"to":{"job":"db"},"from":{"jobname":"job.bad"},"action":"deny"}"#);
    stage.wait_lets_in(1, false);
    let good = kv.get("rules/no").await.unwrap().unwrap().value;
    assert!(read::<Rule>(&good).is_ok());

    let wrong = String::from_utf8(good.to_vec()).unwrap().replace("deny", "denny");
    kv.commit(Txn::new().put(Key::Rule("no".parse().unwrap()).to_string(), wrong, None)).await.unwrap();
    let reason = eventually(SOON, "the bad record is listed", || {
        seen(stage.gateway.api("/v1/quarantine").body, |body| body.contains("rules/no"))
    });
    assert!(reason.contains("the rule as it was before stays in force"), "{reason}");
    assert!(!stage.lets_in(1) && stage.lets_in(0));

    // Nor does a restart open the door: the snapshot on disk knows what it was.
    eventually(SOON, "the snapshot is saved", || {
        std::fs::read_to_string(stage.gateway.data_dir().join("snapshot.jsonl"))
            .is_ok_and(|saved| saved.contains("rules/no"))
    });
    stage.gateway.process().signal(Signal::TERM);
    drop(stage.gateway.stopped());
    stage.gateway.run();
    stage.gateway.wait_up("db", 1);
    stage.vip = stage.gateway.listening_vip("db", 3306);
    stage.wait_lets_in(0, true);
    assert!(!stage.lets_in(1));
}
