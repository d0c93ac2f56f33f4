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
use std::time::{Duration, Instant};

use super::Haproxy;
use super::edit::edit;
use super::fragment::Fragment;
use super::reload::{self, NotReloaded};
use super::running::Running;
use super::servers::{Servers, Stop};
use crate::model::{Op, ServiceKey};
use crate::sink::{OpError, SinkError};

/// For services one after another, some of which HAProxy takes no notice of for seconds.
const TRYING: Duration = Duration::from_secs(30);

pub(super) struct Turn<'a> {
    haproxy: &'a Haproxy,
    ops: &'a [Op],
    until: Option<Instant>,
    /// Follows what is done.
    running: Running,
    /// Services in the fragment that wait for a reload by hand, but for those of the operations.
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
        let touched: BTreeSet<&ServiceKey> = ops.iter().map(Op::service).collect();
        pending.sections.retain(|key, _| !running.backends.contains_key(key) && !touched.contains(key));
        Ok(Turn { haproxy, ops, until, running, pending, outcomes: vec![Outcome::Open; ops.len()] })
    }

    pub(super) fn take(mut self) -> Result<Vec<Result<(), OpError>>, SinkError> {
        let wanted = self.plan();
        if !self.is_late() && self.open().next().is_some() {
            let services = self.reshaped(&wanted);
            // What servers are added to was checked when it was.
            self.haproxy.write(&wanted, !services.is_empty())?;
            self.servers();
            if !services.is_empty() && self.open().next().is_some() {
                self.reload(&services);
            }
            self.settle();
        }
        Ok(self.outcomes.into_iter().map(Outcome::told).collect())
    }

    /// The fragment after all that can be done.
    fn plan(&mut self) -> Fragment {
        let mut wanted = self.as_it_is();
        for (op, outcome) in self.ops.iter().zip(&mut self.outcomes) {
            if let Err(error) = edit(&mut wanted, op) {
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

    /// All at once; and where HAProxy does not take that, one after another, so that one with a VIP that cannot be bound
    /// keeps no other from being there.
    fn reload(&mut self, services: &BTreeSet<ServiceKey>) {
        let end = Instant::now() + TRYING;
        let together = self.attempt(services);
        if services.len() > 1 && matches!(together, Err(NotReloaded::NotTaken(_))) {
            for one in services.iter().map(|key| BTreeSet::from([key.clone()])) {
                if Instant::now() < end {
                    let alone = self.attempt(&one);
                    self.tell(&one, &alone);
                }
            }
        }
        // Those that are open: all of them, or those for which there was no time.
        self.tell(services, &together);
    }

    /// With what runs, and of the open operations only those of these services.
    fn attempt(&mut self, services: &BTreeSet<ServiceKey>) -> Result<(), NotReloaded> {
        if self.is_late() {
            return Err(NotReloaded::Late);
        }
        let mut wanted = self.as_it_is();
        for op in self.open().filter(|op| services.contains(op.service())) {
            // Those that do not fit are not open any more.
            let _ = edit(&mut wanted, op);
        }
        let written = self.haproxy.write(&wanted, true);
        written.map_err(|error| NotReloaded::Failed(error.to_string()))?;
        let Haproxy { options, api, .. } = self.haproxy;
        reload::reload(options, api, &wanted, services, self.until, &mut self.running)
    }

    /// What became of the open operations of these services.
    fn tell(&mut self, services: &BTreeSet<ServiceKey>, outcome: &Result<(), NotReloaded>) {
        let outcome = match outcome {
            Ok(()) => Outcome::Done,
            Err(NotReloaded::Late) => Outcome::Failed(OpError::Late),
            Err(NotReloaded::ByHand(message)) => Outcome::Written(OpError::Later(message.clone())),
            Err(NotReloaded::Failed(message) | NotReloaded::NotTaken(message)) => {
                Outcome::Failed(OpError::Later(message.clone()))
            }
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
                let _ = edit(&mut settled, op);
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
        for (key, section) in &self.pending.sections {
            // Those that a reload of ours has taken along run by now.
            fragment.sections.entry(key.clone()).or_insert_with(|| section.clone());
        }
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
