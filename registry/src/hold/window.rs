//! Who left uncleanly in the last half minute.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roundhouse_config::Label;

use crate::record::{Instance, InstanceId};
use crate::snapshot::Versioned;

pub(super) type Who = (Label, InstanceId);

pub(super) struct Departure {
    pub(super) record: Arc<Versioned<Instance>>,
    /// Decided already; it still counts for the share.
    pub(super) held: bool,
    at: Instant,
}

/// Bounded by the instances there were.
#[derive(Default)]
pub(super) struct Window {
    departures: HashMap<Who, Departure>,
    /// Oldest first; one that came back stays here until its time is over.
    order: VecDeque<(Instant, Who)>,
    jobs: HashMap<Label, HashSet<InstanceId>>,
    waiting: usize,
}

impl Window {
    pub(super) fn add(&mut self, who: Who, record: Arc<Versioned<Instance>>, at: Instant) {
        self.remove(&who);
        self.jobs.entry(who.0.clone()).or_default().insert(who.1);
        self.waiting += 1;
        self.order.push_back((at, who.clone()));
        self.departures.insert(who, Departure { record, held: false, at });
    }

    /// It came back, or left cleanly after all.
    pub(super) fn remove(&mut self, who: &Who) {
        let Some(departure) = self.departures.remove(who) else { return };
        self.waiting -= usize::from(!departure.held);
        if let Some(ids) = self.jobs.get_mut(&who.0) {
            ids.remove(&who.1);
            if ids.is_empty() {
                self.jobs.remove(&who.0);
            }
        }
    }

    pub(super) fn forget(&mut self, older_than: Duration, now: Instant) {
        while let Some((at, _)) = self.order.front() {
            if now.saturating_duration_since(*at) < older_than {
                return;
            }
            let Some((at, who)) = self.order.pop_front() else { return };
            if self.departures.get(&who).is_some_and(|departure| departure.at == at) {
                self.remove(&who);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.departures.len()
    }

    pub(super) fn of_job(&self, job: &Label) -> usize {
        self.jobs.get(job).map_or(0, HashSet::len)
    }

    /// Whether somebody's fate is open.
    pub(super) fn waits(&self) -> bool {
        self.waiting > 0
    }

    /// Jobs that somebody left.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Label> {
        self.jobs.keys()
    }

    /// Those of the job whose fate is open.
    pub(super) fn waiting_of(&self, job: &Label) -> impl Iterator<Item = (Who, &Departure)> {
        self.jobs.get(job).into_iter().flatten().filter_map(|id| {
            let who = (job.clone(), *id);
            let departure = self.departures.get(&who).filter(|departure| !departure.held)?;
            Some((who, departure))
        })
    }

    pub(super) fn decided(&mut self, who: &Who) {
        if let Some(departure) = self.departures.get_mut(who)
            && !departure.held
        {
            departure.held = true;
            self.waiting -= 1;
        }
    }
}
