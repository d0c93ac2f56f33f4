use std::fmt::Write as _;

use roundhouse_registry::kv::{Entry, Listing, Revision};

use super::quorum::STEADY;
use super::*;
use crate::ipvsadm;
use crate::model::Services;

/// A registry of these keys and values, each written by a commit of its own, in order.
fn snapshot(records: &[(&str, &str)]) -> Snapshot {
    let entries = records.iter().zip(1..).map(|((key, value), at)| Entry {
        key: (*key).into(),
        value: (*value).to_owned().into(),
        created: Revision(at),
        modified: Revision(at),
        lease: None,
    });
    let revision = Revision(records.len() as u64);
    Snapshot::from_listing(Listing { origin: "test".into(), revision, entries: entries.collect() })
}

fn instance(n: u8) -> String {
    format!("instances/blog/0a1b2c3d-0000-4000-8000-00000000000{n}")
}

fn health(n: u8) -> String {
    instance(n).replace("instances/", "health/")
}

struct World {
    records: Vec<(String, String)>,
    held: Held,
    now: Timestamp,
    falls: Falls,
}

impl World {
    /// Three instances: one on the line, one elsewhere, one that drains.
    fn new() -> World {
        let mut world = World {
            records: Vec::new(),
            held: Held::All,
            now: Timestamp::from_seconds(1_000),
            falls: Falls::default(),
        };
        world.put(&instance(1), r#"{"address":"10.0.0.1","ports":{"main":80},"line":"telecom"}"#);
        world.put(&instance(2), r#"{"address":"10.0.0.2","ports":{"main":80}}"#);
        world.put(&instance(3), r#"{"address":"10.0.0.3","ports":{"main":80},"state":"draining"}"#);
        world.put("lines/telecom", r#"{"vips":["203.0.113.0/24"],"fallback":["unicom","mobile"]}"#);
        world
    }

    fn put(&mut self, key: &str, value: &str) {
        self.records.retain(|(old, _)| old != key);
        self.records.push((key.to_owned(), value.to_owned()));
    }

    /// A pool of `blog` on `telecom`.
    fn pool(&mut self, name: &str, vips: &str, more: &str) {
        let value = format!(r#"{{"to":{{"job":"blog"}},"port":80,"lines":{{"telecom":[{vips}]}}{more}}}"#);
        self.put(&format!("pools/{name}"), &value);
    }

    fn desired(&mut self) -> Desired {
        let records: Vec<_> = self.records.iter().map(|(key, value)| (&**key, &**value)).collect();
        let snapshot = snapshot(&records);
        let fit = |_: &ServiceKey, service| Ok(service);
        let site = Site {
            snapshot: &snapshot,
            sink: record::Sink::Ipvs,
            lines: &self.held,
            fit: &fit,
            now: self.now,
        };
        desired(&site, &mut self.falls)
    }

    /// `host=weight` of the only service.
    fn weights(&mut self) -> String {
        let desired = self.desired();
        assert_eq!(desired.problems, []);
        assert_eq!(desired.services.len(), 1);
        let mut text = String::new();
        for (address, to) in &desired.services.values().next().unwrap().service.destinations {
            let host = address.ip().to_string().rsplit('.').next().unwrap().to_owned();
            write!(text, "{host}={} ", to.weight).unwrap();
        }
        text.trim_end().to_owned()
    }

    /// Of the first pool with one.
    fn problem(&mut self) -> String {
        let problems = self.desired().problems;
        problems.first().map(ToString::to_string).unwrap_or_default()
    }
}

const V4: &str = r#""203.0.113.10""#;

#[test]
fn a_vip_has_the_jobs_instances_the_own_line_before_the_others() {
    let mut world = World::new();
    world.pool("blog", r#""203.0.113.10""#, "");
    let desired = world.desired();
    let services: Services =
        desired.services.into_iter().map(|(key, wanted)| (key, wanted.service)).collect();
    assert_eq!(
        ipvsadm::table(&services),
        "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 1000\n\
         -a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 100\n-a -t 203.0.113.10:80 -r 10.0.0.3:80 -m -w 0\n"
    );
    world.pool("blog", V4, r#","local_weight":1"#);
    assert_eq!(world.weights(), "1=100 2=100 3=0");
    world.pool("blog", V4, r#","local_only":true"#);
    assert_eq!(world.weights(), "1=1000");
}

#[test]
fn who_fails_its_own_check_or_a_hubs_takes_nothing() {
    let mut world = World::new();
    world.pool("blog", V4, r#","local_weight":1"#);
    world.put(&health(2), r#"{"healthy":false,"since":1,"by":"hub-1"}"#);
    assert_eq!(world.weights(), "1=100 2=0 3=0");
    world.put(&health(2), r#"{"healthy":true,"since":1,"by":"hub-1"}"#);
    world.put(&instance(1), r#"{"address":"10.0.0.1","ports":{"main":80},"state":"down"}"#);
    assert_eq!(world.weights(), "1=0 2=100 3=0");
}

#[test]
fn a_pool_below_its_quorum_keeps_all_but_who_was_taken_out() {
    let mut world = World::new();
    world.pool("blog", V4, r#","local_weight":1,"quorum":2"#);
    world.put(&health(2), r#"{"healthy":false,"since":1,"by":"hub-1"}"#);
    assert_eq!(world.weights(), "1=100 2=100 3=0");
}

#[test]
fn it_falls_at_once_and_returns_when_it_is_steady() {
    let mut world = World::new();
    let sorry = r#","local_weight":1,"quorum":2,"fallback":{"sorry":"10.0.0.9:80"}"#;
    world.pool("blog", V4, sorry);
    let failing = r#"{"healthy":false,"since":1,"by":"hub-1"}"#;
    let healthy = r#"{"healthy":true,"since":1,"by":"hub-1"}"#;
    assert_eq!(world.weights(), "1=100 2=100 3=0");
    world.put(&health(2), failing);
    assert_eq!(world.weights(), "1=0 2=0 3=0 9=100");
    world.put(&health(2), healthy);
    assert_eq!(world.weights(), "1=0 2=0 3=0 9=100", "one good moment is none");
    assert_eq!(world.desired().next, Some(world.now + STEADY));
    world.now = world.now + STEADY / 2;
    world.put(&health(2), failing);
    assert_eq!(world.weights(), "1=0 2=0 3=0 9=100");
    world.put(&health(2), healthy);
    world.now = world.now + STEADY / 2;
    assert_eq!(world.weights(), "1=0 2=0 3=0 9=100", "it counts from the last failure");
    world.now = world.now + STEADY;
    assert_eq!(world.weights(), "1=100 2=100 3=0");
    assert_eq!((world.falls.clone(), world.desired().next), (Falls::default(), None));
}

#[test]
fn a_line_with_too_few_of_its_own_takes_those_of_the_next() {
    let mut world = World::new();
    world.pool("blog", V4, r#","local_only":true,"fallback":"lines","local_weight":1"#);
    world.put(&instance(4), r#"{"address":"10.0.0.4","ports":{"main":80},"line":"mobile"}"#);
    world.put(&instance(5), r#"{"address":"10.0.0.5","ports":{"main":80},"line":"unicom","state":"down"}"#);
    assert_eq!(world.weights(), "1=100");
    world.put(&instance(1), r#"{"address":"10.0.0.1","ports":{"main":80},"line":"telecom","state":"down"}"#);
    assert_eq!(world.weights(), "1=0 4=100 5=0", "unicom has nobody, mobile comes after it");
    world.put(&instance(4), r#"{"address":"10.0.0.4","ports":{"main":80},"line":"mobile","state":"down"}"#);
    assert_eq!(world.weights(), "1=100 4=100 5=100", "nobody at all: rather the check is wrong");
}

#[test]
fn only_the_lines_held_are_programmed() {
    let mut world = World::new();
    let value =
        r#"{"to":{"job":"blog"},"port":80,"lines":{"telecom":["203.0.113.10"],"unicom":["198.51.100.10"]}}"#;
    world.put("pools/blog", value);
    assert_eq!(world.desired().services.len(), 2);
    world.held = Held::These(["unicom".parse().unwrap()].into());
    let desired = world.desired();
    let keys: Vec<_> = desired.services.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["tcp/198.51.100.10:80"]);
    let problem = desired.problems[0].to_string();
    assert!(problem.contains("no live director holds the line `telecom`"), "{problem}");
    assert!(!desired.problems[0].blocks(), "the lines that are held go on");
    let director = r#"{"version":"1","host":"lvs-2","sinks":["ipvs"],"lines":["telecom"]}"#;
    world.put("directors/lvs-2", director);
    assert_eq!(world.desired().problems, []);
}

#[test]
fn hubs_and_pools_are_led_to() {
    let mut world = World::new();
    world.put("pools/edge", r#"{"to":{"hubs":"http"},"port":80,"lines":{"telecom":["203.0.113.10"]}}"#);
    assert!(world.problem().contains("no live gateway says that it has the entrypoint `http`"));
    let gateway = |n: u8, entrypoints: &str| {
        format!(
            r#"{{"version":"1","host":"hub-{n}","vips":"127.99.0.0/16","admin":"a","entrypoints":{{{entrypoints}}}}}"#
        )
    };
    world.put("gateways/hub-1", &gateway(1, r#""http":"10.1.0.1:8080""#));
    world.put("gateways/hub-2", &gateway(2, r#""http":"10.1.0.2:80","https":"10.1.0.2:443""#));
    assert_eq!(world.weights(), "1=100 2=100");

    world.put("pools/edge", r#"{"to":{"pool":"inner"},"port":80,"lines":{"telecom":["203.0.113.10"]}}"#);
    assert!(world.problem().contains("there is no pool `inner`"));
    let inner = r#"{"to":{"job":"blog"},"port":8080,"sink":"haproxy","lines":{"telecom":["10.2.0.7","10.2.0.8"],"unicom":["10.2.0.9"]}}"#;
    world.put("pools/inner", inner);
    assert_eq!(world.weights(), "7=100 8=100", "those of the same line");
    world.put("pools/inner", r#"{"to":{"pool":"edge"},"port":80}"#);
    assert!(world.problem().contains("it leads to itself: edge -> inner -> edge"));
}

#[test]
fn what_cannot_be_is_named() {
    let mut world = World::new();
    world.pool("blog", r#""2001:db8::10""#, "");
    assert!(
        world.problem().starts_with("pool `blog`: `tcp/[2001:db8::10]:80` is IPv6 and no destination is")
    );
    world.pool("blog", r#""2001:db8::10""#, r#","forwarding":"tunnel""#);
    assert_eq!(world.weights(), "1=1000 2=100 3=0", "a tunnel carries either");
    world.pool("blog", V4, r#","port":8080,"forwarding":"droute""#);
    // The record's `port` counts once, the last time.
    world.put(
        "pools/blog",
        r#"{"to":{"job":"blog"},"port":8080,"forwarding":"droute","lines":{"telecom":["203.0.113.10"]}}"#,
    );
    assert!(world.problem().contains("10.0.0.1:80 has another port than the VIP 203.0.113.10:8080"));
    world.pool("blog", V4, r#","local_weight":1000"#);
    assert!(world.problem().contains("10.0.0.1:80 would weigh 100000, and the most is 65535"));
    world.pool("blog", V4, "");
    world.put(&instance(4), r#"{"address":"2001:db8::4","ports":{"main":80}}"#);
    assert!(world.problem().contains("[2001:db8::4]:80 is IPv6 and no VIP is"));
    world.pool("blog", r#""203.0.113.10","2001:db8::10""#, "");
    assert_eq!(world.desired().problems, [], "each VIP has those of its family");
}

#[test]
fn of_two_pools_at_one_vip_the_older_has_it() {
    let mut world = World::new();
    world.pool("young", r#""203.0.113.10""#, "");
    world.pool("blog", V4, "");
    world.pool("other", V4, r#","protocol":"udp""#);
    let desired = world.desired();
    let problems: Vec<_> = desired.problems.iter().map(ToString::to_string).collect();
    let expected = "pool `blog`: `tcp/203.0.113.10:80` is the pool `young`'s, which is older; give this one another VIP or \
                    another port";
    assert_eq!(problems, [expected]);
    assert_eq!(desired.services.len(), 2, "another protocol is another service");
}

#[test]
fn a_record_that_cannot_be_read_is_not_a_pool_that_is_gone() {
    let mut world = World::new();
    world.pool("blog", V4, r#","scheduler":"fastest""#);
    assert!(world.problem().starts_with("pool `blog`: its record cannot be read: "));
    assert!(world.problem().contains("unknown variant `fastest`, expected one of `rr`, `wrr`"));
    assert!(world.desired().problems[0].blocks());
}

#[test]
fn a_mark_is_one_service_for_each_family() {
    let mut world = World::new();
    world.put(&instance(4), r#"{"address":"2001:db8::4","ports":{"main":80}}"#);
    let value = r#"{"to":{"job":"blog"},"port":80,"fwmark":7,
        "lines":{"telecom":["203.0.113.10","2001:db8::10"],"unicom":["198.51.100.10"]}}"#;
    world.put("pools/blog", value);
    let keys: Vec<_> = world.desired().services.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["fwmark/7/v4", "fwmark/7/v6"]);
}
