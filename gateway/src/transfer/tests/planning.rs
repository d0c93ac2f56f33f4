use roundhouse_registry::kv::{Condition, Entry, Revision};

use super::super::plan::{Mode, Plan, plan};
use super::{ID, contents, entry, leased, some};

fn planned(registry: &[Entry], mode: Mode) -> Plan {
    plan(&contents(some()).entries, registry, mode, 1_000)
}

fn keys(plan: &Plan) -> Vec<&str> {
    plan.units.iter().flatten().map(|put| &*put.key).collect()
}

fn reasons(plan: &Plan) -> Vec<String> {
    plan.conflicts.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_registry_gets_all_in_the_order_in_which_it_is_needed() {
    // Another gateway may live there already.
    let plan = planned(&[leased("gateways/other", "{}", 1)], Mode::Fresh);
    let instance = format!("instances/app2/{ID}");
    assert_eq!(
        keys(&plan),
        ["vip-owners/1", "vips/app2", "jobs/app2", "kv/x", "addresses/tcp/10.0.0.7:1111", &instance]
    );
    assert_eq!(plan.units.last().unwrap().len(), 2, "an instance and its address are one unit");
    assert!(plan.units.last().unwrap().iter().all(|put| put.leased));
    assert!(plan.conflicts.is_empty() && plan.left.is_empty());
}

#[test]
fn what_is_there_and_equal_is_passed_over() {
    let mut there = some();
    there[0].value = r#"{ "ports": [{"port":1111,"name":"main"}], "jobname": "job.app2" }"#.into();
    for mode in [Mode::Fresh, Mode::Merge, Mode::Replace] {
        let plan = planned(&there, mode);
        assert!(plan.units.is_empty() && plan.conflicts.is_empty(), "{plan:?}");
        assert!(plan.kinds.values().all(|count| count.create + count.replace + count.left == 0));
    }
}

#[test]
fn a_registry_with_other_records_is_refused_or_added_to() {
    let there = [entry("jobs/other", r#"{"jobname":"job.other"}"#)];
    assert_eq!(reasons(&planned(&there, Mode::Fresh)), ["jobs/other: is there already, and not in the file"]);
    assert_eq!(keys(&planned(&there, Mode::Merge)).len(), 6);
}

#[test]
fn what_differs_is_refused_or_replaced_if_it_is_still_as_it_was_seen() {
    let there = [Entry { modified: Revision(9), ..entry("jobs/app2", r#"{"jobname":"job.theirs"}"#) }];
    for mode in [Mode::Fresh, Mode::Merge] {
        assert_eq!(reasons(&planned(&there, mode)), ["jobs/app2: is there already, and not as in the file"]);
    }
    let plan = planned(&there, Mode::Replace);
    assert!(plan.conflicts.is_empty());
    let job = plan.units.iter().flatten().find(|put| put.key == "jobs/app2").unwrap();
    assert_eq!(job.when, Condition::At("jobs/app2".into(), Revision(9)));
    assert_eq!(plan.kinds["jobs"].replace, 1);
}

#[test]
fn who_lives_in_the_new_registry_is_never_written_over() {
    let instance = format!("instances/app2/{ID}");
    // Its own registrar came first, and it drains; or another instance is at its address.
    let back = [leased(&instance, r#"{"address":"10.0.0.7","ports":{"main":1111},"state":"draining"}"#, 9)];
    let stranger = [leased("addresses/tcp/10.0.0.7:1111", "instances/app2/other", 9)];
    for there in [&back, &stranger] {
        for mode in [Mode::Merge, Mode::Replace] {
            let plan = planned(there, mode);
            assert!(plan.conflicts.is_empty(), "{plan:?}");
            assert_eq!(plan.left, ["addresses/tcp/10.0.0.7:1111", &instance]);
            assert!(keys(&plan).iter().all(|key| !key.contains("10.0.0.7") && !key.contains(ID)));
        }
    }
    // A static one in the file and a live one there: a person decides.
    let held = [leased("kv/x", "held", 9)];
    for mode in [Mode::Merge, Mode::Replace] {
        assert!(reasons(&planned(&held, mode))[0].starts_with("kv/x: is held there by a live lease as held"));
    }
}

#[test]
fn no_offset_is_given_to_two_jobs_and_none_is_lost() {
    let vip = |label: &str, offset: u32| {
        let owner = entry(&format!("vip-owners/{offset}"), &format!(r#"{{"job":"{label}"}}"#));
        [entry(&format!("vips/{label}"), &format!(r#"{{"offset":{offset}}}"#)), owner]
    };
    let taken = vip("other", 1);
    let why = reasons(&planned(&taken, Mode::Replace)).join("\n");
    assert!(why.contains("would have the VIP offset 1 of job app2 too"), "{why}");
    // The job had another offset there: it gets the file's, and the other one rests.
    let plan = planned(&vip("app2", 7), Mode::Replace);
    let freed = plan.units.iter().flatten().find(|put| put.key == "vip-owners/7").unwrap();
    assert_eq!(&freed.value[..], br#"{"freed_at":1000}"#);
    assert!(plan.conflicts.is_empty());
}

#[test]
fn no_port_of_a_vip_is_given_to_two_pools_and_none_is_lost() {
    let pool = |name: &str, port: u16, vip: &str| {
        let value = format!(r#"{{"to":{{"job":"a"}},"port":{port},"lines":{{"telecom":["{vip}"]}}}}"#);
        entry(&format!("pools/{name}"), &value)
    };
    let vip = |vip: &str, by: &str| Entry { modified: Revision(9), ..entry(&format!("pool-vips/{vip}"), by) };
    let file = [pool("blog", 80, "203.0.113.1"), vip("203.0.113.1", r#"{"pools":["blog"]}"#)];
    let planned = |there: &[Entry]| plan(&file, there, Mode::Replace, 1_000);
    let value = |plan: &Plan, key: &str| {
        let put = plan.units.iter().flatten().find(|put| put.key == key);
        put.map(|put| String::from_utf8(put.value.to_vec()).unwrap())
    };
    assert_eq!(keys(&planned(&[])), ["pool-vips/203.0.113.1", "pools/blog"]);
    assert!(planned(&file).units.is_empty(), "the same again");

    let twice = [pool("shop", 80, "203.0.113.1"), vip("203.0.113.1", r#"{"pools":["shop"]}"#)];
    let why = reasons(&planned(&twice)).join("\n");
    assert!(why.starts_with("pools/shop: would have 203.0.113.1 port 80/tcp of pool blog too"), "{why}");

    // Another port: they share it. A pool that cannot be read keeps its place too, one that is gone does not.
    let shared = [
        pool("shop", 443, "203.0.113.1"),
        entry("pools/bad", "{"),
        vip("203.0.113.1", r#"{"pools":["bad","gone","shop"]}"#),
    ];
    let plan = planned(&shared);
    assert!(plan.conflicts.is_empty(), "{plan:?}");
    assert_eq!(value(&plan, "pool-vips/203.0.113.1").unwrap(), r#"{"pools":["bad","blog","shop"]}"#);

    // The pool had another VIP there, which rests from now on; what rests already does so as long as it did.
    let moved = [
        pool("blog", 80, "203.0.113.2"),
        vip("203.0.113.2", r#"{"pools":["blog"]}"#),
        vip("203.0.113.3", r#"{"freed_at":7}"#),
    ];
    let plan = planned(&moved);
    assert_eq!(value(&plan, "pool-vips/203.0.113.2").unwrap(), r#"{"freed_at":1000}"#);
    let freed = plan.units.iter().flatten().find(|put| put.key == "pool-vips/203.0.113.2").unwrap();
    assert_eq!(freed.when, Condition::At("pool-vips/203.0.113.2".into(), Revision(9)));
    assert_eq!(value(&plan, "pool-vips/203.0.113.3"), None);
}

#[test]
fn the_grace_of_an_interrupted_import_is_known_by_holding_several() {
    let other = ID.replace('1', "2");
    let file = contents(vec![
        leased(&format!("instances/a/{ID}"), "1", 1),
        leased(&format!("instances/a/{other}"), "2", 2),
    ]);
    let there = |first, second| {
        [
            leased(&format!("instances/a/{ID}"), "1", first),
            leased(&format!("instances/a/{other}"), "2", second),
        ]
    };
    assert_eq!(plan(&file.entries, &there(5, 5), Mode::Fresh, 0).graces.len(), 1);
    assert_eq!(plan(&file.entries, &there(5, 6), Mode::Fresh, 0).graces.len(), 0, "their own leases");
}
