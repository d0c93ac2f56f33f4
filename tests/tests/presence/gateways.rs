//! What a gateway says of its own entrypoints.

use std::net::{IpAddr, SocketAddr};

use roundhouse_tests::{Gateway, SOON, eventually, seen};
use serde_json::{Value, json};

fn announced(gateway: &Gateway) -> Option<Value> {
    Some(gateway.api("/v1/gateways").json().get(0)?.clone())
}

#[track_caller]
fn reaches(gateway: &Gateway, wanted: impl Fn(&Value) -> bool) -> Value {
    let look =
        || seen(announced(gateway), |record| record.as_ref().is_some_and(|it| wanted(&it["entrypoints"])));
    eventually(SOON, "the gateway says where it is reached", look).unwrap()
}

#[test]
fn entrypoints_are_announced_as_they_come_and_go_under_one_lease() {
    let gateway = Gateway::start();
    let own = gateway.http().to_string();
    let first = reaches(&gateway, |at| *at == json!({ "http": own }));
    let lease = |gateway: &Gateway| {
        let entries = gateway.api("/v1/snapshot").json()["entries"].clone();
        let entries = entries
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["key"].as_str().is_some_and(|key| key.starts_with("gateways/")));
        entries.unwrap()["lease"].clone()
    };
    let before = lease(&gateway);
    let address = gateway.net.gateway();
    let put = |name: &str, listen: &str| {
        let record = json!({"listen": listen, "protocol": "tcp", "job": "redis"}).to_string();
        let reply = gateway.call("PUT", &format!("/v1/entrypoints/{name}"), &record);
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    };
    put("redis", &format!("{address}:6379"));
    let second = reaches(&gateway, |at| at["redis"] == format!("{address}:6379"));
    assert!(second["revision"].as_u64() > first["revision"].as_u64());
    put("redis", &format!("{address}:6380"));
    reaches(&gateway, |at| at["redis"] == format!("{address}:6380") && at["http"] == own);
    // One that cannot be opened is not reached.
    put("taken", &format!("{address}:8400"));
    gateway.call("DELETE", "/v1/entrypoints/redis", "");
    reaches(&gateway, |at| *at == json!({ "http": own }));
    assert_eq!(lease(&gateway), before);
}

#[test]
fn one_that_listens_everywhere_is_reached_at_the_address_that_the_settings_name() {
    let more = "[[entrypoint]]\nname = \"all\"\nlisten = \":0\"\nprotocol = \"http\"";
    let names = "answer = \"hub\"\nhub_addresses = [\"192.0.2.5\"]";
    let mut gateway = Gateway::prepared("embedded", more).with_names(names);
    gateway.run();
    let record = reaches(&gateway, |at| at["all"].is_string());
    let at: SocketAddr = record["entrypoints"]["all"].as_str().unwrap().parse().unwrap();
    assert!(at.ip() == IpAddr::from([192, 0, 2, 5]) && at.port() != 0, "{at}");

    let mut gateway = Gateway::prepared("embedded", more);
    gateway.run();
    let record = reaches(&gateway, |at| at["http"].is_string());
    // Where the host has an address at all.
    if let Some(at) = record["entrypoints"]["all"].as_str() {
        let at: SocketAddr = at.parse().unwrap();
        assert!(!at.ip().is_unspecified() && !at.ip().is_loopback() && at.port() != 0, "{at}");
    }
}
