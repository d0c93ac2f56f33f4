//! The life of a token: the first one, one that is asked for, one that ends, and the watch that ends with it.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roundhouse_tests::http::Connection;
use roundhouse_tests::{Etcd, Gateway, Job, SOON, eventually, free_port, programs};

use crate::{Site, on_both_sites, refused};

on_both_sites!(a_wrong_token_is_no_token, a_watch_ends_with_its_token);

fn a_wrong_token_is_no_token(site: &Site) {
    let token = site.token("ci", "read", "");
    let other = format!("rh_ci_{}", "0".repeat(64));
    let unknown = token.replace("rh_ci_", "rh_cj_");
    for (wrong, sentence) in [
        (other.as_str(), "not known here"),
        (&unknown, "not known here"),
        ("hunter2", "holds no token"),
        ("", "holds no token"),
        (&token[..token.len() - 1], "holds no token"),
    ] {
        let reply = site.ask(wrong, "GET", "/v1/jobs", "");
        refused(&reply, 401, sentence);
        assert!(!reply.body.contains("hunter2") && !reply.body.contains(&token[6..]), "{reply:?}");
    }
    let basic = site.gateway.call_with("GET", "/v1/jobs", &[("authorization", "Basic aHVudGVyMg==")], "");
    refused(&basic, 401, "holds no token");
    assert_eq!(site.ask(&token, "GET", "/v1/jobs", "").status, 200);
    // Where it may come from, and until when.
    let elsewhere = site.token("far", "read", r#","cidr":["10.0.0.0/8"]"#);
    refused(&site.ask(&elsewhere, "GET", "/v1/jobs", ""), 403, "the token `far` is not for requests from");
    let soon = now() + 2;
    let brief = site.token("brief", "read", &format!(r#","expires":{soon}"#));
    assert_eq!(site.ask(&brief, "GET", "/v1/jobs", "").status, 200);
    eventually(SOON, "it expires", || site.ask(&brief, "GET", "/v1/jobs", "").status == 401);
    assert!(now() >= soon);
    refused(&site.ask(&brief, "GET", "/v1/jobs", ""), 401, "the token `brief` has expired");
    assert_eq!(site.gateway.call("DELETE", "/v1/tokens/ci", "").status, 200);
    refused(&site.ask(&token, "GET", "/v1/jobs", ""), 401, "not known here");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An open watch.
fn watch(site: &Site, token: &str) -> Connection {
    let mut connection = Connection::open(site.gateway.admin()).unwrap();
    let host = site.gateway.admin();
    let head = format!("GET /v1/watch HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.read_line().unwrap(), "HTTP/1.1 200 OK");
    while connection.read_line().unwrap() != "event: progress" {}
    connection
}

/// Reads the chunked body to its end, on a connection that stays. One that does not end goes on showing life.
#[track_caller]
fn until_the_end(connection: &mut Connection) {
    eventually(SOON, "the watch ends", || connection.read_line().unwrap() == "0");
}

fn a_watch_ends_with_its_token(site: &Site) {
    let (ci, other) = (site.token("ci", "read", ""), site.token("other", "read", ""));
    let (mut revoked, mut stays) = (watch(site, &ci), watch(site, &other));
    let began = Instant::now();
    site.gateway.call("DELETE", "/v1/tokens/ci", "");
    until_the_end(&mut revoked);
    assert!(began.elapsed() < Duration::from_secs(1), "after {:?}", began.elapsed());
    let expires = now() + 2;
    let brief = site.token("brief", "read", &format!(r#","expires":{expires}"#));
    let mut expiring = watch(site, &brief);
    until_the_end(&mut expiring);
    assert!((expires..expires + 2).contains(&now()), "{expires}: {}", now());
    // Others go on.
    site.gateway.put_job("app2", 1111, "tcp");
    while !stays.read_line().unwrap().contains("jobs/app2") {}
    // One that is changed is another one.
    let admin = site.token("root", "admin", "");
    let changed = site.ask(&admin, "GET", "/v1/tokens/other", "").body.replace("\"read\"", "\"hub\"");
    assert_eq!(site.ask(&admin, "PUT", "/v1/tokens/other", &changed).status, 200);
    until_the_end(&mut stays);
}

#[test]
fn a_gateway_that_asks_for_tokens_makes_the_first_one() {
    let etcd = Etcd::running();
    let started = || {
        let mut gateway = Gateway::prepared(&etcd.url(), "").with_admin("require_token = true");
        gateway.run();
        gateway
    };
    let first = started();
    let file = first.data_dir().join("admin-token");
    let text = eventually(SOON, "the token is written", || std::fs::read_to_string(&file).ok());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    first.process().wait_line(SOON, "the registry had no token");
    assert!(!first.process().stderr().contains(text.trim()));
    refused(&first.api("/v1/jobs"), 401, "asks for a token");
    assert_eq!(first.api("/healthz").status, 200);
    let bearer = format!("Bearer {}", text.trim());
    assert_eq!(first.call_with("GET", "/v1/tokens", &[("authorization", &bearer)], "").status, 200);
    // Neither another gateway nor the next start makes a second one.
    let second = started();
    assert_eq!(second.call_with("GET", "/v1/jobs", &[("authorization", &bearer)], "").status, 200);
    assert!(!second.data_dir().join("admin-token").exists());

    // The operator's way.
    let cli = |arguments: &[&str]| {
        let mut command = programs::roundhouse();
        command.args(["--server", &first.url()]).args(arguments);
        command.env_remove("ROUNDHOUSE_TOKEN").env_remove("ROUNDHOUSE_TOKEN_FILE");
        command
    };
    let said = cli(&["get", "jobs"]).output().unwrap();
    let error = String::from_utf8(said.stderr).unwrap();
    assert!(!said.status.success() && error.contains("name its file in ROUNDHOUSE_TOKEN_FILE"), "{error}");
    let path = file.to_str().unwrap();
    let more = ["token", "add", "reg", "--role", "register", "--jobname", "job.app2", "--expires", "90d"];
    let made = cli(&more).env("ROUNDHOUSE_TOKEN_FILE", path).output().unwrap();
    let (text, said) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    assert!(text.starts_with("rh_reg_") && text.ends_with('\n') && text.trim().len() == 71, "{text}: {said}");
    assert!(
        said.contains("token `reg`, role register, good for 90d") && !said.contains(text.trim()),
        "{said}"
    );
    let listed = cli(&["--token-file", path, "get", "tokens"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("reg    register  -     job.app2"), "{listed}");

    // And a registrar's.
    let token_file = first.data_dir().join("reg-token");
    std::fs::write(&token_file, &text).unwrap();
    // Where its requests come from.
    let own = IpAddr::from([127, 0, 0, 1]);
    let job = Job::new(&first.url(), "app2", own, free_port())
        .option("--token-file", token_file.to_str().unwrap())
        .start();
    let instances = || {
        let all = cli(&["--token-file", path, "get", "instances"]).output().unwrap();
        String::from_utf8(all.stdout).unwrap().contains("app2/").then_some(())
    };
    eventually(SOON, "it is registered", instances);
    let gone = cli(&["--token-file", path, "token", "rm", "reg"]).output().unwrap();
    assert!(gone.status.success(), "{gone:?}");
    // Both sides say why it is going to be gone.
    job.wait_line(SOON, "the registry refuses to hear of it: the token is not known here");
    first.process().wait_line(SOON, "heartbeat refused");
}
