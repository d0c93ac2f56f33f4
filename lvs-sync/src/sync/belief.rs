//! What a sink is believed to hold.

use std::collections::BTreeSet;

use crate::model::{Actual, Op, ServiceKey};
use crate::plan::State;

#[derive(Clone, Debug, Default)]
pub(super) struct Belief {
    pub(super) actual: Actual,
}

impl Belief {
    pub(super) fn new(actual: Actual) -> Belief {
        Belief { actual }
    }

    pub(super) fn take(&mut self, op: &Op) {
        self.actual.take(op);
    }

    /// How many entries of ours are other than they were left: services and destinations.
    pub(super) fn differences(&self, found: &Actual, state: &State) -> u64 {
        self.differences_of(&state.services.keys().cloned().collect(), found, state)
    }

    pub(super) fn differences_of(&self, keys: &BTreeSet<ServiceKey>, found: &Actual, state: &State) -> u64 {
        let mut differences = 0;
        for (key, owned) in keys.iter().filter_map(|key| Some((key, state.services.get(key)?))) {
            let (believed, found) = (self.actual.services.get(key), found.services.get(key));
            if believed.map(|service| &service.settings) != found.map(|service| &service.settings) {
                differences += 1;
            }
            let at = |service: Option<&crate::model::Service>, address| {
                service.and_then(|service| service.destinations.get(address)).copied()
            };
            // One that leaves may end by itself.
            let stays = owned.destinations.iter().filter(|(_, leaving)| leaving.is_none());
            let others = stays.filter(|(address, _)| at(believed, address) != at(found, address));
            differences += others.count() as u64;
        }
        differences
    }

    /// Of these services it was seen how they are.
    pub(super) fn correct(&mut self, keys: &BTreeSet<ServiceKey>, found: Actual) {
        self.actual.services.retain(|key, _| !keys.contains(key));
        self.actual.open.retain(|(key, _), _| !keys.contains(key));
        self.actual.services.extend(found.services);
        self.actual.open.extend(found.open);
        self.actual.stats.extend(found.stats);
    }
}
