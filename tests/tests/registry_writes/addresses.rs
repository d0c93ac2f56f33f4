//! Addresses: each has one holder, whoever comes first and however close the second is.

use std::time::Duration;

use roundhouse_registry::WriteError;
use roundhouse_registry::kv::Txn;
use roundhouse_tests::sample::{instance, new_instance};
use roundhouse_tests::{Backend, on_both_backends};

use crate::{key, keys, writer};

const TTL: Duration = Duration::from_secs(60);

on_both_backends!(
    an_address_has_one_holder_and_the_error_names_it,
    of_two_that_race_for_an_address_exactly_one_wins,
    an_instance_that_moves_leaves_its_address_free,
    an_address_that_somebody_else_holds_is_left_alone,
    two_ports_may_share_a_number,
    an_instance_with_the_most_ports_may_move,
);

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
    assert_eq!(registry.kv().get("jobs/other").await.unwrap(), None, "who is refused brings no job along");
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

async fn two_ports_may_share_a_number(backend: &Backend) {
    let registry = writer(backend).await;
    let mut new = new_instance("app", "10.0.0.7:1111");
    new.instance.ports.insert("grpc".parse().unwrap(), 1111);
    registry.register_leased(&new, TTL).await.unwrap();
    registry.register_leased(&new, TTL).await.unwrap();
    new.instance.ports = new.instance.ports.keys().map(|name| (name.clone(), 2222)).collect();
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
