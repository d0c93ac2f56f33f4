//! Jobs: who owns a label, and what deleting one leaves behind.

use std::time::Duration;

use roundhouse_registry::record::Key;
use roundhouse_registry::write::Expect;
use roundhouse_registry::{Job, Registry, Revision, WriteError};
use roundhouse_tests::sample::{job, jobname, label, new_instance, port};
use roundhouse_tests::{Backend, Meddler, on_both_backends};

use crate::{keys, read, writer};

const TTL: Duration = Duration::from_secs(60);

on_both_backends!(
    a_label_belongs_to_its_first_owner,
    an_implicit_job_yields_to_the_first_explicit_one,
    expectations_decide,
    an_instance_of_a_stranger_is_refused_and_one_of_the_owner_changes_nothing,
    an_implicit_job_learns_the_ports_that_later_instances_bring,
    an_instance_that_has_none_of_the_job_s_ports_is_refused,
    a_job_with_instances_stays,
    deleting_a_job_frees_its_vip,
    an_instance_that_registers_while_its_job_is_deleted_has_a_job,
    a_vip_allocated_while_its_job_is_deleted_does_not_stay_behind,
    a_record_that_cannot_be_read_can_be_written_over,
);

async fn a_label_belongs_to_its_first_owner(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    let first = registry.put_job(&app, &job("job.a_cop.x"), Expect::Any).await.unwrap();
    assert!(first.created);
    let error = registry.put_job(&app, &job("job.b_cop.x"), Expect::Any).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "label `app` belongs to job.a_cop.x; choose another label for job.b_cop.x, or delete the job first"
    );
    let mut changed = job("job.a_cop.x");
    changed.ports.push(port("admin", 2222));
    let second = registry.put_job(&app, &changed, Expect::Any).await.unwrap();
    assert!(!second.created && second.revision > first.revision);
    assert_eq!(read::<Job>(&registry, &Key::Job(app.clone())).await, Some(changed));
    registry.delete_job(&app, Expect::Any, 0).await.unwrap();
    registry.put_job(&app, &job("job.b_cop.x"), Expect::Any).await.unwrap();
}

async fn an_implicit_job_yields_to_the_first_explicit_one(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    let new = new_instance("app", "10.0.0.7:1111");
    registry.ensure_job(&new).await.unwrap();
    let implicit: Job = read(&registry, &Key::Job(app.clone())).await.unwrap();
    assert!(implicit.implicit && implicit.jobname == jobname("job.app") && implicit.ports.len() == 1);
    let written = registry.put_job(&app, &job("job.other_cop.x"), Expect::Any).await.unwrap();
    assert!(!written.created);
    registry.ensure_job(&new).await.unwrap();
    assert_eq!(read::<Job>(&registry, &Key::Job(app.clone())).await, Some(job("job.other_cop.x")));
    let error = registry.put_job(&app, &job("job.app"), Expect::Any).await.unwrap_err();
    assert!(matches!(error, WriteError::LabelTaken { owner, .. } if owner == jobname("job.other_cop.x")));
}

async fn expectations_decide(backend: &Backend) {
    let registry = writer(backend).await;
    let (app, job) = (label("app"), job("job.app"));
    let precondition = |error: WriteError, expected: Option<Revision>| {
        assert!(matches!(&error, WriteError::Precondition { found, .. } if *found == expected), "{error:?}");
    };
    let error = registry.put_job(&app, &job, Expect::At(Revision(1))).await.unwrap_err();
    precondition(error, None);
    let first = registry.put_job(&app, &job, Expect::Absent).await.unwrap().revision;
    precondition(registry.put_job(&app, &job, Expect::Absent).await.unwrap_err(), Some(first));
    let second = registry.put_job(&app, &job, Expect::At(first)).await.unwrap().revision;
    precondition(registry.put_job(&app, &job, Expect::At(first)).await.unwrap_err(), Some(second));
    precondition(registry.delete_job(&app, Expect::At(first), 0).await.unwrap_err(), Some(second));
    registry.delete_job(&app, Expect::At(second), 0).await.unwrap();
    let error = registry.delete_job(&app, Expect::Any, 0).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no job `app`");
    // Somebody writes between the look and the commit: the expectation is looked at again.
    let third = registry.put_job(&app, &job, Expect::Any).await.unwrap().revision;
    let (other, meddled) = (registry.clone(), (app.clone(), job.clone()));
    let deed = async move {
        other.put_job(&meddled.0, &meddled.1, Expect::Any).await.unwrap();
    };
    let late = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    precondition(late.put_job(&app, &job, Expect::At(third)).await.unwrap_err(), Some(Revision(third.0 + 1)));
}

