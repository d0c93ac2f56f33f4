//! `plan(file, current) -> steps`: pure; what is printed and what is written are the same list.
//!
//! The order is the safety of it: guards, then new rules that keep out, then changed ones, then the others; of what goes,
//! first what lets in and last what keeps out. So what closes is there before what opens. Records are written one by one,
//! and two denies that trade their ranges have a moment in between that no order mends: give the new one an id of its own.

use std::collections::BTreeSet;
use std::fmt;

use roundhouse_config::{Place, Selector};
use roundhouse_registry::Revision;
use roundhouse_registry::record::{Action, Guard, Name, Rule, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::current::Current;
use crate::cli::apply::report::{Deed, Field};
use crate::cli::guard;
use crate::cli::rules_file::{Placed, RulesFile, WantedGuard};

#[derive(Debug)]
pub(super) struct Step {
    pub(super) subject: Subject,
    pub(super) deed: Deed,
    /// For [`Deed::Change`].
    pub(super) fields: Vec<Field>,
    /// Where the file has it.
    pub(super) place: Option<Place>,
    /// The revision that is replaced or deleted.
    pub(super) at: Option<Revision>,
}

#[derive(Debug)]
pub(super) enum Subject {
    Guard(Selector, Guard),
    Rule(Name, Rule),
}

/// In the order in which they are written; and how many rules are not in the file and stay.
pub(super) fn plan(file: &RulesFile, current: &Current, prune: bool, now: Timestamp) -> (Vec<Step>, usize) {
    let guards = file.guards.iter().map(|wanted| guard_step(wanted, current, now));
    let rules = file.rules.iter().map(|wanted| rule_step(wanted, current));
    let named: BTreeSet<&Name> = file.rules.iter().map(|rule| &rule.name).collect();
    let others = current.rules.iter().filter(|(id, _)| !named.contains(id));
    let left = if prune { 0 } else { others.clone().count() };
    let pruned = others.filter(|_| prune).map(|(id, (rule, at))| Step {
        subject: Subject::Rule(id.clone(), rule.clone()),
        deed: Deed::Delete,
        fields: Vec::new(),
        place: None,
        at: Some(*at),
    });
    let mut steps: Vec<Step> = guards.chain(rules).chain(pruned).collect();
    // A stable sort: within a rank the file's order stays.
    steps.sort_by_key(Step::rank);
    (steps, left)
}

fn guard_step(wanted: &Placed<Selector, WantedGuard>, current: &Current, now: Timestamp) -> Step {
    let stored = current.guards.get(&wanted.name);
    let guard = guard::wanted(stored.map(|(guard, _)| guard), wanted.value.note.clone(), now);
    let (deed, fields) = compared(stored.map(|(guard, _)| guard), &guard);
    let subject = Subject::Guard(wanted.name.clone(), guard);
    Step { subject, deed, fields, place: Some(wanted.place), at: stored.map(|(_, at)| *at) }
}

fn rule_step(wanted: &Placed<Name, Rule>, current: &Current) -> Step {
    let stored = current.rules.get(&wanted.name);
    let (deed, fields) = compared(stored.map(|(rule, _)| rule), &wanted.value);
    let subject = Subject::Rule(wanted.name.clone(), wanted.value.clone());
    Step { subject, deed, fields, place: Some(wanted.place), at: stored.map(|(_, at)| *at) }
}

fn compared<T: PartialEq + Serialize>(stored: Option<&T>, wanted: &T) -> (Deed, Vec<Field>) {
    match stored {
        None => (Deed::Create, Vec::new()),
        Some(stored) if stored == wanted => (Deed::Keep, Vec::new()),
        Some(stored) => (Deed::Change, Field::between(&json!(stored), &json!(wanted))),
    }
}

impl Step {
    fn rank(&self) -> u8 {
        match (&self.subject, self.deed) {
            (Subject::Guard(..), _) => 0,
            (Subject::Rule(_, rule), Deed::Create) if keeps_out(rule) => 1,
            (Subject::Rule(_, rule), Deed::Delete) => 4 + u8::from(keeps_out(rule)),
            (Subject::Rule(_, rule), _) if keeps_out(rule) => 2,
            (Subject::Rule(..), _) => 3,
        }
    }
}

/// One that is only tried keeps nobody out.
fn keeps_out(rule: &Rule) -> bool {
    rule.action == Action::Deny && !rule.dry_run
}

impl Subject {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Subject::Guard(..) => "guard",
            Subject::Rule(..) => "rule",
        }
    }
}

/// The name alone.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Guard(selector, _) => selector.fmt(f),
            Subject::Rule(id, _) => id.fmt(f),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
