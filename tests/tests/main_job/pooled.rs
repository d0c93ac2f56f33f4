//! job-init with `--pool`: the job is published by registering it.

use roundhouse_tests::{Gateway, Job, SOON, eventually, seen};
use serde_json::{Value, json};

#[test]
fn a_job_that_registers_is_in_its_pool() {
    let gateway = Gateway::start();
    let job = |n: u8| {
        let job = Job::new(&gateway.url(), "web", gateway.net.app(n), 9090).http();
        job.option("--pool", "blog:80").start()
    };
    // Nothing to give yet: it serves all the same.
    let first = job(0);
    gateway.wait_healthy("web", 1);
    first.wait_line(SOON, "not in pool blog, trying again: no line has VIPs to give");
    assert_eq!(gateway.api("/v1/pools").json(), json!([]));
    assert_eq!(gateway.call("PUT", "/v1/lines/telecom", r#"{"vips":["203.0.113.0/28"]}"#).status, 201);
    first.wait_line(SOON, "pool blog is there");
    let pool = || gateway.api("/v1/pools/blog").json();
    let made = pool();
    assert_eq!((&made["to"], &made["port"]), (&json!({"job": "web", "port": "main"}), &json!(80)));
    assert_eq!(made["lines"], json!({"telecom": ["203.0.113.1"]}));

    // What a person makes of it stays, whoever registers and however often.
    assert_eq!(gateway.cli(&["pool", "set", "blog", "--scheduler", "rr"]).status.code(), Some(0));
    let second = job(1);
    second.wait_line(SOON, "pool blog is there");
    let id = gateway.job("web")["instances"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.call("DELETE", &format!("/v1/instances/web/{id}"), "").status, 200);
    let back = |job: &Value| job["instances"].as_array().is_some_and(|all| all.len() == 2);
    eventually(SOON, "it registers again", || seen(gateway.job("web"), back));
    let now = pool();
    assert_eq!((&now["scheduler"], &now["lines"]), (&json!("rr"), &made["lines"]));

    // Another job that names it is registered, and its log says what to do.
    let shop =
        Job::new(&gateway.url(), "shop", gateway.net.app(2), 9091).http().option("--pool", "blog").start();
    gateway.wait_healthy("shop", 1);
    let line = shop.wait_line(SOON, "not in pool blog");
    assert!(line.contains("`roundhouse pool set blog --job shop`"), "{line}");
    assert_eq!(pool(), now);
}
