//! A registry in miniature: puts and deletes go through `apply` and the keeper, as the follower does it.

mod history;
mod records;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::Member;
use crate::apply::apply;
use crate::kv::{Batch, Change, Entry, LeaseId, Revision};
use crate::record::{Held, InstanceId, Key, State};
use crate::snapshot::Snapshot;

struct World {
    snapshot: Snapshot,
    keeper: Keeper,
    revision: u64,
    now: Now,
}

impl World {
    /// Jobs with a check are called `checked…`, those that may not be held `loose…`.
    fn new(jobs: &[(&str, u32)]) -> World {
        let mut world = World {
            snapshot: Snapshot { origin: "one".into(), ..Snapshot::default() },
            keeper: Keeper::new(Policy::default(), "hub", true),
            revision: 0,
            now: Now { monotonic: Instant::now(), wall: Timestamp::from_seconds(1_000_000) },
        };
        for (job, instances) in jobs {
            let check = if job.starts_with("checked") { r#"{"kind":"tcp"}"# } else { "null" };
            let hold = !job.starts_with("loose");
            let text = format!(
                r#"{{"jobname":"job.{job}","ports":[{{"name":"main","port":80,"protocol":"tcp"}}],"check":{check},"hold":{hold}}}"#
            );
            world.put(&format!("jobs/{job}"), &text);
            for n in 0..*instances {
                world.register(job, n, State::Up);
            }
        }
        world
    }

    fn commit(&mut self, changes: Vec<Change>) {
        let batch = Batch { revision: Revision(self.revision), changes };
        self.keeper.observe(&self.snapshot, &batch, self.now);
        self.snapshot = apply(&self.snapshot, &batch);
        self.keeper.decide(&mut self.snapshot, self.now);
    }

    fn put(&mut self, key: &str, value: &str) {
        self.revision += 1;
        let entry = entry(key, value, self.revision);
        self.commit(vec![Change::Put(entry)]);
    }

    fn delete(&mut self, key: &str) {
        self.revision += 1;
        self.commit(vec![Change::Delete { key: key.into(), revision: Revision(self.revision) }]);
    }

    fn register(&mut self, job: &str, n: u32, state: State) {
        // Jobs that differ by more than a number are on hosts of their own.
        self.put(&key(job, n), &instance(job.len() as u32 * 1_000 + n, state));
    }

    fn lose(&mut self, job: &str, which: std::ops::Range<u32>) {
        for n in which {
            self.delete(&key(job, n));
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.monotonic += Duration::from_secs(seconds);
        self.now.wall = self.now.wall + Duration::from_secs(seconds);
        self.keeper.tick(&mut self.snapshot, self.now);
    }

    fn release(&mut self, which: &Release) -> usize {
        self.keeper.release(&mut self.snapshot, which, self.now)
    }

    fn members(&self, job: &str) -> usize {
        self.snapshot.members(&job.parse().unwrap()).count()
    }

    fn held(&self) -> usize {
        self.snapshot.held_count()
    }

    /// What the writer would do, and the registry's events of it.
    fn write(&mut self) {
        let Some(unwritten) = self.keeper.unwritten(&self.snapshot) else { return };
        for (job, id, held) in unwritten.put {
            let text = serde_json::to_string(&held.value).unwrap();
            self.put(&Key::Held(job, id).to_string(), &text);
        }
        for (job, id) in unwritten.delete {
            self.delete(&Key::Held(job, id).to_string());
        }
    }

    /// The listing that a registry with these keys gives.
    fn relist(&mut self, keep: impl Fn(&str) -> bool, origin: &str, revision: u64, away: Duration) {
        self.relist_after(keep, origin, revision, Away { time: away, from_disk: false });
    }

    fn relist_after(&mut self, keep: impl Fn(&str) -> bool, origin: &str, revision: u64, away: Away) {
        let entries = self.snapshot.entries().into_iter().filter(|entry| keep(&entry.key)).collect();
        let listing = crate::kv::Listing { origin: origin.into(), revision: Revision(revision), entries };
        let mut fresh = Snapshot::from_listing(listing);
        self.keeper.relisted(&self.snapshot, &mut fresh, away, self.now);
        self.snapshot = fresh;
        self.revision = revision;
    }
}

fn entry(key: &str, value: &str, revision: u64) -> Entry {
    let lease = key.starts_with("instances/").then_some(LeaseId(7));
    let value = value.to_owned().into();
    Entry { key: key.into(), value, created: Revision(revision), modified: Revision(revision), lease }
}

fn id(n: u32) -> InstanceId {
    format!("00000000-0000-4000-8000-{n:012}").parse().unwrap()
}

fn key(job: &str, n: u32) -> String {
    format!("instances/{job}/{}", id(n))
}

fn instance(n: u32, state: State) -> String {
    format!(
        r#"{{"address":"10.{}.{}.{}","ports":{{"main":80}},"state":"{state}"}}"#,
        n / 1_000,
        n % 1_000 / 200,
        n % 200 + 1
    )
}

#[test]
fn a_few_may_go_and_too_many_are_held_with_those_before_them() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..3);
    assert_eq!((world.members("app"), world.held()), (7, 0), "3 of 10 are no more than the share");
    world.lose("app", 3..4);
    assert_eq!((world.members("app"), world.held()), (10, 4));
    world.lose("app", 4..10);
    assert_eq!((world.members("app"), world.held()), (10, 10));
    let reason = &world.snapshot.held.values().next().unwrap().values().next().unwrap().value.reason;
    assert!(reason.contains("4 of 10 instances of the job went within 30 s"), "{reason}");
}

