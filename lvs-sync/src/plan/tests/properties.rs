//! Whatever is wanted, there and ours.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::model::{Scheduler, Transport};

fn key() -> impl Strategy<Value = ServiceKey> {
    (any::<bool>(), 1..5u16).prop_map(|(udp, port)| {
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        ServiceKey::Address(transport, SocketAddr::from(([203, 0, 113, 10], port)))
    })
}

fn some_service() -> impl Strategy<Value = Service> {
    let scheduler = prop_oneof![Just("rr"), Just("wrr")];
    let destinations = btree_map((1..6u8).prop_map(at), (0..3u32).prop_map(to), 0..5);
    (scheduler, destinations).prop_map(|(scheduler, destinations)| Service {
        settings: Settings { scheduler: Scheduler::new(scheduler), ..Settings::default() },
        destinations,
    })
}

fn some_desired() -> impl Strategy<Value = Desired> {
    let pool = prop_oneof![Just("a"), Just("b"), Just("c")];
    btree_map(key(), (pool, some_service()), 0..6).prop_map(|services| {
        let wanted = |(pool, service): (&str, Service)| Wanted {
            pool: pool.parse().unwrap(),
            line: "telecom".parse().unwrap(),
            service,
            leaving: BTreeSet::new(),
            drain: Duration::from_secs(30),
        };
        Desired {
            services: services.into_iter().map(|(key, said)| (key, wanted(said))).collect(),
            ..Desired::default()
        }
    })
}

/// What a hand from outside may do.
#[derive(Clone, Debug)]
enum Edit {
    Put(ServiceKey, Service),
    Remove(ServiceKey),
    PutDestination(ServiceKey, SocketAddr, Destination),
    RemoveDestination(ServiceKey, SocketAddr),
    Open(ServiceKey, SocketAddr, u64),
    Want(Desired),
    Round,
    Wait(u64),
    Restart,
}

fn edit() -> impl Strategy<Value = Edit> {
    let address = || (1..6u8).prop_map(at);
    prop_oneof![
        (key(), some_service()).prop_map(|(key, service)| Edit::Put(key, service)),
        key().prop_map(Edit::Remove),
        (key(), address(), 0..3u32).prop_map(|(key, at, weight)| Edit::PutDestination(key, at, to(weight))),
        (key(), address()).prop_map(|(key, at)| Edit::RemoveDestination(key, at)),
        (key(), address(), 0..3u64).prop_map(|(key, at, open)| Edit::Open(key, at, open)),
        some_desired().prop_map(Edit::Want),
        Just(Edit::Round),
        Just(Edit::Round),
        (1..20u64).prop_map(Edit::Wait),
        Just(Edit::Restart),
    ]
}

