//! `get` and `describe`: what there is, for people and for programs.

use std::net::SocketAddr;

use roundhouse_tests::Gateway;

use crate::{json, ok, run, sample};

/// A gateway with a tcp job that has an instance, an http job that has none, and a domain.
struct Filled {
    gateway: Gateway,
    id: String,
    /// Bound by name where it is taken apart: what `..` leaves out ends at once, and the next check would see that.
    app2: roundhouse_tests::Background,
}

fn filled() -> Filled {
    let gateway = Gateway::start();
    let address = SocketAddr::new(gateway.net.app(0), 1111);
    let app2 = sample("app2", address);
    gateway.put_job("app2", 1111, "tcp");
    gateway.put_job("blog", 9090, "http");
    let instance =
        format!(r#"{{"address":"{}","ports":{{"main":1111}},"host":"host-2","version":"v1"}}"#, address.ip());
    let reply = gateway.call("POST", "/v1/instances/app2", &instance);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let domain = r#"{"routes":[{"to":[{"job":"blog"}]}]}"#;
    assert_eq!(gateway.call("PUT", "/v1/domains/blog.coding.net", domain).status, 201);
    gateway.wait_healthy("app2", 1);
    gateway.vip("blog");
    Filled { gateway, id, app2 }
}

#[test]
fn get_lists_everything_as_a_table() {
    let Filled { gateway, id, app2: _app2 } = filled();
    let (vip, own, app) = (gateway.vip("app2"), gateway.admin(), gateway.net.app(0));
    let jobs = ok(&gateway, &["get", "jobs"]);
    assert_eq!(jobs.row("JOB"), ["JOB", "PORTS", "VIP", "READY", "JOBNAME"]);
    assert_eq!(jobs.row("app2"), ["app2", "main=1111/tcp", &vip.to_string(), "1/1", "job.app2"]);
    assert_eq!(jobs.row("blog")[3], "0/0");

    let instances = ok(&gateway, &["get", "instances"]);
    let row = instances.row(&format!("app2/{id}"));
    assert_eq!(row[1..6], [&app.to_string(), "main=1111", "up", "main=healthy", "100"]);
    assert_eq!(row[8], "host-2");

    let domains = ok(&gateway, &["get", "domains"]);
    assert_eq!(domains.row("blog."), ["blog.coding.net", "/", "blog", "(100)", "-", "-"]);
    let gateways = ok(&gateway, &["get", "gateways"]);
    assert!(
        gateways.out.contains(&own.to_string()) && gateways.out.contains(&gateway.net.vips()),
        "{gateways:?}"
    );
    assert_eq!(ok(&gateway, &["get", "quarantine"]).out, "nothing is quarantined\n");
    for table in [&jobs, &instances, &domains, &gateways] {
        assert!(table.out.lines().all(|line| line == line.trim_end()), "{table:?}");
        assert!(!table.out.contains('\x1b'), "no colour in a pipe: {table:?}");
    }
    // The singular is the same.
    assert_eq!(ok(&gateway, &["get", "job"]).out, jobs.out);
}

#[test]
fn get_answers_the_apis_own_json() {
    let Filled { gateway, id, app2: _app2 } = filled();
    for what in ["jobs", "domains", "gateways", "quarantine"] {
        assert_eq!(json(&gateway, &["get", what]), gateway.api(&format!("/v1/{what}")).json(), "{what}");
    }
    let instances = json(&gateway, &["get", "instances"]);
    assert_eq!((&instances[0]["id"], &instances[0]["job"]), (&id.as_str().into(), &"app2".into()));
}

#[test]
fn an_empty_registry_says_so() {
    let gateway = Gateway::start();
    for (what, sentence) in
        [("jobs", "no jobs\n"), ("instances", "no instances\n"), ("domains", "no domains\n")]
    {
        assert_eq!(ok(&gateway, &["get", what]).out, sentence);
        assert_eq!(json(&gateway, &["get", what]), serde_json::json!([]));
    }
}

#[test]
fn describe_shows_a_job_with_its_instances() {
    let Filled { gateway, id, app2: _app2 } = filled();
    let vip = gateway.vip("app2").to_string();
    for words in [&["describe", "job", "app2"][..], &["describe", "app2"]] {
        let said = ok(&gateway, words);
        assert_eq!(said.row("JOBNAME"), ["JOBNAME", "job.app2"]);
        assert_eq!(said.row("VIP"), ["VIP", &vip]);
        assert_eq!(said.row("Ports"), ["Ports", "main=1111/tcp"]);
        assert!(said.out.contains("Check     tcp every 200ms, timeout 1s, rise 1, fall 2\n"), "{said:?}");
        assert_eq!(said.row(&format!("app2/{id}"))[3], "up");
    }
    assert!(ok(&gateway, &["describe", "blog"]).out.ends_with("\nno instances\n"));
    let shown = json(&gateway, &["describe", "job", "app2"]);
    assert_eq!((&shown["label"], &shown["instances"][0]["version"]), (&"app2".into(), &"v1".into()));

    for (words, sentence) in [
        (["describe", "job", "nobody"], "error: there is no job `nobody`; GET /v1/jobs lists them"),
        (["describe", "pool", "app2"], "error: `pool` cannot be described; write `describe job app2`"),
        (["describe", "job", "App2"], "upper-case letters; write `app2`"),
    ] {
        let said = run(&gateway, &words);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(sentence), "{said:?}");
    }
}
