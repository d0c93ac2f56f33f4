use std::time::Duration;

use roundhouse_config::{DefaultAccess, JobsFile, OnUnhealthy, OriginateTls, ProxyVersion};
use roundhouse_registry::State;
use serde_json::{Value, json};

use super::*;
use crate::jobs::current::Stored;

const FILE: &str = r#"
hosts: < name: "box" address: "10.0.0.9" >
jobs: < name: "db" port: "3306" static: true host: "box" weight: 50 domains: "db.example.net" >
"#;

fn desired(text: &str) -> Desired {
    let file = JobsFile::parse(text, "test").unwrap();
    Desired::new(&file.jobs[0], file.jobs[0].address)
}

/// The registry after everything in the plan was written.
fn after(desired: &Desired, before: &Current) -> Current {
    let mut current = before.clone();
    for change in plan(desired, before) {
        match (change.subject, change.record) {
            (_, Some(Record::Job(job, _))) => current.job = Some((job, Revision(5))),
            (Subject::Instance(_, id), Some(Record::Instance(instance, ..))) => {
                current.instances.insert(id, Stored { instance, is_static: true });
            }
            (Subject::Domain(host), Some(Record::Domain(domain, _))) => {
                current.domains.insert(host, (domain, Revision(6)));
            }
            _ => {}
        }
    }
    current
}

fn actions(desired: &Desired, current: &Current) -> Vec<(&'static str, Action)> {
    plan(desired, current).into_iter().map(|change| (change.subject.kind(), change.action)).collect()
}

#[test]
fn an_empty_registry_gets_everything_and_the_second_time_nothing() {
    let desired = desired(FILE);
    let empty = Current::default();
    let all = [("job", Action::Create), ("instance", Action::Create), ("domain", Action::Create)];
    assert_eq!(actions(&desired, &empty), all);
    let current = after(&desired, &empty);
    assert_eq!(actions(&desired, &current), all.map(|(kind, _)| (kind, Action::Keep)));
    assert!(plan(&desired, &current).iter().all(|change| change.record.is_none()));
    let stored = current.instances.values().next().unwrap();
    assert_eq!((stored.instance.weight, stored.instance.host.as_deref()), (50, Some("box")));
}

#[test]
fn a_change_names_its_fields_and_replaces_what_was_read() {
    let before = after(&desired(FILE), &Current::default());
    let desired = desired(&FILE.replace("3306", "3307"));
    let changes = plan(&desired, &before);
    let [job, instance, left, domain] = &changes[..] else { panic!("{changes:#?}") };
    assert_eq!(
        job.fields,
        [FieldChange { field: "ports[0].port".into(), from: json!(3306), to: json!(3307) }]
    );
    assert!(matches!(job.record, Some(Record::Job(_, Some(Revision(5))))));
    // Another port is another instance; the old one is left, and named.
    assert_eq!((instance.action, left.action, domain.action), (Action::Create, Action::Leave, Action::Keep));
}

#[test]
fn what_the_file_cannot_say_and_who_a_job_is_are_kept() {
    let desired = desired(FILE);
    let mut current = after(&desired, &Current::default());
    for stored in current.instances.values_mut() {
        stored.instance.state = State::Draining;
    }
    let (job, _) = current.job.as_mut().unwrap();
    job.vip = Some(7);
    job.jobname = "job.db_cop.coding".parse().unwrap();
    job.access = DefaultAccess::Deny;
    let canary = r#"{"routes":[{"to":[{"job":"db","weight":90},{"job":"db2","weight":10}]}]}"#;
    let (routes, _) = current.domains.values_mut().next().unwrap();
    *routes = serde_json::from_str(canary).unwrap();
    assert!(actions(&desired, &current).iter().all(|(_, action)| *action == Action::Keep));
}

