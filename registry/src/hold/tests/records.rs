//! Holds as records: several gateways, and releases.

use super::*;

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
