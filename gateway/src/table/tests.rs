pub(crate) mod changes;
mod names;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use roundhouse_registry::kv::{Batch, Change, Entry, Revision};
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{Snapshot, apply};

use super::*;

pub(crate) fn facts() -> Facts {
    let vips: IpNet = "127.99.0.0/16".parse().unwrap();
    let own = Own::new(vips, vec![("127.0.0.1:8400".parse().unwrap(), "admin".into())]);
    Facts {
        zone: "jobs.coding.net".parse().unwrap(),
        vips,
        own,
        workers: 1,
        hub: false,
        newcomer: Verdict::Healthy,
    }
}

pub(crate) fn put(snapshot: &Snapshot, key: &str, value: &str) -> Snapshot {
    let at = Revision(snapshot.revision.0 + 1);
    let value = Bytes::copy_from_slice(value.as_bytes());
    let entry = Entry { key: key.into(), value, created: at, modified: at, lease: None };
    let next = apply(snapshot, &Batch { revision: at, changes: vec![Change::Put(entry)] });
    assert!(next.quarantine.is_empty(), "{:?}", next.quarantine);
    next
}

pub(crate) fn delete(snapshot: &Snapshot, key: &str) -> Snapshot {
    let at = Revision(snapshot.revision.0 + 1);
    apply(snapshot, &Batch { revision: at, changes: vec![Change::Delete { key: key.into(), revision: at }] })
}

pub(crate) fn build(facts: &Facts, snapshot: &Snapshot, old: &Table) -> Table {
    Table::build(facts, snapshot, old, &mut || 0)
}

fn id(n: u8) -> String {
    format!("0a1b2c3d-0000-4000-8000-0000000000{n:02}")
}

fn app2() -> Snapshot {
    let job = r#"{"jobname":"job.app2_service.app_cop.coding",
        "ports":[{"name":"main","port":1111},{"name":"web","port":80,"protocol":"http"}]}"#;
    let snapshot = put(&Snapshot::default(), "jobs/app2", job);
    let snapshot = put(&snapshot, "vips/app2", r#"{"offset":7}"#);
    let instance = r#"{"address":"10.0.0.7","ports":{"main":1111,"web":8080}}"#;
    put(&snapshot, &format!("instances/app2/{}", id(1)), instance)
}

#[test]
fn every_form_of_a_job_name_leads_to_the_job() {
    let facts = facts();
    let table = build(&facts, &app2(), &Table::empty(&facts));
    let named = |name: &str| match table.resolve(name) {
        Some(Named::Job { job, port }) => Some((job.label.to_string(), port.map(|port| port.to_string()))),
        _ => None,
    };
    let job = |port: Option<&str>| Some(("app2".to_owned(), port.map(str::to_owned)));
    assert_eq!(named("app2.jobs.coding.net"), job(None));
    assert_eq!(named("app2.jobs"), job(None));
    assert_eq!(named("web.app2.jobs.coding.net"), job(Some("web")));
    assert_eq!(named("web.app2.jobs"), job(Some("web")));
    assert_eq!(named("app2.app.coding.jobs.coding.net"), job(None));
    for unknown in
        ["app2", "app3.jobs", "nope.app2.jobs", "app2.jobs.coding.net.evil", "xapp2.jobs", ".jobs", "jobs"]
    {
        assert!(table.resolve(unknown).is_none(), "{unknown}");
    }
    let vip = table.job("app2").unwrap().vip.unwrap();
    assert_eq!(vip.to_string(), "127.99.0.7");
    assert_eq!(table.by_vip(vip).unwrap().label.as_str(), "app2");
}

#[test]
fn domains_match_exactly_then_by_wildcard_and_longest_path_first() {
    let facts = facts();
    let snapshot = put(
        &app2(),
        "domains/blog.coding.net",
        r#"{"routes":[
        {"to":[{"job":"blog"}]},{"match":{"path":"/api"},"to":[{"job":"api"}]}]}"#,
    );
    let snapshot = put(&snapshot, "domains/*.coding.net", r#"{"routes":[{"to":[{"job":"any"}]}]}"#);
    let table = build(&facts, &snapshot, &Table::empty(&facts));
    let job = |host: &str, path: &str| match table.resolve(host) {
        Some(Named::Domain(domain)) => {
            domain.route(&PlainGet(path)).map(|route| route.next(0).unwrap().job.to_string())
        }
        _ => None,
    };
    assert_eq!(job("blog.coding.net", "/x").as_deref(), Some("blog"));
    assert_eq!(job("blog.coding.net", "/api/v1").as_deref(), Some("api"));
    assert_eq!(job("blog.coding.net", "/x/../%61pi").as_deref(), Some("api"));
    assert_eq!(job("blog.coding.net", "/apis").as_deref(), Some("blog"));
    assert_eq!(job("www.coding.net", "/").as_deref(), Some("any"));
    assert_eq!(job("a.b.coding.net", "/"), None);
    assert_eq!(job("coding.net", "/"), None);
}

