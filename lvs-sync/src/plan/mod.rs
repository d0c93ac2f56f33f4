//! What has to be done so that a sink holds what is desired. Pure.
//!
//! ```text
//! desired ─┐                                   ┌─► ops, in an order in which nobody who has a server loses the last one
//! actual  ─┼─► service by service ─► plan ─────┼─► state: what is ours from now on, and until when what leaves may stay
//! state   ─┘   ours? keep, change, drain       └─► problems, what waits, when to look again
//! ```
//!
//! - **Ours** is what [`State`] says that we made; everything else is left as it is, also inside a service of ours. What is
//!   wanted and there by another hand is a problem of its pool, and nothing of that pool is changed.
//! - **What is right already gets no operation**: a kernel resets its scheduler even for equal values.
//! - **What leaves is drained**: weight 0, until its connections are gone or the deadline has passed, which is a time of day in
//!   the state and so survives a restart. UDP is seen to end by nobody and is not drained; neither is who is dead.
//! - **A mishap is no plan**: when most of a service's working destinations vanish together and still answer, they stay as
//!   they are until a second look.

mod leaving;
mod order;
mod service;
mod state;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_config::Label;
use roundhouse_registry::record::Timestamp;

pub use self::state::{Owned, State};
use crate::desired::{Desired, Problem, Wanted, Wrong};
use crate::model::{Actual, Op, Service, ServiceKey};
use crate::sink::Claim;

/// Between two looks at connections that are waited for.
pub const POLL: Duration = Duration::from_secs(1);
/// How long a mishap is waited out: a registry that comes back does so within it.
pub const SECOND_LOOK: Duration = Duration::from_secs(10);

/// What is known besides what is wanted and what is there.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub now: Timestamp,
    /// Destinations that were asked and did not answer.
    pub dead: BTreeSet<SocketAddr>,
    /// Services that are left as they are for now: the sink has refused them.
    pub resting: BTreeSet<ServiceKey>,
    /// A person has looked at it: nothing waits for a second look.
    pub forced: bool,
}

#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    pub ops: Vec<Op>,
    /// What is ours before the first operation is done and after the last one.
    pub state: State,
    pub problems: Vec<Problem>,
    /// Destinations that leave, with the connections that are waited for.
    pub draining: Vec<Draining>,
    /// Services most of whose destinations vanished: not believed yet.
    pub doubted: Vec<Doubted>,
    /// When to look again although nothing was heard.
    pub next: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draining {
    pub service: ServiceKey,
    pub address: SocketAddr,
    pub open: u64,
    pub deadline: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubted {
    pub service: ServiceKey,
    pub vanished: Vec<SocketAddr>,
    /// When it is believed, if it stays as it is.
    pub until: Timestamp,
}

/// `claim`: what the sink itself can tell of whose a service is.
pub fn plan(
    desired: &Desired,
    actual: &Actual,
    state: &State,
    facts: &Facts,
    claim: impl Fn(&ServiceKey) -> Claim,
) -> Plan {
    let ours = |key: &ServiceKey| claim(key) != Claim::Recorded || state.services.contains_key(key);
    let mut plan = Plan { problems: desired.problems.clone(), ..Plan::default() };
    plan.problems.extend(foreign(desired, actual, ours));
    let blocked: BTreeSet<&Label> =
        plan.problems.iter().filter(|problem| problem.blocks()).map(|problem| &problem.pool).collect();
    let blocked: BTreeSet<Label> = blocked.into_iter().cloned().collect();

    let mut steps = order::Steps::default();
    let mut next_state = State { falls: state.falls.clone(), vips: state.vips.clone(), ..State::default() };
    for key in keys(desired, actual, state, &claim) {
        let wanted = desired.services.get(&key);
        let owned = state.services.get(&key);
        if is_blocked(wanted, owned, &blocked) || facts.resting.contains(&key) {
            next_state.services.extend(owned.map(|owned| (key.clone(), owned.clone())));
            continue;
        }
        let found = actual.services.get(&key);
        let owned = effective(claim(&key), wanted, found, owned);
        let look = service::Look { key: &key, wanted, found, owned: &owned, actual, facts };
        let step = look.step();
        plan.draining.extend(step.draining);
        plan.doubted.extend(step.doubted);
        next_state.services.extend(step.owned.map(|owned| (key.clone(), owned)));
        steps.add(step.ops);
    }
    plan.ops = steps.ordered();
    plan.state = next_state;
    plan.next = next(&plan, desired, facts.now);
    plan
}

/// Everything that is wanted or ours.
fn keys(
    desired: &Desired,
    actual: &Actual,
    state: &State,
    claim: impl Fn(&ServiceKey) -> Claim,
) -> BTreeSet<ServiceKey> {
    let marked = actual.services.keys().filter(|key| claim(key) == Claim::Whole);
    desired.services.keys().chain(state.services.keys()).chain(marked).cloned().collect()
}

/// What is ours of a service: what we recorded, and what the sink says.
fn effective<'a>(
    claim: Claim,
    wanted: Option<&Wanted>,
    found: Option<&Service>,
    recorded: Option<&'a Owned>,
) -> Cow<'a, Owned> {
    let recorded = recorded.map_or_else(Cow::default, Cow::Borrowed);
    let (Some(found), false) = (found, claim == Claim::Recorded) else { return recorded };
    let is_wanted =
        |address: &SocketAddr| wanted.is_some_and(|wanted| wanted.service.destinations.contains_key(address));
    let claimed = found.destinations.keys().filter(|address| claim == Claim::Whole || is_wanted(address));
    let unknown: Vec<_> =
        claimed.filter(|address| !recorded.destinations.contains_key(address)).copied().collect();
    if unknown.is_empty() {
        return recorded;
    }
    let mut owned = recorded.into_owned();
    owned.destinations.extend(unknown.into_iter().map(|address| (address, None)));
    Cow::Owned(owned)
}

