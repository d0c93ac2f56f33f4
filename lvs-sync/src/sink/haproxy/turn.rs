//! One call of [`Sink::apply`](crate::sink::Sink::apply).
//!
//! ```text
//! what runs + operations ─► fragment written ─► servers, one command after another ─► one reload, where a service asks
//!                                                                for it ─► fragment as it came out
//! ```
//!
//! - The fragment goes first: a new backend comes with its servers, and whoever reloads in between gets what was wanted.
//! - It is written again as things came out, so that it is never ahead of HAProxy for long: what failed is not in it, and a
//!   service that HAProxy did not take, such as one whose VIP cannot be bound, is taken out, since HAProxy would not start
//!   with it.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Haproxy;
use super::fragment::{Fragment, Section};
use super::reload::{self, NotReloaded};
use super::running::Running;
use super::servers::{Servers, Stop};
use super::shape::{self, Shape};
use crate::model::{Op, ServiceKey};
use crate::sink::{OpError, SinkError, Unfit};

pub(super) struct Turn<'a> {
    haproxy: &'a Haproxy,
    ops: &'a [Op],
    until: Option<Instant>,
    /// Follows what is done.
    running: Running,
    /// Services in the fragment that wait for a reload by hand.
    pending: Fragment,
    outcomes: Vec<Outcome>,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// To be done.
    Open,
    Done,
    /// It waits for somebody in the fragment, where it stays.
    Written(OpError),
    Failed(OpError),
}

impl<'a> Turn<'a> {
    pub(super) fn new(
        haproxy: &'a Haproxy,
        ops: &'a [Op],
        until: Option<Instant>,
    ) -> Result<Turn<'a>, SinkError> {
        let running = Running::look(&haproxy.api)?;
        let mut pending = haproxy.written()?.unwrap_or_default();
        pending.sections.retain(|key, _| !running.backends.contains_key(key));
        Ok(Turn { haproxy, ops, until, running, pending, outcomes: vec![Outcome::Open; ops.len()] })
    }

    pub(super) fn take(mut self) -> Result<Vec<Result<(), OpError>>, SinkError> {
        let wanted = self.plan();
        if !self.is_late() && self.open().next().is_some() {
            let services = self.reshaped(&wanted);
            // What servers are added to was checked when it was.
            self.haproxy.write(&wanted, !services.is_empty())?;
            self.servers();
            if !services.is_empty() {
                self.reload(&wanted, &services);
            }
            self.settle();
        }
        Ok(self.outcomes.into_iter().map(Outcome::told).collect())
    }

    /// The fragment after all that can be done.
    fn plan(&mut self) -> Fragment {
        let mut wanted = self.as_it_is();
        for (op, outcome) in self.ops.iter().zip(&mut self.outcomes) {
            if let Err(error) = edit(&mut wanted, &self.running, op) {
                *outcome = Outcome::Failed(error);
            }
        }
        wanted
    }

    /// The services whose operations need a reload.
    fn reshaped(&self, wanted: &Fragment) -> BTreeSet<ServiceKey> {
        let services = self.open().filter(|op| op.destination().is_none()).map(|op| op.service().clone());
        reload::needed(wanted, services.collect(), &self.running, self.haproxy.options.check)
    }

    fn servers(&mut self) {
        let servers = Servers {
            api: &self.haproxy.api,
            check: self.haproxy.options.check,
            waits: self.running.waits,
            until: self.until,
        };
        let mut broken = None;
        for (op, outcome) in self.ops.iter().zip(&mut self.outcomes) {
            let Outcome::Open = outcome else { continue };
            // Those of a service that does not run yet come with it.
            let Some(backend) = self.running.backends.get_mut(op.service()) else { continue };
            if let Some(broken) = &broken {
                *outcome = Outcome::Failed(OpError::Later(String::clone(broken)));
                continue;
            }
            let done = match op {
                Op::AddDestination(_, address, destination) => {
                    servers.add(backend, *address, destination.weight)
                }
                Op::SetDestination(_, address, destination) => {
                    servers.weigh(backend, *address, destination.weight)
                }
                Op::RemoveDestination(_, address) => servers.remove(backend, *address),
                Op::AddService(..) | Op::SetService(..) | Op::RemoveService(_) => continue,
            };
            *outcome = match done {
                Ok(()) => Outcome::Done,
                Err(Stop::Op(error)) => Outcome::Failed(error),
                Err(Stop::Broken(error)) => {
                    // The others would hang as long, one after another.
                    let error = broken.insert(error.to_string());
                    Outcome::Failed(OpError::Later(error.clone()))
                }
            };
        }
        if let Some(broken) = broken {
            self.end(&Outcome::Failed(OpError::Later(broken)));
        }
    }

    fn reload(&mut self, wanted: &Fragment, services: &BTreeSet<ServiceKey>) {
        if self.open().next().is_none() || self.is_late() {
            return;
        }
        let Haproxy { options, api, .. } = self.haproxy;
        let outcome = match reload::reload(options, api, wanted, services, &mut self.running) {
            Ok(()) => Outcome::Done,
            Err(NotReloaded::ByHand(message)) => Outcome::Written(OpError::Later(message)),
            Err(NotReloaded::Failed(message)) => Outcome::Failed(OpError::Later(message)),
        };
        for (op, found) in self.ops.iter().zip(&mut self.outcomes) {
            if matches!(found, Outcome::Open) && services.contains(op.service()) {
                *found = outcome.clone();
            }
        }
    }

    /// The fragment as it came out; and what is open still needed no more than the fragment.
    fn settle(&mut self) {
        if self.is_late() {
            return;
        }
        self.end(&Outcome::Done);
        let mut settled = self.as_it_is();
        for (op, outcome) in self.ops.iter().zip(&self.outcomes) {
            if matches!(outcome, Outcome::Written(_)) {
                // What could be edited before can be now.
                let _ = edit(&mut settled, &self.running, op);
            }
        }
        if let Err(error) = self.haproxy.write(&settled, false) {
            // HAProxy has what was wanted, and would lose it with a reload: so all of it is said to be undone.
            let failed = Outcome::Failed(OpError::Later(error.to_string()));
            self.outcomes
                .iter_mut()
                .filter(|one| matches!(one, Outcome::Done))
                .for_each(|one| *one = failed.clone());
        }
    }

    fn as_it_is(&self) -> Fragment {
        let mut fragment = Fragment::of(&self.running);
        let pending = self.pending.sections.iter();
        fragment.sections.extend(
            pending
                .filter(|(key, _)| !self.running.backends.contains_key(key))
                .map(|(key, section)| (key.clone(), section.clone())),
        );
        fragment
    }

    fn open(&self) -> impl Iterator<Item = &Op> {
        self.ops
            .iter()
            .zip(&self.outcomes)
            .filter_map(|(op, outcome)| matches!(outcome, Outcome::Open).then_some(op))
    }

    fn end(&mut self, outcome: &Outcome) {
        self.outcomes
            .iter_mut()
            .filter(|one| matches!(one, Outcome::Open))
            .for_each(|one| *one = outcome.clone());
    }

    fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

