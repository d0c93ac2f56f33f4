//! Each role at each kind of route.

use crate::{Site, on_both_sites, refused};

on_both_sites!(a_role_may_do_what_the_table_says);

const ROLES: [&str; 5] = ["read", "register", "operate", "hub", "admin"];

fn a_role_may_do_what_the_table_says(site: &Site) {
    let gateway = &site.gateway;
    let tokens = ROLES.map(|role| site.token(&format!("t-{role}"), role, ""));
    let everybody = [true; 5];
    let (operators, admins) = ([false, false, true, false, true], [false, false, false, false, true]);
    let rule = r#"{"to":{"job":"a"},"from":{"jobname":"cop.a"},"action":"allow"}"#;
    // Where these requests come from.
    let instance = r#"{"address":"127.0.0.1","ports":{"main":1},"ttl":"60s"}"#;
    let reads = [
        "/v1/jobs",
        "/v1/instances",
        "/v1/domains",
        "/v1/certs",
        "/v1/rules",
        "/v1/lines",
        "/v1/pools",
        "/v1/guards",
        "/v1/entrypoints",
        "/v1/directors",
        "/v1/leaders",
        "/v1/gateways",
        "/v1/health",
        "/v1/holds",
        "/v1/quarantine",
        "/v1/snapshot",
        "/v1/status",
        "/v1/explain?target=a.jobs:1",
        "/metrics",
        "/healthz",
    ];
    let writes = [
        ("PUT", "/v1/jobs/x", r#"{"jobname":"job.x"}"#, operators),
        ("DELETE", "/v1/jobs/x", "", operators),
        ("PUT", "/v1/domains/a.net", r#"{"routes":[{"to":[{"job":"a"}]}]}"#, operators),
        ("PUT", "/v1/rules/a", rule, operators),
        ("DELETE", "/v1/rules/a", "", operators),
        ("PUT", "/v1/lines/a", "{}", operators),
        ("PUT", "/v1/pools/a", r#"{"to":{"hubs":"http"},"port":80}"#, operators),
        ("PUT", "/v1/guards/cop.a", "{}", operators),
        ("PUT", "/v1/entrypoints/a", r#"{"listen":":1","protocol":"http"}"#, operators),
        ("PUT", "/v1/certs/a", "{}", operators),
        ("PUT", "/v1/directors/a", r#"{"version":"1","host":"h","ttl":"60s"}"#, operators),
        ("PUT", "/v1/leaders/a?lease=77", r#"{"director":"a","since":1}"#, operators),
        ("DELETE", "/v1/leaders/a?lease=77", "", operators),
        ("DELETE", "/v1/directors/a?lease=77", "", operators),
        ("DELETE", "/v1/holds", "", operators),
        ("DELETE", "/v1/holds/nobody", "", operators),
        ("POST", "/v1/instances/w", instance, [false, true, true, false, true]),
        ("POST", "/v1/leases/77/keepalive", "", [false, true, true, false, true]),
        ("GET", "/v1/tokens", "", [false, false, false, true, true]),
        ("GET", "/v1/tokens/t-read", "", [false, false, false, true, true]),
        ("POST", "/v1/tokens", r#"{"id":"new","role":"read"}"#, admins),
        ("DELETE", "/v1/tokens/new", "", admins),
    ];
    let all = reads.into_iter().map(|path| ("GET", path, "", everybody)).chain(writes);
    for (method, path, body, allowed) in all {
        for ((role, token), allowed) in ROLES.iter().zip(&tokens).zip(allowed) {
            let reply = site.ask(token, method, path, body);
            if allowed {
                assert!(!matches!(reply.status, 401 | 403 | 405), "{role}: {method} {path}: {reply:?}");
            } else {
                refused(&reply, 403, &format!("the token `t-{role}` has the role `{role}`"));
                assert!(!reply.body.contains(token), "{reply:?}");
            }
            assert!(reply.header("x-roundhouse-revision").is_some());
        }
    }
    for token in &tokens {
        refused(&site.ask(token, "GET", "/v1/nothing", ""), 404, "known paths are /v1/jobs, ");
    }
    // On loopback nobody needs one.
    assert_eq!(gateway.api("/v1/tokens").status, 200);
    let log = gateway.process().stderr();
    assert!(
        log.contains("token=t-operate") && log.contains("path=/v1/rules/a") && log.contains("status=403"),
        "{log}"
    );
    for secret in &tokens {
        assert!(!log.contains(&secret[secret.len() - 64..]), "a token is in the log");
    }
}
