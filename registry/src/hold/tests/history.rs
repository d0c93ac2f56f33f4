//! Listings: what departed while nobody looked, and registries with another history.

use super::*;

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
