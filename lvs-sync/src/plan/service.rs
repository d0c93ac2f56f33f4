//! One service: what is to be done for it.

use std::net::SocketAddr;

use super::leaving::{self, Fate};
use super::{Doubted, Draining, Facts, Owned};
use crate::desired::Wanted;
use crate::model::{Actual, Op, Service, ServiceKey};

pub(super) struct Look<'a> {
    pub(super) key: &'a ServiceKey,
    pub(super) wanted: Option<&'a Wanted>,
    pub(super) found: Option<&'a Service>,
    pub(super) owned: &'a Owned,
    pub(super) actual: &'a Actual,
    pub(super) facts: &'a Facts,
}

#[derive(Default)]
pub(super) struct Step {
    pub(super) ops: Vec<Op>,
    /// `None`: nothing of it is ours any more.
    pub(super) owned: Option<Owned>,
    pub(super) draining: Vec<Draining>,
    pub(super) doubted: Option<Doubted>,
}

impl Look<'_> {
    pub(super) fn step(&self) -> Step {
        let (pool, drain) = match self.wanted {
            Some(wanted) => (Some(wanted.pool.clone()), wanted.drain),
            None => (self.owned.pool.clone(), self.owned.drain),
        };
        let mut step = Step { owned: Some(Owned { pool, drain, ..Owned::default() }), ..Step::default() };
        if let Some(wanted) = self.wanted {
            self.make(wanted, &mut step);
        }
        self.take_out(&mut step);
        if self.wanted.is_none() {
            self.end(&mut step);
        }
        step
    }

    /// The service and the destinations that are wanted.
    fn make(&self, wanted: &Wanted, step: &mut Step) {
        let settings = &wanted.service.settings;
        match self.found {
            None => step.ops.push(Op::AddService(self.key.clone(), settings.clone())),
            Some(found) if found.settings != *settings => {
                step.ops.push(Op::SetService(self.key.clone(), settings.clone()));
            }
            Some(_) => {}
        }
        for (address, destination) in &wanted.service.destinations {
            let found = self.found.and_then(|found| found.destinations.get(address));
            let ours = self.owned.destinations.contains_key(address);
            match found {
                None => step.ops.push(Op::AddDestination(self.key.clone(), *address, *destination)),
                // Somebody else's: it stays as it is, and theirs.
                Some(_) if !ours => continue,
                Some(found) if found != destination => {
                    step.ops.push(Op::SetDestination(self.key.clone(), *address, *destination));
                }
                Some(_) => {}
            }
            step.keep(*address, None);
        }
    }

    /// The destinations of ours that are wanted no more.
    fn take_out(&self, step: &mut Step) {
        let Some(found) = self.found else { return };
        let is_wanted = |address: &SocketAddr| {
            self.wanted.is_some_and(|wanted| wanted.service.destinations.contains_key(address))
        };
        let leaving: Vec<_> = self
            .owned
            .destinations
            .iter()
            .filter(|(address, _)| !is_wanted(address))
            .filter_map(|(address, deadline)| {
                let weight = found.destinations.get(address)?.weight;
                Some(leaving::Leaving { address: *address, weight, deadline: *deadline })
            })
            .collect();
        let mut vanished = leaving::vanished(&leaving, self.facts);
        if let Some(wanted) = self.wanted {
            vanished.retain(|address| !wanted.leaving.contains(address));
        }
        let doubt =
            self.wanted.and_then(|_| leaving::doubt(&vanished, found, self.owned.doubted, self.facts));
        for one in &leaving {
            if doubt.is_some() && vanished.contains(&one.address) {
                step.keep(one.address, None);
                continue;
            }
            let open = self.actual.open(self.key, one.address);
            let drain = self.owned.drain;
            match leaving::fate(one, open, self.key.drains(), drain, self.facts) {
                Fate::Remove => step.ops.push(Op::RemoveDestination(self.key.clone(), one.address)),
                Fate::Drain { deadline } => {
                    if one.weight > 0
                        && let Some(destination) = found.destinations.get(&one.address)
                    {
                        let quiet = destination.weighing(0);
                        step.ops.push(Op::SetDestination(self.key.clone(), one.address, quiet));
                    }
                    step.keep(one.address, Some(deadline));
                    let service = self.key.clone();
                    step.draining.push(Draining { service, address: one.address, open, deadline });
                }
            }
        }
        if let (Some(since), Some(owned)) = (doubt, &mut step.owned) {
            owned.doubted = Some(since);
            let until = since + super::SECOND_LOOK;
            let vanished = vanished.into_iter().collect();
            step.doubted = Some(Doubted { service: self.key.clone(), vanished, until });
        }
    }

    /// The service itself, once nothing is in it any more.
    fn end(&self, step: &mut Step) {
        let Some(found) = self.found else {
            step.owned = None;
            return;
        };
        let removed = |address: &SocketAddr| {
            step.ops.iter().any(|op| matches!(op, Op::RemoveDestination(_, at) if at == address))
        };
        // Somebody else's destination keeps it: it would go with the service.
        if found.destinations.keys().all(removed) {
            step.ops.push(Op::RemoveService(self.key.clone()));
            step.owned = None;
        }
    }
}

impl Step {
    fn keep(&mut self, address: SocketAddr, deadline: Option<roundhouse_registry::record::Timestamp>) {
        if let Some(owned) = &mut self.owned {
            owned.destinations.insert(address, deadline);
        }
    }
}
