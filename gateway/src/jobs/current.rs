//! What the registry has of what one job of the file is about.

use std::collections::BTreeMap;

use roundhouse_config::DomainName;
use roundhouse_registry::{Domain, Instance, InstanceId, Job, Revision, Snapshot};

use super::desired::Desired;

#[derive(Debug, Clone, Default)]
pub(crate) struct Current {
    pub(crate) job: Option<(Job, Revision)>,
    pub(crate) instances: BTreeMap<InstanceId, Stored>,
    pub(crate) domains: BTreeMap<DomainName, (Domain, Revision)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) instance: Instance,
    /// No lease holds it: this file, or a person, put it there.
    pub(crate) is_static: bool,
}

impl Current {
    pub(super) fn of(snapshot: &Snapshot, desired: &Desired) -> Current {
        let instances = snapshot.instances.get(&desired.label).into_iter().flatten();
        let stored =
            |(id, record): (&InstanceId, &std::sync::Arc<roundhouse_registry::Versioned<Instance>>)| {
                (*id, Stored { instance: record.value.clone(), is_static: record.lease.is_none() })
            };
        let domain = |host: &DomainName| {
            let record = snapshot.domains.get(host)?;
            Some((host.clone(), (record.value.clone(), record.modified)))
        };
        Current {
            job: snapshot.jobs.get(&desired.label).map(|record| (record.value.clone(), record.modified)),
            instances: instances.map(stored).collect(),
            domains: desired.domains.iter().filter_map(domain).collect(),
        }
    }
}
