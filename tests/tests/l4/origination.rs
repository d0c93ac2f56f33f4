//! TLS from the gateway to an instance, whose certificate is looked at.

use std::net::SocketAddr;

use roundhouse_tests::{Authority, Background, End, Gateway, SOON, dial, eventually, knock};
use serde_json::json;

use crate::tls::openssl_server;

/// The job `app` in front of an openssl server with the certificate of `app.internal`; its VIP.
fn stage(gateway: &Gateway, authority: &Authority, tls: &serde_json::Value) -> (SocketAddr, Background) {
    stage_with(gateway, authority, tls, &[])
}

/// With more options of openssl's.
fn stage_with(
    gateway: &Gateway,
    authority: &Authority,
    tls: &serde_json::Value,
    more: &[&str],
) -> (SocketAddr, Background) {
    authority.sign(&["app.internal"]);
    let address = SocketAddr::new(gateway.net.app(0), 7000);
    let server = openssl_server(address, authority, "app.internal", more);
    gateway.write_job("app", &format!("\"port\":7000,\"protocol\":\"tcp\",\"tls\":{tls}"), "");
    gateway.register("app", address);
    gateway.wait_up("app", 1);
    (gateway.listening_vip("app", 7000), server)
}

/// In the clear to the gateway; openssl's server turns each line round.
#[track_caller]
fn is_served(vip: SocketAddr) {
    use std::io::{Read, Write};
    let mut client = dial(vip);
    client.write_all(b"hello\n").unwrap();
    let mut back = [0; 6];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"olleh\n");
}

#[test]
fn a_client_in_the_clear_reaches_a_tls_instance() {
    let gateway = Gateway::start();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let ca = authority.pem().to_owned();
    let (vip, _server) = stage(&gateway, &authority, &json!({ "ca": ca, "server_name": "app.internal" }));
    for _ in 0..5 {
        is_served(vip);
    }
}

#[test]
fn the_authority_may_be_a_file() {
    let gateway = Gateway::start();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let tls = json!({ "ca": { "file": authority.ca() }, "server_name": "app.internal" });
    let (vip, _server) = stage(&gateway, &authority, &tls);
    is_served(vip);
}

#[test]
fn an_instance_that_is_somebody_else_gets_nothing() {
    let gateway = Gateway::start();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let stranger = Authority::new(&gateway.folder().join("stranger"));
    let ca = stranger.pem().to_owned();
    let (vip, server) = stage(&gateway, &authority, &json!({ "ca": ca, "server_name": "app.internal" }));
    assert_eq!(knock(None, vip), (Vec::new(), End::Reset));
    drop(server);

    let gateway = Gateway::start();
    let ca = authority.pem().to_owned();
    let (vip, _server) = stage(&gateway, &authority, &json!({ "ca": ca, "server_name": "other.internal" }));
    assert_eq!(knock(None, vip), (Vec::new(), End::Reset));
    assert!(gateway.api("/v1/status").json()["totals"]["no_backend"].as_u64() >= Some(1));
    gateway.wait_reason("no_backend", 1);
}

#[test]
fn who_does_not_verify_says_so() {
    let gateway = Gateway::start();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let (vip, _server) = stage(&gateway, &authority, &json!({ "verify": false }));
    is_served(vip);
}

#[test]
fn an_instance_may_ask_the_gateway_for_a_certificate() {
    let gateway = Gateway::start();
    let authority = Authority::new(&gateway.folder().join("tls"));
    let (ca_file, ca) = (authority.ca().display().to_string(), authority.pem().to_owned());
    // s_server(1): one must be shown, and verified.
    let asks = ["-Verify", "1", "-verify_return_error", "-CAfile", &ca_file];
    let (chain, key) = authority.sign(&["gateway.internal"]);
    let record = json!({ "chain": chain, "key": key }).to_string();
    assert_eq!(gateway.call("PUT", "/v1/certs/own", &record).status, 201);
    let tls = json!({ "ca": ca, "server_name": "app.internal", "certificate": "own" });
    let (vip, _server) = stage_with(&gateway, &authority, &tls, &asks);
    is_served(vip);

    // Without it, or with one that is not there, nobody is served.
    for certificate in [None, Some("another")] {
        let tls = json!({ "ca": ca, "server_name": "app.internal", "certificate": certificate });
        gateway.write_job("app", &format!("\"port\":7000,\"protocol\":\"tcp\",\"tls\":{tls}"), "");
        eventually(SOON, "the client is reset", || knock(None, vip).1 == End::Reset);
    }
}
