//! A registry in miniature: puts and deletes go through `apply` and the keeper, as the follower does it.

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
fn a_recorded_hold_is_the_registrys() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..10);
    world.write();
    assert!(world.keeper.unwritten(&world.snapshot).is_none());
    assert_eq!(world.held(), 10);
    // Another gateway releases one; a registrar that comes back takes its record away in its own transaction.
    world.delete(&key("held", 0).replace("instances/held", "held/app"));
    assert_eq!((world.members("app"), world.held()), (9, 9));
}

#[test]
fn a_release_stands_also_while_the_registry_takes_no_writes() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..10);
    world.write();
    assert_eq!(world.release(&Release::Job("app".parse().unwrap())), 10);
    assert_eq!(world.members("app"), 0);
    let record = serde_json::to_string(&Held {
        instance: crate::record::decode(instance(0, State::Up).as_bytes()).unwrap(),
        since: Timestamp::from_seconds(1),
        until: None,
        reason: "still there".into(),
        by: "hub".into(),
    });
    world.put(&Key::Held("app".parse().unwrap(), id(0)).to_string(), &record.unwrap());
    assert_eq!(world.members("app"), 0, "the record is still to be deleted");
    world.write();
    assert!(world.keeper.unwritten(&world.snapshot).is_none(), "and then it was");
}

/// The follower's snapshot has no record of what was released, the registry has it until the write is done; and other
/// things happen meanwhile.
#[test]
fn a_release_is_written_however_late_the_writer_is() {
    let mut world = World::new(&[("web", 10)]);
    world.lose("web", 0..10);
    world.write();
    assert_eq!(world.release(&Release::All), 10);
    for n in 10..13 {
        world.register("web", n, State::Up);
    }
    assert_eq!(world.keeper.unwritten(&world.snapshot).unwrap().delete.len(), 10);
    world.write();
    assert!(world.keeper.unwritten(&world.snapshot).is_none(), "and then it was");
}

