//! TLS from the gateway to an instance, whose certificate is looked at.

use std::net::SocketAddr;

use roundhouse_tests::{Authority, Background, End, Gateway, dial, knock};
use serde_json::json;

use crate::tls::openssl_server;

/// The job `app` in front of an openssl server with the certificate of `app.internal`; its VIP.
fn stage(gateway: &Gateway, authority: &Authority, tls: &serde_json::Value) -> (SocketAddr, Background) {
    authority.sign(&["app.internal"]);
    let address = SocketAddr::new(gateway.net.app(0), 7000);
    let server = openssl_server(address, authority, "app.internal", &[]);
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
