//! The table against its naive twin, over random worlds that change under it.

mod examples;
mod naive;
mod world;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use self::naive::Judged;
use self::world::World;
use super::{Compiler, Decision};

/// Worlds, changes of each, and questions after each change: a million questions.
const WORLDS: u64 = 250;
const CHANGES: usize = 8;
const QUESTIONS: usize = 500;

fn judged(decision: &Decision<'_>) -> Judged {
    Judged {
        verdict: decision.verdict,
        reason: decision.reason,
        rule: decision.rule.map(|rule| rule.id.clone()),
        identity: decision.jobname().cloned(),
        would: decision.would.map(|would| (would.verdict, would.rule.map(|rule| rule.id.clone()))),
    }
}

#[test]
fn a_million_decisions_are_the_naive_twin_s() {
    let mut verdicts = std::collections::BTreeMap::<&str, usize>::new();
    for seed in 0..WORLDS {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new(&mut rng);
        let mut compiler = Compiler::default();
        for change in 0..CHANGES {
            compiler.update(&world.snapshot);
            let table = compiler.table();
            for question in 0..QUESTIONS {
                let asked = world.question(&mut rng);
                let query = asked.query();
                let policy = table.policy(&asked.job).unwrap();
                let decision = table.decide(policy, &query);
                let expected = naive::judge(&world.snapshot, &asked.job, &query);
                assert_eq!(
                    judged(&decision),
                    expected,
                    "world {seed}, change {change}, question {question}: {asked:?}\n{:#?}",
                    world.snapshot.rules
                );
                *verdicts.entry(decision.reason.as_str()).or_default() += 1;
                if !decision.allows() && decision.may_be_a_miss() {
                    assert!(decision.rule.is_none());
                }
            }
            for _ in 0..rng.random_range(1..6) {
                world.change(&mut rng);
            }
        }
    }
    // Each of these must have been asked for often, or the test says nothing of it.
    for reason in [
        "open",
        "rule",
        "default_allow",
        "default_deny",
        "guarded",
        "false_claim",
        "unproved",
        "stale",
        "stale_unproved",
    ] {
        assert!(verdicts.get(reason).is_some_and(|count| *count > 500), "{reason}: {verdicts:?}");
    }
}

/// What a change is said to have touched is all that it touched.
#[test]
fn what_did_not_change_is_decided_as_before() {
    for seed in 1_000..1_100 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new(&mut rng);
        let mut compiler = Compiler::default();
        compiler.update(&world.snapshot);
        for _ in 0..CHANGES {
            let before = compiler.table().clone();
            world.change(&mut rng);
            let changed = compiler.update(&world.snapshot);
            let now = compiler.table();
            for _ in 0..100 {
                let asked = world.question(&mut rng);
                let query = asked.query();
                let (Some(old), Some(new)) = (before.policy(&asked.job), now.policy(&asked.job)) else {
                    continue;
                };
                let peers: Vec<_> = std::iter::once(query.peer).chain(query.own.iter().copied()).collect();
                if changed.jobs.contains(&asked.job)
                    || peers.iter().any(|peer| changed.addresses.contains(&peer.to_canonical()))
                {
                    continue;
                }
                let (old, new) = (judged(&before.decide(old, &query)), judged(&now.decide(new, &query)));
                assert_eq!(old, new, "world {seed}: {asked:?}, {changed:?}");
            }
        }
    }
}