async fn an_instance_of_a_stranger_is_refused_and_one_of_the_owner_changes_nothing(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    let written = registry.put_job(&app, &job("job.a_cop.x"), Expect::Any).await.unwrap();
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.jobname = Some(jobname("job.b_cop.x"));
    let error = registry.register_leased(&new, TTL).await.unwrap_err();
    assert!(matches!(error, WriteError::LabelTaken { owner, .. } if owner == jobname("job.a_cop.x")));
    assert_eq!(keys(&registry).await, ["jobs/app"]);
    for own in [Some(jobname("job.a_cop.x")), None] {
        let mut new = new_instance("app", "10.0.0.7:1111");
        new.jobname = own;
        let (lease, _) = registry.register_leased(&new, TTL).await.unwrap();
        registry.revoke(lease).await.unwrap();
    }
    assert_eq!(registry.kv().get("jobs/app").await.unwrap().unwrap().modified, written.revision);
}

async fn an_implicit_job_learns_the_ports_that_later_instances_bring(backend: &Backend) {
    let registry = writer(backend).await;
    let record = async || read::<Job>(&registry, &Key::Job(label("app"))).await.unwrap();
    let brings = |address: &str, ports: &[(&str, u16)]| {
        let mut new = new_instance("app", address);
        new.ports = ports.iter().map(|(name, number)| port(name, *number)).collect();
        new.instance.ports = new.ports.iter().map(|port| (port.name.clone(), port.port)).collect();
        new
    };
    registry.register_leased(&brings("10.0.0.7:1", &[("main", 1111)]), TTL).await.unwrap();
    let before = record().await;
    // `other` has the number of `main`: one VIP cannot serve both.
    let later = brings("10.0.0.8:1", &[("main", 2111), ("admin", 2222), ("other", 1111)]);
    registry.register_leased(&later, TTL).await.unwrap();
    let ports = vec![port("main", 1111), port("admin", 2222)];
    assert_eq!(record().await, Job { ports, ..before });
    let revision = registry.kv().get("jobs/app").await.unwrap().unwrap().modified;
    registry.register_leased(&later, TTL).await.unwrap();
    assert_eq!(registry.kv().get("jobs/app").await.unwrap().unwrap().modified, revision);
    // Somebody writes the job a moment before: nothing of theirs is undone.
    let other = registry.clone();
    let deed = async move {
        other.put_job(&label("app"), &job("job.mine_cop.x"), Expect::Any).await.unwrap();
    };
    let late = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    late.register(&brings("10.0.0.9:1", &[("main", 1111), ("third", 3333)]), None).await.unwrap();
    assert_eq!(record().await, job("job.mine_cop.x"));
}

async fn an_instance_that_has_none_of_the_job_s_ports_is_refused(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    let mut explicit = job("job.app");
    explicit.ports.push(port("admin", 2222));
    registry.put_job(&app, &explicit, Expect::Any).await.unwrap();
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports = [("web".parse().unwrap(), 80), ("tls".parse().unwrap(), 443)].into();
    let error = registry.register_leased(&new, TTL).await.unwrap_err();
    assert!(matches!(error, WriteError::Invalid(_)), "{error:?}");
    assert_eq!(
        error.to_string(),
        "ports: tls, web: job `app` has none of them; it has main, admin; use its names, or add the ports to the job"
    );
    assert_eq!(keys(&registry).await, ["jobs/app"]);
    new.instance.ports.insert("main".parse().unwrap(), 1111);
    registry.register_leased(&new, TTL).await.unwrap();
    assert_eq!(read::<Job>(&registry, &Key::Job(app)).await, Some(explicit));
}

