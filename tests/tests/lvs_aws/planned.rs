//! The planner and the sink, round after round.

use std::net::SocketAddr;
use std::time::Duration;

use lvs_sync::desired::Held;
use lvs_sync::plan::State;
use lvs_sync::sink::OpError;
use lvs_sync::sink::aws::Aws;
use lvs_sync::sync::{Report, Round, Sync};
use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::{Entry, Listing, Revision};
use roundhouse_registry::record::Timestamp;

use crate::proxy::Fault;
use crate::stage::{Stage, blog, target};

const LOOK: Round = Round { look: true, forced: false, dry: false, until: None };
const DRAIN: u64 = 30;
/// What a sink refused is tried again after so many seconds.
const REST: u64 = 5;

struct World {
    stage: Stage,
    sync: Sync,
    records: Vec<(String, String)>,
    now: Timestamp,
}

impl World {
    /// Three instances, and a target of somebody else's.
    fn new() -> World {
        let stage = Stage::set();
        stage.operator.register(&stage.blog, &[target(99)]);
        let sync = sync(&stage, State::default());
        let mut world = World { stage, sync, records: Vec::new(), now: Timestamp::from_seconds(1_000) };
        let pool = r#"{"to":{"job":"blog"},"port":80,"sink":"aws","drain":"30s"}"#;
        world.records.push(("pools/blog".into(), pool.into()));
        for n in 1..=3 {
            world.instance(n, "up");
        }
        world
    }

