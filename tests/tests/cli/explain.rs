//! `explain`: where a name leads, and why not.

use std::net::SocketAddr;

use roundhouse_tests::{Background, Gateway, ZONE};

use crate::{Said, json, run, sample};

/// A served tcp job, a served http job behind a domain, and an http job that nobody serves.
fn filled() -> (Gateway, Vec<Background>) {
    let gateway = Gateway::start();
    let mut samples = Vec::new();
    for (label, port, protocol, n) in [("app2", 1111, "tcp", 0), ("blog", 9090, "http", 1)] {
        let address = SocketAddr::new(gateway.net.app(n), port);
        samples.push(sample(label, address));
        gateway.put_job(label, port, protocol);
        let instance = format!(r#"{{"address":"{}","ports":{{"main":{port}}}}}"#, address.ip());
        assert_eq!(gateway.call("POST", &format!("/v1/instances/{label}"), &instance).status, 201);
        gateway.wait_healthy(label, 1);
    }
    gateway.put_job("lonely", 8080, "http");
    gateway.vip("lonely");
    let domain = r#"{"routes":[{"match":{"path":"/posts"},"to":[{"job":"blog"}]}]}"#;
    assert_eq!(gateway.call("PUT", "/v1/domains/blog.coding.net", domain).status, 201);
    (gateway, samples)
}

/// An explanation that ends so, with these parts.
#[track_caller]
fn explains(gateway: &Gateway, target: &str, code: i32, parts: &[&str]) -> Said {
    let said = run(gateway, &["explain", target]);
    assert_eq!((said.code, said.err.as_str()), (Some(code), ""), "{target}: {said:?}");
    for part in parts {
        assert!(said.out.contains(part), "{target}: no `{part}` in\n{}", said.out);
    }
    said
}

#[test]
fn a_dialled_name_is_followed_to_its_endpoint() {
    let (gateway, _samples) = filled();
    let (vip, app) = (gateway.vip("app2"), gateway.net.app(0));
    let parts = [
        "is job `app2` (job.app2), by its label",
        &format!("the name resolves to the VIP {vip}"),
        "1111 is port `main`, protocol tcp",
        &format!("{vip}:1111 is listened on"),
        &format!("1 of 1 in turn: {app}:1111 (100 %)"),
        "verdict   ok\n",
    ];
    explains(&gateway, &format!("app2.{ZONE}:1111"), 0, &parts);
    explains(&gateway, "APP2.jobs:1111", 0, &parts);
    explains(
        &gateway,
        &format!("{vip}:1111"),
        0,
        &[&format!("{vip} is the VIP of job `app2`"), "verdict   ok\n"],
    );
    let shown = json(&gateway, &["explain", &format!("app2.{ZONE}:1111")]);
    assert_eq!((&shown["verdict"], shown["steps"][0]["what"].as_str()), (&"ok".into(), Some("name")));
}

#[test]
fn a_url_is_followed_through_the_entrypoint() {
    let (gateway, _samples) = filled();
    let app = gateway.net.app(1);
    let pick = format!("1 of 1 in turn: {app}:9090 (100 %)");
    let listener = format!("entrypoint `http` on {} takes it by its Host", gateway.http());
    explains(
        &gateway,
        "http://blog.coding.net/posts/7?a=b",
        0,
        &[&listener, "prefix /posts is the longest", &pick],
    );
    explains(&gateway, "http://blog.coding.net:8080/posts", 0, &[&listener, &pick]);
    explains(&gateway, "http://blog.jobs/", 0, &["is job `blog`", &listener, &pick]);
    // Where it ends, and what would do.
    explains(
        &gateway,
        "http://blog.coding.net/other",
        1,
        &["no route has the path /other; the domain's prefixes are /posts", "verdict   no-route"],
    );
    explains(&gateway, "https://blog.coding.net/posts", 1, &["no entrypoint speaks TLS; there is `http` on"]);
    explains(
        &gateway,
        "http://blog.coding.net:81/posts",
        1,
        &["no entrypoint is on port 81; there is `http` on "],
    );
}

#[test]
fn what_leads_nowhere_says_why_and_what_to_do() {
    let (gateway, _samples) = filled();
    explains(
        &gateway,
        &format!("ap2.{ZONE}:1111"),
        1,
        &["no job has that label", &format!("did you mean app2.{ZONE}?"), "verdict   no-route"],
    );
    explains(&gateway, "http://blog.codign.net/", 1, &["is no domain", "did you mean blog.coding.net?"]);
    explains(
        &gateway,
        &format!("app2.{ZONE}:2222"),
        1,
        &["does not serve port 2222; its ports are: 1111 (main)"],
    );
    explains(
        &gateway,
        &format!("lonely.{ZONE}:8080"),
        1,
        &["no instance of `lonely` has a port `main`; start one under job-init", "verdict   no-backend"],
    );
    explains(&gateway, "10.9.9.9:80", 1, &["is no VIP (they are in ", "verdict   no-route"]);
    // A tcp job cannot be asked for by Host; it can be dialled.
    explains(
        &gateway,
        "http://app2.jobs/",
        1,
        &[
            "job `app2` has no port of protocol http",
            &format!("dial app2.{ZONE}:1111 instead"),
            "verdict   no-route",
        ],
    );
}

#[test]
fn what_is_no_target_is_refused() {
    let gateway = Gateway::start();
    for (target, sentence) in [
        ("ftp://blog.coding.net/", "`ftp://` is none that is routed here; write http://"),
        (" ", "the target is empty; write a name and port"),
        ("a b", "a character that no host name has; write as in app2.jobs.coding.net:1111"),
        ("app2.jobs:0", "no number from 1 to 65535"),
    ] {
        let said = run(&gateway, &["explain", target]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{target}: {said:?}");
        assert!(said.err.contains(sentence), "{target}: {said:?}");
    }
}