#[test]
fn live_state_survives_a_change_of_the_job_and_not_of_the_address() {
    let facts = facts();
    let first = app2();
    let table = build(&facts, &first, &Table::empty(&facts));
    let live = |table: &Table| table.job("app2").unwrap().ports[0].endpoints().endpoints[0].live.clone();
    let before = live(&table);

    let job = r#"{"jobname":"job.app2_service.app_cop.coding","drain":"1s",
        "ports":[{"name":"main","port":2222}]}"#;
    let second = put(&first, "jobs/app2", job);
    let table = build(&facts, &second, &table);
    assert!(Arc::ptr_eq(&before, &live(&table)));

    let moved = r#"{"address":"10.0.0.8","ports":{"main":1111}}"#;
    let third = put(&second, &format!("instances/app2/{}", id(1)), moved);
    table.refresh_job(&facts, &third, &"app2".parse().unwrap(), &mut || 0);
    assert!(!Arc::ptr_eq(&before, &live(&table)));
}

#[test]
fn an_instance_at_our_own_listener_is_shown_and_never_picked() {
    let facts = facts();
    let own = r#"{"address":"127.0.0.1","ports":{"main":8400}}"#;
    let snapshot = put(&app2(), &format!("instances/app2/{}", id(2)), own);
    let table = build(&facts, &snapshot, &Table::empty(&facts));
    let set = table.job("app2").unwrap().ports[0].endpoints().clone();
    assert_eq!(set.endpoints.len(), 2);
    assert!(set.endpoints[1].refused.as_ref().unwrap().contains("own admin listener"));
    for _ in 0..10 {
        assert_eq!(set.pick(0, &Tried::default()).unwrap().id.to_string(), id(1));
    }
}

#[test]
fn with_nobody_healthy_everybody_wanted_is_tried() {
    let facts = Facts { newcomer: Verdict::Unknown, ..facts() };
    let draining = r#"{"address":"10.0.0.8","ports":{"main":1111},"state":"draining"}"#;
    let snapshot = put(&app2(), &format!("instances/app2/{}", id(2)), draining);
    let table = build(&facts, &snapshot, &Table::empty(&facts));
    let set = table.job("app2").unwrap().ports[0].endpoints().clone();
    let mut tried = Tried::default();
    let picked = set.pick(0, &tried).unwrap();
    assert_eq!(picked.id.to_string(), id(1));
    tried.add(picked.id);
    assert!(set.pick(0, &tried).is_none(), "a draining endpoint gets no new work");
}

#[test]
fn an_entrypoint_of_tcp_never_leads_to_a_port_of_udp() {
    let facts = facts();
    let job =
        r#"{"jobname":"job.dns","ports":[{"name":"q","port":53,"protocol":"udp"},{"name":"t","port":54}]}"#;
    let snapshot = put(&Snapshot::default(), "jobs/dns", job);
    let table = build(&facts, &snapshot, &Table::empty(&facts));
    let led = |port: Option<&str>| {
        let port = port.map(|port| port.parse().unwrap());
        table.named_port(&"dns".parse().unwrap(), port.as_ref(), true).map(|(_, entry)| entry.port.port)
    };
    assert_eq!((led(None), led(Some("t")), led(Some("q"))), (Some(54), Some(54), None));
    let udp = table.named_udp_port(&"dns".parse().unwrap(), None).unwrap();
    assert_eq!(udp.1.port.port, 53);
}

#[test]
fn an_offset_outside_the_prefix_has_no_address() {
    let prefix: IpNet = "127.99.0.0/24".parse().unwrap();
    assert_eq!(vip_address(prefix, 255).unwrap().to_string(), "127.99.0.255");
    assert_eq!(vip_address(prefix, 256), None);
    assert_eq!(vip_address("fd00::/112".parse().unwrap(), 17).unwrap().to_string(), "fd00::11");
}

#[test]
fn a_hub_that_comes_or_goes_changes_what_names_resolve_to() {
    let facts = Facts { hub: true, ..facts() };
    let facts = Facts { own: facts.own.clone().with_hub(vec!["10.0.0.4".parse().unwrap()]), ..facts };
    let table = build(&facts, &app2(), &Table::empty(&facts));
    let shown = |table: &Table| table.hub_addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&table), ["10.0.0.4"]);
    let hub = r#"{"version":"1","host":"h","vips":"127.99.0.0/16","admin":"127.0.0.1:8400","addresses":["10.0.0.1"]}"#;
    let two = put(&app2(), "gateways/hub-2", hub);
    let (table, ..) = table.updated(&facts, &app2(), &two, &mut || 0);
    assert_eq!(shown(&table), ["10.0.0.1", "10.0.0.4"]);
    let one = delete(&two, "gateways/hub-2");
    assert_eq!(shown(&table.updated(&facts, &two, &one, &mut || 0).0), ["10.0.0.4"]);
}

