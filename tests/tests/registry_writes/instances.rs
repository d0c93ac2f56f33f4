//! Instances: one address has one holder, whoever comes first and however close the second is.

use std::time::Duration;

use roundhouse_registry::kv::Txn;
use roundhouse_registry::record::Key;
use roundhouse_registry::write::NewInstance;
use roundhouse_registry::{Instance, Registry, State, WriteError};
use roundhouse_tests::sample::{instance, label, new_instance};
use roundhouse_tests::{Backend, Meddler, on_both_backends};

use crate::{keys, read, writer};

const TTL: Duration = Duration::from_secs(60);

on_both_backends!(
    registering_writes_everything_under_one_lease,
    deregistering_leaves_only_the_job,
    an_address_has_one_holder_and_the_error_names_it,
    of_two_that_race_for_an_address_exactly_one_wins,
    its_own_uuid_may_take_over_with_a_new_lease,
    an_instance_that_moves_leaves_its_address_free,
    an_address_that_somebody_else_holds_is_left_alone,
    changing_the_state_keeps_the_lease,
    two_ports_may_share_a_number,
    an_instance_with_the_most_ports_may_move,
    a_refused_registration_leaves_no_lease_behind,
);

fn key(new: &NewInstance) -> Key {
    Key::Instance(new.job.clone(), new.id)
}

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
        let changes = roundhouse_tests::changes_until(&mut watch, gone.revision).await;
        let roundhouse_registry::kv::Change::Put(last) = &changes[0] else { panic!("{changes:?}") };
        let last: Instance = roundhouse_registry::record::decode(&last.value).unwrap();
        assert_eq!(last.state, State::Down, "a departure is told from a loss by the last state");
        let error = registry.deregister(&new.job, new.id).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no instance app/{}", new.id));
    }
}

async fn an_address_has_one_holder_and_the_error_names_it(backend: &Backend) {
    let registry = writer(backend).await;
    let holder = new_instance("app", "10.0.0.7:1111");
    let (lease, _) = registry.register_leased(&holder, TTL).await.unwrap();
    // Another job, another spelling of the same address, one of several ports.
    let mut other = new_instance("other", "[::ffff:10.0.0.7]:1111");
    other.instance.ports.insert("admin".parse().unwrap(), 2222);
    let error = registry.register_leased(&other, TTL).await.unwrap_err();
    let expected = format!(
        "10.0.0.7:1111 is held by the live instance {}; stop that one, or register another port",
        key(&holder)
    );
    assert_eq!(error.to_string(), expected);
    assert!(!keys(&registry).await.contains(&"addresses/tcp/10.0.0.7:2222".to_owned()));
    registry.revoke(lease).await.unwrap();
    registry.register_leased(&other, TTL).await.unwrap();
}

async fn of_two_that_race_for_an_address_exactly_one_wins(backend: &Backend) {
    let (one, two) = (writer(backend).await, writer(backend).await);
    for round in 0..20 {
        let address = format!("10.0.0.7:{}", 1000 + round);
        let (a, b) = (new_instance("a", &address), new_instance("b", &address));
        let (first, second) = tokio::join!(one.register_leased(&a, TTL), two.register_leased(&b, TTL));
        let (winner, error) = match (first, second) {
            (Ok(_), Err(error)) => (&a, error),
            (Err(error), Ok(_)) => (&b, error),
            both => panic!("round {round}: {both:?}"),
        };
        let winner = key(winner).to_string();
        assert!(matches!(error, WriteError::AddressTaken { holder, .. } if holder == winner));
        let held = one.kv().get(&format!("addresses/tcp/{address}")).await.unwrap().unwrap();
        assert_eq!(held.value, winner);
    }
    let instances = one.kv().range("instances/").await.unwrap();
    assert_eq!(instances.len(), 20, "no loser left a record");
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

async fn an_instance_that_moves_leaves_its_address_free(backend: &Backend) {
    let registry = writer(backend).await;
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports.insert("admin".parse().unwrap(), 2222);
    registry.register_leased(&new, TTL).await.unwrap();
    new.instance.ports = [("main".parse().unwrap(), 2222)].into();
    registry.register_leased(&new, TTL).await.unwrap();
    let addresses: Vec<_> =
        keys(&registry).await.into_iter().filter(|key| key.starts_with("addresses/")).collect();
    assert_eq!(addresses, ["addresses/tcp/10.0.0.7:2222"]);
    registry.register_leased(&new_instance("other", "10.0.0.7:1111"), TTL).await.unwrap();
}

/// Somebody deleted the address key by hand and a second instance took the address: when the first one moves or goes,
/// the second keeps what it holds.
async fn an_address_that_somebody_else_holds_is_left_alone(backend: &Backend) {
    for moves in [true, false] {
        let registry = writer(backend).await;
        let (mut first, second) = (new_instance("a", "10.0.0.7:1111"), new_instance("b", "10.0.0.7:1111"));
        registry.register_leased(&first, TTL).await.unwrap();
        registry.kv().commit(Txn::new().delete("addresses/tcp/10.0.0.7:1111")).await.unwrap();
        registry.register_leased(&second, TTL).await.unwrap();
        if moves {
            first.instance = instance("10.0.0.8:1111");
            registry.register_leased(&first, TTL).await.unwrap();
        }
        registry.deregister(&first.job, first.id).await.unwrap();
        let held = registry.kv().get("addresses/tcp/10.0.0.7:1111").await.unwrap();
        assert_eq!(held.map(|entry| entry.value), Some(key(&second).to_string().into()));
        registry.deregister(&second.job, second.id).await.unwrap();
        assert_eq!(keys(&registry).await, ["jobs/a", "jobs/b"]);
    }
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
    let late = Registry::new(Meddler::new(backend.open().await, deed));
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

async fn two_ports_may_share_a_number(backend: &Backend) {
    let registry = writer(backend).await;
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports.insert("grpc".parse().unwrap(), 1111);
    registry.register_leased(&new, TTL).await.unwrap();
    registry.register_leased(&new, TTL).await.unwrap();
    new.instance.ports.values_mut().for_each(|port| *port = 2222);
    registry.register_leased(&new, TTL).await.unwrap();
    registry.deregister(&new.job, new.id).await.unwrap();
    assert_eq!(keys(&registry).await, ["jobs/app"]);
}

async fn an_instance_with_the_most_ports_may_move(backend: &Backend) {
    let registry = writer(backend).await;
    let ports =
        |from: u16| (from..).zip(0..63).map(|(port, i)| (format!("p{i}").parse().unwrap(), port)).collect();
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports = ports(1000);
    registry.register_leased(&new, TTL).await.unwrap();
    new.instance.ports = ports(2000);
    registry.register_leased(&new, TTL).await.unwrap();
    let addresses = registry.kv().range("addresses/").await.unwrap();
    assert_eq!((addresses.len(), addresses[0].key.as_str()), (63, "addresses/tcp/10.0.0.7:2000"));
    registry.deregister(&new.job, new.id).await.unwrap();
    assert_eq!(keys(&registry).await, ["jobs/app"]);
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
