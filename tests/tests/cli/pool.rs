//! `pool add`, `set` and `rm`: VIPs from the lines, domains at them, and the same again changes nothing.

use roundhouse_tests::Gateway;
use serde_json::json;

use crate::{json, ok, run};

fn with_lines() -> Gateway {
    let gateway = Gateway::start();
    for (line, vips) in
        [("telecom", r#""203.0.113.0/28","2001:db8::/64""#), ("unicom", r#""198.51.100.0/28""#)]
    {
        let body = format!(r#"{{"vips":[{vips}]}}"#);
        assert_eq!(gateway.call("PUT", &format!("/v1/lines/{line}"), &body).status, 201);
    }
    gateway
}

#[test]
fn a_pool_is_added_amended_and_taken_out() {
    let gateway = with_lines();
    gateway.put_job("app2", 1111, "tcp");
    let add = ["pool", "add", "redis", "--job", "app2", "--port", "6379", "--persistence", "300s"];
    let vips =
        "    telecom: 203.0.113.1, 2001:db8::1, port 6379/tcp\n    unicom: 198.51.100.1, port 6379/tcp\n";
    assert_eq!(ok(&gateway, &add).out, format!("created pool redis\n{vips}"));
    let revision = gateway.api("/v1/pools/redis").json()["revision"].clone();
    assert_eq!(ok(&gateway, &add).out, format!("unchanged pool redis\n{vips}"));
    assert_eq!(gateway.api("/v1/pools/redis").json()["revision"], revision, "it was not even written");
    let pools = ok(&gateway, &["get", "pools"]);
    assert_eq!(pools.row("redis")[1..4], ["app2:main", "6379/tcp", "ipvs"]);

    let set = ["pool", "set", "redis", "--scheduler", "rr", "--no-line", "unicom"];
    let changed = json(&gateway, &set);
    assert_eq!(
        changed["changes"],
        json!(["lines.unicom: [\"198.51.100.1\"] -> null", "scheduler: \"wrr\" -> \"rr\""])
    );
    assert_eq!(changed["lines"], json!({"telecom": ["203.0.113.1", "2001:db8::1"]}));
    // A line without VIPs to give says so, and gives them as soon as it has some.
    let mobile = run(&gateway, &["pool", "set", "redis", "--line", "mobile"]);
    assert!(mobile.out.contains("mobile: no VIP, port 6379/tcp"), "{mobile:?}");
    assert_eq!(mobile.err, "warning: there is no line `mobile` yet\n");
    assert_eq!(gateway.call("PUT", "/v1/lines/mobile", r#"{"vips":["192.0.2.0/28"]}"#).status, 201);
    let given = ok(&gateway, &["pool", "set", "redis"]);
    assert!(given.out.contains("    mobile: 192.0.2.1, port 6379/tcp\n"), "{given:?}");

    assert_eq!(ok(&gateway, &["pool", "rm", "redis"]).out, "removed pool redis\n");
    assert_eq!(gateway.api("/v1/pools").json(), json!([]));
    // What is freed rests.
    let next =
        json(&gateway, &["pool", "add", "next", "--hubs", "http", "--port", "80", "--line", "telecom"]);
    assert_eq!(next["lines"]["telecom"][0], "203.0.113.2");
}

#[test]
fn a_domain_is_published_by_one_command() {
    let gateway = with_lines();
    gateway.put_job("blog", 9090, "http");
    ok(&gateway, &["domain", "add", "blog.coding.net", "--to", "blog"]);
    let add = ["pool", "add", "blog", "--domain", "blog.coding.net"];
    let vips = "    telecom: 203.0.113.1, 2001:db8::1, port 80/tcp\n    unicom: 198.51.100.1, port 80/tcp\n";
    assert_eq!(ok(&gateway, &add).out, format!("created pool blog\n{vips}changed domain blog.coding.net\n"));
    assert_eq!(
        ok(&gateway, &add).out,
        format!("unchanged pool blog\n{vips}unchanged domain blog.coding.net\n")
    );
    assert_eq!(gateway.api("/v1/pools/blog").json()["to"], json!({"hubs": "http"}));
    let domain = gateway.api("/v1/domains/blog.coding.net").json();
    assert_eq!((&domain["pool"], &domain["routes"][0]["to"][0]["job"]), (&json!("blog"), &json!("blog")));

    // A domain that is not there needs somewhere to lead, and until then nothing is written.
    let unknown = run(&gateway, &["pool", "add", "shop", "--domain", "shop.coding.net"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""), "{unknown:?}");
    assert!(unknown.err.contains("`roundhouse domain add shop.coding.net --to JOB`"), "{unknown:?}");
    assert_eq!(gateway.api("/v1/pools/shop").status, 404);
    let shop = ["pool", "add", "shop", "--job", "blog", "--port", "80", "--domain", "shop.coding.net"];
    let made = json(&gateway, &shop);
    assert_eq!(made["domains"], json!([{"action": "created", "host": "shop.coding.net"}]));
    assert_eq!(gateway.api("/v1/domains/shop.coding.net").json()["routes"][0]["to"][0]["job"], "blog");

    ok(&gateway, &["pool", "add", "outer", "--pool", "blog", "--port", "80"]);
    let used = run(&gateway, &["pool", "rm", "blog"]);
    assert_eq!(used.code, Some(1), "{used:?}");
    assert!(used.err.contains("domain `blog.coding.net`, pool `outer` would lose it"), "{used:?}");
}

/// Word by word, against a gateway of the test's own.
#[test]
fn the_commands_of_the_page_do_what_they_say() {
    let page = include_str!("../../../docs/pools.md");
    let block = page.split_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    let said = page.split_once("prints what became of it:\n```\n").unwrap().1.split_once("```").unwrap().0;
    let gateway = Gateway::start();
    let bin = roundhouse_tests::programs::program("roundhouse");
    let path = format!("{}:{}", bin.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-e", "-c", &block.replace("http://127.0.0.1:8400", &gateway.url())]);
    let done: crate::Said =
        shell.env("PATH", path).env("ROUNDHOUSE_SERVER", gateway.url()).output().unwrap().into();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.out.contains(said), "{done:?}");
    assert!(done.out.contains("removed pool redis") && !done.out.contains("unchanged"), "{done:?}");
    let pools = json(&gateway, &["get", "pools"]);
    let names: Vec<&str> =
        pools.as_array().unwrap().iter().map(|pool| pool["pool"].as_str().unwrap()).collect();
    assert_eq!(names, ["blog", "blog-tls", "edge"]);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write() {
    let gateway = with_lines();
    ok(&gateway, &["pool", "add", "a", "--hubs", "http", "--port", "80", "--line", "telecom=203.0.113.9"]);
    let before = gateway.api("/v1/pools").json();
    for (words, sentence) in [
        (&["add", "b"][..], "pool `b` is new; say where it leads"),
        (&["add", "b", "--hubs", "http"], "say the port of its VIPs, as in --port 80"),
        (&["add", "b", "--hubs", "http", "--job", "x"], "cannot be used with"),
        (&["set", "b", "--port", "81"], "there is no pool `b`; `roundhouse get pools` lists them"),
        (&["rm", "b"], "there is no pool `b`; GET /v1/pools lists what there is"),
        (
            &["add", "b", "--hubs", "http", "--port", "80", "--line", "x=y"],
            "write as in telecom, or telecom=",
        ),
        (
            &["add", "b", "--hubs", "http", "--port", "80", "--line", "telecom=203.0.113.9"],
            "203.0.113.9 port 80/tcp is pool `a`'s",
        ),
        (&["set", "a", "--pool", "a"], "a pool cannot lead to itself"),
        (&["set", "a", "--send-proxy", "2"], "send_proxy: is for the sink haproxy alone"),
        (&["set", "a", "--no-line", "telecom"], "`roundhouse pool rm a`"),
    ] {
        let said = run(&gateway, &[&["pool"], words].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(sentence), "{words:?}: {said:?}");
    }
    assert_eq!(gateway.api("/v1/pools").json(), before);
}