fn foreign<'a>(
    desired: &'a Desired,
    actual: &'a Actual,
    ours: impl Fn(&ServiceKey) -> bool + 'a,
) -> impl Iterator<Item = Problem> + 'a {
    desired.services.iter().filter_map(move |(key, wanted)| {
        let taken = actual.services.contains_key(key) && !ours(key);
        taken.then(|| Problem::of(&wanted.pool, Wrong::Foreign(key.clone())))
    })
}

/// By the pool that wants it, or else by the one that it was made for.
fn is_blocked(wanted: Option<&Wanted>, owned: Option<&Owned>, blocked: &BTreeSet<Label>) -> bool {
    match (wanted, owned.and_then(|owned| owned.pool.as_ref())) {
        (Some(wanted), _) => blocked.contains(&wanted.pool),
        (None, Some(pool)) => blocked.contains(pool),
        (None, None) => false,
    }
}

fn next(plan: &Plan, desired: &Desired, now: Timestamp) -> Option<Timestamp> {
    let draining = plan.draining.iter().map(|draining| draining.deadline.min(now + POLL));
    let doubted = plan.doubted.iter().map(|doubted| doubted.until);
    draining.chain(doubted).chain(desired.next).min()
}

/// The services that are programmed as they are wanted, pool by pool: what may be told to clients.
pub fn applied(desired: &Desired, actual: &Actual, problems: &[Problem]) -> BTreeMap<Label, Vec<ServiceKey>> {
    let blocked: BTreeSet<&Label> =
        problems.iter().filter(|problem| problem.blocks()).map(|problem| &problem.pool).collect();
    let mut applied: BTreeMap<Label, Vec<ServiceKey>> = BTreeMap::new();
    for (key, wanted) in &desired.services {
        let found = actual.services.get(key);
        let works = found.is_some_and(|service| service.destinations.values().any(|to| to.weight > 0));
        if works && !blocked.contains(&wanted.pool) {
            applied.entry(wanted.pool.clone()).or_default().push(key.clone());
        }
    }
    applied
}
