//! What has to change, in an order in which no service is ever without destinations that it should have.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::service::{Destination, Scheduler, Service, ServiceKey, Services};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    AddService(ServiceKey, Scheduler),
    SetScheduler(ServiceKey, Scheduler),
    AddDestination(ServiceKey, SocketAddr, Destination),
    SetDestination(ServiceKey, SocketAddr, Destination),
    RemoveDestination(ServiceKey, SocketAddr),
    RemoveService(ServiceKey),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Adds before removals.
    pub changes: Vec<Change>,
    /// Wanted, and there already by somebody else's hand: reported and left.
    pub collisions: Vec<ServiceKey>,
}

/// `ours` are the services that we made; everything else in `actual` is foreign and stays as it is.
pub fn diff(desired: &Services, actual: &Services, ours: &BTreeSet<ServiceKey>) -> Diff {
    let mut diff = Diff::default();
    let mut removals = Vec::new();
    for (key, wanted) in desired {
        match actual.get(key) {
            Some(_) if !ours.contains(key) => diff.collisions.push(*key),
            Some(found) => change_service(*key, wanted, found, &mut diff.changes, &mut removals),
            None => {
                diff.changes.push(Change::AddService(*key, wanted.scheduler));
                change_service(*key, wanted, &empty(wanted), &mut diff.changes, &mut removals);
            }
        }
    }
    for key in actual.keys().filter(|key| ours.contains(key) && !desired.contains_key(key)) {
        removals.push(Change::RemoveService(*key));
    }
    diff.changes.append(&mut removals);
    diff
}

/// A service as it is right after it was added.
fn empty(wanted: &Service) -> Service {
    Service { scheduler: wanted.scheduler, ..Service::default() }
}

/// Entries that are right already get no change: setting one to equal values still resets the kernel's scheduler.
fn change_service(
    key: ServiceKey,
    wanted: &Service,
    found: &Service,
    changes: &mut Vec<Change>,
    removals: &mut Vec<Change>,
) {
    if wanted.scheduler != found.scheduler {
        changes.push(Change::SetScheduler(key, wanted.scheduler));
    }
    for (address, destination) in &wanted.destinations {
        match found.destinations.get(address) {
            None => changes.push(Change::AddDestination(key, *address, *destination)),
            Some(old) if old != destination => {
                changes.push(Change::SetDestination(key, *address, *destination));
            }
            Some(_) => {}
        }
    }
    let gone = found.destinations.keys().filter(|address| !wanted.destinations.contains_key(address));
    removals.extend(gone.map(|address| Change::RemoveDestination(key, *address)));
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, btree_set};
    use proptest::prelude::*;

    use super::*;
    use crate::service::{Forwarding, Transport};

    fn apply(services: &mut Services, change: &Change) {
        match change {
            Change::AddService(key, scheduler) => {
                let fresh = Service { scheduler: *scheduler, ..Service::default() };
                assert!(services.insert(*key, fresh).is_none(), "added twice: {key:?}");
            }
            Change::SetScheduler(key, scheduler) => services.get_mut(key).unwrap().scheduler = *scheduler,
            Change::AddDestination(key, address, destination) => {
                let old = services.get_mut(key).unwrap().destinations.insert(*address, *destination);
                assert!(old.is_none(), "added twice: {address}");
            }
            Change::SetDestination(key, address, destination) => {
                *services.get_mut(key).unwrap().destinations.get_mut(address).unwrap() = *destination;
            }
            Change::RemoveDestination(key, address) => {
                assert!(services.get_mut(key).unwrap().destinations.remove(address).is_some());
            }
            Change::RemoveService(key) => assert!(services.remove(key).is_some()),
        }
    }

    fn key() -> impl Strategy<Value = ServiceKey> {
        (0..2u8, 1..5u16).prop_map(|(udp, port)| ServiceKey {
            transport: if udp == 1 { Transport::Udp } else { Transport::Tcp },
            address: SocketAddr::from(([203, 0, 113, 10], port)),
        })
    }

    fn service() -> impl Strategy<Value = Service> {
        let destination =
            (0..3u32).prop_map(|weight| Destination { weight, forwarding: Forwarding::default() });
        let address = (1..5u8).prop_map(|host| SocketAddr::from(([10, 0, 0, host], 80)));
        let scheduler = prop_oneof![Just(Scheduler::RoundRobin), Just(Scheduler::WeightedRoundRobin)];
        (scheduler, btree_map(address, destination, 0..4))
            .prop_map(|(scheduler, destinations)| Service { scheduler, destinations })
    }

    proptest! {
        #[test]
        fn applying_the_changes_gives_what_is_desired_and_touches_nothing_foreign(
            desired in btree_map(key(), service(), 0..6),
            actual in btree_map(key(), service(), 0..6),
            ours in btree_set(key(), 0..6),
        ) {
            let first = diff(&desired, &actual, &ours);
            let mut table = actual.clone();
            for change in &first.changes {
                apply(&mut table, change);
                for (key, wanted) in desired.iter().filter(|(key, _)| !first.collisions.contains(key)) {
                    // Never an empty moment: what was there and is wanted is there after every single change.
                    let before = actual.get(key).map(|service| &service.destinations);
                    let kept = wanted.destinations.keys().filter(|a| before.is_some_and(|b| b.contains_key(a)));
                    for address in kept {
                        prop_assert!(table[key].destinations.contains_key(address));
                    }
                }
            }
            for (key, service) in &table {
                let foreign = actual.contains_key(key) && !ours.contains(key);
                let expected = if foreign { &actual[key] } else { &desired[key] };
                prop_assert_eq!(service, expected);
            }
            let wanted_and_free = desired.keys().filter(|key| !actual.contains_key(key) || ours.contains(key));
            prop_assert!(wanted_and_free.into_iter().all(|key| table.contains_key(key)));

            let now_ours: BTreeSet<ServiceKey> =
                table.keys().filter(|key| !actual.contains_key(key) || ours.contains(key)).copied().collect();
            prop_assert!(diff(&desired, &table, &now_ours).changes.is_empty());
        }
    }
}
