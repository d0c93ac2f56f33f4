//! Drawing, writing and reading together, against a sink that only keeps a list.

use proptest::prelude::*;

use super::pretended::Pretended;
use super::table::Table;
use super::{draw, fit, read, write};
use crate::model::{Destination, Forwarding, Op, Scheduler, ServiceKey, Settings};
use crate::sink::memory::Memory;
use crate::sink::nftables::picture::Picture;
use crate::sink::{OpError, Sink};

const KEYS: [&str; 4] =
    ["tcp/203.0.113.10:80", "udp/203.0.113.10:80", "tcp/203.0.113.10:81", "tcp/[2001:db8::10]:80"];

fn seen(kernel: &Pretended) -> Picture {
    kernel.listing().map_or_else(Picture::default, |listing| read::picture(&listing).unwrap())
}

/// As the sink does it, with the pretended kernel.
fn apply(kernel: &mut Pretended, ops: &[Op], masquerade: bool) -> (Vec<Result<(), OpError>>, String) {
    let before = seen(kernel);
    let mut table = Table::of(&before, masquerade);
    let outcomes = ops.iter().map(|op| table.take(op)).collect();
    let after = draw::picture(&table, &before, masquerade);
    let commands = write::commands("t", &before, &after);
    kernel.run(&commands).unwrap();
    table.settle();
    assert_eq!(seen(kernel), after, "{commands}");
    assert_eq!(Table::of(&after, masquerade), table);
    (outcomes, commands)
}

fn settings(scheduler: &str) -> Settings {
    let scheduler = Scheduler::new(scheduler);
    Settings { flags: fit::flags(&scheduler), scheduler, ..Settings::default() }
}

