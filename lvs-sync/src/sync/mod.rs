//! One sink, kept equal to the registry.
//!
//! ```text
//! snapshot ─► desired ─┐
//! belief   ─► plan ────┴─► state to disk: what will be ours ─► apply ─► belief, state to disk: what is
//!    ▲ dump: at the start, every resync, after a surprise, and of what drains or goes
//! ```
//!
//! Between two dumps the sink is believed to hold what the last one showed and what was done since, so that one instance's
//! change costs one message. Where it does not hold that, it says so (an entry exists, or is gone), and is looked at anew.

mod belief;
mod outcome;
mod ownership;
mod probes;
mod report;
mod resting;
mod shown;
mod state_file;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use roundhouse_config::Label;
use roundhouse_registry::Snapshot;
use roundhouse_registry::record::Timestamp;

use self::belief::Belief;
pub use self::ownership::Chosen;
pub use self::probes::Probes;
pub use self::report::{Counters, Failed, Report};
use self::resting::Resting;
pub(crate) use self::shown::json;
pub use self::state_file::{StateError, StateFile};
use crate::desired::{Desired, Held, Site, desired};
use crate::model::{Family, Op, ServiceKey};
use crate::plan::{Facts, Owned, Plan, State, applied, plan};
use crate::sink::{Sink, SinkError};

/// A sink with everything that is known about it.
pub struct Sync {
    pub sink: Box<dyn Sink>,
    held: Held,
    state: State,
    belief: Option<Belief>,
    probes: Probes,
    resting: Resting,
    counters: Counters,
}

/// How a round is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Round {
    /// The sink is looked at first, whatever is believed.
    pub look: bool,
    /// Nothing waits for a second look.
    pub forced: bool,
    /// Not told to the sink: what would be done.
    pub dry: bool,
    /// When a shared sink must not be told anything any more.
    pub until: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    State(#[from] StateError),
}

