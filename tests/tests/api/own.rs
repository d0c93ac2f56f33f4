//! A registrar's token: own instances and nothing else.

use std::net::IpAddr;

use roundhouse_tests::http::{Connection, Reply};

use crate::{Site, on_both_sites, refused};

on_both_sites!(
    a_registrar_has_its_own_instances_only,
    a_range_and_a_jobname_are_the_tokens,
    a_registrar_has_a_pool_made_for_its_own_instance_alone,
);

/// A registrar at one of the test's addresses.
struct Registrar<'a> {
    site: &'a Site,
    from: IpAddr,
    token: String,
}

impl Registrar<'_> {
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let admin = self.site.gateway.admin();
        let (host, bearer) = (admin.to_string(), format!("Bearer {}", self.token));
        let mut connection = Connection::open_from(self.from, admin).unwrap();
        connection.request_with(method, path, &[("host", &host), ("authorization", &bearer)], body).unwrap()
    }

    #[track_caller]
    fn register(&self, label: &str, address: IpAddr) -> Reply {
        self.ask("POST", &format!("/v1/instances/{label}"), &instance(address))
    }
}

fn instance(address: IpAddr) -> String {
    format!(r#"{{"address":"{address}","ports":{{"main":1111}},"ttl":"60s"}}"#)
}

/// Where it is, and its lease.
#[track_caller]
fn made(reply: &Reply) -> (String, String) {
    assert_eq!(reply.status, 201, "{reply:?}");
    let lease = format!("/v1/leases/{}", reply.json()["lease"].as_str().unwrap());
    (reply.header("location").unwrap().to_owned(), lease)
}

fn a_registrar_has_its_own_instances_only(site: &Site) {
    let net = &site.gateway.net;
    let (own, foreign) = (net.app(0), net.app(1));
    let token = site.token("reg", "register", "");
    let mine = Registrar { site, from: own, token: token.clone() };
    let theirs = Registrar { site, from: foreign, token };
    let (path, lease) = made(&mine.register("app2", own));
    refused(&mine.register("app2", foreign), 403, "an own instance is at");
    let fixed = format!(r#"{{"address":"{own}","ports":{{"main":2222}}}}"#);
    refused(
        &mine.ask("POST", "/v1/instances/app2", &fixed),
        403,
        "a static instance takes the role `operate`",
    );

    let (keepalive, state) = (format!("{lease}/keepalive"), format!("{path}/state"));
    let drain = r#"{"state":"draining"}"#;
    for (method, path, body) in [
        ("PUT", &path, instance(foreign)),
        ("POST", &state, drain.to_owned()),
        ("DELETE", &path, String::new()),
    ] {
        refused(&theirs.ask(method, path, &body), 403, "not the caller's own");
    }
    for (method, path) in [("POST", &keepalive), ("DELETE", &lease)] {
        refused(&theirs.ask(method, path, ""), 403, "which is somebody else's");
    }
    assert_eq!(site.gateway.api(&path).json()["state"], "up");
    assert_eq!(mine.ask("POST", &keepalive, "").status, 200);
    assert_eq!(mine.ask("PUT", &path, &instance(own)).status, 200);
    assert_eq!(mine.ask("POST", &state, drain).status, 200);
    // The gateway's own lease is nobody's here.
    let records = site.gateway.api("/v1/snapshot").json();
    let gateways = records["entries"].as_array().unwrap().iter();
    let mut hub = gateways.filter(|entry| entry["key"].as_str().unwrap().starts_with("gateways/"));
    let lease_of_hub = format!("/v1/leases/{}", hub.next().unwrap()["lease"].as_str().unwrap());
    refused(&mine.ask("DELETE", &lease_of_hub, ""), 403, "holds what is no instance");
    refused(&mine.ask("POST", "/v1/leases/77/keepalive", ""), 404, "register again");
    // Nor is anything else.
    refused(&mine.ask("PUT", "/v1/jobs/app2", r#"{"jobname":"job.app2"}"#), 403, "takes the role `operate`");
    assert_eq!(mine.ask("DELETE", &path, "").status, 200);
}

fn a_range_and_a_jobname_are_the_tokens(site: &Site) {
    let net = &site.gateway.net;
    let (own, inside, outside) = (net.app(0), net.app(1), net.app(9));
    let more = format!(r#","cidr":["{inside}/32"],"jobname":"cop.coding""#);
    let registrar = Registrar { site, from: own, token: site.token("reg", "register", &more) };
    let with = |address: IpAddr, jobname: &str| {
        format!(
            r#"{{"address":"{address}","ports":{{"main":1111}},"ttl":"60s","job":{{"jobname":"{jobname}"}}}}"#
        )
    };
    refused(&registrar.register("app2", own), 403, "for jobs of cop.coding, and `app2` is job.app2");
    let (app2, app3) = ("/v1/instances/app2", "/v1/instances/app3");
    made(&registrar.ask("POST", app2, &with(own, "job.app2_cop.coding")));
    made(&registrar.ask("POST", app2, &with(inside, "job.app2_cop.coding")));
    refused(&registrar.ask("POST", app2, &with(outside, "job.app2_cop.coding")), 403, "or in");
    refused(&registrar.ask("POST", app3, &with(own, "job.app3_cop.other")), 403, "is job.app3_cop.other");
    // A job that is there says itself whose it is.
    site.gateway.put_job("app4", 1111, "tcp");
    let borrowed = registrar.ask("POST", "/v1/instances/app4", &with(outside, "job.app4_cop.coding"));
    refused(&borrowed, 403, "`app4` is job.app4");
}

fn a_registrar_has_a_pool_made_for_its_own_instance_alone(site: &Site) {
    let net = &site.gateway.net;
    let (own, foreign) = (net.app(0), net.app(1));
    let token = site.token("reg", "register", "");
    let mine = Registrar { site, from: own, token: token.clone() };
    let theirs = Registrar { site, from: foreign, token };
    let with =
        |pool: &str| format!(r#"{{"address":"{own}","ports":{{"main":1111}},"ttl":"60s","pool":{pool}}}"#);
    let register = |pool: &str| mine.ask("POST", "/v1/instances/app2", &with(pool));
    refused(&register(r#"{"name":"blog","port":0}"#), 422, "port 0 cannot be dialled");
    refused(&register(r#"{"name":"blog","to":{"name":"main","port":7}}"#), 422, "no port `main` at 7");
    // No line has a VIP: it is registered all the same, and told.
    let early = register(r#"{"name":"blog","port":80}"#);
    let path = made(&early).0;
    let told = early.json();
    assert!(told["pool_error"].as_str().unwrap().starts_with("no line has VIPs to give"), "{told}");
    assert!(told["pool"].is_null() && site.gateway.api(&path).status == 200, "{told}");

    let (pool, wish) = (format!("{path}/pool"), r#"{"name":"blog","port":80}"#);
    refused(&mine.ask("POST", &pool, wish), 409, "no line has VIPs to give");
    assert_eq!(site.gateway.call("PUT", "/v1/lines/telecom", r#"{"vips":["203.0.113.0/28"]}"#).status, 201);
    refused(&theirs.ask("POST", &pool, wish), 403, "is somebody else's");
    for _ in 0..2 {
        let again = mine.ask("POST", &pool, wish);
        assert_eq!((again.status, &again.json()["pool"]), (200, &"blog".into()), "{again:?}");
    }
    let stored = site.gateway.api("/v1/pools/blog").json();
    assert_eq!(stored["to"], serde_json::json!({"job": "app2", "port": "main"}));
    assert_eq!((&stored["port"], &stored["lines"]["telecom"][0]), (&80.into(), &"203.0.113.1".into()));
    // Neither written over nor anybody else's to write.
    refused(&mine.ask("PUT", "/v1/pools/blog", "{}"), 403, "takes the role `operate`");
    let again = mine.ask("PUT", &path, &with(r#"{"name":"blog","port":8080}"#));
    assert_eq!((again.status, &again.json()["pool"]), (200, &"blog".into()), "{again:?}");
    assert_eq!(site.gateway.api("/v1/pools/blog").json(), stored);
    let shop =
        format!(r#"{{"address":"{own}","ports":{{"main":2222}},"ttl":"60s","pool":{{"name":"blog"}}}}"#);
    let stranger = mine.ask("POST", "/v1/instances/shop", &shop);
    let told = made(&stranger).0;
    let reason = stranger.json()["pool_error"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("pool `blog` leads to job `app2`, not to `shop`"), "{told}: {reason}");
    // One that a person put there to stay is no registrar's.
    let fixed = format!(r#"{{"address":"{own}","ports":{{"main":3333}}}}"#);
    let fixed = site.gateway.call("POST", "/v1/instances/fixed", &fixed);
    let path = format!("{}/pool", fixed.header("location").unwrap());
    refused(&mine.ask("POST", &path, r#"{"name":"other"}"#), 403, "is somebody else's");
    assert_eq!(site.gateway.call("POST", &path, r#"{"name":"other"}"#).status, 200);
}
