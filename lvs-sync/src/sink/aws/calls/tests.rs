use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Groups with a quota, which take down what they are told.
#[derive(Default)]
struct Groups {
    targets: BTreeMap<String, BTreeSet<SocketAddr>>,
    quota: Option<usize>,
    bad: BTreeSet<SocketAddr>,
    /// What the call of this number is answered with.
    fails: Option<(usize, CallError)>,
    /// As in `+ blog 100`.
    told: Vec<String>,
}

impl Call for Groups {
    fn call(&mut self, change: Change, group: &str, targets: &[SocketAddr]) -> Result<(), CallError> {
        let sign = if change == Change::Register { '+' } else { '-' };
        self.told.push(format!("{sign} {group} {}", targets.len()));
        if let Some((at, error)) = &self.fails
            && *at == self.told.len()
        {
            return Err(error.clone());
        }
        let there = self.targets.entry(group.into()).or_default();
        match change {
            Change::Register if targets.iter().any(|target| self.bad.contains(target)) => {
                return Err(CallError::BadTarget("InvalidTarget".into()));
            }
            Change::Register if self.quota.is_some_and(|quota| there.len() + targets.len() > quota) => {
                return Err(CallError::Full("TooManyTargets".into()));
            }
            Change::Register => there.extend(targets),
            Change::Deregister => there.retain(|target| !targets.contains(target)),
        }
        Ok(())
    }
}

fn targets(numbers: std::ops::Range<u16>) -> Vec<SocketAddr> {
    numbers.map(|n| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 80))).collect()
}

fn work(group: &str, come: std::ops::Range<u16>, leave: std::ops::Range<u16>) -> Work {
    Work { group: group.into(), come: targets(come), leave: targets(leave) }
}

fn failed(outcomes: &[Outcome]) -> Vec<(SocketAddr, CallError)> {
    let failed = outcomes.iter().filter_map(|(.., at, outcome)| Some((*at, outcome.clone().err()?)));
    failed.collect()
}

#[test]
fn who_comes_to_any_group_is_there_before_somebody_leaves_one() {
    let mut groups = Groups::default();
    let works = [work("blog", 0..250, 300..501), work("shop", 0..1, 1..2)];
    let outcomes = carry_out(&works, &mut groups);
    assert_eq!(
        groups.told,
        [
            "+ blog 100",
            "+ blog 100",
            "+ blog 50",
            "+ shop 1",
            "- blog 100",
            "- blog 100",
            "- blog 1",
            "- shop 1"
        ]
    );
    assert_eq!(outcomes.len(), 250 + 201 + 2);
    assert_eq!(failed(&outcomes), []);
}

#[test]
fn a_full_group_has_its_leavers_out_first_and_other_groups_have_not() {
    let mut groups = Groups { quota: Some(150), ..Groups::default() };
    groups.targets.insert("blog".into(), targets(300..450).into_iter().collect());
    let works = [work("shop", 0..1, 1..2), work("blog", 0..120, 300..420)];
    let outcomes = carry_out(&works, &mut groups);
    assert_eq!(
        groups.told,
        ["+ shop 1", "+ blog 100", "- blog 100", "- blog 20", "+ blog 100", "+ blog 20", "- shop 1"]
    );
    assert_eq!(failed(&outcomes), []);
    assert_eq!(outcomes.len(), 242);
}

#[test]
fn a_group_that_stays_full_says_so_and_is_asked_once_more_only() {
    let mut groups = Groups { quota: Some(1), ..Groups::default() };
    groups.targets.insert("blog".into(), targets(300..301).into_iter().collect());
    let outcomes = carry_out(&[work("blog", 0..2, 300..301)], &mut groups);
    assert_eq!(groups.told, ["+ blog 2", "- blog 1", "+ blog 2"]);
    let full = CallError::Full("TooManyTargets".into());
    assert_eq!(failed(&outcomes), targets(0..2).into_iter().map(|at| (at, full.clone())).collect::<Vec<_>>());
    // Where nobody leaves, there is no place to be made.
    groups.told.clear();
    carry_out(&[work("blog", 0..2, 0..0)], &mut groups);
    assert_eq!(groups.told, ["+ blog 2"]);
}

#[test]
fn one_that_will_not_do_keeps_out_nobody_else() {
    let bad = targets(42..43)[0];
    let mut groups = Groups { bad: [bad].into(), ..Groups::default() };
    let outcomes = carry_out(&[work("blog", 0..100, 0..0)], &mut groups);
    assert_eq!(failed(&outcomes), [(bad, CallError::BadTarget("InvalidTarget".into()))]);
    assert_eq!(groups.targets["blog"].len(), 99);
    assert!(groups.told.len() <= 15, "{:?}", groups.told);
}

#[test]
fn after_one_that_was_not_answered_none_is_made() {
    let works = [work("blog", 0..150, 300..301)];
    for (error, later) in [
        (CallError::Unreached("no answer".into()), CallError::Throttled("no answer".into())),
        (CallError::Late, CallError::Late),
    ] {
        let mut groups = Groups { fails: Some((1, error.clone())), ..Groups::default() };
        let outcomes = carry_out(&works, &mut groups);
        assert_eq!(groups.told, ["+ blog 100"]);
        let errors: Vec<CallError> = failed(&outcomes).into_iter().map(|(_, error)| error).collect();
        assert_eq!(errors.len(), 151);
        assert!(errors[..100].iter().all(|found| *found == error), "{errors:?}");
        assert!(errors[100..].iter().all(|found| *found == later), "{errors:?}");
    }
    // One that was is no reason to stop.
    let mut groups = Groups { fails: Some((1, CallError::Strange("?".into()))), ..Groups::default() };
    assert_eq!(failed(&carry_out(&works, &mut groups)).len(), 100);
}
