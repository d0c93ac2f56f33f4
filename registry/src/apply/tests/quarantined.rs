//! What is kept out, each with its reason, and what that does to its neighbours: nothing.

use super::sample::{ID, entry, good, put};
use crate::apply;
use crate::kv::{Batch, Change, Listing, Revision};
use crate::snapshot::Snapshot;

fn reason(key: &str, value: &[u8]) -> String {
    let mut bad = entry(key, "", 1);
    bad.value = value.to_vec().into();
    let batch = Batch { revision: Revision(1), changes: vec![Change::Put(bad)] };
    let snapshot = apply(&Snapshot::default(), &batch);
    // The key of a guard says enough.
    assert_eq!(snapshot.entries().len(), usize::from(key.starts_with("guards/cop.coding")), "{key}");
    let [(listed, quarantined)]: [_; 1] = snapshot.quarantine.iter().collect::<Vec<_>>().try_into().unwrap();
    assert!(
        listed.chars().count() < 600 && quarantined.reason.len() < 2_000,
        "{listed}: {}",
        quarantined.reason
    );
    assert!(!quarantined.reason.contains(char::is_control), "{}", quarantined.reason);
    quarantined.reason.clone()
}

#[test]
fn a_bad_value_of_any_kind_is_listed_with_its_reason() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    for (key, value) in good().iter().filter(|(key, _)| !key.starts_with("kv/")) {
        let long = ["certs/", "directors/"].iter().any(|kind| key.starts_with(kind));
        let large = if long { "the most is 262144" } else { "the most is 65536" };
        let cases: [(&[u8], &str); 8] = [
            (&[b' '; 1 << 20], large),
            (deep.as_bytes(), "nests deeper than 32 levels"),
            (br#"{"schema":7}"#, "schema 7 is newer than this program understands"),
            (br#"{"schema":99999999999999999999}"#, "is newer than this program understands"),
            (&value.as_bytes()[..value.len() - 1], ""),
            (b"\0", ""),
            (b"", ""),
            (b"\xff\xfe", ""),
        ];
        for (value, expected) in cases {
            let reason = reason(key, value);
            let expected = if key.starts_with("addresses/") { "is no key of an instance" } else { expected };
            assert!(!reason.is_empty() && reason.contains(expected), "{key}: {reason}");
        }
    }
}

#[test]
fn a_bad_field_is_named() {
    let instance = format!("instances/app2/{ID}");
    let long = format!(r#"{{"jobname":{:?}}}"#, "x".repeat(60_000));
    let cases: [(&str, &str, &str); 13] = [
        (&instance, r#"{"address":"10.0.0.7","ports":{"main":65536}}"#, "a whole number up to 65535"),
        (&instance, r#"{"address":"10.0.0.7","ports":{"main":-1}}"#, "ports.main: "),
        (&instance, "{\"address\":\"10.0.0.7\0\",\"ports\":{\"main\":1}}", "control character"),
        (&instance, r#"{"address":"10.0.0.7\u0000","ports":{"main":1}}"#, "address: "),
        ("jobs/app2", &long, "jobname: "),
        ("jobs/app2", "{\"jobname\":\"job.a\"}{}", "trailing characters"),
        ("vips/app2", r#"{"offset":4294967296}"#, "offset: "),
        ("vip-owners/17", r#"{"job":"App"}"#, "write `app`"),
        ("pool-vips/203.0.113.10", r#"{"pools":[]}"#, "pools: is empty"),
        ("gateways/hub", r#"{"version":"1","host":"h","vips":"x","admin":":1"}"#, "vips: "),
        ("rules/r", r#"{"to":{"job":"a"},"from":{},"action":"deny"}"#, "from: names nobody"),
        ("tokens/t", r#"{"role":"admin","hash":"x"}"#, "hash: is no SHA-256"),
        ("certs/c", r#"{"chain":"x","key":null}"#, "chain: is no PEM"),
    ];
    for (key, value, expected) in cases {
        let reason = reason(key, value.as_bytes());
        assert!(reason.contains(expected), "{key}: {reason}");
    }
}

#[test]
fn a_bad_key_is_listed_with_its_reason() {
    for (key, expected) in [
        ("", "unknown kind ``"),
        ("jobs", "label is empty"),
        ("jobs/a\0b", "label `a\\0b` contains"),
        ("\0/a", "unknown kind `\\0`"),
        (&format!("jobs/{}", "k".repeat(64 << 10)), "key has 65541 bytes; the most is 512"),
        (&"ü".repeat(64 << 10), "key has 131072 bytes"),
        ("vip-owners/4294967296", "vip-owners/<offset>"),
        ("pool-vips/blog", "pool-vips/<ip>"),
        ("addresses/tcp/10.0.0.7:65536", "addresses/tcp/<ip>:<port>"),
        ("domains/Blog.net", "another spelling of `domains/blog.net`"),
        ("rules/a_b", "write 1 to 128 of a-z"),
    ] {
        assert!(reason(key, b"{}").contains(expected), "{key}: {}", reason(key, b"{}"));
    }
}

#[test]
fn a_bad_record_is_kept_out_and_listed_and_comes_back_when_it_is_mended() {
    for (key, value) in good() {
        let first = apply(&Snapshot::default(), &put(&key, &value, 1));
        let bad = apply(&first, &put(&key, "{", 2));
        match key.split_once('/') {
            Some(("rules" | "guards", _)) => {
                assert!(bad.entries() == first.entries(), "it shuts as before: {key}");
            }
            _ => assert!(bad.entries().is_empty(), "the old record is not what the store says: {key}"),
        }
        assert_eq!(bad.quarantine.len(), usize::from(!key.starts_with("kv/")), "{key}");
        let mended = apply(&bad, &put(&key, &value, 3));
        assert_eq!((mended.entries().len(), mended.quarantine.len()), (first.entries().len(), 0), "{key}");
        let gone = Change::Delete { key: key.clone(), revision: Revision(3) };
        let deleted = apply(&bad, &Batch { revision: Revision(3), changes: vec![gone] });
        assert!(deleted.same_records(&Snapshot::default()), "{key}");
    }
}

#[test]
fn a_bad_record_does_not_stop_its_neighbours() {
    let batch = Batch {
        revision: Revision(1),
        changes: vec![
            Change::Put(entry("instances/app2/nonsense", "{}", 1)),
            Change::Put(entry("jobs/ok", r#"{"jobname":"job.ok"}"#, 1)),
            Change::Put(entry("\u{0}", "\u{0}", 1)),
        ],
    };
    let snapshot = apply(&Snapshot::default(), &batch);
    assert_eq!((snapshot.jobs.len(), snapshot.quarantine.len()), (1, 2));
}

/// A typing error in a rule must not open what the rule shut.
#[test]
fn a_bad_rule_leaves_the_last_good_one_in_force() {
    let rule = |action: &str| {
        format!(r#"{{"to":{{"job":"db"}},"from":{{"cidr":["10.0.0.0/8"]}},"action":"{action}"}}"#)
    };
    let put = |key: &str, value: &str, at| Change::Put(entry(key, value, at));
    let step =
        |old: &Snapshot, at, change| apply(old, &Batch { revision: Revision(at), changes: vec![change] });
    let id: crate::record::Name = "r".parse().unwrap();

    let good = step(&Snapshot::default(), 1, put("rules/r", &rule("deny"), 1));
    let bad = step(&good, 2, put("rules/r", &rule("denny"), 2));
    assert!(bad.rules[&id] == good.rules[&id]);
    let reason = &bad.quarantine.get("rules/r").unwrap().reason;
    assert!(reason.contains("expected `allow` or `deny`") && reason.ends_with("stays in force"), "{reason}");
    // A listing alone does not know what there was.
    let mut listed = Snapshot::from_listing(Listing {
        origin: String::new(),
        revision: Revision(2),
        entries: vec![entry("rules/r", &rule("denny"), 2)],
    });
    assert!(listed.rules.is_empty());
    listed.shut_as(&bad);
    assert!(listed.same_records(&bad));
    assert_eq!(listed.quarantine.get("rules/r"), bad.quarantine.get("rules/r"));

    let mended = step(&bad, 3, put("rules/r", &rule("allow"), 3));
    assert!(mended.quarantine.is_empty() && mended.rules[&id].modified == Revision(3));
    let deleted = step(&bad, 3, Change::Delete { key: "rules/r".into(), revision: Revision(3) });
    assert!(deleted.quarantine.is_empty() && deleted.rules.is_empty());
}

#[test]
fn a_guard_whose_value_is_bad_guards() {
    let bad = Change::Put(entry("guards/cop.z", "{", 1));
    let snapshot = apply(&Snapshot::default(), &Batch { revision: Revision(1), changes: vec![bad] });
    let selector: roundhouse_config::Selector = "cop.z".parse().unwrap();
    assert!(snapshot.guards.contains_key(&selector));
    assert!(snapshot.quarantine.get("guards/cop.z").unwrap().reason.ends_with("it guards all the same"));
}
