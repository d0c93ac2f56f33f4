//! `/v1/directors` by hand: what a program without this library has to do, and what is refused.

use roundhouse_tests::http::Reply;
use roundhouse_tests::{SOON, eventually};
use serde_json::{Value, json};

use crate::Site;

const PATH: &str = "/v1/directors/lvs-1";
const BODY: &str = r#"{"version":"1","host":"host-a","lines":["telecom"],"ttl":"60s"}"#;

#[track_caller]
fn refused(reply: &Reply, status: u16, sentence: &str) -> Value {
    assert_eq!(reply.status, status, "{reply:?}");
    let problem = reply.json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(sentence), "{sentence}: {detail}");
    problem["path"].clone()
}

fn with_token(site: &Site, role: &str) -> String {
    let body = format!(r#"{{"id":"t-{role}","role":"{role}"}}"#);
    let reply = site.hub.gateway.call("POST", "/v1/tokens", &body);
    format!("Bearer {}", reply.json()["token"].as_str().unwrap())
}

#[test]
fn a_director_announces_itself_says_more_lives_and_leaves() {
    for site in [Site::embedded(), Site::etcd()] {
        let gateway = &site.hub.gateway;
        let operate = with_token(&site, "operate");
        let ask = |method: &str, path: &str, body: &str| {
            gateway.call_with(method, path, &[("authorization", &operate)], body)
        };
        let made = ask("PUT", PATH, BODY);
        assert_eq!((made.status, made.header("location")), (201, Some(PATH)), "{made:?}");
        let made = made.json();
        let lease = made["lease"].as_str().unwrap();
        assert_eq!(gateway.api(PATH).json()["lines"], json!(["telecom"]));
        assert!(gateway.api(PATH).json()["ttl"].is_null(), "no part of the record");

        // The same again is no write; something else is one, under the same lease.
        let under = format!("{PATH}?lease={lease}");
        assert_eq!(ask("PUT", &under, BODY).json()["revision"], made["revision"]);
        let more = ask("PUT", &under, r#"{"version":"2","host":"host-a"}"#).json();
        assert!(more["revision"].as_u64() > made["revision"].as_u64() && more["lease"] == lease, "{more}");
        assert_eq!(gateway.api(PATH).json()["version"], "2");

        assert_eq!(ask("POST", &format!("/v1/leases/{lease}/keepalive"), "").status, 200);
        refused(&ask("DELETE", &format!("/v1/leases/{lease}"), ""), 403, "stop that program instead");
        let taken = refused(&ask("PUT", PATH, BODY), 409, "held by the live director on host-a");
        assert_eq!(taken, "id");
        let other = format!("{PATH}?lease=4711");
        refused(&ask("PUT", &other, BODY), 409, "held by the live director on host-a");
        refused(&ask("DELETE", &other, ""), 409, "held by the live director on host-a");
        refused(&ask("DELETE", PATH, ""), 400, "a director leaves by its own lease");
        assert_eq!(gateway.api(PATH).status, 200);

        assert_eq!(ask("DELETE", &under, "").status, 204);
        eventually(SOON, "it is gone", || gateway.api(PATH).status == 404);
        refused(&ask("DELETE", &under, ""), 404, "directors/lvs-1");
        refused(&ask("PUT", &under, BODY), 404, "ran out or was revoked");
    }
}

#[test]
fn a_director_leads_by_its_lease_and_resigns() {
    for site in [Site::embedded(), Site::etcd()] {
        let gateway = &site.hub.gateway;
        let announce = |id: &str| {
            let made = gateway.call("PUT", &format!("/v1/directors/{id}"), BODY).json();
            made["lease"].as_str().unwrap().to_owned()
        };
        let (first, second) = (announce("lvs-1"), announce("lvs-2"));
        let put = |id: &str, lease: &str| {
            let body = format!(r#"{{"director":"{id}","since":1767225600}}"#);
            gateway.call("PUT", &format!("/v1/leaders/haproxy?lease={lease}"), &body)
        };
        let made = put("lvs-1", &first);
        assert_eq!((made.status, made.header("location")), (201, Some("/v1/leaders/haproxy")), "{made:?}");
        let fence = made.json()["fence"].as_u64().unwrap();
        assert_eq!(made.json()["revision"], fence);
        let again = put("lvs-1", &first);
        assert_eq!((again.status, &again.json()["fence"]), (200, &json!(fence)));
        let shown = gateway.api("/v1/leaders/haproxy").json();
        assert_eq!(
            (&shown["director"], &shown["name"], &shown["revision"]),
            (&json!("lvs-1"), &json!("haproxy"), &json!(fence))
        );
        assert_eq!(gateway.api("/v1/leaders").json(), json!([shown]));

        let taken = refused(&put("lvs-2", &second), 409, "leaders/haproxy is held by the director lvs-1");
        assert_eq!(taken, "name");
        for (id, lease) in [("lvs-1", &second), ("lvs-9", &first), ("lvs-1", &"4711".to_owned())] {
            assert_eq!(refused(&put(id, lease), 409, "is not under the lease"), "lease", "{id}");
        }
        refused(&gateway.call("PUT", "/v1/leaders/haproxy", "{}"), 422, "director");
        let body = r#"{"director":"lvs-1","since":1}"#;
        refused(&gateway.call("PUT", "/v1/leaders/other", body), 400, "write ?lease=");
        let resign = |lease: &str| gateway.call("DELETE", &format!("/v1/leaders/haproxy?lease={lease}"), "");
        refused(&resign(&second), 409, "is held by the director lvs-1");
        assert_eq!(resign(&first).status, 204);
        refused(&resign(&first), 404, "leaders/haproxy");

        // It goes with the director, whose lease holds nothing else.
        let higher = put("lvs-2", &second).json()["fence"].as_u64().unwrap();
        assert!(higher > fence);
        refused(&gateway.call("DELETE", &format!("/v1/leases/{second}"), ""), 403, "stop that program");
        assert_eq!(gateway.call("DELETE", &format!("/v1/directors/lvs-2?lease={second}"), "").status, 204);
        eventually(SOON, "nobody leads", || gateway.api("/v1/leaders").json() == json!([]));
    }
}

#[test]
fn only_operators_announce_and_only_what_is_right() {
    let site = Site::embedded();
    let gateway = &site.hub.gateway;
    for role in ["read", "register", "hub"] {
        let token = with_token(&site, role);
        for method in ["PUT", "DELETE"] {
            let reply = gateway.call_with(method, PATH, &[("authorization", &token)], BODY);
            refused(&reply, 403, "this takes the role `operate`");
            let path = "/v1/leaders/haproxy?lease=1";
            let reply = gateway.call_with(method, path, &[("authorization", &token)], "{}");
            refused(&reply, 403, "this takes the role `operate`");
        }
    }
    let put = |body: &str| gateway.call("PUT", PATH, body);
    assert_eq!(refused(&put(r#"{"version":"1","host":"a"}"#), 422, "under a lease; write"), "ttl");
    assert_eq!(refused(&put(r#"{"version":"1","host":"a","ttl":"1ms"}"#), 422, "out of bounds"), "ttl");
    assert_eq!(refused(&put(r#"{"version":"1","host":"a","ttl":"soon"}"#), 422, ""), "ttl");
    assert_eq!(refused(&put(r#"{"version":"1","host":"a b","ttl":"9s"}"#), 422, "is no host name"), "host");
    refused(&put("{"), 400, "no JSON");
    let id = gateway.call("PUT", "/v1/directors/a%20b", BODY);
    assert_eq!(refused(&id, 422, "is no director's id"), "id");
    let condition = gateway.call_with("PUT", PATH, &[("if-none-match", "*")], BODY);
    refused(&condition, 400, "takes no precondition");
    let lease = gateway.call("PUT", &format!("{PATH}?lease=xyz"), BODY);
    assert_eq!(refused(&lease, 422, "is no lease id"), "lease");

    // As many pools as a record may have are more than other records may be long.
    let vips: Vec<String> = (0..2_000).map(|n| format!("2001:db8:1234:5678:9abc:def0:1234:{n:x}")).collect();
    let applied: serde_json::Map<String, Value> =
        vips.chunks(2).enumerate().map(|(n, vips)| (format!("pool-{n}"), json!(vips))).collect();
    let long = json!({"version": "1", "host": "a", "ttl": "60s", "applied": applied}).to_string();
    assert!(long.len() > 80_000, "{}", long.len());
    assert_eq!(put(&long).status, 201);
}

/// A lease that holds an instance too is nobody's to end by a director's id.
#[test]
fn a_director_takes_nothing_along_that_is_not_a_directors() {
    let site = Site::etcd();
    let kv = site.hub.etcd.as_ref().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = &site.hub.gateway;
    let lease = gateway.call("PUT", PATH, BODY).json()["lease"].as_str().unwrap().to_owned();
    runtime.block_on(async {
        let kv = kv.kv("/roundhouse/v1").await;
        let record = r#"{"version":"1","host":"h","vips":"127.99.0.0/16","admin":"127.0.0.1:8400"}"#;
        let txn = roundhouse_registry::kv::Txn::new();
        kv.commit(txn.put("gateways/other", record, Some(lease.parse().unwrap()))).await.unwrap();
    });
    eventually(SOON, "the gateway sees the other", || gateway.api("/v1/gateways/other").status == 200);
    let leave = gateway.call("DELETE", &format!("{PATH}?lease={lease}"), "");
    refused(&leave, 403, "holds more than a director's own records");
    assert_eq!(gateway.api("/v1/gateways/other").status, 200);
}
