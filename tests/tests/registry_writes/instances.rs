//! Instances: everything about one is under its lease, and the last writer takes it over.

use std::time::Duration;

use roundhouse_registry::kv::{Change, Commit, Txn};
use roundhouse_registry::record::{Held, Key, Timestamp, decode, encode};
use roundhouse_registry::write::{NewInstance, Reach};
use roundhouse_registry::{Instance, Registry, State, WriteError};
use roundhouse_tests::sample::{label, new_instance};
use roundhouse_tests::{Backend, Meddler, changes_until, on_both_backends};

use crate::{key, keys, read, writer};

const TTL: Duration = Duration::from_secs(60);

on_both_backends!(
    registering_writes_everything_under_one_lease,
    deregistering_leaves_only_the_job,
    an_unreadable_instance_can_be_deregistered_and_registered_over,
    its_own_uuid_may_take_over_with_a_new_lease,
    changing_the_state_keeps_the_lease,
    a_state_is_changed_only_from_those_that_are_named,
    a_refused_registration_leaves_no_lease_behind,
    a_registration_ends_its_own_hold_in_the_same_commit,
    a_limited_writer_touches_its_own_instances_only,
);

async fn registering_writes_everything_under_one_lease(backend: &Backend) {
    let registry = writer(backend).await;
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports.insert("admin".parse().unwrap(), 2222);
    let (lease, written) = registry.register_leased(&new, TTL).await.unwrap();
    assert!(written.created);
    let entries = registry.kv().range("").await.unwrap();
    let leased: Vec<_> = entries.iter().map(|entry| (entry.key.clone(), entry.lease)).collect();
    let expected = [
        ("addresses/tcp/10.0.0.7:1111".to_owned(), Some(lease)),
        ("addresses/tcp/10.0.0.7:2222".to_owned(), Some(lease)),
        (key(&new).to_string(), Some(lease)),
        ("jobs/app".to_owned(), None),
    ];
    assert_eq!(leased, expected);
    assert!(entries[..3].iter().all(|entry| entry.modified == written.revision), "in one commit");
    assert!(entries[..2].iter().all(|entry| entry.value == key(&new).to_string()));
    assert_eq!(read::<Instance>(&registry, &key(&new)).await.as_ref(), Some(&new.instance));
    registry.revoke(lease).await.unwrap();
    assert_eq!(keys(&registry).await, ["jobs/app"]);
}

async fn deregistering_leaves_only_the_job(backend: &Backend) {
    let registry = writer(backend).await;
    for lease in [Some(registry.kv().grant(TTL).await.unwrap()), None] {
        let new = new_instance("app", "10.0.0.7:1111");
        let written = registry.register(&new, lease).await.unwrap();
        let mut watch = registry.kv().watch(written.revision).await.unwrap();
        let gone = registry.deregister(&new.job, new.id).await.unwrap();
        assert_eq!(keys(&registry).await, ["jobs/app"]);
        let changes = changes_until(&mut watch, gone.revision).await;
        let Change::Put(last) = &changes[0] else { panic!("{changes:?}") };
        let last: Instance = decode(&last.value).unwrap();
        assert_eq!(last.state, State::Down, "a departure is told from a loss by the last state");
        let error = registry.deregister(&new.job, new.id).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no instance app/{}", new.id));
    }
}

