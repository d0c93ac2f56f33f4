//! One immutable view of the registry at one revision.

use std::sync::Arc;

use imbl::OrdMap;
use roundhouse_config::{DomainName, Label};
use serde::Serialize;

use crate::kv::{LeaseId, Listing, Revision};
use crate::record::{Domain, Gateway, Instance, InstanceId, Job};

/// A record and when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Versioned<T> {
    #[serde(flatten)]
    pub value: T,
    #[serde(skip)]
    pub created: Revision,
    #[serde(rename = "revision")]
    pub modified: Revision,
    #[serde(skip)]
    pub lease: Option<LeaseId>,
}

/// A key that is in the store and not in the snapshot, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    pub reason: String,
    pub revision: Revision,
}

/// Per-kind sorted maps that share structure with the snapshot they were made from. A job's instances are a map of
/// their own, so two snapshots are compared job by job with a pointer each.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which history `revision` counts in; empty before the first listing.
    pub origin: Arc<str>,
    pub revision: Revision,
    pub jobs: OrdMap<Label, Arc<Versioned<Job>>>,
    pub instances: OrdMap<Label, OrdMap<InstanceId, Arc<Versioned<Instance>>>>,
    pub domains: OrdMap<DomainName, Arc<Versioned<Domain>>>,
    /// The VIP offset of each job that has one.
    pub vips: OrdMap<Label, u32>,
    pub gateways: OrdMap<Arc<str>, Arc<Versioned<Gateway>>>,
    pub quarantine: OrdMap<Arc<str>, Quarantined>,
}

impl Snapshot {
    pub fn from_listing(listing: Listing) -> Snapshot {
        let mut snapshot = Snapshot { origin: listing.origin.into(), ..Snapshot::default() };
        for entry in listing.entries {
            snapshot.put(&entry);
        }
        snapshot.revision = listing.revision;
        snapshot
    }

    pub fn instance(&self, job: &Label, id: InstanceId) -> Option<&Arc<Versioned<Instance>>> {
        self.instances.get(job)?.get(&id)
    }

    /// All instances with their jobs, sorted.
    pub fn all_instances(&self) -> impl Iterator<Item = (&Label, &InstanceId, &Arc<Versioned<Instance>>)> {
        self.instances
            .iter()
            .flat_map(|(job, instances)| instances.iter().map(move |(id, instance)| (job, id, instance)))
    }

    /// The same content, whatever the structure; for tests and checkers.
    pub fn same_records(&self, other: &Snapshot) -> bool {
        self.jobs == other.jobs
            && self.instances == other.instances
            && self.domains == other.domains
            && self.vips == other.vips
            && self.gateways == other.gateways
            && self.quarantine.keys().eq(other.quarantine.keys())
    }
}
