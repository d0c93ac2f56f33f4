//! The decision table: immutable, and of one revision. The next one shares with it whatever did not change.

use std::net::IpAddr;
use std::sync::Arc;

use roundhouse_config::Label;

use super::place::{Place, Resident};
use super::policy::Policy;
use super::shards::Shards;
use crate::kv::Revision;

#[derive(Clone, Default)]
pub struct Table {
    pub revision: Revision,
    pub(super) policies: Shards<Label, Arc<Policy>>,
    pub(super) places: Shards<IpAddr, Place>,
}

impl Table {
    pub fn policy(&self, job: &Label) -> Option<&Arc<Policy>> {
        self.policies.get(job)
    }

    /// The instances that live at a canonical address, job by job.
    pub fn live_at(&self, address: IpAddr) -> &[Resident] {
        self.places.get(&address).map_or(&[], Place::live)
    }

    /// Those that a newer instance there evicted.
    pub fn evicted_at(&self, address: IpAddr) -> &[Resident] {
        self.places.get(&address).map_or(&[], Place::evicted)
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (jobs, places) = (self.policies.len(), self.places.len());
        f.debug_struct("Table")
            .field("revision", &self.revision)
            .field("jobs", &jobs)
            .field("places", &places)
            .finish()
    }
}