async fn a_job_with_instances_stays(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    let new = new_instance("app", "10.0.0.7:1111");
    let (lease, _) = registry.register_leased(&new, TTL).await.unwrap();
    // A neighbour whose label starts alike does not count.
    registry.register_leased(&new_instance("app2", "10.0.0.8:1111"), TTL).await.unwrap();
    let error = registry.delete_job(&app, Expect::Any, 0).await.unwrap_err();
    assert_eq!(error.to_string(), "job `app` still has 1 instance(s); stop or drain them first");
    registry.revoke(lease).await.unwrap();
    registry.delete_job(&app, Expect::Any, 0).await.unwrap();
    assert!(!keys(&registry).await.contains(&"jobs/app".to_owned()));
}

async fn deleting_a_job_frees_its_vip(backend: &Backend) {
    const DAY: u64 = 24 * 3600;
    let registry = writer(backend).await;
    for name in ["a", "b"] {
        registry.put_job(&label(name), &job(&format!("job.{name}")), Expect::Any).await.unwrap();
    }
    // Network, one usable, broadcast.
    assert_eq!(registry.allocate_vip(&label("a"), None, 3, 0).await.unwrap(), 1);
    let error = registry.allocate_vip(&label("b"), None, 3, 0).await.unwrap_err();
    assert!(matches!(error, WriteError::NoVip { used: 1, size: 3 }), "{error:?}");
    registry.delete_job(&label("a"), Expect::Any, 1_000).await.unwrap();
    assert_eq!(keys(&registry).await, ["jobs/b", "vip-owners/1"]);
    let rests = registry.allocate_vip(&label("b"), None, 3, 1_000 + DAY - 1).await;
    assert!(matches!(rests, Err(WriteError::NoVip { .. })), "clients may still hold the address");
    assert_eq!(registry.allocate_vip(&label("b"), None, 3, 1_000 + DAY).await.unwrap(), 1);
}

async fn an_instance_that_registers_while_its_job_is_deleted_has_a_job(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    registry.put_job(&app, &job("job.app"), Expect::Any).await.unwrap();
    let (other, meddled) = (registry.clone(), app.clone());
    let deed = async move {
        other.delete_job(&meddled, Expect::Any, 0).await.unwrap();
    };
    let registrar = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    let new = new_instance("app", "10.0.0.7:1111");
    let (lease, _) = registrar.register_leased(&new, TTL).await.unwrap();
    let implicit: Job = read(&registry, &Key::Job(app.clone())).await.expect("it was made again");
    assert!(implicit.implicit);
    registry.revoke(lease).await.unwrap();
    // And the other way round: the instance comes while its job is being deleted.
    let other = registry.clone();
    let deed = async move {
        other.register_leased(&new, TTL).await.unwrap();
    };
    let deleter = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    let error = deleter.delete_job(&app, Expect::Any, 0).await.unwrap_err();
    assert!(matches!(error, WriteError::InUse { instances: 1, .. }), "{error:?}");
}

async fn a_vip_allocated_while_its_job_is_deleted_does_not_stay_behind(backend: &Backend) {
    let registry = writer(backend).await;
    let app = label("app");
    registry.put_job(&app, &job("job.app"), Expect::Any).await.unwrap();
    let (other, meddled) = (registry.clone(), app.clone());
    let deed = async move {
        other.allocate_vip(&meddled, None, 16, 0).await.unwrap();
    };
    let deleter = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    deleter.delete_job(&app, Expect::Any, 0).await.unwrap();
    assert_eq!(keys(&registry).await, ["vip-owners/1"]);
    // And the other way round: the job goes while its VIP is being allocated.
    registry.put_job(&app, &job("job.app"), Expect::Any).await.unwrap();
    let (other, meddled) = (registry.clone(), app.clone());
    let deed = async move {
        other.delete_job(&meddled, Expect::Any, 0).await.unwrap();
    };
    let allocator = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    let error = allocator.allocate_vip(&app, None, 16, 0).await.unwrap_err();
    assert!(matches!(error, WriteError::NotFound(_)), "{error:?}");
    assert_eq!(keys(&registry).await, ["vip-owners/1"]);
}

async fn a_record_that_cannot_be_read_can_be_written_over(backend: &Backend) {
    let registry = writer(backend).await;
    let txn = roundhouse_registry::kv::Txn::new().put("jobs/app", r#"{"jobname":7}"#, None);
    registry.kv().commit(txn).await.unwrap();
    registry.put_job(&label("app"), &job("job.app"), Expect::Any).await.unwrap();
    assert_eq!(read::<Job>(&registry, &Key::Job(label("app"))).await, Some(job("job.app")));
}
