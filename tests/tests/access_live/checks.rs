//! What programs and people are told who ask about access.

use std::collections::BTreeSet;

use roundhouse_tests::http::Reply;
use roundhouse_tests::{SOON, eventually, seen};
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::stage::{EVIL, READER, SHARED, STRANGER, Stage, WEB, in_force, rule};

/// `from` and `to`, and more of a question.
fn question(stage: &Stage, from: u8, more: &Value) -> String {
    let mut question = json!({ "from": stage.address(from), "to": "shop" });
    for (name, value) in more.as_object().expect("fields") {
        question[name] = value.clone();
    }
    question.to_string()
}

fn asked(stage: &Stage, what: &str, from: u8, more: &Value) -> Reply {
    stage.gateway.call("POST", &format!("/v1/access/{what}"), &question(stage, from, more))
}

#[track_caller]
fn check(stage: &Stage, from: u8, more: &Value) -> Value {
    let reply = asked(stage, "check", from, more);
    assert_eq!(reply.status, 200, "{more}: {reply:?}");
    reply.json()
}

#[test]
fn a_check_says_what_was_decided_by_which_rule_and_about_whom() {
    let stage = Stage::start();
    let path = |path: &str| json!({ "path": path });
    for (from, more, expected) in [
        (WEB, json!({}), json!(["allow", "rule", "allow-web", "job.web", false])),
        (WEB, path("/x"), json!(["allow", "rule", "allow-web", "job.web", false])),
        (WEB, path("/x/../%61dmin?y"), json!(["deny", "rule", "deny-admin", "job.web", false])),
        (WEB, path("/x/..%2fadmin"), json!(["deny", "rule", "deny-admin", "job.web", false])),
        (
            WEB,
            json!({ "method": "POST", "path": "/x", "port": "main" }),
            json!(["allow", "rule", "allow-web", "job.web", false]),
        ),
        (WEB, json!({ "port": 9090 }), json!(["allow", "rule", "allow-web", "job.web", false])),
        (READER, path("/public/x"), json!(["allow", "rule", "allow-reader", "job.reader", false])),
        (READER, path("/x"), json!(["deny", "guarded", null, "job.reader", false])),
        (READER, json!({}), json!(["deny", "guarded", null, "job.reader", false])),
        (EVIL, json!({}), json!(["deny", "guarded", null, "job.evil", false])),
        (EVIL, json!({ "as": "job.web" }), json!(["deny", "false_claim", null, null, false])),
        (STRANGER, json!({}), json!(["deny", "guarded", null, null, false])),
        (SHARED, json!({}), json!(["deny", "guarded", null, null, true])),
        (SHARED, json!({ "as": "job.web" }), json!(["allow", "rule", "allow-web", "job.web", true])),
        (SHARED, json!({ "as": "job.evil" }), json!(["deny", "guarded", null, "job.evil", true])),
        (
            SHARED,
            json!({ "as": "job.web", "path": "/admin" }),
            json!(["deny", "rule", "deny-admin", "job.web", true]),
        ),
    ] {
        let said = check(&stage, from, &more);
        let found = ["verdict", "reason", "rule", "identity", "shared_ip"].map(|field| said[field].clone());
        assert_eq!(json!(found), expected, "{from} {more}: {said}");
        assert!(said["revision"].is_u64() && said["stale_seconds"].is_f64(), "{said}");
        assert_eq!((&said["proved"], &said["would"]), (&json!(false), &Value::Null), "{said}");
    }
}

/// The same decision as is enforced.
#[test]
fn a_check_says_what_the_gateway_does() {
    let stage = Stage::start();
    for from in [WEB, READER, EVIL, SHARED, STRANGER] {
        for target in
            ["/public", "/x", "/admin", "/%61dmin", "/public/..%2fx", "/x%2f..%2fadmin", "//admin", "/x;a/y"]
        {
            let said = check(&stage, from, &json!({ "path": target }));
            let reply = Ask { target, ..Ask::of(&stage, from) }.over_http1(&stage).unwrap();
            assert_eq!(said["verdict"] == "allow", reply.status == 200, "{from} {target}: {said} {reply:?}");
        }
    }
}