#[test]
fn who_says_farewell_is_never_held() {
    for state in [State::Draining, State::Down] {
        let mut world = World::new(&[("app", 10)]);
        for n in 0..10 {
            world.register("app", n, state);
        }
        world.lose("app", 0..10);
        assert_eq!((world.members("app"), world.held()), (0, 0), "{state}");
    }
}

#[test]
fn a_job_may_refuse_the_hold() {
    let mut world = World::new(&[("loose", 10)]);
    world.lose("loose", 0..10);
    assert_eq!((world.members("loose"), world.held()), (0, 0));
}

#[test]
fn the_last_instance_of_a_job_is_kept_while_a_check_vouches_for_it() {
    let mut world = World::new(&[("checked", 1), ("app", 1), ("other", 30)]);
    world.lose("checked", 0..1);
    world.lose("app", 0..1);
    assert_eq!((world.members("checked"), world.members("app")), (1, 0));
    world.pass(3_600);
    assert_eq!(world.members("checked"), 1, "its check ends it, not the clock");
    assert_eq!(world.release(&Release::Instance("checked".parse().unwrap(), id(0))), 1);
    assert_eq!(world.members("checked"), 0);
}

#[test]
fn one_that_went_is_looked_at_again_when_its_job_changes() {
    let mut world = World::new(&[("checked", 2), ("plain", 1)]);
    world.lose("checked", 0..1);
    assert_eq!(world.held(), 0, "the other one serves");
    world.register("checked", 1, State::Draining);
    world.lose("checked", 1..2);
    assert_eq!(world.held(), 1, "the other one left in order, and nobody is left");

    world.lose("plain", 0..1);
    assert_eq!(world.held(), 1, "nothing vouches for it");
    world.put("jobs/plain", r#"{"jobname":"job.plain","ports":[{"name":"main","port":80}]}"#);
    assert_eq!(world.held(), 2, "now its check does");
}

#[test]
fn many_jobs_losing_one_each_are_one_loss() {
    let jobs: Vec<String> = (0..20).map(|n| format!("app{n}")).collect();
    let mut world = World::new(&jobs.iter().map(|job| (job.as_str(), 2)).collect::<Vec<_>>());
    for job in &jobs {
        world.lose(job, 0..1);
    }
    assert_eq!(world.held(), 20);
}

#[test]
fn departures_far_apart_are_ordinary() {
    let mut world = World::new(&[("app", 10)]);
    for n in 0..10 {
        world.lose("app", n..n + 1);
        world.pass(16);
    }
    assert_eq!((world.members("app"), world.held()), (0, 0));
}

#[test]
fn whoever_comes_back_is_not_held_and_counts_no_longer() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..5);
    assert_eq!(world.held(), 5);
    for n in 0..5 {
        world.register("app", n, State::Up);
    }
    assert_eq!((world.members("app"), world.held()), (10, 0));
    world.lose("app", 0..1);
    assert_eq!((world.members("app"), world.held()), (9, 0), "a crash after it is a crash");
}

