//! A public domain with a pool, asked with dig: what a client is answered by its line, and by what directors have applied.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::net::IpAddr;
use std::process::Command;

use roundhouse_tests::{Hub, SOON, Signal, ZONE, eventually, on_both_hubs, seen};
use serde_json::json;

const BLOG: &str = "blog.coding.net";
const TELECOM: &str = "+subnet=10.9.0.0/24";
const UNICOM: &str = "+subnet=10.1.7.0/24";

/// An answer as dig prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    status: String,
    /// AA.
    authoritative: bool,
    /// Sorted.
    data: Vec<String>,
    ttl: Option<u32>,
    /// `10.1.7.0/24/16`: address, source and scope.
    subnet: Option<String>,
    soa: Option<String>,
}

fn dig(hub: &Hub, arguments: &[&str]) -> Answer {
    let server = hub.gateway.dns();
    let output = Command::new("dig")
        .args([&format!("@{}", server.ip()), "-p", &server.port().to_string(), "+time=2", "+tries=3"])
        .args(["+nocookie", "+nocmd", "+noquestion", "+nostats"])
        .args(arguments)
        .output()
        .expect("dig is installed (Debian: bind9-dnsutils)");
    let text = String::from_utf8(output.stdout).unwrap();
    let after = |mark: &str| {
        text.lines().find_map(|line| line.split_once(mark)).map(|(_, rest)| rest.trim().to_owned())
    };
    let records = |section: &str| -> Vec<Vec<String>> {
        let lines = text.lines().skip_while(|line| !line.starts_with(section)).skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let answers = records(";; ANSWER SECTION");
    let mut data: Vec<String> = answers.iter().map(|fields| fields[4].clone()).collect();
    data.sort();
    Answer {
        status: after("status: ").unwrap_or(text.clone()).split(',').next().unwrap().to_owned(),
        authoritative: after(";; flags: ")
            .is_some_and(|flags| flags.split(';').next().unwrap().contains("aa")),
        data,
        ttl: answers.first().map(|fields| fields[1].parse().unwrap()),
        subnet: after("CLIENT-SUBNET: "),
        soa: records(";; AUTHORITY SECTION")
            .first()
            .filter(|fields| fields[3] == "SOA")
            .map(|fields| fields[0].clone()),
    }
}

#[track_caller]
fn answers(hub: &Hub, arguments: &[&str], vips: &[&str], ttl: u32) -> Answer {
    let look = || seen(dig(hub, arguments), |answer| answer.data == vips && answer.ttl == Some(ttl));
    let answer = eventually(SOON, "the domain is answered so", look);
    assert!(answer.status == "NOERROR" && answer.authoritative, "{answer:?}");
    answer
}

/// The gateway again, which lets answers be kept for an hour where nothing else bounds it.
fn patient(mut hub: Hub) -> Hub {
    let config = std::fs::read_to_string(hub.gateway.config()).unwrap();
    std::fs::write(hub.gateway.config(), config.replace("[dns]\n", "[dns]\nttl = \"1h\"\n")).unwrap();
    hub.gateway.process().signal(Signal::TERM);
    hub.gateway.stopped();
    hub.gateway.run();
    hub
}

/// Two lines with prefixes, one pool with a VIP on each and one for everybody else.
fn publish(hub: &Hub) {
    let put = |path: &str, record: serde_json::Value| hub.write("PUT", path, &record.to_string());
    hub.put_job("blog");
    put("/v1/lines/telecom", json!({"prefixes": ["10.0.0.0/8", "2001:db8::/32"]}));
    put("/v1/lines/unicom", json!({"prefixes": ["10.1.0.0/16"], "fallback": ["telecom"]}));
    let lines = json!({"telecom": ["203.0.113.1", "2001:db8:1::1"], "unicom": ["203.0.113.2"], "default": ["203.0.113.3"]});
    put("/v1/pools/blog", json!({"to": {"job": "blog", "port": "main"}, "port": 80, "lines": lines}));
    for host in [BLOG, "*.pages.coding.net"] {
        put(&format!("/v1/domains/{host}"), json!({"routes": [{"to": [{"job": "blog"}]}], "pool": "blog"}));
    }
    put("/v1/domains/plain.coding.net", json!({"routes": [{"to": [{"job": "blog"}]}]}));
}

/// A director that has applied these VIPs of the pool; its lease.
fn announce(hub: &Hub, id: &str, lease: Option<&str>, applied: &[&str], ttl: &str) -> String {
    let record = json!({"version": "1", "host": id, "applied": {"blog": applied}, "ttl": ttl});
    let path =
        lease.map_or(format!("/v1/directors/{id}"), |lease| format!("/v1/directors/{id}?lease={lease}"));
    let reply = hub.gateway.call("PUT", &path, &record.to_string());
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.json()["lease"].as_str().unwrap().to_owned()
}

on_both_hubs!(
    a_vip_is_answered_when_a_director_has_applied_it_and_no_longer,
    a_client_is_on_the_line_that_its_resolver_says,
    a_domain_is_a_zone_of_one_name_and_the_rest_is_refused,
);

async fn a_vip_is_answered_when_a_director_has_applied_it_and_no_longer(hub: Hub) {
    let hub = patient(hub);
    publish(&hub);
    // While nobody has applied anything, whatever the line has.
    answers(&hub, &[UNICOM, BLOG, "A"], &["203.0.113.2"], 30);
    let first = announce(&hub, "lvs-1", None, &["203.0.113.1"], "60s");
    // Its own VIP is not there: that of its fallback line is.
    answers(&hub, &[UNICOM, BLOG, "A"], &["203.0.113.1"], 30);
    answers(&hub, &[TELECOM, BLOG, "A"], &["203.0.113.1"], 60);
    let second = announce(&hub, "lvs-2", None, &["203.0.113.2", "2001:db8:1::1"], "60s");
    answers(&hub, &[UNICOM, BLOG, "A"], &["203.0.113.2"], 60);
    answers(&hub, &[UNICOM, BLOG, "AAAA"], &["2001:db8:1::1"], 30);
    answers(&hub, &[TELECOM, BLOG, "AAAA"], &["2001:db8:1::1"], 60);
    answers(&hub, &[BLOG, "A"], &["203.0.113.1", "203.0.113.2"], 30);
    // It says something else under the same lease, then leaves.
    assert_eq!(announce(&hub, "lvs-2", Some(&second), &["203.0.113.3"], "60s"), second);
    answers(&hub, &[UNICOM, BLOG, "A"], &["203.0.113.1"], 30);
    answers(&hub, &[BLOG, "A"], &["203.0.113.3"], 60);
    let none = dig(&hub, &[TELECOM, BLOG, "AAAA"]);
    assert_eq!((none.data, none.soa.as_deref()), (vec![], Some("blog.coding.net.")), "no IPv6 is applied");
    hub.write("DELETE", &format!("/v1/directors/lvs-1?lease={first}"), "");
    answers(&hub, &[TELECOM, BLOG, "A"], &["203.0.113.3"], 30);
    // One that dies is gone with its lease.
    announce(&hub, "lvs-3", None, &["203.0.113.1"], "1s");
    answers(&hub, &[TELECOM, BLOG, "A"], &["203.0.113.1"], 60);
    answers(&hub, &[TELECOM, BLOG, "A"], &["203.0.113.3"], 30);
    hub.write("DELETE", &format!("/v1/directors/lvs-2?lease={second}"), "");
    answers(&hub, &[TELECOM, BLOG, "A"], &["203.0.113.1"], 30);
}

async fn a_client_is_on_the_line_that_its_resolver_says(hub: Hub) {
    let hub = patient(hub);
    publish(&hub);
    announce(&hub, "lvs-1", None, &["203.0.113.1", "203.0.113.2", "203.0.113.3"], "60s");
    for (subnet, vip, echoed) in [
        (TELECOM, "203.0.113.1", "10.9.0.0/24/13"),
        (UNICOM, "203.0.113.2", "10.1.7.0/24/16"),
        ("+subnet=192.0.2.0/24", "203.0.113.3", "192.0.2.0/24/1"),
        ("+subnet=2001:db8:7::/48", "203.0.113.1", "2001:db8:7::/48/32"),
        ("+subnet=0.0.0.0/0", "203.0.113.3", "0.0.0.0/0/0"),
    ] {
        let answer = answers(&hub, &[subnet, BLOG, "A"], &[vip], 60);
        assert_eq!(answer.subnet.as_deref(), Some(echoed));
        let over_tcp = dig(&hub, &["+tcp", subnet, BLOG, "A"]);
        assert_eq!(over_tcp, answer);
        // A scope says that a whole subtree is answered so: here its other end is.
        assert_eq!(dig(&hub, &[subnet, "x.pages.coding.net", "A"]).data, [vip]);
    }
    assert_eq!(dig(&hub, &["+subnet=0", BLOG, "A"]).data, ["203.0.113.3"]);
    // Resolvers on loopback are on no line.
    for arguments in [&[BLOG, "A"][..], &["+noedns", BLOG, "A"]] {
        let answer = answers(&hub, arguments, &["203.0.113.3"], 60);
        assert_eq!(answer.subnet, None);
    }
    // A line that comes to have them is that of their clients.
    let own: IpAddr = hub.gateway.net.gateway();
    hub.write(
        "PUT",
        "/v1/lines/unicom",
        &json!({"prefixes": [format!("{own}/32"), "127.0.0.1/32"]}).to_string(),
    );
    answers(&hub, &[BLOG, "A"], &["203.0.113.2"], 60);
    answers(&hub, &[UNICOM, BLOG, "A"], &["203.0.113.1"], 60);
    // Bits beyond the prefix, by hand: dig does not send them.
    let wrong = dig(&hub, &["+ednsopt=8:000118000a010700", BLOG, "A"]);
    assert_eq!(wrong.status, "FORMERR");
}

async fn a_domain_is_a_zone_of_one_name_and_the_rest_is_refused(hub: Hub) {
    let hub = patient(hub);
    publish(&hub);
    announce(&hub, "lvs-1", None, &["203.0.113.3"], "60s");
    answers(&hub, &["BLOG.coding.NET", "A"], &["203.0.113.3"], 60);
    let ns = dig(&hub, &[BLOG, "NS"]);
    assert_eq!((ns.authoritative, ns.data), (true, vec![format!("ns.{ZONE}.")]));
    assert_eq!(dig(&hub, &[BLOG, "SOA"]).data, [format!("ns.{ZONE}.")]);
    for of in ["MX", "TXT", "HTTPS", "DS", "CAA"] {
        let answer = dig(&hub, &[BLOG, of]);
        assert!(
            answer.authoritative && answer.status == "NOERROR" && answer.data.is_empty(),
            "{of}: {answer:?}"
        );
        assert_eq!(answer.soa.as_deref(), Some("blog.coding.net."));
    }
    for name in
        ["coding.net", "www.blog.coding.net", "plain.coding.net", "a.b.pages.coding.net", "pages.coding.net"]
    {
        let answer = dig(&hub, &[name, "A"]);
        assert!(answer.status == "REFUSED" && !answer.authoritative, "{name}: {answer:?}");
    }
    hub.write("DELETE", "/v1/domains/blog.coding.net", "");
    let look = || seen(dig(&hub, &[BLOG, "A"]), |answer| answer.status == "REFUSED");
    eventually(SOON, "it is not ours any more", look);
    let elsewhere = json!({"routes": [{"to": [{"job": "blog"}]}], "pool": "not-there-yet"});
    hub.write("PUT", "/v1/domains/*.pages.coding.net", &elsewhere.to_string());
    let look = || seen(dig(&hub, &["x.pages.coding.net", "A"]), |answer| answer.data.is_empty());
    let answer = eventually(SOON, "there is no such pool", look);
    assert_eq!((answer.status.as_str(), answer.soa.as_deref()), ("NOERROR", Some("x.pages.coding.net.")));
}
