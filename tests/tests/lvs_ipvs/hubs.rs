//! IPVS before the hubs: the client's address is kept, and access rules see it.

use roundhouse_tests::uml::in_uml;
use roundhouse_tests::{Background, Gateway, SOON, eventually, programs, seen};
use serde_json::json;

use crate::shell::{output, saved};
use crate::stage::{Stage, VIP, network};

/// What the hub answers to the client: status.
fn asked() -> String {
    let script = format!(
        "ip netns exec client curl -sS -o /dev/null -m 3 -H 'Host: blog.coding.net' -w '%{{http_code}}' http://{VIP}/"
    );
    let output = output(&script);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn access_rules_see_the_client() {
    in_uml("hubs::access_rules_see_the_client", &["wrr"], |_| {
        network();
        let mut gateway = Gateway::prepared(
            "embedded",
            "[[entrypoint]]\nname = \"edge\"\nlisten = \"10.9.0.1:8080\"\nprotocol = \"http\"\n",
        );
        gateway.run();
        let stage = Stage::of(gateway, "bind = \"lo\"");
        let web = json!({"name": "main", "port": 80, "protocol": "http"});
        stage.put("jobs/blog", &json!({"jobname": "job.blog", "ports": [web], "check": null}));
        let app = stage.gateway.net.app(1);
        let mut sample = programs::roundhouse();
        sample.args(["sample", "--name", "blog", "--listen", &format!("{app}:80")]);
        let _app = Background::spawn(sample);
        stage.instance("blog", 1, &app.to_string(), &json!({}));
        stage.put("domains/blog.coding.net", &json!({"routes": [{"to": [{"job": "blog"}]}]}));
        stage.put("pools/edge", &json!({"to": {"hubs": "edge"}, "port": 80, "lines": {"telecom": [VIP]}}));
        let _director = stage.run();
        eventually(SOON, "programmed", || {
            seen(saved(), |saved| saved.contains(&format!("-a -t {VIP}:80 -r 10.9.0.1:8080 -m -w 100")))
        });
        eventually(SOON, "the client is served", || seen(asked(), |status| status == "200"));
        let rule = json!({"to": {"job": "blog"}, "from": {"cidr": ["10.9.0.2/32"]}, "action": "deny"});
        stage.put("rules/not-you", &rule);
        eventually(SOON, "the rule holds for the client", || seen(asked(), |status| status == "403"));
        stage.put(
            "rules/not-you",
            &json!({"to": {"job": "blog"}, "from": {"cidr": ["10.9.0.3/32"]}, "action": "deny"}),
        );
        eventually(SOON, "and not for another", || seen(asked(), |status| status == "200"));
    });
}