impl World {
    fn edit(&mut self, edit: Edit) {
        let services = &mut self.sink.actual.services;
        match edit {
            Edit::Put(key, service) => drop(services.insert(key, service)),
            Edit::Remove(key) => drop(services.remove(&key)),
            Edit::PutDestination(key, address, to) => {
                if let Some(service) = services.get_mut(&key) {
                    service.destinations.insert(address, to);
                }
            }
            Edit::RemoveDestination(key, address) => {
                if let Some(service) = services.get_mut(&key) {
                    service.destinations.remove(&address);
                }
            }
            Edit::Open(key, address, open) => drop(self.sink.actual.open.insert((key, address), open)),
            Edit::Want(desired) => self.desired = desired,
            Edit::Round => drop(self.checked_round()),
            Edit::Wait(seconds) => self.wait(seconds),
            Edit::Restart => {
                let text = serde_json::to_string(&self.state).unwrap();
                self.state = serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// A round, of which every moment is looked at.
    fn checked_round(&mut self) -> Plan {
        let plan = self.plan();
        let mut after = self.sink.actual.clone();
        plan.ops.iter().for_each(|op| after.take(op));
        let mut moment = self.sink.actual.clone();
        for op in &plan.ops {
            self.check_ours(op);
            moment.take(op);
            for (key, service) in &self.sink.actual.services {
                let had = works(Some(service));
                if had && works(after.services.get(key)) {
                    assert!(works(moment.services.get(key)), "{key} is empty after {op}");
                }
            }
        }
        self.round();
        assert_eq!(self.sink.actual.services, after.services);
        plan
    }

    /// An operation on what somebody else made would be a theft.
    fn check_ours(&self, op: &Op) {
        let found = self.sink.actual.services.get(op.service());
        let owned = self.state.services.get(op.service());
        assert!(found.is_none() || owned.is_some(), "{op}");
        if let (Some(found), Some(at)) = (found, op.destination()) {
            let is_ours = owned.is_some_and(|owned| owned.destinations.contains_key(&at));
            assert!(!found.destinations.contains_key(&at) || is_ours, "{op}");
        }
    }

    /// What is not ours, service by service.
    fn foreign(&self) -> Services {
        let mut foreign = self.sink.actual.services.clone();
        for (key, owned) in &self.state.services {
            if let Some(service) = foreign.get_mut(key) {
                service.settings = Settings::default();
                service.destinations.retain(|at, _| !owned.destinations.contains_key(at));
            }
        }
        foreign.retain(|key, service| {
            !self.state.services.contains_key(key) || !service.destinations.is_empty()
        });
        foreign
    }
}

fn works(service: Option<&Service>) -> bool {
    service.is_some_and(|service| service.destinations.values().any(|to| to.weight > 0))
}

/// What is wanted is there as it is wanted, what is not wanted is not ours any more, and there is nothing left to do.
fn check_settled(world: &World) -> Result<(), TestCaseError> {
    let plan = world.plan();
    prop_assert_eq!(&plan.ops, &vec![]);
    let blocked: BTreeSet<&Label> = plan.problems.iter().map(|problem| &problem.pool).collect();
    for (key, wanted) in &world.desired.services {
        if blocked.contains(&wanted.pool) {
            continue;
        }
        let found = &world.sink.actual.services[key];
        prop_assert_eq!(&found.settings, &wanted.service.settings);
        let owned = &world.state.services[key].destinations;
        for (at, to) in &wanted.service.destinations {
            prop_assert!(found.destinations.contains_key(at));
            prop_assert!(!owned.contains_key(at) || found.destinations[at] == *to);
        }
        let left = owned.keys().filter(|at| !wanted.service.destinations.contains_key(at));
        prop_assert_eq!(left.count(), 0);
    }
    for (key, owned) in &world.state.services {
        let is_wanted = world.desired.services.contains_key(key);
        let is_blocked = owned.pool.as_ref().is_some_and(|pool| blocked.contains(pool));
        prop_assert!(is_wanted || is_blocked || owned.destinations.is_empty(), "{} is left", key);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_plan_leads_to_what_is_desired_and_touches_nothing_else(
        desired in some_desired(),
        actual in btree_map(key(), some_service(), 0..6),
        ours in btree_set(key(), 0..6),
        open in btree_map((key(), (1..6u8).prop_map(at)), 0..3u64, 0..6),
    ) {
        let mut world = World::new();
        for (key, service) in actual.iter().filter(|(key, _)| ours.contains(key)) {
            let destinations = service.destinations.keys().map(|at| (*at, None)).collect();
            world.state.services.insert(key.clone(), Owned { destinations, ..Owned::default() });
        }
        world.sink.actual = Actual { services: actual, open, ..Actual::default() };
        world.desired = desired;
        let foreign = world.foreign();
        world.checked_round();
        world.settle();
        check_settled(&world)?;
        prop_assert_eq!(world.foreign(), foreign);
        let done = world.sink.done.len();
        world.round();
        prop_assert_eq!(world.sink.done.len(), done, "the second plan is empty");
    }

    #[test]
    fn whatever_others_do_in_between_it_converges(edits in vec(edit(), 0..40)) {
        let mut world = World::new();
        for edit in edits {
            world.edit(edit);
        }
        world.checked_round();
        let foreign = world.foreign();
        world.settle();
        check_settled(&world)?;
        prop_assert_eq!(world.foreign(), foreign);
    }
}
