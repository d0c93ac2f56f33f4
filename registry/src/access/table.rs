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
    pub(super) places: Shards<Address, Place>,
}

impl Table {
    pub fn policy(&self, job: &Label) -> Option<&Arc<Policy>> {
        self.policies.get(job)
    }

    /// The instances that live at a canonical address, job by job.
    pub fn live_at(&self, address: IpAddr) -> &[Resident] {
        self.places.get(&Address::of(address)).map_or(&[], Place::live)
    }

    pub(super) fn place(&self, address: IpAddr) -> Option<&Place> {
        self.places.get(&Address::of(address))
    }

    /// Those that a newer instance there evicted.
    pub fn evicted_at(&self, address: IpAddr) -> &[Resident] {
        self.places.get(&Address::of(address)).map_or(&[], Place::evicted)
    }
}

/// A canonical address as one number, IPv4 as it is mapped into IPv6: hashed and compared in one step.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address(u128);

impl Address {
    pub(super) fn of(address: IpAddr) -> Address {
        Address(match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        })
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