#[test]
fn all_that_the_file_says_reaches_the_record() {
    let said = r#"port: "3306" proxy: "v2" tls: < server_name: "db.internal" > on_unhealthy: "close" drain: "5m"
        timeouts: < idle: "1d" > limits: < connections: 500 connections_per_client: 50 > hold: false vip: 7"#;
    let desired = desired(&FILE.replace(r#"port: "3306""#, said));
    let current = after(&desired, &Current::default());
    let (job, _) = current.job.as_ref().unwrap();
    assert_eq!(job.validate(), Ok(()));
    let tls = job.ports[0].tls.as_ref().unwrap();
    assert_eq!(
        (job.ports[0].proxy, &tls.server_name),
        (Some(ProxyVersion::V2), &Some("db.internal".parse().unwrap()))
    );
    assert_eq!((job.on_unhealthy, job.drain), (OnUnhealthy::Close, Duration::from_secs(300)));
    assert_eq!(job.timeouts.idle, Some(Duration::from_secs(86_400)));
    assert_eq!((job.limits.connections, job.limits.connections_per_client), (Some(500), Some(50)));
    assert_eq!((job.hold, job.vip), (false, Some(7)));
    assert!(actions(&desired, &current).iter().all(|(_, action)| *action == Action::Keep));
}

#[test]
fn what_the_file_leaves_out_is_the_default_again() {
    let mut current = after(&desired(FILE), &Current::default());
    let (job, _) = current.job.as_mut().unwrap();
    job.ports[0].proxy = Some(ProxyVersion::V2);
    job.ports[0].tls = Some(OriginateTls::default());
    job.on_unhealthy = OnUnhealthy::Close;
    job.timeouts.idle = Some(Duration::from_secs(5));
    job.limits.connections = Some(5);
    job.hold = false;
    let changes = plan(&desired(FILE), &current);
    let fields: Vec<_> = changes[0].fields.iter().map(|change| change.field.as_str()).collect();
    let all =
        ["hold", "limits.connections", "on_unhealthy", "ports[0].proxy", "ports[0].tls", "timeouts.idle"];
    assert_eq!(fields, all);
}

#[test]
fn an_implicit_job_becomes_the_file_s_and_a_stranger_s_domain_is_taken_back() {
    let desired = desired(FILE);
    let mut current = after(&desired, &Current::default());
    current.job.as_mut().unwrap().0.implicit = true;
    *current.domains.values_mut().next().unwrap() = (Domain::to_job("other".parse().unwrap()), Revision(9));
    let changes = plan(&desired, &current);
    assert_eq!(
        changes[0].fields,
        [FieldChange { field: "implicit".into(), from: json!(true), to: Value::Null }]
    );
    assert_eq!(changes[2].fields[0].field, "routes[0].to[0].job");
    assert!(matches!(changes[2].record, Some(Record::Domain(_, Some(Revision(9))))));
}

#[test]
fn a_domain_keeps_what_the_file_cannot_say() {
    let desired = desired(FILE);
    let mut current = after(&desired, &Current::default());
    let set = |current: &mut Current, text: &str| {
        let domain: Domain = roundhouse_registry::record::read(text.as_bytes()).unwrap();
        *current.domains.values_mut().next().unwrap() = (domain, Revision(9));
    };
    set(
        &mut current,
        r#"{"routes":[{"match":{"method":["GET"]},"to":[{"job":"db"}],"compress":true},{"redirect":{"host":"b.c"}}]}"#,
    );
    assert_eq!(plan(&desired, &current)[2].action, Action::Keep);
    set(&mut current, r#"{"routes":[{"redirect":{"host":"b.c"}}],"https":"redirect","certificate":"blog"}"#);
    let changes = plan(&desired, &current);
    let Some(Record::Domain(domain, _)) = &changes[2].record else { panic!("{changes:?}") };
    assert_eq!(json!(domain)["https"], "redirect");
    assert_eq!(json!(domain)["certificate"], "blog");
    assert_eq!(domain.routes[0].to[0].job.as_str(), "db");
}
