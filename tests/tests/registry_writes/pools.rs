//! Pools: every gateway agrees on their VIPs, no address is given twice, and none is lost.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::future::join_all;
use roundhouse_registry::kv::Txn;
use roundhouse_registry::record::{Key, Line, Pool, PoolVip};
use roundhouse_registry::write::{Expect, NewPool, PoolWritten};
use roundhouse_registry::{Registry, WriteError};
use roundhouse_tests::sample::{label, port};
use roundhouse_tests::{Backend, on_both_backends};

use crate::{keys, read, writer};

on_both_backends!(
    writers_that_race_get_a_vip_each,
    a_pool_gets_a_vip_of_each_family_on_each_line_and_keeps_it,
    a_vip_is_shared_by_pools_of_other_ports_alone,
    two_that_come_to_one_port_at_once_are_not_both_right,
    an_exhausted_line_says_so_and_a_freed_vip_rests_a_day,
    what_a_pool_leaves_and_what_was_lost_is_put_right,
    a_pool_does_not_lead_back_to_itself,
    a_write_that_no_transaction_takes_is_refused,
    an_instances_pool_is_made_once_and_never_changed,
);

const DAY: u64 = 24 * 3600;

fn pool(fields: &str) -> Pool {
    let text = format!(r#"{{"to":{{"job":"app"}},"port":80{fields}}}"#);
    roundhouse_registry::record::read(text.as_bytes()).unwrap()
}

async fn line(registry: &Registry, name: &str, vips: &str) {
    let line: Line = roundhouse_registry::record::read(format!(r#"{{"vips":{vips}}}"#).as_bytes()).unwrap();
    registry.put_record(&Key::Line(label(name)), &line, Expect::Any).await.unwrap();
}

async fn put(registry: &Registry, name: &str, fields: &str, now: u64) -> Result<PoolWritten, WriteError> {
    registry.put_pool(&label(name), &pool(fields), Expect::Any, now).await
}

/// `telecom=203.0.113.1,2001:db8::1 unicom=…`
fn vips(pool: &Pool) -> String {
    let line = |(line, vips): (_, &Vec<IpAddr>)| {
        let vips: Vec<String> = vips.iter().map(ToString::to_string).collect();
        format!("{line}={}", vips.join(","))
    };
    pool.lines.iter().map(line).collect::<Vec<_>>().join(" ")
}

async fn owner(registry: &Registry, vip: &str) -> Option<PoolVip> {
    read(registry, &Key::pool_vip(vip.parse().unwrap())).await
}

fn held_by(pools: &[&str]) -> Option<PoolVip> {
    Some(PoolVip::Pools(pools.iter().map(|pool| label(pool)).collect()))
}

async fn writers_that_race_get_a_vip_each(backend: &Backend) {
    let registry = writer(backend).await;
    line(&registry, "telecom", r#"["203.0.113.0/28","2001:db8::/64"]"#).await;
    let racers = (0..8).map(|i| async move {
        let name = format!("pool{i}");
        let written = put(&writer(backend).await, &name, "", 0).await.unwrap();
        (name, written.pool)
    });
    let pools = join_all(racers).await;
    let given: BTreeSet<IpAddr> =
        pools.iter().flat_map(|(_, pool)| pool.vips().map(|(_, vip)| vip)).collect();
    assert_eq!(given.len(), 16, "{pools:?}");
    for (name, pool) in &pools {
        assert_eq!(read::<Pool>(&registry, &Key::Pool(label(name))).await.as_ref(), Some(pool));
        for (_, vip) in pool.vips() {
            assert_eq!(owner(&registry, &vip.to_string()).await, held_by(&[name]));
        }
    }
    // The lowest, and none is skipped.
    assert!(
        given.contains(&"203.0.113.8".parse().unwrap()) && given.contains(&"2001:db8::8".parse().unwrap())
    );
}

async fn a_pool_gets_a_vip_of_each_family_on_each_line_and_keeps_it(backend: &Backend) {
    let registry = writer(backend).await;
    line(&registry, "telecom", r#"["203.0.113.0/28","2001:db8::/64"]"#).await;
    line(&registry, "unicom", r#"["198.51.100.0/28"]"#).await;
    line(&registry, "none", "[]").await;
    let all = "telecom=203.0.113.1,2001:db8::1 unicom=198.51.100.1";
    let first = put(&registry, "blog", "", 0).await.unwrap();
    assert!(first.written.created);
    assert_eq!(vips(&first.pool), all);
    let before = keys(&registry).await;
    for same in ["", r#","lines":{"telecom":[],"unicom":[]}"#, r#","scheduler":"rr""#] {
        let again = put(&registry, "blog", same, 0).await.unwrap();
        assert_eq!((vips(&again.pool).as_str(), again.written.created), (all, false), "{same}");
        assert_eq!(keys(&registry).await, before);
    }
    // A line that comes later is one of all lines; and one that is not named any more is left.
    line(&registry, "mobile", r#"["192.0.2.0/31"]"#).await;
    line(&registry, "unicom", r#"["198.51.100.0/28","2001:db8:1::/126"]"#).await;
    let more = put(&registry, "blog", "", 0).await.unwrap();
    assert_eq!(vips(&more.pool), format!("mobile=192.0.2.0 {all},2001:db8:1::1"));
    let named = r#","lines":{"mobile":["192.0.2.77"],"telecom":[],"default":[]}"#;
    let less = put(&registry, "blog", named, 9).await.unwrap();
    assert_eq!(vips(&less.pool), "default= mobile=192.0.2.77 telecom=203.0.113.1,2001:db8::1");
    assert_eq!(owner(&registry, "192.0.2.77").await, held_by(&["blog"]), "as it is written");
    for freed in ["192.0.2.0", "198.51.100.1", "2001:db8:1::1"] {
        assert_eq!(owner(&registry, freed).await, Some(PoolVip::FreedAt(9)), "{freed}");
    }
    // A VIP that goes to another line by name is not kept on its former one.
    let moved = r#","lines":{"mobile":["203.0.113.1"],"telecom":[]}"#;
    let moved = put(&registry, "blog", moved, 9).await.unwrap();
    assert_eq!(vips(&moved.pool), "mobile=203.0.113.1 telecom=2001:db8::1,203.0.113.2");
    let refused = registry.put_pool(&label("blog"), &pool(""), Expect::Absent, 0).await;
    assert!(matches!(refused, Err(WriteError::Precondition { .. })), "{refused:?}");
}

async fn a_vip_is_shared_by_pools_of_other_ports_alone(backend: &Backend) {
    let registry = writer(backend).await;
    let at = |fields: &str| format!(r#","lines":{{"telecom":["203.0.113.9"]}}{fields}"#);
    put(&registry, "http", &at(""), 0).await.unwrap();
    let refused = put(&registry, "other", &at(""), 0).await.unwrap_err();
    assert!(
        refused.to_string().starts_with("203.0.113.9 port 80/tcp is pool `http`'s; choose another"),
        "{refused}"
    );
    assert_eq!(read::<Pool>(&registry, &Key::Pool(label("other"))).await, None);
    put(&registry, "udp", &at(r#","protocol":"udp""#), 0).await.unwrap();
    let https = Pool { port: 443, ..pool(&at("")) };
    registry.put_pool(&label("https"), &https, Expect::Any, 0).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.9").await, held_by(&["http", "https", "udp"]));
    let refused = put(&registry, "https", &at(""), 0).await.unwrap_err();
    assert!(matches!(refused, WriteError::PoolVipTaken { .. }), "{refused:?}");
    // What is shared is nobody else's to get, and it is free only when the last one goes.
    line(&registry, "telecom", r#"["203.0.113.9/32"]"#).await;
    assert!(matches!(put(&registry, "late", "", DAY).await, Err(WriteError::NoPoolVip { .. })));
    registry.delete_pool(&label("http"), Expect::Any, 7).await.unwrap();
    put(&registry, "udp", r#","protocol":"udp","lines":{"telecom":["203.0.113.8"]}"#, 8).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.9").await, held_by(&["https"]));
    registry.delete_pool(&label("https"), Expect::Any, 9).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.9").await, Some(PoolVip::FreedAt(9)));
}

async fn two_that_come_to_one_port_at_once_are_not_both_right(backend: &Backend) {
    let registry = writer(backend).await;
    let at = |port: u16| Pool { port, ..pool(r#","lines":{"telecom":["203.0.113.9"]}"#) };
    for round in 0..16 {
        // One changes its port, the other comes to the VIP: to the same port.
        registry.put_pool(&label("old"), &at(80), Expect::Any, 0).await.unwrap();
        let (first, second) = (writer(backend).await, writer(backend).await);
        let (old, new) = (label("old"), label("new"));
        let to = at(443);
        let (moved, came) = tokio::join!(
            first.put_pool(&old, &to, Expect::Any, 0),
            second.put_pool(&new, &to, Expect::Any, 0),
        );
        assert!(moved.is_ok() != came.is_ok(), "round {round}: {moved:?} {came:?}");
        if came.is_ok() {
            registry.delete_pool(&new, Expect::Any, 0).await.unwrap();
        }
    }
}

async fn an_exhausted_line_says_so_and_a_freed_vip_rests_a_day(backend: &Backend) {
    let registry = writer(backend).await;
    line(&registry, "telecom", r#"["203.0.113.0/30"]"#).await;
    for (name, vip) in [("a", "203.0.113.1"), ("b", "203.0.113.2")] {
        assert_eq!(vips(&put(&registry, name, "", 0).await.unwrap().pool), format!("telecom={vip}"));
    }
    let refused = put(&registry, "c", "", 0).await.unwrap_err().to_string();
    assert!(
        refused
            .starts_with("line `telecom` has no VIP to give: 2 of 2 addresses of 203.0.113.0/30 are in use"),
        "{refused}"
    );
    assert!(refused.contains("add a range"), "{refused}");
    assert_eq!(read::<Pool>(&registry, &Key::Pool(label("c"))).await, None, "all of it or nothing");
    registry.delete_pool(&label("b"), Expect::Present, 100).await.unwrap();
    registry.delete_pool(&label("a"), Expect::Any, 200).await.unwrap();
    assert!(matches!(put(&registry, "c", "", 100 + DAY - 1).await, Err(WriteError::NoPoolVip { .. })));
    assert_eq!(vips(&put(&registry, "c", "", 200 + DAY).await.unwrap().pool), "telecom=203.0.113.2");
    assert_eq!(vips(&put(&registry, "d", "", 200 + DAY).await.unwrap().pool), "telecom=203.0.113.1");
    let missing = registry.delete_pool(&label("a"), Expect::Any, 0).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no pool `a`");
}

async fn what_a_pool_leaves_and_what_was_lost_is_put_right(backend: &Backend) {
    let registry = writer(backend).await;
    line(&registry, "telecom", r#"["203.0.113.0/29"]"#).await;
    // Written past the records of VIPs, as by hand; and VIPs' records that say something else, or nothing.
    let by_hand = Key::Pool(label("hand")).to_string();
    let stored = r#"{"to":{"job":"app"},"port":80,"lines":{"telecom":["203.0.113.1"]}}"#;
    let txn = Txn::new()
        .put(by_hand, stored, None)
        .put("pools/bad", "{", None)
        .put("pools/https", stored.replace("80", "443"), None)
        .put("pool-vips/203.0.113.2", "{", None)
        .put("pool-vips/203.0.113.3", r#"{"pools":["bad","hand"]}"#, None);
    registry.kv().commit(txn).await.unwrap();
    let first = put(&registry, "first", "", 0).await.unwrap();
    assert_eq!(vips(&first.pool), "telecom=203.0.113.4", "neither what is a pool's nor what may be one's");
    put(&registry, "hand", "", 5).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.1").await, held_by(&["hand", "https"]));
    assert_eq!(owner(&registry, "203.0.113.3").await, held_by(&["bad"]));
    registry.delete_pool(&label("bad"), Expect::Any, 6).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.3").await, Some(PoolVip::FreedAt(6)));
    // A person may give what no record can be read of.
    put(&registry, "first", r#","lines":{"telecom":["203.0.113.2"]}"#, 7).await.unwrap();
    assert_eq!(owner(&registry, "203.0.113.2").await, held_by(&["first"]));
    registry.kv().commit(Txn::new().put("lines/telecom", "{", None)).await.unwrap();
    let refused = put(&registry, "x", r#","lines":{"telecom":[]}"#, 0).await.unwrap_err().to_string();
    assert!(refused.starts_with("lines.telecom: line `telecom` cannot be read, mend it first"), "{refused}");
}

async fn a_pool_does_not_lead_back_to_itself(backend: &Backend) {
    let registry = writer(backend).await;
    let to = |name: &str| Pool::new(roundhouse_registry::record::PoolTarget::Pool(label(name)), 80);
    let put = async |name: &str, next: &str| {
        let written = registry.put_pool(&label(name), &to(next), Expect::Any, 0).await;
        written.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(put("a", "a").await.unwrap_err(), "to.pool: a pool cannot lead to itself; name another");
    put("a", "b").await.unwrap();
    put("b", "c").await.unwrap();
    let refused = put("c", "a").await.unwrap_err();
    assert_eq!(refused, "to.pool: the pool would lead back to itself (c -> a -> b -> c); name another");
    // A circle of others hangs nobody.
    registry.kv().commit(Txn::new().put("pools/c", r#"{"to":{"pool":"a"},"port":80}"#, None)).await.unwrap();
    put("d", "a").await.unwrap();
    for name in ["a", "b", "c", "d"] {
        registry.delete_pool(&label(name), Expect::Any, 0).await.unwrap();
    }
    for round in 0..8 {
        let (first, second) = (writer(backend).await, writer(backend).await);
        let (a, b, to_a, to_b) = (label("a"), label("b"), to("a"), to("b"));
        let (one, other) = tokio::join!(
            first.put_pool(&a, &to_b, Expect::Any, 0),
            second.put_pool(&b, &to_a, Expect::Any, 0),
        );
        assert!(one.is_ok() != other.is_ok(), "round {round}: {one:?} {other:?}");
        registry.delete_pool(if one.is_ok() { &a } else { &b }, Expect::Any, 0).await.unwrap();
    }
}

async fn a_write_that_no_transaction_takes_is_refused(backend: &Backend) {
    let registry = writer(backend).await;
    let lines = |count: u8| {
        let line = |n: u8| {
            let vips: Vec<String> = (1..=16).map(|host| format!("\"10.0.{n}.{host}\"")).collect();
            format!(r#""line{n}":[{}]"#, vips.join(","))
        };
        format!(r#","lines":{{{}}}"#, (0..count).map(line).collect::<Vec<_>>().join(","))
    };
    put(&registry, "wide", &lines(6), 0).await.unwrap();
    let refused =
        put(&registry, "other", &lines(7).replace("10.0", "10.1"), 0).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "pool `other` would change 113 records at once, and a transaction takes 100; write some of its lines first, then \
         the others"
    );
    // In two steps it is written, and what stays is not written again.
    put(&registry, "wide", &lines(8), 0).await.unwrap();
    let refused = registry.delete_pool(&label("wide"), Expect::Any, 0).await.unwrap_err();
    assert!(matches!(refused, WriteError::PoolTooLarge { operations: 129, .. }), "{refused:?}");
    put(&registry, "wide", &lines(2), 0).await.unwrap();
    registry.delete_pool(&label("wide"), Expect::Any, 0).await.unwrap();
}

async fn an_instances_pool_is_made_once_and_never_changed(backend: &Backend) {
    let registry = writer(backend).await;
    let new = NewPool { name: label("blog"), job: label("app"), to: port("main", 1111), port: Some(80) };
    let refused = registry.ensure_pool(&new, 0).await.unwrap_err();
    assert!(refused.to_string().starts_with("no line has VIPs to give"), "{refused}");
    line(&registry, "telecom", r#"["203.0.113.0/28"]"#).await;
    let instances = (0..8).map(|_| async { writer(backend).await.ensure_pool(&new, 0).await });
    for made in join_all(instances).await {
        made.unwrap();
    }
    let key = Key::Pool(label("blog"));
    let made: Pool = read(&registry, &key).await.unwrap();
    assert_eq!(vips(&made), "telecom=203.0.113.1");
    registry.put_pool(&label("blog"), &Pool { port: 8080, ..made }, Expect::Any, 0).await.unwrap();
    registry.ensure_pool(&new, 0).await.unwrap();
    assert_eq!(read::<Pool>(&registry, &key).await.unwrap().port, 8080, "as a person left it");
    let stranger = NewPool { job: label("shop"), ..new };
    let refused = registry.ensure_pool(&stranger, 0).await.unwrap_err();
    assert!(matches!(refused, WriteError::PoolTaken { .. }), "{refused:?}");
}
