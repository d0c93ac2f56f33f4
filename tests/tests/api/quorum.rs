//! A registry that is away: writes are told so in time, and reads go on.

use std::time::{Duration, Instant};

use roundhouse_registry::InstanceId;
use roundhouse_tests::{SOON, eventually};

use crate::{Site, refused};

#[test]
fn every_write_is_answered_within_three_seconds() {
    let site = Site::etcd();
    let (gateway, etcd) = (&site.gateway, site.etcd.as_ref().unwrap());
    let token = site.token("ci", "operate", "");
    let (own, id) = (gateway.net.gateway(), InstanceId::random());
    let instance = format!(r#"{{"address":"{own}","ports":{{"main":1111}},"ttl":"60s"}}"#);
    let made = gateway.call("PUT", &format!("/v1/instances/app2/{id}"), &instance);
    let lease = format!("/v1/leases/{}", made.json()["lease"].as_str().unwrap());
    etcd.pause();
    let path = format!("/v1/instances/app2/{id}");
    let (state, keepalive) = (format!("{path}/state"), format!("{lease}/keepalive"));
    let rule = r#"{"to":{"jobname":"job.a"},"from":{"jobname":"cop.a"},"action":"allow"}"#;
    let writes = [
        ("PUT", "/v1/jobs/x", r#"{"jobname":"job.x"}"#),
        ("DELETE", "/v1/jobs/app2", ""),
        ("PUT", "/v1/rules/a", rule),
        ("DELETE", "/v1/rules/a", ""),
        ("PUT", "/v1/lines/a", "{}"),
        ("POST", "/v1/tokens", r#"{"id":"b","role":"read"}"#),
        ("PUT", path.as_str(), instance.as_str()),
        ("POST", "/v1/instances/app2", instance.as_str()),
        ("POST", state.as_str(), r#"{"state":"draining"}"#),
        ("DELETE", path.as_str(), ""),
        ("POST", keepalive.as_str(), ""),
        ("DELETE", lease.as_str(), ""),
    ];
    std::thread::scope(|scope| {
        for (method, path, body) in writes {
            scope.spawn(move || {
                let began = Instant::now();
                let reply = gateway.call(method, path, body);
                refused(&reply, 503, "does not answer");
                assert_eq!(reply.header("retry-after"), Some("1"));
                let took = began.elapsed();
                assert!(took < Duration::from_secs(3), "{method} {path} after {took:?}");
            });
        }
    });
    // Readers and their tokens go on, and are told how old it is.
    eventually(SOON, "the gateway notices", || {
        site.ask(&token, "GET", "/v1/instances/app2", "").header("x-roundhouse-stale").is_some()
    });
    assert_eq!(site.ask(&token, "GET", &path, "").status, 200);
    etcd.resume();
    eventually(SOON, "writes are taken again", || site.ask(&token, "PUT", "/v1/rules/a", rule).status < 300);
}
