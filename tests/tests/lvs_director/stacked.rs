//! A layer before a layer: nftables -> HAProxy with send-proxy-v2 -> hub -> instances, all on one host, with a client in a
//! network of its own. The hub still sees the client.

use std::process::{Command, Output};

use roundhouse_tests::{Background, Gateway, SOON, eventually, inside, seen};
use serde_json::json;

use crate::stage::Stage;

const VIP: &str = "203.0.113.10";
/// Where HAProxy takes connections from the layer before it.
const INNER: &str = "10.8.1.1";

fn sh(script: &str) -> Output {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What the hub answers to the client at this address: status and body.
fn asked(client: &str) -> String {
    let script = format!(
        "ip netns exec client curl -sS -m 5 --interface {client} -H 'Host: blog.coding.net' -w ' %{{http_code}}' \
         http://{VIP}/"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn access_rules_see_the_client_through_two_layers() {
    if let Some(mut command) = inside("stacked::access_rules_see_the_client_through_two_layers") {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
        return;
    }
    sh(&format!(
        "mount -t tmpfs tmpfs /run; mkdir -p /run/netns; ip link set lo up; sysctl -qw net.ipv4.ip_forward=1
         ip addr add {INNER}/32 dev lo
         ip netns add client; ip link add to-client type veth peer name eth0 netns client
         ip addr add 10.8.0.1/24 dev to-client; ip link set to-client up
         ip -n client addr add 10.8.0.2/24 dev eth0; ip -n client addr add 10.8.0.3/24 dev eth0
         ip -n client link set eth0 up; ip -n client link set lo up; ip -n client route add default via 10.8.0.1"
    ));
    let mut gateway = Gateway::prepared(
        "embedded",
        "[[entrypoint]]\nname = \"edge\"\nlisten = \"127.0.0.1:8081\"\nprotocol = \"http\"\n\
         trust_proxy = [\"127.0.0.0/8\", \"10.8.1.1/32\"]\n",
    );
    gateway.run();
    let stage = Stage::of(gateway);
    stage.config(1, "[[sink]]\nkind = \"nftables\"\nmasquerade = false\n");
    let web = json!({"name": "main", "port": 80, "protocol": "http"});
    stage.put("jobs/blog", &json!({"jobname": "job.blog", "ports": [web], "check": null}));
    let app = stage.gateway.net.app(1);
    let _app: Background = {
        let mut sample = roundhouse_tests::programs::roundhouse();
        sample.args(["sample", "--name", "blog", "--listen", &format!("{app}:7000")]);
        Background::spawn(sample)
    };
    let id = "0a1b2c3d-0000-4000-8000-000000000001";
    stage.put(&format!("instances/blog/{id}"), &json!({"address": app, "ports": {"main": 7000}}));
    stage.put("domains/blog.coding.net", &json!({"routes": [{"to": [{"job": "blog"}]}]}));
    let inner = json!({"to": {"hubs": "edge"}, "port": 8080, "sink": "haproxy", "send_proxy": 2,
        "lines": {"telecom": [INNER]}});
    stage.put("pools/inner", &inner);
    let outer = json!({"to": {"pool": "inner"}, "port": 80, "sink": "nftables", "lines": {"telecom": [VIP]}});
    stage.put("pools/outer", &outer);
    let _director = stage.run(1);
    for client in ["10.8.0.2", "10.8.0.3"] {
        eventually(SOON, "the client is served", || seen(asked(client), |answer| answer.ends_with(" 200")));
    }
    let rule = json!({"to": {"job": "blog"}, "from": {"cidr": ["10.8.0.3/32"]}, "action": "deny"});
    stage.put("rules/not-you", &rule);
    eventually(SOON, "the rule holds for the one", || {
        seen(asked("10.8.0.3"), |answer| answer.ends_with(" 403"))
    });
    let other = asked("10.8.0.2");
    assert!(other.ends_with(" 200"), "and not for the other: {other}");
}