async fn an_unreadable_instance_can_be_deregistered_and_registered_over(backend: &Backend) {
    let registry = writer(backend).await;
    let (new, other) = (new_instance("app", "10.0.0.7:1111"), new_instance("app", "10.0.0.8:1111"));
    registry.register(&other, None).await.unwrap();
    let rest = keys(&registry).await;
    let damage = async || {
        registry.register(&new, None).await.unwrap();
        let garbage = Txn::new().put(key(&new).to_string(), r#"{"address":7}"#, None);
        registry.kv().commit(garbage).await.unwrap();
    };
    damage().await;
    registry.deregister(&new.job, new.id).await.unwrap();
    assert_eq!(keys(&registry).await, rest, "with its address, which nobody could take otherwise");
    damage().await;
    let mut moved = new.clone();
    moved.instance.address = "10.0.0.9".parse().unwrap();
    registry.register(&moved, None).await.unwrap();
    assert_eq!(read::<Instance>(&registry, &key(&new)).await.as_ref(), Some(&moved.instance));
    assert!(!keys(&registry).await.contains(&"addresses/tcp/10.0.0.7:1111".to_owned()));
}

async fn its_own_uuid_may_take_over_with_a_new_lease(backend: &Backend) {
    let registry = writer(backend).await;
    let new = new_instance("app", "10.0.0.7:1111");
    let (old, _) = registry.register_leased(&new, TTL).await.unwrap();
    let (lease, written) = registry.register_leased(&new, TTL).await.unwrap();
    assert!(lease != old && !written.created);
    registry.revoke(old).await.unwrap();
    for entry in registry.kv().range("").await.unwrap().iter().filter(|entry| entry.key != "jobs/app") {
        assert_eq!(entry.lease, Some(lease), "{} went with the old lease", entry.key);
    }
    assert_eq!(keys(&registry).await.len(), 3);
    registry.revoke(lease).await.unwrap();
    assert_eq!(keys(&registry).await, ["jobs/app"]);
}

async fn changing_the_state_keeps_the_lease(backend: &Backend) {
    let registry = writer(backend).await;
    let new = new_instance("app", "10.0.0.7:1111");
    let (lease, written) = registry.register_leased(&new, TTL).await.unwrap();
    let changed = registry.set_state(&new.job, new.id, State::Draining).await.unwrap();
    assert!(changed.revision > written.revision);
    let same = registry.set_state(&new.job, new.id, State::Draining).await.unwrap();
    assert_eq!(same.revision, changed.revision, "the same state again writes nothing");
    let entry = registry.kv().get(&key(&new).to_string()).await.unwrap().unwrap();
    assert_eq!((entry.lease, entry.created), (Some(lease), written.revision));
    let expected = Instance { state: State::Draining, ..new.instance.clone() };
    assert_eq!(read::<Instance>(&registry, &key(&new)).await, Some(expected));
    // A registration that comes in between is not undone.
    let (other, mut newer) = (registry.clone(), new.clone());
    newer.instance.weight = 7;
    let deed = async move {
        other.register_leased(&newer, TTL).await.unwrap();
    };
    let late = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    late.set_state(&new.job, new.id, State::Maintenance).await.unwrap();
    let now: Instance = read(&registry, &key(&new)).await.unwrap();
    assert_eq!((now.weight, now.state), (7, State::Maintenance));
    let entry = registry.kv().get(&key(&new).to_string()).await.unwrap().unwrap();
    assert_ne!(entry.lease, Some(lease), "the lease of the record that was changed");
    assert!(matches!(
        registry.set_state(&label("no"), new.id, State::Up).await,
        Err(WriteError::NotFound(_))
    ));
}

async fn a_state_is_changed_only_from_those_that_are_named(backend: &Backend) {
    const HEALTH: Option<&[State]> = Some(&[State::Up, State::Down]);
    let registry = writer(backend).await;
    let new = new_instance("app", "10.0.0.7:1111");
    let (job, id) = (&new.job, new.id);
    registry.register_leased(&new, TTL).await.unwrap();
    let (_, now) = registry.set_state_from(job, id, State::Down, HEALTH).await.unwrap();
    assert_eq!(now, State::Down);
    let held = registry.set_state(job, id, State::Maintenance).await.unwrap();
    let (written, now) = registry.set_state_from(job, id, State::Up, HEALTH).await.unwrap();
    assert_eq!((written, now), (held, State::Maintenance), "nothing is written");
    let (_, now) = registry.set_state_from(job, id, State::Draining, None).await.unwrap();
    assert_eq!(now, State::Draining);
    // A person is faster: the condition is looked at again.
    registry.set_state(job, id, State::Up).await.unwrap();
    let (other, label) = (registry.clone(), job.clone());
    let deed = async move {
        other.set_state(&label, id, State::Maintenance).await.unwrap();
    };
    let late = Registry::new(Meddler::before_next_commit(backend.open().await, deed));
    let (_, now) = late.set_state_from(job, id, State::Down, HEALTH).await.unwrap();
    assert_eq!(now, State::Maintenance);
    assert_eq!(read::<Instance>(&registry, &key(&new)).await.unwrap().state, State::Maintenance);
}

async fn a_refused_registration_leaves_no_lease_behind(backend: &Backend) {
    let registry = writer(backend).await;
    registry.register_leased(&new_instance("app", "10.0.0.7:1111"), TTL).await.unwrap();
    registry.register_leased(&new_instance("app", "10.0.0.7:1111"), TTL).await.unwrap_err();
    if let Backend::Etcd(etcd) = backend {
        let leases = etcd.client().await.leases().await.unwrap();
        assert_eq!(leases.leases().len(), 1);
    }
    let invalid = new_instance("app", "0.0.0.0:1111");
    assert!(matches!(registry.register_leased(&invalid, TTL).await, Err(WriteError::Invalid(_))));
}

async fn a_registration_ends_its_own_hold_in_the_same_commit(backend: &Backend) {
    let registry = writer(backend).await;
    let (back, away) = (new_instance("app", "10.0.0.7:1111"), new_instance("app", "10.0.0.8:1111"));
    let held = |new: &NewInstance| Key::Held(new.job.clone(), new.id).to_string();
    let record = |new: &NewInstance| Held {
        instance: new.instance.clone(),
        since: Timestamp::from_seconds(1_767_225_600),
        until: None,
        reason: "12 of 20 instances went at once".into(),
        by: "hub-1".into(),
    };
    let txn = [&back, &away]
        .into_iter()
        .fold(Txn::new(), |txn, new| txn.put(held(new), encode(&record(new)), None));
    let Commit::Done(before) = registry.kv().commit(txn).await.unwrap() else { panic!("refused") };
    let mut watch = registry.kv().watch(before).await.unwrap();
    let (_, written) = registry.register_leased(&back, TTL).await.unwrap();
    let changes = changes_until(&mut watch, written.revision).await;
    let ended = changes.iter().any(|change| {
        matches!(change, Change::Delete { key, revision } if *key == held(&back) && *revision == written.revision)
    });
    assert!(ended, "{changes:?}");
    let left = registry.kv().range("held/").await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>(), [held(&away)]);
    // One that is not held ends none, and says nothing of it.
    let mut watch = registry.kv().watch(written.revision).await.unwrap();
    let (_, again) = registry.register_leased(&back, TTL).await.unwrap();
    let changes = changes_until(&mut watch, again.revision).await;
    assert!(changes.iter().all(|change| matches!(change, Change::Put(_))), "{changes:?}");
}

