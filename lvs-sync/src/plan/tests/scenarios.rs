//! One thing at a time, as an operator would see it.

use super::*;

const VIP: &str = "tcp/203.0.113.10:80";

fn open(world: &mut World, host: u8, connections: u64) {
    world.sink.actual.open.insert((VIP.parse().unwrap(), at(host)), connections);
}

/// Two instances, programmed.
fn serving() -> World {
    let mut world = World::new();
    world.want(VIP, "blog", &[(1, 100), (2, 100)]);
    let plan = world.round();
    assert_eq!(
        said(&plan.ops),
        [
            "-A -t 203.0.113.10:80 -s wrr",
            "-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 100",
            "-a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 100",
        ]
    );
    world
}

#[test]
fn what_is_right_gets_no_operation() {
    let mut world = serving();
    assert_eq!(world.round().ops, []);
    assert_eq!(world.plan().next, None);
}

#[test]
fn who_leaves_is_drained_until_its_connections_are_gone() {
    let mut world = serving();
    open(&mut world, 1, 3);
    world.want(VIP, "blog", &[(2, 100)]);
    let plan = world.round();
    assert_eq!(said(&plan.ops), ["-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 0"]);
    assert_eq!(plan.draining[0].open, 3);
    assert_eq!(plan.next, Some(world.facts.now + POLL));
    world.wait(5);
    assert_eq!(world.round().ops, []);
    open(&mut world, 1, 0);
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80"]);
    assert_eq!(world.plan().next, None);
}

#[test]
fn a_deadline_ends_it_and_a_restart_neither_forgets_nor_renews_it() {
    let mut world = serving();
    open(&mut world, 1, 3);
    world.want(VIP, "blog", &[(2, 100)]);
    world.round();
    world.wait(20);
    let text = serde_json::to_string(&world.state).unwrap();
    world.state = serde_json::from_str(&text).unwrap();
    assert_eq!(world.round().ops, [], "10 s are left");
    world.wait(9);
    assert_eq!(world.round().ops, []);
    world.wait(1);
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80"]);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_a_drain_longer() {
    let mut world = serving();
    open(&mut world, 1, 3);
    world.want(VIP, "blog", &[(2, 100)]);
    world.round();
    world.facts.now = Timestamp::from_seconds(1_000);
    world.round();
    world.wait(30);
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80"]);
}

#[test]
fn who_comes_back_has_its_weight_again() {
    let mut world = serving();
    open(&mut world, 1, 3);
    world.want(VIP, "blog", &[(2, 100)]);
    world.round();
    world.want(VIP, "blog", &[(1, 50), (2, 100)]);
    assert_eq!(said(&world.round().ops), ["-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 50"]);
    world.wait(60);
    assert_eq!(world.round().ops, []);
}

#[test]
fn who_drained_in_the_registry_is_not_taken_for_idle_before_it_was_looked_at() {
    let mut world = serving();
    world.want(VIP, "blog", &[(1, 0), (2, 100)]);
    assert_eq!(said(&world.round().ops), ["-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 0"]);
    open(&mut world, 1, 1);
    world.want(VIP, "blog", &[(2, 100)]);
    assert_eq!(world.round().ops, []);
    open(&mut world, 1, 0);
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80"]);
}

#[test]
fn the_dead_and_udp_are_not_drained() {
    let mut world = serving();
    open(&mut world, 1, 3);
    world.want(VIP, "blog", &[(2, 100)]);
    world.facts.dead.insert(at(1));
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80"]);

    let mut world = World::new();
    world.want("udp/203.0.113.10:53", "dns", &[(1, 100), (2, 100)]);
    world.round();
    world.want("udp/203.0.113.10:53", "dns", &[(2, 100)]);
    assert_eq!(said(&world.round().ops), ["-d -u 203.0.113.10:53 -r 10.0.0.1:80"]);
}

#[test]
fn a_service_goes_last_and_after_its_connections() {
    let mut world = serving();
    open(&mut world, 1, 1);
    world.desired.services.clear();
    assert_eq!(
        said(&world.round().ops),
        ["-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 0", "-e -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 0"]
    );
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.2:80"]);
    open(&mut world, 1, 0);
    assert_eq!(said(&world.round().ops), ["-d -t 203.0.113.10:80 -r 10.0.0.1:80", "-D -t 203.0.113.10:80"]);
    assert_eq!(world.state, State::default());
}

