//! What a round came to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use roundhouse_config::Label;
use roundhouse_registry::Revision;
use roundhouse_registry::record::{self, Timestamp};

use crate::desired::Falls;
use crate::model::{Op, ServiceKey, Stats};
use crate::plan::Plan;
use crate::sink::OpError;

#[derive(Debug)]
pub struct Report {
    pub sink: record::Sink,
    /// What the sink shows, but for what failed.
    pub revision: Revision,
    /// The services that work, pool by pool.
    pub applied: BTreeMap<Label, Vec<ServiceKey>>,
    /// Their VIPs.
    pub vips: BTreeMap<Label, BTreeSet<IpAddr>>,
    /// How much of the sink is ours.
    pub services: usize,
    pub destinations: usize,
    pub falls: Falls,
    pub counters: Counters,
    pub stats: BTreeMap<ServiceKey, Stats>,
    /// Also what is not tried again yet.
    pub failed: Vec<Failed>,
    /// When something that was refused is tried again.
    pub retry: Option<Timestamp>,
    /// The sink was not as believed: another round, with a look at it first.
    pub again: bool,
    /// Who should be asked whether they are alive, before the next round.
    pub to_probe: BTreeSet<SocketAddr>,
    pub plan: Plan,
}

/// An operation that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub op: Op,
    pub error: OpError,
}

impl Failed {
    /// Something else was believed of the sink.
    pub fn is_a_surprise(&self) -> bool {
        matches!(self.error, OpError::Exists | OpError::Gone)
    }
}

/// Since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub added: u64,
    pub set: u64,
    pub removed: u64,
    pub failed: u64,
    /// Entries of ours that somebody else had changed.
    pub drift: u64,
}

impl Counters {
    pub(super) fn count(&mut self, op: &Op) {
        match op {
            Op::AddService(..) | Op::AddDestination(..) => self.added += 1,
            Op::SetService(..) | Op::SetDestination(..) => self.set += 1,
            Op::RemoveService(..) | Op::RemoveDestination(..) => self.removed += 1,
        }
    }
}