    fn instance(&mut self, n: u8, state: &str) {
        self.forget(n);
        let (key, at) = (key(n), target(n.into()));
        let (ip, port) = (at.ip(), at.port());
        let value =
            format!(r#"{{"address":"{ip}","ports":{{"main":{port}}},"weight":100,"state":"{state}"}}"#);
        self.records.push((key, value));
    }

    fn forget(&mut self, n: u8) {
        self.records.retain(|(old, _)| *old != key(n));
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
        self.sync.round(&snapshot, self.now, round, |_| Ok(())).unwrap()
    }

    /// What was done, all of it.
    #[track_caller]
    fn done(&mut self, round: Round) -> Vec<String> {
        let report = self.round(round);
        assert!(report.failed.is_empty(), "{:?}", report.failed);
        assert!(report.plan.problems.is_empty(), "{:?}", report.plan.problems);
        report.plan.ops.iter().map(ToString::to_string).collect()
    }

    /// Nothing is left to do, however often one looks.
    #[track_caller]
    fn is_settled(&mut self) {
        self.stage.proxy.changes();
        for round in [Round::default(), LOOK, LOOK] {
            assert_eq!(self.done(round), [""; 0]);
        }
        assert_eq!(self.stage.proxy.changes(), [""; 0]);
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn registered(&self) -> Vec<SocketAddr> {
        self.stage.operator.registered(&self.stage.blog)
    }

    /// The n-th instances that the state has as ours.
    fn owned(&self) -> Vec<SocketAddr> {
        let owned = self.sync.state().services.get(&blog());
        owned.map(|owned| owned.destinations.keys().copied().collect()).unwrap_or_default()
    }
}

fn sync(stage: &Stage, state: State) -> Sync {
    Sync::new(Box::new(Aws::new(stage.options.clone()).unwrap()), Held::All, state)
}

fn key(n: u8) -> String {
    format!("instances/blog/0a1b2c3d-0000-4000-8000-00000000000{n}")
}

fn targets<const N: usize>(numbers: [u16; N]) -> [SocketAddr; N] {
    numbers.map(target)
}

#[test]
fn a_pool_comes_changes_and_goes_and_others_targets_stay() {
    let mut world = World::new();
    assert_eq!(world.done(LOOK).len(), 3);
    assert_eq!(world.registered(), targets([1, 2, 3, 99]));
    world.is_settled();
    let report = world.round(Round::default());
    assert_eq!(report.applied.len(), 1);
    // A director that starts anew knows what it had.
    world.sync = sync(&world.stage, world.sync.state().clone());
    world.is_settled();

    // One drains, for as long as AWS lets its connections be.
    world.instance(3, "draining");
    assert_eq!(world.done(Round::default()).len(), 1);
    assert_eq!(world.registered(), targets([1, 2, 99]));
    let report = world.round(LOOK);
    assert_eq!(
        report.plan.draining.iter().map(|one| (one.address, one.open)).collect::<Vec<_>>(),
        [(target(3), 1)]
    );
    world.later(1);
    world.is_settled();
    world.stage.proxy.end_drains();
    world.is_settled();
    assert_eq!(world.owned(), targets([1, 2]));

    // All go at once, which is looked at twice. The drain that the pool allows ends before AWS's.
    world.forget(1);
    world.forget(2);
    assert_eq!(world.done(LOOK), [""; 0]);
    world.later(60);
    assert_eq!(world.done(LOOK).len(), 2);
    assert_eq!(world.registered(), targets([99]));
    world.is_settled();
    world.later(DRAIN);
    assert_eq!(world.done(Round::default()).len(), 2, "they are forgotten");
    assert_eq!(world.owned(), []);
    world.is_settled();
    world.stage.proxy.end_drains();
    world.is_settled();

    // So does the pool; the group stays, with what is not ours.
    world.records.clear();
    world.done(LOOK);
    world.is_settled();
    assert_eq!(world.registered(), targets([99]));
    assert_eq!(world.owned(), []);
}

#[test]
fn an_instance_that_comes_back_while_it_drains_is_there_once_that_is_over() {
    let mut world = World::new();
    world.done(LOOK);
    world.instance(3, "maintenance");
    world.done(Round::default());
    world.instance(3, "up");
    for _ in 0..2 {
        let report = world.round(Round::default());
        let told = matches!(&report.failed[..], [one] if matches!(&one.error, OpError::Later(_)));
        assert!(told, "{:?}", report.failed);
    }
    assert_eq!(world.registered(), targets([1, 2, 99]));
    world.stage.proxy.end_drains();
    world.later(REST);
    let report = world.round(Round::default());
    assert!(report.again, "{report:?}");
    assert_eq!(world.done(LOOK).len(), 1);
    assert_eq!(world.registered(), targets([1, 2, 3, 99]));
    world.is_settled();

    // The same when it had been forgotten in between.
    world.instance(3, "maintenance");
    world.done(Round::default());
    world.later(DRAIN);
    assert_eq!(world.done(Round::default()).len(), 1);
    world.instance(3, "up");
    let report = world.round(Round::default());
    assert!(matches!(report.failed[0].error, OpError::Later(_)), "{:?}", report.failed);
    // Seen anew it is wanted there, and so it is waited for.
    let report = world.round(LOOK);
    assert!(matches!(report.failed[0].error, OpError::Later(_)), "{:?}", report.failed);
    world.stage.proxy.end_drains();
    assert_eq!(world.done(LOOK).len(), 1);
    assert_eq!(world.registered(), targets([1, 2, 3, 99]));
    assert_eq!(world.owned(), targets([1, 2, 3]));
    world.is_settled();
}

#[test]
fn a_group_without_others_is_forgotten_with_its_pool_and_taken_up_again() {
    let mut world = World::new();
    world.stage.operator.delete(&world.stage.blog);
    let report = world.round(LOOK);
    assert_eq!(report.failed.len(), 4, "the group and three targets");
    assert_eq!(world.sync.state(), &State::default());
    world.stage.blog = world.stage.operator.create("blog", "ip", None);
    world.later(REST);
    assert_eq!(world.done(LOOK).len(), 3);
    world.is_settled();
    let records = std::mem::take(&mut world.records);
    assert_eq!(world.done(LOOK).len(), 3);
    world.stage.proxy.end_drains();
    world.done(Round::default());
    world.is_settled();
    assert_eq!(world.sync.state(), &State::default());
    assert!(world.registered().is_empty());
    world.records = records;
    assert_eq!(world.done(LOOK).len(), 3);
    world.is_settled();
}

#[test]
fn a_group_that_was_away_for_a_look_is_still_ours() {
    let mut world = World::new();
    world.done(LOOK);
    // One look does not see its tag, or it: the state must not be read out of that.
    world.stage.proxy.fault("DescribeTargetHealth", 1, Fault::Error("TargetGroupNotFound"));
    let report = world.round(LOOK);
    let errors: Vec<&OpError> = report.failed.iter().map(|failed| &failed.error).collect();
    assert!(report.again && *errors[0] == OpError::Exists, "{errors:?}");
    assert!(errors[1..].iter().all(|error| matches!(error, OpError::Later(_))), "{errors:?}");
    world.is_settled();
    assert_eq!(world.owned(), targets([1, 2, 3]));
}