#[test]
fn what_is_only_tried_out_is_said_and_not_done() {
    let stage = Stage::start();
    let web = r#""from":{"jobname":"job.web"},"dry_run":true"#;
    stage.in_force(stage.rule("try-deny", &format!(r#"{web},"action":"deny""#)));
    let said = check(&stage, WEB, &json!({}));
    assert_eq!(
        (&said["verdict"], &said["would"]),
        (&json!("allow"), &json!({ "verdict": "deny", "rule": "try-deny" }))
    );
    assert_eq!(check(&stage, READER, &json!({ "path": "/public" }))["would"], Value::Null);
    // Also where it is one of a path's other readings that it names.
    stage.in_force(stage.rule("try-deny", &format!(r#"{web},"action":"deny","paths":["/tried"]"#)));
    for path in ["/tried", "/x/..%2ftried"] {
        let said = check(&stage, WEB, &json!({ "path": path }));
        assert_eq!(
            (&said["verdict"], &said["would"]["rule"]),
            (&json!("allow"), &json!("try-deny")),
            "{path}"
        );
    }
    assert_eq!(check(&stage, WEB, &json!({ "path": "/x" }))["would"], Value::Null);
    // An allow that is tried out guards nothing, and says whom it would keep out.
    stage.gateway.write_job("open", r#""port":9091"#, "");
    let tried = rule(&stage.gateway, "open", "try-allow", &format!(r#"{web},"action":"allow""#));
    in_force(&stage.gateway, "open", tried);
    let said = check(&stage, WEB, &json!({ "to": "open" }));
    assert_eq!((&said["verdict"], &said["would"]), (&json!("allow"), &Value::Null), "{said}");
    let said = check(&stage, EVIL, &json!({ "to": "open" }));
    assert_eq!(
        (&said["verdict"], &said["would"]),
        (&json!("allow"), &json!({ "verdict": "deny", "rule": null }))
    );
}

#[test]
fn a_question_that_is_wrong_is_told_what_is() {
    let stage = Stage::start();
    for what in ["check", "test"] {
        for (more, text) in [
            (json!({ "who": "job.web" }), "unknown field `who`"),
            (json!({ "from": "ten" }), "is no address"),
            (json!({ "from": "127.0.0.1:80" }), "is no address"),
            (json!({ "to": "Shop" }), "to"),
            (json!({ "as": "web" }), "as"),
            (json!({ "port": "other" }), "it has main (9090)"),
            (json!({ "port": 80 }), "it has main (9090)"),
            (json!({ "port": 0 }), "port"),
            (json!({ "path": "x".repeat(9_000) }), "at most 8192"),
        ] {
            let reply = asked(&stage, what, WEB, &more);
            assert!(
                (400..500).contains(&reply.status) && reply.body.contains(text),
                "{what} {more}: {reply:?}"
            );
        }
        for body in ["", "{}", "[]", r#"{"from":"127.0.0.1"}"#, r#"{"to":"shop"}"#] {
            let reply = stage.gateway.call("POST", &format!("/v1/access/{what}"), body);
            assert!((400..500).contains(&reply.status), "{what} {body}: {reply:?}");
        }
    }
}

/// Whoever enforces access gets a verdict; a person is told that there is nothing of that name.
#[test]
fn a_job_that_is_not_there_is_no_open_door() {
    let stage = Stage::start();
    let said = check(&stage, WEB, &json!({ "to": "nobody" }));
    assert_eq!((&said["verdict"], &said["reason"]), (&json!("deny"), &json!("no_job")));
    let reply = asked(&stage, "test", WEB, &json!({ "to": "nobody" }));
    assert!(reply.status == 404 && reply.body.contains("job `nobody`"), "{reply:?}");
}

#[test]
fn a_test_says_all_that_led_to_the_decision() {
    let stage = Stage::start();
    let test = |from, more| asked(&stage, "test", from, &more).json();
    let said = test(SHARED, json!({ "as": "job.web", "path": "/x" }));
    let jobs: Vec<&Value> =
        said["candidates"].as_array().unwrap().iter().map(|one| &one["jobname"]).collect();
    assert_eq!(jobs, ["job.evil", "job.web"]);
    let rules = |said: &Value| -> Vec<(String, bool)> {
        let each = |rule: &Value| (rule["id"].as_str().unwrap().to_owned(), rule["counts"] == true);
        said["rules"].as_array().unwrap().iter().map(each).collect()
    };
    let known = |web, reader, admin| {
        [("allow-reader", reader), ("allow-web", web), ("deny-admin", admin)]
            .map(|(id, counts)| (id.to_owned(), counts))
    };
    assert_eq!(rules(&said), known(true, false, false), "{said}");
    assert_eq!(said["default"]["verdict"], "deny");
    assert!(said["default"]["because"].as_str().unwrap().contains("guard"), "{said}");
    let sentence = said["sentence"].as_str().unwrap();
    assert!(sentence.contains("may come to") && sentence.contains("rule `allow-web` decides"), "{sentence}");
    let said = test(WEB, json!({ "path": "/admin/x" }));
    assert_eq!(rules(&said), known(true, false, true), "{said}");
    assert!(said["sentence"].as_str().unwrap().contains("rule `deny-admin` decides"), "{said}");
    // Of a path with several readings it is explained in the one that decides.
    let said = test(WEB, json!({ "path": "/x/..%2fadmin" }));
    assert_eq!(
        (&said["verdict"], rules(&said)),
        (&json!("deny"), known(true, false, true).to_vec()),
        "{said}"
    );
    let said = test(STRANGER, json!({}));
    assert!(said["candidates"].as_array().unwrap().is_empty(), "{said}");
    assert!(said["sentence"].as_str().unwrap().contains("is no instance's address"), "{said}");
}

#[test]
fn metrics_count_decisions_and_never_name_who_asked() {
    let stage = Stage::start();
    let series = || -> Vec<(String, u64)> {
        let metrics = stage.gateway.api("/metrics").body;
        let lines =
            metrics.lines().filter(|line| line.contains("access_decisions") && !line.starts_with('#'));
        let each =
            |line: &str| line.rsplit_once(' ').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        lines.map(|line| each(line).unwrap()).collect()
    };
    let count = |verdict: &str, reason: &str| -> u64 {
        let (verdict, reason) = (format!("verdict=\"{verdict}\""), format!("reason=\"{reason}\""));
        let all = series();
        let found: Vec<_> =
            all.iter().filter(|(name, _)| name.contains(&verdict) && name.contains(&reason)).collect();
        assert_eq!(found.len(), 1, "{all:?}");
        found[0].1
    };
    let before = (
        count("allow", "rule"),
        count("deny", "rule"),
        count("deny", "guarded"),
        count("deny", "false_claim"),
    );
    let names = || series().into_iter().map(|(name, _)| name).collect::<BTreeSet<String>>();
    let known = names();
    for n in 0..20 {
        let target = format!("/x/{n}");
        let ask = |from| Ask { target: &target, ..Ask::of(&stage, from) };
        assert_eq!(ask(WEB).over_http1(&stage).unwrap().status, 200);
        assert_eq!(ask(30 + n).over_http1(&stage).unwrap().status, 403);
        let claims = format!("job.n{n}");
        let fields = [("x-jobname", claims.as_str())];
        assert_eq!(Ask { fields: &fields, ..ask(EVIL) }.over_http1(&stage).unwrap().status, 403);
        let admin = Ask { target: "/x/..%2fadmin", ..ask(WEB) };
        assert_eq!(admin.over_http1(&stage).unwrap().status, 403);
    }
    // One decision each, but for those who may have registered just now and are looked at twice.
    assert_eq!((count("allow", "rule"), count("deny", "rule")), (before.0 + 20, before.1 + 20));
    assert!((20..=40).contains(&(count("deny", "guarded") - before.2)));
    assert!((20..=40).contains(&(count("deny", "false_claim") - before.3)));
    assert_eq!(known, names(), "who asks makes no series");
    assert!(known.len() == 24 && known.iter().all(|name| name.matches('=').count() == 2), "{known:?}");
}

#[test]
fn explain_names_the_rule_that_decides() {
    let stage = Stage::start();
    let raw = stage.gateway.put_entrypoint("raw", 7100, r#""protocol":"tcp","job":"shop""#);
    stage.gateway.wait_listening(raw);
    let record = r#"{"routes":[{"to":[{"job":"shop"}]},
        {"match":{"path":"/tools"},"to":[{"job":"shop"}],"rewrite":{"prefix":"/admin"}}]}"#;
    assert_eq!(stage.gateway.call("PUT", "/v1/domains/shop.example.org", record).status, 201);
    let (vip, raw) = (stage.vip.to_string(), raw.to_string());
    for (target, from, more, verdict, said) in [
        ("http://shop.jobs:8080/x", WEB, "", "ok", "rule `allow-web` decides"),
        ("http://shop.jobs:8080/admin", WEB, "", "denied", "rule `deny-admin` decides"),
        ("http://shop.jobs:8080/x/..%252fadmin", WEB, "", "denied", "rule `deny-admin` decides"),
        ("http://shop.jobs:8080/public", READER, "", "ok", "rule `allow-reader` decides"),
        (
            "http://shop.jobs:8080/x",
            READER,
            "",
            "denied",
            "and guard `job.shop_service.store_cop.coding` covers the job",
        ),
        ("http://shop.example.org:8080/x", WEB, "", "ok", "rule `allow-web` decides"),
        // What is decided about is what the instance is asked for.
        ("http://shop.example.org:8080/tools/x", WEB, "", "denied", "rule `deny-admin` decides"),
        (&vip, WEB, "", "ok", "rule `allow-web` decides (asked for GET /;"),
        ("shop.jobs:9090", EVIL, "", "denied", "`job.evil` and may not come to job `shop`, port 9090"),
        ("shop.jobs:9090", SHARED, "", "denied", "is the address of 2 jobs"),
        ("shop.jobs:9090", SHARED, "&as=job.web", "ok", "rule `allow-web` decides"),
        ("shop.jobs:9090", SHARED, "&as=job.reader", "denied", "claims to be a job that does not live"),
        ("shop.jobs:9090", STRANGER, "", "denied", "is no instance's address"),
        // There the gateway sees no requests, and a rule that denies some of them shuts it.
        (&raw, WEB, "", "denied", "rule `deny-admin` decides"),
    ] {
        let path = format!("/v1/explain?target={target}&from={}{more}", stage.address(from));
        eventually(SOON, &format!("{path} is {verdict}: {said}"), || {
            seen(stage.gateway.api(&path), |reply| {
                let steps = reply.json()["steps"].as_array().cloned().unwrap_or_default();
                let access: Vec<_> = steps.iter().filter(|step| step["what"] == "access").collect();
                let says =
                    |step: &&&Value| step["detail"].as_str().is_some_and(|detail| detail.contains(said));
                reply.json()["verdict"] == verdict
                    && access.len() == 1
                    && access.iter().any(|step| says(&step))
            })
        });
    }
}