impl Outcome {
    fn told(self) -> Result<(), OpError> {
        match self {
            Outcome::Done => Ok(()),
            Outcome::Open => Err(OpError::Late),
            Outcome::Written(error) | Outcome::Failed(error) => Err(error),
        }
    }
}

/// The fragment with the operation done, if it fits.
fn edit(fragment: &mut Fragment, running: &Running, op: &Op) -> Result<(), OpError> {
    let key = op.service();
    if let Op::AddService(_, settings) = op {
        let vip = shape::vip(key).map_err(unfit)?;
        let section = Section::new(vip, Shape::of(settings).map_err(unfit)?);
        // One that waits for a reload is written anew.
        if running.backends.contains_key(key) && fragment.sections.contains_key(key) {
            return Err(OpError::Exists);
        }
        fragment.sections.insert(key.clone(), section);
        return Ok(());
    }
    let section = fragment.sections.get_mut(key).ok_or(OpError::Gone)?;
    match op {
        Op::SetService(_, settings) => section.reshape(Shape::of(settings).map_err(unfit)?),
        Op::AddDestination(_, address, destination) => {
            let weight = shape::told(*address, *destination).map_err(unfit)?;
            if section.servers.contains_key(address) {
                return Err(OpError::Exists);
            }
            section.add(*address, weight);
        }
        Op::SetDestination(_, address, destination) => {
            let weight = shape::told(*address, *destination).map_err(unfit)?;
            section.servers.get_mut(address).ok_or(OpError::Gone)?.weight = weight;
        }
        Op::RemoveDestination(_, address) => {
            section.servers.remove(address).ok_or(OpError::Gone)?;
        }
        Op::RemoveService(_) | Op::AddService(..) => {
            fragment.sections.remove(key);
        }
    }
    Ok(())
}

fn unfit(unfit: Unfit) -> OpError {
    OpError::Refused(unfit.0)
}