fn op() -> impl Strategy<Value = Op> {
    let scheduler = prop::sample::select(vec!["rr", "wrr", "sh", "mh"]);
    let weight = prop_oneof![Just(0), 1..4u32, any::<u32>()];
    (prop::sample::select(KEYS.to_vec()), 0..14, 1..5u8, scheduler, weight).prop_map(
        |(key, kind, host, scheduler, weight)| {
            let to = match key.contains('[') {
                true => format!("[fd00::{host}]:8080").parse().unwrap(),
                false => format!("10.0.0.{host}:8080").parse().unwrap(),
            };
            let key: ServiceKey = key.parse().unwrap();
            let destination = Destination::new(weight, Forwarding::Masquerade);
            match kind {
                0..3 => Op::AddService(key, settings(scheduler)),
                3..5 => Op::SetService(key, settings(scheduler)),
                5..9 => Op::AddDestination(key, to, destination),
                9..11 => Op::SetDestination(key, to, destination),
                11..13 => Op::RemoveDestination(key, to),
                _ => Op::RemoveService(key),
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_told_is_read_again(
        batches in prop::collection::vec(prop::collection::vec(op(), 1..6), 1..8),
        masquerade: bool,
    ) {
        let (mut kernel, mut twin) = (Pretended::default(), Memory::default());
        for ops in batches {
            let (outcomes, _) = apply(&mut kernel, &ops, masquerade);
            prop_assert_eq!(outcomes, twin.apply(&ops, None).unwrap());
            prop_assert_eq!(Table::of(&seen(&kernel), masquerade).services(), twin.actual.services.clone());
            prop_assert_eq!(kernel.exists, !twin.actual.services.is_empty());
        }
        // Told again, it is as it is.
        let again = |(key, service): (&ServiceKey, &crate::model::Service)| {
            Op::SetService(key.clone(), service.settings.clone())
        };
        let ops: Vec<Op> = twin.actual.services.iter().map(again).collect();
        prop_assert_eq!(apply(&mut kernel, &ops, masquerade).1, "");
    }

    /// Whatever is deleted in our table is seen, and comes back when the services that show it are told again.
    #[test]
    fn what_somebody_deletes_is_seen_and_written_anew(
        ops in prop::collection::vec(op(), 1..20),
        at: prop::sample::Index,
    ) {
        let (mut kernel, mut twin) = (Pretended::default(), Memory::default());
        apply(&mut kernel, &ops, true);
        twin.apply(&ops, None).unwrap();
        let good = kernel.clone();
        let count = kernel.elements.len() + kernel.chains.len();
        prop_assume!(count > 0);
        let n = at.index(count);
        match kernel.elements.keys().nth(n).cloned() {
            Some(key) => drop(kernel.elements.remove(&key)),
            None => kernel.chains.values_mut().nth(n - kernel.elements.len()).unwrap().1.clear(),
        }
        let shown = Table::of(&seen(&kernel), true).services();
        prop_assert_ne!(&shown, &twin.actual.services);
        // As a planner would.
        let mut plan = Vec::new();
        for (key, wanted) in &twin.actual.services {
            match shown.get(key) {
                None => plan.push(Op::AddService(key.clone(), wanted.settings.clone())),
                Some(shown) if shown.settings != wanted.settings => {
                    plan.push(Op::SetService(key.clone(), wanted.settings.clone()));
                }
                Some(_) => {}
            }
            for (to, destination) in &wanted.destinations {
                if shown.get(key).is_none_or(|shown| !shown.destinations.contains_key(to)) {
                    plan.push(Op::AddDestination(key.clone(), *to, *destination));
                }
            }
        }
        apply(&mut kernel, &plan, true);
        prop_assert_eq!(kernel, good);
    }
}

fn told(kernel: &mut Pretended, ops: &[(&str, &[(&str, u32)])]) {
    for (key, destinations) in ops {
        let key: ServiceKey = key.parse().unwrap();
        let mut ops = vec![Op::AddService(key.clone(), settings("wrr"))];
        ops.extend(destinations.iter().map(|(to, weight)| {
            let destination = Destination::new(*weight, Forwarding::Masquerade);
            Op::AddDestination(key.clone(), to.parse().unwrap(), destination)
        }));
        assert!(apply(kernel, &ops, true).0.iter().all(Result::is_ok));
    }
}

#[test]
fn the_text() {
    let key: ServiceKey = "tcp/203.0.113.10:80".parse().unwrap();
    let to = "10.0.0.1:8080".parse().unwrap();
    let destination = Destination::new(200, Forwarding::Masquerade);
    let mut kernel = Pretended::default();
    let added =
        [Op::AddService(key.clone(), settings("wrr")), Op::AddDestination(key.clone(), to, destination)];
    let other = Op::AddDestination(key.clone(), "10.0.0.2:8080".parse().unwrap(), destination.weighing(100));
    let mut text = apply(&mut kernel, &added, true).1;
    for op in [other, Op::SetDestination(key.clone(), to, destination.weighing(0)), Op::RemoveService(key)] {
        text.push_str(&format!("# {op}\n"));
        text.push_str(&apply(&mut kernel, &[op], true).1);
    }
    assert_eq!(text, include_str!("testdata/commands.nft"));
}

#[test]
fn what_is_somebody_else_s_stays_and_is_said_to_be() {
    let mut kernel = Pretended::default();
    told(&mut kernel, &[(KEYS[0], &[("10.0.0.1:80", 1)])]);
    kernel
        .run(
            "add chain inet t mine\nadd rule inet t mine counter\nadd chain inet t theirs\n\
             add rule inet t theirs meta l4proto 6 dnat ip addr . port to numgen inc mod 1 map { 0 : 10.9.0.1 . 80 }\n\
             add element inet t services4 { 198.51.100.1 . 6 . 80 : goto theirs, 198.51.100.2 . 6 . 80 : drop }",
        )
        .unwrap();
    let theirs: ServiceKey = "tcp/198.51.100.1:80".parse().unwrap();
    let services = Table::of(&seen(&kernel), true).services();
    assert_eq!(services[&theirs].settings.scheduler.as_str(), "foreign");
    assert_eq!(services.len(), 3);

    let key: ServiceKey = KEYS[0].parse().unwrap();
    let outcomes = apply(
        &mut kernel,
        &[
            Op::AddService(theirs.clone(), settings("rr")),
            Op::RemoveService(theirs.clone()),
            Op::RemoveService(key),
        ],
        true,
    );
    assert_eq!(outcomes.0[0], Err(OpError::Exists));
    assert!(matches!(&outcomes.0[1], Err(OpError::Refused(why)) if why.contains("adopt")), "{outcomes:?}");
    assert_eq!(outcomes.0[2], Ok(()));
    // The table stays as long as there is something in it.
    let others: Vec<&str> = kernel.chains.keys().map(String::as_str).collect();
    assert_eq!(others, ["mine", "output", "postrouting", "prerouting", "theirs"]);
    assert_eq!(kernel.elements.len(), 2);

    // Also while everything of ours is made anew.
    let drop = ("services4".to_owned(), "198.51.100.2 . 6 . 80".to_owned());
    apply(&mut kernel, &[Op::AddService(KEYS[1].parse().unwrap(), settings("rr"))], false);
    assert_eq!(kernel.elements[&drop], (None, Some("drop".into())));

    // Adopted, it is ours.
    apply(&mut kernel, &[Op::SetService(theirs.clone(), settings("rr"))], true);
    let services = Table::of(&seen(&kernel), true).services();
    assert_eq!(services[&theirs].settings, settings("rr"));
}

#[test]
fn another_frame_is_made_ours_in_one_step() {
    let mut kernel = Pretended::default();
    told(&mut kernel, &[(KEYS[0], &[("10.0.0.1:80", 1)]), (KEYS[3], &[("[fd00::1]:80", 2)])]);
    let masquerading = kernel.clone();
    // Told by one that does not masquerade, and back.
    for masquerade in [false, true] {
        let shown = Table::of(&seen(&kernel), masquerade).services();
        let schedulers: Vec<&str> =
            shown.values().map(|service| service.settings.scheduler.as_str()).collect();
        assert_eq!(schedulers, ["distorted"; 2]);
        apply(&mut kernel, &[Op::SetService(KEYS[0].parse().unwrap(), settings("wrr"))], masquerade);
        assert_eq!(kernel.chains.contains_key("postrouting"), masquerade);
    }
    assert_eq!(kernel, masquerading);
}

/// What nft 1.0.6 lists of a table that these commands have made.
#[test]
fn a_real_listing_is_read() {
    let listing = serde_json::from_str(include_str!("testdata/listing.json")).unwrap();
    let table = Table::of(&read::picture(&listing).unwrap(), true);
    let mut text = crate::ipvsadm::table(&table.services());
    text.push_str(&format!("{:?}\n", table.services.values().map(|entry| entry.hand).collect::<Vec<_>>()));
    assert_eq!(text, include_str!("testdata/listing.txt"));
}
