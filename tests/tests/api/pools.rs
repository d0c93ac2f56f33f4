//! Pools over the API: what they get from their lines, whom they stand in the way of, and what leads round in circles.

use roundhouse_tests::http::Reply;
use serde_json::{Value, json};

use crate::{Site, on_both_sites, refused};

on_both_sites!(a_pool_is_answered_with_its_vips, what_cannot_be_is_refused_with_what_stands_against_it);

#[track_caller]
fn put(site: &Site, path: &str, record: &Value) -> Reply {
    site.gateway.call("PUT", path, &record.to_string())
}

fn a_pool_is_answered_with_its_vips(site: &Site) {
    let pool = json!({"to": {"hubs": "http"}, "port": 80});
    let early = put(site, "/v1/pools/early", &pool).json();
    assert_eq!(early["lines"], json!({}));
    assert!(early["warnings"][0].as_str().unwrap().starts_with("no line has VIPs to give"), "{early}");
    let line = json!({"vips": ["203.0.113.0/30", "2001:db8::/64"]});
    assert_eq!(put(site, "/v1/lines/telecom", &line).status, 201);
    let made = put(site, "/v1/pools/blog", &pool);
    let lines = json!({"telecom": ["203.0.113.1", "2001:db8::1"]});
    assert_eq!((made.status, &made.json()["lines"]), (201, &lines), "{made:?}");
    assert_eq!(made.json()["warnings"], json!([]));
    assert_eq!(site.gateway.api("/v1/pools/blog").json()["lines"], lines);
    let again = put(site, "/v1/pools/blog", &pool);
    assert_eq!((again.status, &again.json()["lines"]), (200, &lines), "{again:?}");
    let late = put(site, "/v1/pools/early", &pool).json();
    assert_eq!(late["lines"], json!({"telecom": ["203.0.113.2", "2001:db8::2"]}));
    refused(&put(site, "/v1/pools/third", &pool), 507, "line `telecom` has no VIP to give: 2 of 2 addresses");
    assert_eq!(site.gateway.call("DELETE", "/v1/pools/blog", "").status, 200);
    refused(&put(site, "/v1/pools/third", &pool), 507, "rest for 24 h");
    // Only writers look at who has which VIP.
    let snapshot = site.gateway.api("/v1/snapshot").body;
    assert!(snapshot.contains("pools/early") && !snapshot.contains("pool-vips/"), "{snapshot}");
    assert_eq!(site.gateway.api("/v1/quarantine").json(), json!([]));
}

fn what_cannot_be_is_refused_with_what_stands_against_it(site: &Site) {
    let at = |port: u16| json!({"to": {"hubs": "http"}, "port": port, "lines": {"telecom": ["203.0.113.9"]}});
    assert_eq!(put(site, "/v1/pools/blog", &at(80)).status, 201);
    assert_eq!(put(site, "/v1/pools/blog-tls", &at(443)).status, 201);
    let conflict = put(site, "/v1/pools/shop", &at(80));
    refused(&conflict, 409, "203.0.113.9 port 80/tcp is pool `blog`'s");
    assert_eq!(conflict.json()["path"], "lines");

    let to = |pool: &str| json!({"to": {"pool": pool}, "port": 80});
    refused(&put(site, "/v1/pools/a", &to("a")), 422, "a pool cannot lead to itself");
    for (name, next) in [("a", "b"), ("b", "c"), ("c", "d")] {
        let written = put(site, &format!("/v1/pools/{name}"), &to(next));
        let warning = format!("there is no pool `{next}` yet");
        assert!(written.json()["warnings"].as_array().unwrap().contains(&json!(warning)), "{written:?}");
    }
    let round = put(site, "/v1/pools/d", &to("a"));
    refused(&round, 422, "the pool would lead back to itself (d -> a -> b -> c -> d)");
    assert_eq!(round.json()["path"], "to.pool");

    let domain = json!({"routes": [{"to": [{"job": "blog"}]}], "pool": "blog"});
    assert_eq!(put(site, "/v1/domains/blog.coding.net", &domain).status, 201);
    assert_eq!(put(site, "/v1/pools/outer", &to("blog")).status, 201);
    let used = site.gateway.call("DELETE", "/v1/pools/blog", "");
    refused(&used, 409, "pool `blog` is used: domain `blog.coding.net`, pool `outer` would lose it");
    for path in ["/v1/domains/blog.coding.net", "/v1/pools/outer", "/v1/pools/blog"] {
        assert_eq!(site.gateway.call("DELETE", path, "").status, 200, "{path}");
    }
    refused(
        &site.gateway.call("DELETE", "/v1/pools/blog", ""),
        404,
        "there is no pool `blog`; GET /v1/pools",
    );
}
