//! Every kind of record: written, read, listed, deleted.

use roundhouse_tests::Certificates;
use serde_json::{Value, json};

use crate::{Site, on_both_sites, refused};

on_both_sites!(every_kind_is_put_shown_and_deleted, warnings_and_refusals_reach_the_writer);

/// Kind, name, the name's field, a record, and a field to look for.
fn kinds(
    certificates: &Certificates,
) -> Vec<(&'static str, &'static str, &'static str, Value, &'static str)> {
    let chain = std::fs::read_to_string(certificates.server().cert).unwrap();
    let key = std::fs::read_to_string(certificates.server().key).unwrap();
    vec![
        ("certs", "blog.coding.net", "name", json!({"chain": chain, "key": key}), "chain"),
        (
            "rules",
            "redis-1",
            "id",
            // An allow would bring a guard.
            json!({"to": {"jobname": "job.redis"}, "from": {"jobname": "cop.a"}, "action": "deny"}),
            "to",
        ),
        ("lines", "telecom", "line", json!({"vips": ["203.0.113.0/28"], "fallback": ["default"]}), "vips"),
        ("pools", "blog", "pool", json!({"to": {"hubs": "http"}, "port": 80, "quorum": 2}), "quorum"),
        ("guards", "service.redis_cop.coding", "selector", json!({"note": "see the runbook"}), "note"),
        (
            "entrypoints",
            "mysql",
            "name",
            json!({"listen": ":3306", "protocol": "tcp", "job": "mysql"}),
            "listen",
        ),
        ("domains", "blog.coding.net", "host", json!({"routes": [{"to": [{"job": "blog"}]}]}), "routes"),
        (
            "tokens",
            "ci",
            "id",
            json!({"role": "read", "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}),
            "role",
        ),
    ]
}

fn every_kind_is_put_shown_and_deleted(site: &Site) {
    let gateway = &site.gateway;
    let certificates = Certificates::new();
    for (kind, name, field, record, shows) in kinds(&certificates) {
        let (all, one) = (format!("/v1/{kind}"), format!("/v1/{kind}/{name}"));
        assert_eq!(gateway.api(&all).json(), json!([]));
        refused(&gateway.api(&one), 404, &format!("`{name}`; GET {all} lists"));
        let made = gateway.call_with("PUT", &one, &[("if-none-match", "*")], &record.to_string());
        assert_eq!((made.status, made.header("location")), (201, Some(one.as_str())), "{made:?}");
        assert!(made.json()["warnings"].is_array() && made.json()[field] == name, "{made:?}");

        let shown = gateway.api(&one);
        let body = shown.json();
        assert_eq!((shown.status, &body[field]), (200, &json!(name)));
        assert_eq!(shown.header("etag").unwrap(), format!("\"{}\"", body["revision"]));
        assert!(!body[shows].is_null() && (record[shows] == body[shows] || kind == "domains"), "{body}");
        assert_eq!(gateway.api(&all).json(), json!([body]));
        // What was shown can be put back, but for what has a secret that was not shown.
        let again = gateway.call_with("PUT", &one, &[("if-match", "*")], &shown.body);
        assert_eq!(again.status, if ["certs", "tokens"].contains(&kind) { 422 } else { 200 }, "{again:?}");

        refused(&gateway.call("PUT", &one, "{"), 400, "no JSON");
        assert!(matches!(gateway.call("PUT", &one, "[]").status, 422), "{kind}");
        let large = json!({ "a": "a".repeat(300 << 10) }).to_string();
        let most = if kind == "certs" { 262_144 } else { 65_536 };
        refused(&gateway.call("PUT", &one, &large), 413, &format!("at most {most} bytes"));
        let wrong = gateway.call("PUT", &format!("/v1/{kind}/a%20b"), &record.to_string());
        assert_eq!((wrong.status, &wrong.json()["path"]), (422, &json!(field)), "{wrong:?}");
        let post = gateway.call("POST", &one, "{}");
        refused(&post, 405, "does not take POST");
        assert!(post.header("allow").unwrap().contains("PUT"), "{post:?}");

        let gone = gateway.call("DELETE", &one, "");
        assert_eq!((gone.status, &gone.json()[field]), (200, &json!(name)), "{gone:?}");
        refused(&gateway.call("DELETE", &one, ""), 404, &format!("`{name}`"));
        assert_eq!(gateway.api(&all).json(), json!([]));
    }
    for kind in ["directors", "gateways"] {
        assert!(gateway.api(&format!("/v1/{kind}")).json().is_array(), "{kind}");
        refused(&gateway.api(&format!("/v1/{kind}/nobody")), 404, "`nobody`");
    }
    refused(&gateway.call("PUT", "/v1/gateways/a", "{}"), 405, "does not take PUT");
    assert_eq!(gateway.api("/v1/health").json(), json!([]));
    // Who sees secrets can put them back too.
    let admin = site.token("root", "admin", "");
    for (kind, name, _, record, _) in kinds(&certificates) {
        let one = format!("/v1/{kind}/{name}");
        assert_eq!(gateway.call("PUT", &one, &record.to_string()).status, 201);
        let shown = site.ask(&admin, "GET", &one, "").body;
        assert_eq!(site.ask(&admin, "PUT", &one, &shown).status, 200, "{shown}");
    }
}

fn warnings_and_refusals_reach_the_writer(site: &Site) {
    let gateway = &site.gateway;
    let put = |path: &str, record: Value| gateway.call("PUT", path, &record.to_string());
    let rule = json!({"to": {"job": "nobody"}, "from": {"cidr": ["10.0.0.0/8"]}, "action": "deny"});
    refused(&put("/v1/rules/a", rule.clone()), 422, "there is no job `nobody`; put the job first");
    gateway.put_job("nobody", 1111, "tcp");
    assert_eq!(put("/v1/rules/a", rule).json()["warnings"], json!([]));

    assert_eq!(put("/v1/lines/telecom", json!({"vips": ["203.0.113.0/28"]})).status, 201);
    let overlap = put("/v1/lines/unicom", json!({"vips": ["198.51.100.0/28", "203.0.113.8/29"]}));
    refused(&overlap, 409, "overlaps `203.0.113.0/28` of the line `telecom`");
    assert_eq!(overlap.json()["path"], "vips[1]");
    let keyless = put(
        "/v1/certs/a",
        json!({"chain": "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"}),
    );
    refused(&keyless, 422, "key: is missing");

    // A token that is made once is not made twice, nor for yesterday.
    site.token("ci", "read", "");
    let twice = gateway.call("POST", "/v1/tokens", r#"{"id":"ci","role":"admin"}"#);
    refused(&twice, 409, "there is a token `ci` already");
    refused(&gateway.call("POST", "/v1/tokens", r#"{"id":"b","role":"read","expires":7}"#), 422, "is past");
    refused(&gateway.call("POST", "/v1/tokens", r#"{"id":"b","role":"root"}"#), 422, "role");
}