impl Sync {
    pub fn new(sink: Box<dyn Sink>, held: Held, state: State) -> Sync {
        Sync {
            sink,
            held,
            state,
            belief: None,
            probes: Probes::default(),
            resting: Resting::default(),
            counters: Counters::default(),
        }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn held(&self) -> &Held {
        &self.held
    }

    /// These addresses were given to this host by us.
    pub fn bound(&mut self, vips: impl IntoIterator<Item = IpAddr>) {
        self.state.vips.extend(vips);
    }

    pub fn unbound(&mut self, vips: &BTreeSet<IpAddr>) {
        self.state.vips.retain(|vip| !vips.contains(vip));
    }

    /// A person wants to see what was refused tried again.
    pub fn try_all(&mut self) {
        self.resting = Resting::default();
    }

    pub fn probes(&mut self) -> &mut Probes {
        &mut self.probes
    }

    /// Makes the sink equal to the snapshot, as far as that can be done now. `save` is told what is ours, before something
    /// is done and after.
    pub fn round(
        &mut self,
        snapshot: &Snapshot,
        now: Timestamp,
        round: Round,
        mut save: impl FnMut(&State) -> Result<(), StateError>,
    ) -> Result<Report, SyncError> {
        if round.look || self.belief.is_none() {
            self.look()?;
        } else {
            self.look_at(&self.leaving())?;
        }
        let mut falls = self.state.falls.clone();
        let desired = self.desired(snapshot, now, &mut falls);
        self.probes.forget_all_but(&self.departed(&desired));
        let mut made = self.plan(&desired, now, round);
        // What is believed is enough to add something, and not to take something away.
        let going = removed(&made.ops);
        if !round.look && !going.is_empty() {
            self.look_at(&going)?;
            made = self.plan(&desired, now, round);
        }
        made.state.falls = falls;
        let failed = match round.dry {
            true => Vec::new(),
            false => self.carry_out(&mut made, round, &mut save)?,
        };
        self.resting.note(&desired, &made.ops, &failed, now);
        Ok(self.report(snapshot, &desired, made, failed))
    }

    fn look(&mut self) -> Result<(), SinkError> {
        let actual = self.sink.dump()?;
        if let Some(belief) = &self.belief {
            self.counters.drift += belief.differences(&actual, &self.state);
        }
        self.belief = Some(Belief::new(actual));
        Ok(())
    }

    fn look_at(&mut self, keys: &BTreeSet<ServiceKey>) -> Result<(), SinkError> {
        match &mut self.belief {
            Some(belief) if !keys.is_empty() => {
                let actual = self.sink.dump_of(keys)?;
                self.counters.drift += belief.differences_of(keys, &actual, &self.state);
                belief.correct(keys, actual);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn desired(&self, snapshot: &Snapshot, now: Timestamp, falls: &mut crate::desired::Falls) -> Desired {
        let fit = |key: &ServiceKey, service| self.sink.fit(key, service);
        let site = Site { snapshot, sink: self.sink.kind(), lines: &self.held, fit: &fit, now };
        desired(&site, falls)
    }

    fn plan(&self, desired: &Desired, now: Timestamp, round: Round) -> Plan {
        let resting = self.resting.keys(desired, now, round.look);
        let facts = Facts { now, dead: self.probes.dead(), resting, forced: round.forced };
        let nothing = Belief::default();
        let belief = self.belief.as_ref().unwrap_or(&nothing);
        plan(desired, &belief.actual, &self.state, &facts, |key| self.sink.claim(key))
    }

    /// With what is not tried now, and is not done either.
    fn with_resting(&self, mut failed: Vec<Failed>) -> Vec<Failed> {
        for resting in self.resting.failed() {
            if !failed.contains(resting) {
                failed.push(resting.clone());
            }
        }
        failed
    }

    /// Services with something in them that leaves.
    fn leaving(&self) -> BTreeSet<ServiceKey> {
        let leaves = |owned: &Owned| owned.destinations.values().any(Option::is_some);
        self.state.services.iter().filter(|(_, owned)| leaves(owned)).map(|(key, _)| key.clone()).collect()
    }

    /// Destinations of ours that nobody wants any more, and whose end can be waited for.
    fn departed(&self, desired: &Desired) -> BTreeSet<SocketAddr> {
        let mut departed = BTreeSet::new();
        for (key, owned) in self.state.services.iter().filter(|(key, _)| key.drains()) {
            let wanted = desired.services.get(key).map(|wanted| &wanted.service.destinations);
            let gone =
                owned.destinations.keys().filter(|at| wanted.is_none_or(|wanted| !wanted.contains_key(at)));
            departed.extend(gone);
        }
        departed
    }

    fn report(&mut self, snapshot: &Snapshot, desired: &Desired, made: Plan, failed: Vec<Failed>) -> Report {
        let to_probe = match made.draining.is_empty() && made.doubted.is_empty() {
            true => BTreeSet::new(),
            false => self.probes.unknown(self.departed(desired)),
        };
        let nothing = Belief::default();
        let actual = &self.belief.as_ref().unwrap_or(&nothing).actual;
        let again = failed.iter().any(Failed::is_a_surprise);
        let applied = applied(desired, actual, &made.problems);
        Report {
            sink: self.sink.kind(),
            revision: snapshot.revision,
            vips: applied.iter().map(|(pool, keys)| (pool.clone(), vips(desired, pool, keys))).collect(),
            applied,
            services: self.state.services.len(),
            destinations: self.state.services.values().map(|owned| owned.destinations.len()).sum(),
            falls: self.state.falls.clone(),
            counters: self.counters,
            stats: actual.stats.clone(),
            retry: self.resting.next(),
            failed: self.with_resting(failed),
            again,
            to_probe,
            plan: made,
        }
    }
}

/// By the services' own, or where it is a mark that takes the packets, the pool's of those families.
fn vips(desired: &Desired, pool: &Label, keys: &[ServiceKey]) -> BTreeSet<IpAddr> {
    let of_pool = desired.vips.get(pool).into_iter().flatten();
    let is_applied = |vip: &&IpAddr| {
        keys.iter().any(|key| match key {
            ServiceKey::Address(_, address) => address.ip() == **vip,
            ServiceKey::Mark(_, family) => Family::of(**vip) == *family,
            ServiceKey::Group(_) => false,
        })
    };
    of_pool.filter(is_applied).copied().collect()
}

/// Services that lose something.
fn removed(ops: &[Op]) -> BTreeSet<ServiceKey> {
    let removes = |op: &&Op| matches!(op, Op::RemoveDestination(..) | Op::RemoveService(_));
    ops.iter().filter(removes).map(|op| op.service().clone()).collect()
}