#[test]
fn without_a_check_a_hold_ends_at_its_deadline() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..10);
    world.pass(599);
    assert_eq!(world.members("app"), 10);
    world.pass(1);
    assert_eq!((world.members("app"), world.held()), (0, 0));
}

#[test]
fn a_steady_registry_is_believed_of_those_who_did_not_come_back() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..10);
    for n in 0..8 {
        world.register("app", n, State::Up);
    }
    world.pass(29);
    assert_eq!((world.members("app"), world.held()), (10, 2));
    world.pass(1);
    assert_eq!((world.members("app"), world.held()), (8, 0));
}

#[test]
fn a_new_owner_of_the_address_ends_the_hold() {
    let mut world = World::new(&[("app", 10), ("next", 0)]);
    world.lose("app", 0..10);
    world.put(&key("next", 99), &instance(3_003, State::Up));
    world.pass(1);
    assert_eq!(world.members("app"), 9);
    world.put(&key("app", 98), &instance(3_004, State::Up));
    assert_eq!(world.members("app"), 9, "the restarted one is not there twice, not even for a moment");
}

#[test]
fn clean_farewell_in_one_batch_is_not_held() {
    let mut world = World::new(&[("app", 4)]);
    let mut changes = Vec::new();
    for n in 0..4 {
        world.revision += 1;
        changes.push(Change::Put(entry(&key("app", n), &instance(3_000 + n, State::Down), world.revision)));
        world.revision += 1;
        changes.push(Change::Delete { key: key("app", n), revision: Revision(world.revision) });
    }
    world.commit(changes);
    assert_eq!((world.members("app"), world.held()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever goes without a farewell, and however mixed: a job that a check vouches for is never emptied, and nobody
    /// who said farewell is served.
    #[test]
    fn no_checked_job_is_emptied(steps in prop::collection::vec((0..2u32, 0..6u32, 0..8u8), 1..120)) {
        let mut world = World::new(&[("checked0", 6), ("checked1", 6)]);
        let mut farewell = BTreeSet::new();
        for (job, n, what) in steps {
            let job = format!("checked{job}");
            let n = n + if job == "checked1" { 100 } else { 0 };
            match what {
                0..=1 => {
                    world.register(&job, n, State::Up);
                    farewell.remove(&n);
                }
                2 => {
                    if world.snapshot.instance(&job.parse().unwrap(), id(n)).is_some() {
                        world.register(&job, n, State::Draining);
                        farewell.insert(n);
                    }
                }
                3..=6 => {
                    let lives = world.snapshot.instance(&job.parse().unwrap(), id(n)).is_some();
                    world.delete(&key(&job, n));
                    if lives && !farewell.contains(&n) {
                        prop_assert!(world.members(&job) > 0, "{job} was emptied without a farewell");
                    }
                }
                _ => world.pass(20),
            }
            for job in ["checked0", "checked1"] {
                let name = job.parse().unwrap();
                for member in world.snapshot.members(&name).filter(Member::is_held) {
                    prop_assert!((0..200).all(|n| id(n) != member.id() || !farewell.contains(&n)));
                }
            }
        }
    }
}
