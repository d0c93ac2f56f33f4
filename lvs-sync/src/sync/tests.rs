use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::record;

use super::*;
use crate::model::{Actual, Destination, Forwarding, Service};
use crate::sink::memory::Memory;
use crate::sink::{OpError, Unfit};

const VIP: &str = "tcp/203.0.113.10:80";

/// A sink that others reach too, which counts looks and refuses what it is told to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    memory: Memory,
    dumps: usize,
    refuses: BTreeSet<&'static str>,
    /// The state on disk at the moment of the last operation.
    saved: Option<State>,
    saved_at_apply: Option<State>,
}

impl Sink for Shared {
    fn kind(&self) -> record::Sink {
        record::Sink::Ipvs
    }

    fn fit(&self, _: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        Ok(wanted)
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        let mut inner = self.0.lock().unwrap();
        inner.dumps += 1;
        inner.memory.dump()
    }

    fn apply(&mut self, ops: &[Op], until: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        let mut inner = self.0.lock().unwrap();
        inner.saved_at_apply = inner.saved.clone();
        let mut results = Vec::new();
        for op in ops {
            results.push(match inner.refuses.contains(op.kind()) {
                true => Err(OpError::Refused("no".into())),
                false => inner.memory.apply(std::slice::from_ref(op), until)?.remove(0),
            });
        }
        Ok(results)
    }
}

struct World {
    sink: Shared,
    sync: Sync,
    records: Vec<(String, String)>,
    now: Timestamp,
}

impl World {
    fn new() -> World {
        let sink = Shared::default();
        let sync = Sync::new(Box::new(sink.clone()), Held::All, State::default());
        let mut world = World { sink, sync, records: Vec::new(), now: Timestamp::from_seconds(1_000) };
        let pool = r#"{"to":{"job":"blog"},"port":80,"lines":{"telecom":["203.0.113.10"]}}"#;
        world.records.push(("pools/blog".into(), pool.into()));
        world.instance(1, 100);
        world
    }