/// Whose record it is is looked at in the write: between a look and a write it may have moved.
async fn a_limited_writer_touches_its_own_instances_only(backend: &Backend) {
    let registry = writer(backend).await;
    let own = |address: &str| Reach::Own { address: address.parse().unwrap(), ranges: Vec::new() };
    let (mine, theirs) = (registry.within(own("10.0.0.7")), registry.within(own("10.0.0.8")));
    let new = new_instance("app", "10.0.0.7:1111");
    let not_yours = |error: WriteError| assert!(matches!(error, WriteError::NotYours { .. }), "{error:?}");
    not_yours(theirs.register_leased(&new, TTL).await.unwrap_err());
    mine.register_leased(&new, TTL).await.unwrap();
    let mut moved = new.clone();
    moved.instance.address = "10.0.0.8".parse().unwrap();
    not_yours(theirs.register_leased(&moved, TTL).await.unwrap_err());
    not_yours(theirs.set_state(&new.job, new.id, State::Draining).await.unwrap_err());
    not_yours(theirs.deregister(&new.job, new.id).await.unwrap_err());
    assert_eq!(read::<Instance>(&registry, &key(&new)).await.as_ref(), Some(&new.instance));
    // It moves to somebody else just before its former owner's write arrives.
    let (other, newer) = (registry.clone(), moved.clone());
    let deed = async move {
        other.register_leased(&newer, TTL).await.unwrap();
    };
    let late = Registry::new(Meddler::before_next_commit(backend.open().await, deed)).within(own("10.0.0.7"));
    not_yours(late.set_state(&new.job, new.id, State::Draining).await.unwrap_err());
    assert_eq!(read::<Instance>(&registry, &key(&new)).await.as_ref(), Some(&moved.instance));
}