/// The write of the hold is on its way when it is released, and arrives.
#[test]
fn a_release_catches_a_record_that_is_still_coming() {
    let mut world = World::new(&[("web", 10)]);
    world.lose("web", 0..10);
    let coming = world.keeper.unwritten(&world.snapshot).unwrap().put;
    assert_eq!(world.release(&Release::All), 10);
    for (job, id, held) in coming {
        let text = serde_json::to_string(&held.value).unwrap();
        world.put(&Key::Held(job, id).to_string(), &text);
    }
    assert_eq!(world.members("web"), 0, "released is released");
    world.pass(60);
    world.write();
    assert!(world.keeper.unwritten(&world.snapshot).is_none(), "and the records are gone");
    // Without a record there is nothing to wait for, for ever.
    let mut world = World::new(&[("web", 10)]);
    world.lose("web", 0..10);
    assert_eq!(world.release(&Release::All), 10);
    world.pass(11);
    assert!(world.keeper.unwritten(&world.snapshot).is_none());
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
fn what_departed_while_nobody_looked_is_judged_alike() {
    let gone = |key: &str| !key.starts_with("instances/app/");
    let mut world = World::new(&[("app", 10)]);
    world.relist(gone, "one", 500, Duration::from_secs(20));
    assert_eq!((world.members("app"), world.held()), (10, 10));
    let mut world = World::new(&[("app", 10)]);
    world.relist(gone, "one", 500, Duration::from_secs(600));
    assert_eq!(world.members("app"), 0, "a hold from then would be over");
}

#[test]
fn a_relist_forgets_no_hold() {
    let mut world = World::new(&[("app", 10)]);
    world.lose("app", 0..10);
    world.relist(|key| !key.starts_with("held/"), "one", 500, Duration::from_secs(20));
    assert_eq!((world.members("app"), world.held()), (10, 10));
    assert_eq!(world.keeper.unwritten(&world.snapshot).unwrap().put.len(), 10);
}

#[test]
fn another_history_empties_nothing() {
    for (origin, revision) in [("one", 3), ("two", 500)] {
        let mut world = World::new(&[("app", 1), ("loose", 1)]);
        world.put("domains/a.example", r#"{"routes":[{"to":[{"job":"app","port":"main"}]}]}"#);
        world.put("vips/app", r#"{"offset":7}"#);
        world.put("guards/cop.x", "{}");
        let before = world.snapshot.clone();
        world.relist(|_| false, origin, revision, Duration::from_secs(20));
        assert_eq!((world.members("app"), world.members("loose")), (1, 0));
        assert_eq!((&world.snapshot.jobs, &world.snapshot.domains), (&before.jobs, &before.domains));
        assert_eq!(world.snapshot.retained.len(), 5);
        // One that is written again is the registry's own.
        world.put("jobs/app", r#"{"jobname":"job.app"}"#);
        assert_eq!(world.snapshot.retained.len(), 4);
        world.relist(|key| key == "jobs/app", origin, world.revision, Duration::ZERO);
        assert_eq!(world.snapshot.domains, before.domains, "a second listing of the same history");
        world.pass(600);
        let left: Vec<_> = world.snapshot.retained.keys().map(ToString::to_string).collect();
        assert_eq!(left, ["guards/cop.x"], "losing a guard opens a door");
        assert_eq!((world.snapshot.jobs.len(), world.snapshot.domains.len()), (1, 0));
        assert_eq!(world.release(&Release::Record("guards/cop.x".into())), 1);
        assert_eq!(world.snapshot.guards.len(), 0);
    }
}

#[test]
fn tokens_of_a_former_history_go_only_by_name() {
    let mut world = World::new(&[("app", 1)]);
    let token = format!(r#"{{"role":"admin","hash":"{}"}}"#, "0".repeat(64));
    for key in ["tokens/root", "tokens/ci"] {
        world.put(key, &token);
    }
    assert_eq!(world.snapshot.tokens.len(), 2);
    world.relist(|_| false, "two", 500, Duration::from_secs(20));
    world.pass(100_000);
    assert_eq!(world.snapshot.tokens.len(), 2, "no deadline ends them");
    world.release(&Release::All);
    assert_eq!((world.snapshot.tokens.len(), world.snapshot.retained.len()), (2, 2));
    assert_eq!(world.release(&Release::Record("tokens/ci".into())), 1);
    assert_eq!(world.snapshot.tokens.len(), 1);
}

#[test]
fn an_old_file_says_what_was_but_for_what_guards_doors() {
    let mut world = World::new(&[("app", 3)]);
    world.put("guards/cop.x", "{}");
    let away = Away { time: Duration::from_secs(600), from_disk: true };
    world.relist_after(|_| false, "one", 3, away);
    assert_eq!((world.members("app"), world.snapshot.jobs.len(), world.snapshot.guards.len()), (0, 0, 1));
}

#[test]
fn a_registrars_implicit_job_does_not_take_the_place_of_a_retained_one() {
    let mut world = World::new(&[("checked", 2)]);
    let explicit = world.snapshot.jobs.clone();
    let implicit = r#"{"jobname":"job.checked","implicit":true}"#;
    // Brought before this program listed the new history, and after.
    for early in [true, false] {
        let mut other = Snapshot { origin: "two".into(), ..Snapshot::default() };
        if early {
            other.put(&entry("jobs/checked", implicit, 1));
        }
        other.revision = Revision(1);
        let away = Away { time: Duration::ZERO, from_disk: false };
        world.keeper.relisted(&world.snapshot, &mut other, away, world.now);
        assert_eq!(
            other.jobs.values().map(|job| &job.value).collect::<Vec<_>>(),
            explicit.values().map(|job| &job.value).collect::<Vec<_>>()
        );
        world.snapshot = other;
        world.revision = 1;
        world.put("jobs/checked", implicit);
        assert!(!world.snapshot.jobs.values().next().unwrap().value.implicit, "early: {early}");
        assert!(world.snapshot.retained.contains_key("jobs/checked"));
    }
    world.put("jobs/checked", r#"{"jobname":"job.checked","access":"deny"}"#);
    assert!(world.snapshot.retained.is_empty(), "a person's word is one");
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

#[test]
fn a_hold_recorded_by_another_gateway_is_not_overwritten_by_a_late_one() {
    let mut world = World::new(&[("app", 4)]);
    let before = world.snapshot.clone();
    // Gathered: the deletions and the other gateway's records, then one decision.
    let mut changes: Vec<Change> = Vec::new();
    for n in 0..4 {
        world.revision += 1;
        changes.push(Change::Delete { key: key("app", n), revision: Revision(world.revision) });
    }
    for n in 0..4 {
        world.revision += 1;
        let text = format!(
            r#"{{"instance":{},"since":1000000,"until":1000600,"reason":"x","by":"other"}}"#,
            serde_json::to_string(&before.instance(&"app".parse().unwrap(), id(n)).unwrap().value).unwrap()
        );
        changes.push(Change::Put(entry(&format!("held/app/{}", id(n)), &text, world.revision)));
    }
    world.commit(changes);
    assert_eq!(world.held(), 4);
    let by: Vec<_> = world
        .snapshot
        .held
        .values()
        .flat_map(|held| held.values())
        .map(|held| (held.value.by.to_string(), held.modified.0))
        .collect();
    assert!(world.keeper.unwritten(&world.snapshot).is_none(), "nothing to write: {by:?}");
}

#[test]
fn a_hold_released_by_another_gateway_is_not_held_again() {
    let mut world = World::new(&[("app", 4)]);
    let before = world.snapshot.clone();
    let mut changes: Vec<Change> = Vec::new();
    for n in 0..4 {
        world.revision += 1;
        changes.push(Change::Delete { key: key("app", n), revision: Revision(world.revision) });
        world.revision += 1;
        let text = format!(
            r#"{{"instance":{},"since":1000000,"until":1000600,"reason":"x","by":"other"}}"#,
            serde_json::to_string(&before.instance(&"app".parse().unwrap(), id(n)).unwrap().value).unwrap()
        );
        changes.push(Change::Put(entry(&format!("held/app/{}", id(n)), &text, world.revision)));
        world.revision += 1;
        changes
            .push(Change::Delete { key: format!("held/app/{}", id(n)), revision: Revision(world.revision) });
    }
    world.commit(changes);
    assert_eq!(world.held(), 0);
}

#[test]
fn wiped_and_overtaken() {
    let mut world = World::new(&[("app", 4)]);
    world.put("domains/a.example", r#"{"routes":[{"to":[{"job":"app","port":"main"}]}]}"#);
    world.put("guards/cop.x", "{}");
    let old = world.snapshot.clone();
    // etcd wiped, started with the same flags (same cluster id); the registrars are back before the gateway lists,
    // with new records whose revisions the old history gave to others.
    let mut fresh = Snapshot { origin: "one".into(), ..Snapshot::default() };
    fresh.put(&entry("jobs/app", r#"{"jobname":"job.app","implicit":true}"#, 2));
    for n in 0..4 {
        fresh.put(&entry(&key("app", n), &instance(3_000 + n, State::Up), 3 + u64::from(n)));
    }
    fresh.revision = Revision(old.revision.0 + 1);
    let away = Away { time: Duration::from_secs(5), from_disk: false };
    world.keeper.relisted(&old, &mut fresh, away, world.now);
    assert_eq!((fresh.domains.len(), fresh.guards.len(), fresh.retained.len()), (1, 1, 3));
}

#[test]
fn a_follower_without_probes_keeps_a_recorded_hold_that_a_hub_vouches_for() {
    let mut world = World::new(&[("checked", 4)]);
    world.keeper = Keeper::new(Policy::default(), "lvs", false);
    let mut changes: Vec<Change> = Vec::new();
    for n in 0..4 {
        world.revision += 1;
        let text = format!(
            r#"{{"instance":{},"since":1000000,"until":null,"reason":"x","by":"hub"}}"#,
            instance(7_000 + n, State::Up)
        );
        changes.push(Change::Put(entry(&format!("held/checked/{}", id(n)), &text, world.revision)));
        world.revision += 1;
        changes.push(Change::Delete { key: key("checked", n), revision: Revision(world.revision) });
    }
    world.commit(changes);
    world.pass(599);
    assert_eq!(world.members("checked"), 4);
    world.pass(2);
    assert_eq!(world.members("checked"), 4, "the hub still holds them: the record has no deadline");
}

#[test]
fn an_outage_longer_than_the_deadline_then_wiped() {
    let mut world = World::new(&[("checked", 4)]);
    world.put("domains/a.example", r#"{"routes":[{"to":[{"job":"checked","port":"main"}]}]}"#);
    world.relist(|_| false, "two", 3, Duration::from_secs(1_800));
    assert_eq!((world.members("checked"), world.snapshot.domains.len()), (4, 1));
}

#[test]
fn two_jobs_never_have_one_vip() {
    let mut world = World::new(&[("app", 1)]);
    world.put("vips/app", r#"{"offset":7}"#);
    world.relist(|_| false, "two", 3, Duration::from_secs(5));
    // The other gateway remembers nothing, and gives the offset to another job.
    world.put("jobs/new", r#"{"jobname":"job.new"}"#);
    world.put("vips/new", r#"{"offset":7}"#);
    let label = |text: &str| text.parse().unwrap();
    assert_ne!(world.snapshot.vip(&label("app")), world.snapshot.vip(&label("new")));
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
