//! One call of [`Sink::apply`](crate::sink::Sink::apply): operations become targets that come and leave, and what became of
//! those is told of the operations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use roundhouse_config::Label;

use super::api::Api;
use super::calls::{Call, Change, Outcome, Work, carry_out};
use super::connection::{Standing, Targets};
use super::error::CallError;
use super::step::{Step, decide};
use super::{Aws, Directory};
use crate::model::{Op, ServiceKey};
use crate::sink::OpError;

pub(super) struct Turn<'a> {
    aws: &'a mut Aws,
    directory: Directory,
    ops: &'a [Op],
    until: Option<Instant>,
    /// Pools whose group was not there when this was planned, and is now.
    appeared: BTreeSet<Label>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(aws: &'a mut Aws, ops: &'a [Op], until: Option<Instant>) -> Turn<'a> {
        let directory = aws.directory.clone().unwrap_or_default();
        let added = ops.iter().filter_map(|op| match op {
            Op::AddService(ServiceKey::Group(pool), _) => Some(pool),
            _ => None,
        });
        let appeared = added.filter(|pool| directory.find(pool).is_ok()).cloned().collect();
        Turn { aws, directory, ops, until, appeared }
    }

    pub(super) fn take(mut self) -> Vec<Result<(), OpError>> {
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return vec![Err(OpError::Late); self.ops.len()];
        }
        let mut found = self.look();
        let steps: Vec<Step> = self.ops.iter().map(|op| self.step(op, &mut found)).collect();
        let works = self.works(&steps);
        let outcomes = carry_out(&works, &mut Calls { api: &mut self.aws.api, until: self.until });
        self.told(steps, &works, outcomes)
    }

    /// How the targets of the operations stand now: others may have drained or registered them since the dump.
    fn look(&mut self) -> BTreeMap<Label, Result<Targets, CallError>> {
        let mut touched: BTreeMap<Label, BTreeSet<SocketAddr>> = BTreeMap::new();
        for op in self.ops {
            if let (ServiceKey::Group(pool), Some(address)) = (op.service(), op.destination())
                && !self.appeared.contains(pool)
            {
                touched.entry(pool.clone()).or_default().insert(address);
            }
        }
        let mut ended: Option<CallError> = None;
        let mut found = BTreeMap::new();
        for (pool, addresses) in touched {
            let Ok(arn) = self.directory.find(&pool) else { continue };
            let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
            let targets = match &ended {
                Some(error) => Err(error.clone()),
                None => self.aws.api.targets_among(arn, &addresses),
            };
            ended = targets.as_ref().err().filter(|error| error.ends_all()).cloned();
            found.insert(pool, targets);
        }
        found
    }

    /// `found` is kept as it will be: a later operation may be about the same target.
    fn step(&mut self, op: &Op, found: &mut BTreeMap<Label, Result<Targets, CallError>>) -> Step {
        let ServiceKey::Group(pool) = op.service() else {
            let told = format!("AWS has no service `{}`, but target groups", op.service());
            return Step::Told(Err(OpError::Refused(told)));
        };
        let place = self.directory.find(pool).map(drop);
        match (op, place) {
            (Op::AddService(..), Err(why)) => return Step::Told(Err(OpError::Refused(why))),
            (Op::AddDestination(..), Err(_)) => {
                return Step::Told(Err(OpError::Refused("it has no target group to be in".into())));
            }
            (_, Err(_)) => return Step::Told(Err(OpError::Gone)),
            (Op::AddService(..), Ok(())) => return Step::Told(Err(OpError::Exists)),
            // The group stays with the operator, and is not ours any more.
            (Op::RemoveService(_), Ok(())) => return Step::Told(Ok(())),
            (_, Ok(())) => {}
        }
        if self.appeared.contains(pool) {
            let told = format!("the target group of `{pool}` has just appeared, and is looked into first");
            return Step::Told(Err(OpError::Later(told)));
        }
        let (Some(address), Some(targets)) = (op.destination(), found.get_mut(pool)) else {
            return Step::Told(Ok(()));
        };
        let targets = match targets {
            Ok(targets) => targets,
            Err(error) => return Step::Told(Err((&*error).into())),
        };
        let is_unsure = self.aws.unsure.remove(&(pool.clone(), address));
        let step = decide(op, targets.get(&address).copied(), is_unsure);
        if let Step::Change(change) = step {
            targets.insert(
                address,
                match change {
                    Change::Register => Standing::Registered,
                    Change::Deregister => Standing::Draining,
                },
            );
        }
        step
    }

    /// Group by group, in the order of the operations.
    fn works(&self, steps: &[Step]) -> Vec<Work> {
        let mut works: Vec<Work> = Vec::new();
        for (op, step) in self.ops.iter().zip(steps) {
            let (Step::Change(change), Some(address)) = (step, op.destination()) else { continue };
            let Some(group) = self.group(op) else { continue };
            let at = works.iter().position(|work| work.group == group).unwrap_or_else(|| {
                works.push(Work { group: group.to_owned(), ..Work::default() });
                works.len() - 1
            });
            match change {
                Change::Register => works[at].come.push(address),
                Change::Deregister => works[at].leave.push(address),
            }
        }
        works
    }

    fn group(&self, op: &Op) -> Option<&str> {
        match op.service() {
            ServiceKey::Group(pool) => self.directory.find(pool).ok(),
            _ => None,
        }
    }

    fn told(&mut self, steps: Vec<Step>, works: &[Work], outcomes: Vec<Outcome>) -> Vec<Result<(), OpError>> {
        debug_assert_eq!(
            outcomes.len(),
            works.iter().map(|work| work.come.len() + work.leave.len()).sum::<usize>()
        );
        let outcomes: BTreeMap<_, _> = outcomes
            .into_iter()
            .map(|(change, group, address, outcome)| ((change, group, address), outcome))
            .collect();
        let mut told = Vec::with_capacity(steps.len());
        for (op, step) in self.ops.iter().zip(steps) {
            let change = match step {
                Step::Told(outcome) => {
                    told.push(outcome);
                    continue;
                }
                Step::Change(change) => change,
            };
            let (ServiceKey::Group(pool), Some(address)) = (op.service(), op.destination()) else { continue };
            let group = self.group(op).unwrap_or_default().to_owned();
            let outcome = outcomes.get(&(change, group, address)).cloned().unwrap_or(Err(CallError::Late));
            if change == Change::Register && outcome.as_ref().is_err_and(CallError::is_unsure) {
                self.aws.unsure.insert((pool.clone(), address));
            }
            told.push(outcome.map_err(|error| (&error).into()));
        }
        told
    }
}

struct Calls<'a> {
    api: &'a mut Api,
    until: Option<Instant>,
}

impl Call for Calls<'_> {
    fn call(&mut self, change: Change, group: &str, targets: &[SocketAddr]) -> Result<(), CallError> {
        self.api.change(change, group, targets, self.until)
    }
}