#[test]
fn most_of_a_pool_at_once_is_looked_at_twice() {
    let mut world = World::new();
    world.want(VIP, "blog", &[(1, 100), (2, 100), (3, 100)]);
    world.round();
    world.want(VIP, "blog", &[(3, 100)]);
    let plan = world.round();
    assert_eq!(plan.ops, []);
    assert_eq!(plan.doubted[0].vanished, [at(1), at(2)]);
    world.wait(9);
    assert_eq!(world.round().ops, []);
    world.wait(1);
    assert_eq!(world.round().ops.len(), 2, "drained, not cut");

    // One that is known to be dead is not doubted, and then the other is not most of it.
    let mut world = World::new();
    world.want(VIP, "blog", &[(1, 100), (2, 100), (3, 100)]);
    world.round();
    world.want(VIP, "blog", &[(3, 100)]);
    world.facts.dead.insert(at(1));
    assert_eq!(world.round().ops.len(), 2);

    // Back before the second look: the next mishap has its own time.
    let mut world = World::new();
    world.want(VIP, "blog", &[(1, 100), (2, 100)]);
    world.round();
    world.want(VIP, "blog", &[]);
    world.round();
    world.wait(9);
    world.want(VIP, "blog", &[(1, 100), (2, 100)]);
    world.round();
    world.wait(9);
    world.want(VIP, "blog", &[]);
    assert_eq!(world.round().ops, []);
    world.facts.forced = true;
    assert_eq!(world.round().ops.len(), 2);
}

#[test]
fn a_foreign_service_is_reported_and_left_and_its_pool_with_it() {
    let mut world = World::new();
    world.sink.actual.services.insert("tcp/203.0.113.11:80".parse().unwrap(), service(&[(9, 1)]));
    world.want(VIP, "blog", &[(1, 100)]);
    world.want("tcp/203.0.113.11:80", "blog", &[(1, 100)]);
    world.want("tcp/203.0.113.12:80", "shop", &[(1, 100)]);
    let plan = world.round();
    assert_eq!(
        plan.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "pool `blog`: `tcp/203.0.113.11:80` is there already, made by somebody else; remove it there, or take it over \
          with `lvs-sync adopt tcp/203.0.113.11:80`"
        ]
    );
    assert_eq!(said(&plan.ops)[0], "-A -t 203.0.113.12:80 -s wrr");
    assert_eq!(plan.ops.len(), 2);
    assert!(world.printed().contains("-a -t 203.0.113.11:80 -r 10.0.0.9:80 -m -w 1\n"));
}

#[test]
fn a_foreign_destination_stays_and_keeps_its_service() {
    let mut world = serving();
    let service = world.sink.actual.services.get_mut(&VIP.parse().unwrap()).unwrap();
    service.destinations.insert(at(9), to(7));
    assert_eq!(world.round().ops, []);
    world.desired.services.clear();
    world.settle();
    assert_eq!(
        world.printed(),
        "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.9:80 -m -w 7\n"
    );
    assert!(world.state.services.contains_key(&VIP.parse().unwrap()), "ours to remove, once it is empty");
}

#[test]
fn a_pool_with_a_problem_stays_as_it_is() {
    let mut world = serving();
    world.desired.services.clear();
    let unreadable = Wrong::Unreadable("scheduler: unknown".into());
    world.desired.problems.push(Problem::of(&"blog".parse().unwrap(), unreadable));
    let before = world.state.clone();
    assert_eq!(world.round().ops, []);
    assert_eq!(world.state, before);
}

#[test]
fn what_an_outside_hand_did_to_ours_is_undone() {
    let mut world = serving();
    let services: &mut Services = &mut world.sink.actual.services;
    let service = services.get_mut(&VIP.parse().unwrap()).unwrap();
    service.destinations.insert(at(1), to(7));
    service.destinations.remove(&at(2));
    service.settings.scheduler = crate::model::Scheduler::new("rr");
    assert_eq!(
        said(&world.round().ops),
        [
            "-E -t 203.0.113.10:80 -s wrr",
            "-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 100",
            "-a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 100"
        ]
    );
}

#[test]
fn weight_is_given_before_it_is_taken() {
    let mut world = World::new();
    world.want(VIP, "blog", &[(1, 100), (2, 0)]);
    world.round();
    world.want(VIP, "blog", &[(1, 0), (2, 100)]);
    assert_eq!(
        said(&world.round().ops),
        ["-e -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 100", "-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 0"]
    );
}

#[test]
fn what_the_sink_knows_as_ours_is_ours_without_our_record() {
    let mut world = serving();
    world.claim = Claim::Whole;
    world.state = State::default();
    world.want(VIP, "blog", &[(2, 50)]);
    let plan = world.round();
    assert_eq!(plan.problems, []);
    assert_eq!(
        said(&plan.ops),
        ["-e -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 50", "-e -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 0"]
    );
    world.state = State::default();
    world.desired.services.clear();
    world.settle();
    assert_eq!(world.printed(), "");
}

#[test]
fn of_a_group_that_is_there_for_us_is_ours_what_is_wanted() {
    let mut world = serving();
    world.claim = Claim::Wanted;
    world.state = State::default();
    world.want(VIP, "blog", &[(2, 50)]);
    assert_eq!(said(&world.round().ops), ["-e -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 50"]);
    world.want(VIP, "blog", &[]);
    world.settle();
    assert_eq!(
        world.printed(),
        "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 100\n"
    );
}

#[test]
fn who_leaves_with_a_farewell_has_not_vanished() {
    let mut world = serving();
    world.want(VIP, "blog", &[]);
    let wanted = world.desired.services.get_mut(&VIP.parse().unwrap()).unwrap();
    wanted.leaving = [at(1), at(2)].into();
    let plan = world.round();
    assert_eq!((plan.ops.len(), plan.doubted), (2, vec![]));
}
