//! Who left uncleanly in the last half minute.

use std::collections::{HashMap, VecDeque};
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
    jobs: HashMap<Label, usize>,
    /// Somebody left since the last look.
    news: bool,
}

impl Window {
    pub(super) fn add(&mut self, who: Who, record: Arc<Versioned<Instance>>, at: Instant) {
        self.remove(&who);
        *self.jobs.entry(who.0.clone()).or_default() += 1;
        self.news = true;
        self.order.push_back((at, who.clone()));
        self.departures.insert(who, Departure { record, held: false, at });
    }

    /// It came back, or left cleanly after all.
    pub(super) fn remove(&mut self, who: &Who) {
        if self.departures.remove(who).is_none() {
            return;
        }
        if let Some(count) = self.jobs.get_mut(&who.0) {
            *count -= 1;
            if *count == 0 {
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
        self.jobs.get(job).copied().unwrap_or_default()
    }

    /// Whether somebody left since this was asked last.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Those whose fate is open.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&Who, &Departure)> {
        self.departures.iter().filter(|(_, departure)| !departure.held)
    }

    pub(super) fn decided(&mut self, who: &Who) {
        if let Some(departure) = self.departures.get_mut(who) {
            departure.held = true;
        }
    }
}
