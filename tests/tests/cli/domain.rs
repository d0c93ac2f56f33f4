//! `domain add` and `rm`: a domain from the command line, and what of it is served.

use std::net::SocketAddr;

use roundhouse_tests::{Gateway, SOON, eventually, http, seen};
use serde_json::json;

use crate::{json, ok, run, sample};

#[test]
fn a_domain_is_added_amended_and_taken_out() {
    let gateway = Gateway::start();
    let address = SocketAddr::new(gateway.net.app(0), 9090);
    let _blog = sample("blog", address);
    gateway.put_job("blog", 9090, "http");
    let instance = format!(r#"{{"address":"{}","ports":{{"main":9090}}}}"#, address.ip());
    assert_eq!(gateway.call("POST", "/v1/instances/blog", &instance).status, 201);
    gateway.wait_healthy("blog", 1);

    let created = ok(&gateway, &["domain", "add", "blog.coding.net", "--to", "blog"]);
    assert_eq!(created.out, "created domain blog.coding.net\n");
    eventually(SOON, "the domain is served", || {
        let reply = http::get(gateway.http(), "blog.coding.net", "/").unwrap();
        seen(reply.body, |body| body.starts_with("blog "))
    });
    let again = ok(&gateway, &["domain", "add", "blog.coding.net", "--to", "blog"]);
    assert_eq!(again.out, "unchanged domain blog.coding.net\n");

    // A job that is not there may come; whoever wrote it is told.
    let api = [
        "domain",
        "add",
        "blog.coding.net",
        "--path",
        "/api",
        "--method",
        "GET",
        "--to",
        "api=50",
        "--compress",
    ];
    let second = run(&gateway, &api);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(second.out, "changed domain blog.coding.net\n    new route `GET /api`\n");
    assert_eq!(second.err, "warning: there is no job `api` yet\n");
    assert_eq!(ok(&gateway, &api).out, "unchanged domain blog.coding.net\n");

    let https = ["domain", "add", "blog.coding.net", "--https-redirect", "--hsts", "180d"];
    let shown = run(&gateway, &[&https[..], &["-o", "json"]].concat());
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (&shown["action"], &shown["changes"][1]),
        (&json!("changed"), &json!("https: null -> \"redirect\""))
    );
    let domains = ok(&gateway, &["get", "domains"]);
    assert_eq!(domains.row("DOMAIN"), ["DOMAIN", "ROUTE", "TO", "HTTPS", "CERTIFICATE"]);
    assert!(domains.out.contains("GET /api") && domains.out.contains("redirect, hsts 180d"), "{domains:?}");
    assert_eq!(json(&gateway, &["get", "domains"])[0]["routes"][1]["to"][0]["weight"], 50);
    let explained = ok(&gateway, &["explain", "http://blog.coding.net/api?x=1"]);
    assert!(explained.out.contains("308 with the Location https://blog.coding.net/api?x=1"), "{explained:?}");

    let less = run(&gateway, &["domain", "rm", "blog.coding.net", "--path", "/api"]);
    assert_eq!(less.out, "changed domain blog.coding.net\n    no more route `GET /api`\n");
    let last = run(&gateway, &["domain", "rm", "blog.coding.net", "--path", "/"]);
    assert!(last.code == Some(1) && last.err.contains("`roundhouse domain rm blog.coding.net`"), "{last:?}");
    assert_eq!(ok(&gateway, &["domain", "rm", "blog.coding.net"]).out, "removed domain blog.coding.net\n");
    assert_eq!(gateway.api("/v1/domains").json(), json!([]));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let gateway = Gateway::start();
    for (words, sentence) in [
        (&["add", "a.b", "--compress"][..], "no route `/` yet; say where it leads, as in --to app2"),
        (&["add", "a.b", "--to", "x", "--path", "x"], "routes[0].match.path: a path prefix starts with `/`"),
        (&["add", "a.b", "--to", "x=much"], "a weight is a whole number; write as in app2"),
        (&["add", "a.b", "--to", "x", "--redirect", "https://c.d"], "cannot be used with"),
        (&["add", "app2.jobs.coding.net", "--to", "x"], "names under `jobs.coding.net` are the jobs' own"),
        (&["add", "10.0.0.1", "--to", "x"], "is an IP address"),
        (&["rm", "a.b"], "there is no domain `a.b`; GET /v1/domains lists what there is"),
        (&["rm", "a.b", "--path", "/"], "there is no domain `a.b`; `roundhouse get domains` lists them"),
    ] {
        let said = run(&gateway, &[&["domain"], words].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(sentence), "{words:?}: {said:?}");
    }
    assert_eq!(gateway.api("/v1/domains").json(), json!([]));
}

#[test]
fn two_who_write_at_once_do_not_overwrite_each_other() {
    let gateway = Gateway::start();
    let paths: Vec<String> = (0..8).map(|n| format!("/p{n}")).collect();
    let added =
        |path: &String| run(&gateway, &["domain", "add", "a.b", "--path", path, "--to", "x"]).code == Some(0);
    let done: Vec<bool> = std::thread::scope(|scope| {
        let all: Vec<_> = paths.iter().map(|path| scope.spawn(move || added(path))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let written = gateway.api("/v1/domains/a.b").json()["routes"].as_array().unwrap().len();
    assert_eq!(done.iter().filter(|done| **done).count(), written, "who was told that it is done, is");
}