    fn instance(&mut self, n: u8, weight: u32) {
        let key = format!("instances/blog/0a1b2c3d-0000-4000-8000-00000000000{n}");
        self.records.retain(|(old, _)| *old != key);
        self.records
            .push((key, format!(r#"{{"address":"127.0.0.{n}","ports":{{"main":80}},"weight":{weight}}}"#)));
    }

    fn forget(&mut self, n: u8) {
        self.records.retain(|(key, _)| !key.ends_with(&n.to_string()));
    }

    fn round(&mut self, round: Round) -> Report {
        let entry = |(key, value): &(String, String)| Entry {
            key: key.clone(),
            value: value.clone().into(),
            created: Revision(1),
            modified: Revision(1),
            lease: None,
        };
        let entries = self.records.iter().map(entry).collect();
        let snapshot =
            Snapshot::from_listing(Listing { origin: "test".into(), revision: Revision(7), entries });
        let disk = self.sink.clone();
        let save = move |state: &State| {
            disk.0.lock().unwrap().saved = Some(state.clone());
            Ok(())
        };
        self.sync.round(&snapshot, self.now, round, save).unwrap()
    }

    fn edit(&self, edit: impl FnOnce(&mut Actual)) {
        edit(&mut self.sink.0.lock().unwrap().memory.actual);
    }

    fn table(&self) -> String {
        crate::ipvsadm::table(&self.sink.0.lock().unwrap().memory.actual.services)
    }

    fn dumps(&self) -> usize {
        self.sink.0.lock().unwrap().dumps
    }
}

fn said(report: &Report) -> Vec<String> {
    report.plan.ops.iter().map(ToString::to_string).collect()
}

#[test]
fn a_change_costs_its_own_operation_and_no_look() {
    let mut world = World::new();
    assert_eq!(world.round(Round::default()).plan.ops.len(), 2);
    let dumps = world.dumps();
    world.instance(2, 50);
    assert_eq!(said(&world.round(Round::default())), ["-a -t 203.0.113.10:80 -r 127.0.0.2:80 -m -w 50"]);
    assert_eq!(said(&world.round(Round::default())), Vec::<String>::new());
    assert_eq!(world.dumps(), dumps);
}

#[test]
fn what_will_be_ours_is_on_disk_before_it_is_there() {
    let mut world = World::new();
    world.round(Round::default());
    let saved = world.sink.0.lock().unwrap().saved_at_apply.clone().unwrap();
    assert!(
        saved.services[&VIP.parse().unwrap()].destinations.contains_key(&"127.0.0.1:80".parse().unwrap())
    );
    // And until it is gone.
    world.records.remove(0);
    world.round(Round::default());
    world.round(Round::default());
    let inner = world.sink.0.lock().unwrap();
    assert!(inner.saved_at_apply.clone().unwrap().services.contains_key(&VIP.parse().unwrap()));
    assert_eq!(inner.saved, Some(State::default()));
}

#[test]
fn a_surprise_is_looked_into() {
    let mut world = World::new();
    world.round(Round::default());
    world.edit(|actual| actual.services.clear());
    world.instance(1, 7);
    let report = world.round(Round::default());
    assert!(report.again && report.failed.len() == 1, "{report:?}");
    let report = world.round(Round { look: true, ..Round::default() });
    assert!(!report.again);
    assert_eq!(
        world.table(),
        "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 127.0.0.1:80 -m -w 7\n"
    );
}

#[test]
fn who_was_faster_has_it() {
    let mut world = World::new();
    world.round(Round::default());
    let at = "127.0.0.2:80".parse().unwrap();
    world.edit(|actual| {
        let service = actual.services.get_mut(&VIP.parse().unwrap()).unwrap();
        service.destinations.insert(at, Destination::new(3, Forwarding::Masquerade));
    });
    world.instance(2, 50);
    let report = world.round(Round::default());
    assert_eq!(report.failed[0].error, OpError::Exists);
    world.round(Round { look: true, ..Round::default() });
    assert!(!world.sync.state().services[&VIP.parse().unwrap()].destinations.contains_key(&at));
    assert!(world.table().contains("-r 127.0.0.2:80 -m -w 3\n"));
}

#[test]
fn what_was_refused_is_not_ours_and_what_stayed_still_is() {
    let mut world = World::new();
    world.sink.0.lock().unwrap().refuses.insert("add_service");
    let report = world.round(Round::default());
    assert_eq!(report.failed.len(), 2, "the destination had nowhere to go");
    assert_eq!(world.sync.state(), &State::default());
    assert!(report.applied.is_empty());
    world.sink.0.lock().unwrap().refuses.clear();
    world.sync.try_all();
    world.round(Round { look: true, ..Round::default() });
    world.sink.0.lock().unwrap().refuses.extend(["remove_destination", "remove_service"]);
    world.records.remove(0);
    let before = world.sync.state().clone();
    world.round(Round::default());
    let report = world.round(Round::default());
    assert_eq!(report.failed.len(), 2);
    assert_eq!(
        world.sync.state().services.keys().collect::<Vec<_>>(),
        before.services.keys().collect::<Vec<_>>()
    );
    world.sink.0.lock().unwrap().refuses.clear();
    world.sync.try_all();
    world.round(Round { look: true, ..Round::default() });
    assert_eq!((world.table(), world.sync.state()), (String::new(), &State::default()));
}

#[test]
fn the_edits_of_others_are_counted_and_ours_are_not() {
    let mut world = World::new();
    world.round(Round::default());
    let look = Round { look: true, ..Round::default() };
    assert_eq!(world.round(look).counters.drift, 0);
    world.edit(|actual| {
        let service = actual.services.get_mut(&VIP.parse().unwrap()).unwrap();
        service
            .destinations
            .insert("127.0.0.1:80".parse().unwrap(), Destination::new(3, Forwarding::Masquerade));
        // Which is none of ours.
        service
            .destinations
            .insert("127.0.0.9:80".parse().unwrap(), Destination::new(3, Forwarding::Masquerade));
    });
    assert_eq!(world.round(look).counters.drift, 1);
    assert_eq!(world.round(look).counters.drift, 1);
}

#[tokio::test]
async fn who_left_and_does_not_answer_is_removed_at_once() {
    let mut world = World::new();
    // Somebody listens at one of the two.
    let alive = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = alive.local_addr().unwrap().port();
    for n in [1, 2] {
        let key = format!("instances/blog/0a1b2c3d-0000-4000-8000-00000000000{n}");
        world.records.retain(|(old, _)| *old != key);
        world.records.push((key, format!(r#"{{"address":"127.0.0.{n}","ports":{{"main":{port}}}}}"#)));
    }
    world.instance(3, 100);
    world.round(Round::default());
    world.edit(|actual| {
        for n in [1, 2] {
            actual.open.insert((VIP.parse().unwrap(), format!("127.0.0.{n}:{port}").parse().unwrap()), 1);
        }
    });
    world.forget(1);
    world.forget(2);
    let report = world.round(Round::default());
    assert_eq!(report.plan.ops, [], "most of a pool is not believed");
    assert_eq!(report.to_probe.len(), 2);
    world.sync.probes().ask(&report.to_probe).await;
    let report = world.round(Round::default());
    let dead = format!("-d -t 203.0.113.10:80 -r 127.0.0.2:{port}");
    let living = format!("-e -t 203.0.113.10:80 -r 127.0.0.1:{port} -m -w 0");
    assert_eq!(said(&report), [living, dead], "and one of three is no mishap");
    assert!(report.to_probe.is_empty(), "each is asked once");
}

#[test]
fn what_was_refused_rests_and_another_wish_is_tried_at_once() {
    let mut world = World::new();
    world.round(Round::default());
    world.sink.0.lock().unwrap().refuses.insert("set_destination");
    world.instance(1, 7);
    let report = world.round(Round::default());
    assert_eq!((report.plan.ops.len(), report.failed.len()), (1, 1));
    assert_eq!(report.retry, Some(world.now + std::time::Duration::from_secs(5)));
    let report = world.round(Round { look: true, ..Round::default() });
    assert_eq!((report.plan.ops.len(), report.failed.len()), (0, 1), "not tried, and still shown");
    world.now = world.now + std::time::Duration::from_secs(5);
    let report = world.round(Round::default());
    assert_eq!(report.plan.ops.len(), 1);
    assert_eq!(report.retry, Some(world.now + std::time::Duration::from_secs(10)), "longer each time");
    world.instance(1, 8);
    assert_eq!(world.round(Round::default()).plan.ops.len(), 1, "another wish");
    world.sink.0.lock().unwrap().refuses.clear();
    world.instance(1, 9);
    let report = world.round(Round::default());
    assert_eq!((report.plan.ops.len(), report.failed.len(), report.retry), (1, 0, None));
}

#[test]
fn what_is_waited_for_is_looked_at_and_may_be_gone() {
    let mut world = World::new();
    world.instance(2, 50);
    world.instance(3, 50);
    world.round(Round::default());
    world.forget(2);
    world.round(Round::default());
    world.edit(|actual| actual.services.clear());
    let report = world.round(Round::default());
    assert!(!report.again && report.failed.is_empty(), "it was seen before it was touched: {report:?}");
    assert_eq!(report.plan.ops.len(), 3);
    assert_eq!(world.sync.state().services[&VIP.parse().unwrap()].destinations.len(), 2);
}