#[test]
fn what_a_job_had_before_is_given_back() {
    let facts = facts();
    let first = app2();
    let table = build(&facts, &first, &Table::empty(&facts));
    let addresses = |former: &[Former]| {
        let sets = former.iter().flat_map(|former| &former.sets);
        sets.flat_map(|(_, set)| set.endpoints.iter().map(|one| one.address.to_string())).collect::<Vec<_>>()
    };
    let instance = |key: u8| format!("instances/app2/{}", id(key));
    // Another instance, and at once another port: sets are replaced in the old table too.
    let job = r#"{"jobname":"job.app2_service.app_cop.coding",
        "ports":[{"name":"main","port":1111},{"name":"web","port":81,"protocol":"http"}]}"#;
    let second = put(&delete(&first, &instance(1)), "jobs/app2", job);
    let (table, _, former) = table.updated(&facts, &first, &second, &mut || 0);
    let mut before = addresses(&former);
    before.sort();
    before.dedup();
    assert_eq!(before, ["10.0.0.7:1111", "10.0.0.7:8080"]);

    let third = put(&second, &instance(2), r#"{"address":"10.0.0.8","ports":{"main":1}}"#);
    let (table, _, former) = table.updated(&facts, &second, &third, &mut || 0);
    assert_eq!((former.len(), addresses(&former).len()), (1, 0));
    let fourth = delete(&third, "jobs/app2");
    let (table, _, former) = table.updated(&facts, &third, &fourth, &mut || 0);
    assert_eq!(addresses(&former), ["10.0.0.8:1"], "a job that is gone had endpoints");
    assert!(
        table
            .updated(&facts, &fourth, &put(&fourth, "entrypoints/a", r#"{"listen":":80"}"#), &mut || 0)
            .2
            .is_empty()
    );
}

#[test]
fn an_endpoint_learns_that_its_address_became_our_own() {
    let facts = facts();
    let local =
        put(&app2(), &format!("instances/app2/{}", id(2)), r#"{"address":"127.0.0.1","ports":{"main":9}}"#);
    let table = build(&facts, &local, &Table::empty(&facts));
    let refused = || {
        let set = table.job("app2").unwrap().ports[0].endpoints().clone();
        set.endpoints[1].refused.clone()
    };
    assert_eq!(refused(), None);
    let entrypoint = vec![("127.0.0.1:9".parse().unwrap(), "entrypoint `x`".to_owned())];
    let facts = Facts { own: facts.own.with_entrypoints(entrypoint), ..facts };
    table.refresh_job(&facts, &local, &"app2".parse().unwrap(), &mut || 0);
    assert!(refused().unwrap().contains("entrypoint `x`"));
}

/// Every address that a table would dial, and how.
fn dialled(table: &Table) -> HashSet<(String, String, String)> {
    let mut all = HashSet::new();
    for job in table.jobs() {
        for port in &job.ports {
            for endpoint in &port.endpoints().endpoints {
                let how = format!("{} {} {}", endpoint.address, endpoint.weight, endpoint.state);
                all.insert((job.label.to_string(), port.name().to_string(), how));
            }
        }
    }
    all
}

proptest! {
    /// A table brought along by deltas equals one built from nothing: no ghost, nobody missing.
    #[test]
    fn following_deltas_equals_building_anew(
        steps in proptest::collection::vec((0..5u8, 0..3u8, 0..4u8, 1..4u16), 1..40)
    ) {
        let facts = facts();
        let mut snapshot = Snapshot::default();
        let mut table = Table::empty(&facts);
        for (kind, job, instance, number) in steps {
            let label = ["a", "b", "c"][job as usize];
            let next = match kind {
                0 => put(&snapshot, &format!("jobs/{label}"), &format!(
                    r#"{{"jobname":"job.{label}","ports":[{{"name":"p{number}","port":{number}}}]}}"#)),
                1 => delete(&snapshot, &format!("jobs/{label}")),
                2 => put(&snapshot, &format!("instances/{label}/{}", id(instance)), &format!(
                    r#"{{"address":"10.0.0.{number}","ports":{{"p1":1,"p2":2,"p3":3}}}}"#)),
                // At one address, with another weight or state.
                3 => put(&snapshot, &format!("instances/{label}/{}", id(instance)), &format!(
                    r#"{{"address":"10.0.0.1","ports":{{"p1":1}},"weight":{},"state":"{}"}}"#,
                    number / 2, ["up", "draining"][usize::from(number % 2)])),
                _ => delete(&snapshot, &format!("instances/{label}/{}", id(instance))),
            };
            table = table.updated(&facts, &snapshot, &next, &mut || 0).0;
            snapshot = next;
            let fresh = build(&facts, &snapshot, &Table::empty(&facts));
            prop_assert_eq!(dialled(&table), dialled(&fresh));
        }
    }
}
