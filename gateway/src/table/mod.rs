//! What the data plane looks things up in: built from settings and a snapshot, swapped whole.
//!
//! Two levels. Names, VIPs and routes live in the [`Table`], in maps of which the next table shares all that did not
//! change ([`names`]); the endpoints of each job port sit behind an `ArcSwap` of their own, so that one instance's change
//! rebuilds one small [`EndpointSet`]. What did not change is carried over from the old table, live state (health,
//! connections) above all.
//!
//! A connection loads the table once and its port's set once, picks, and from then on holds its endpoint only.

mod build;
mod endpoint;
mod host;
mod hub;
mod lines;
mod names;
mod own;
mod path;
mod port;
mod route;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use roundhouse_config::{App, Check, JobName, Label, Limits, PortName, Protocol, Zone};
use roundhouse_registry::record::{JobLimits, OnUnhealthy};
use roundhouse_registry::{Job, Revision, Versioned};

use self::lines::Pools;
use self::names::Names;
use crate::capacity::{Capacity, Full, Most, Slot};

pub use self::build::{Facts, vip_address};
pub use self::endpoint::{Endpoint, EndpointSet, Live, Tried, Work};
pub use self::host::{HostError, host_name};
pub use self::hub::{Conflict, HubPorts, Numbered, Target};
pub use self::lines::{Answer, PoolEntry};
pub use self::own::Own;
pub(crate) use self::path::{decoded, is_under, normalised};
pub use self::port::{Former, PortEntry};
pub use self::route::{Asked, DomainEntry, Leads, Leg, Legs, PlainGet, RouteEntry};

#[derive(Debug, Clone)]
pub struct Table {
    pub revision: Revision,
    pub zone: Zone,
    pub vips: IpNet,
    /// What names of jobs resolve to instead of VIPs: the addresses of all live hubs, sorted. Empty where VIPs are.
    pub hub_addresses: Arc<[IpAddr]>,
    /// Shared by all tables between two changes of a name.
    names: Arc<Names>,
    pools: Pools,
}

#[derive(Debug)]
pub struct JobEntry {
    pub label: Label,
    pub jobname: JobName,
    pub ports: Vec<Arc<PortEntry>>,
    /// `None` until it is allocated, or when its offset lies outside this gateway's prefix.
    pub vip: Option<IpAddr>,
    pub check: Option<Check>,
    pub drain: Duration,
    /// What is open to it now; it survives every change of the record.
    pub capacity: Arc<Capacity>,
    /// What this was made from: the same means nothing to rebuild. Revisions alone would not do, a wiped registry
    /// counts from 1 again.
    pub(crate) record: Arc<Versioned<Job>>,
}

/// What a host name means.
#[derive(Debug, Clone)]
pub enum Named {
    Job {
        job: Arc<JobEntry>,
        /// Named in front of the job (`metrics.app2.jobs`).
        port: Option<PortName>,
    },
    Domain(Arc<DomainEntry>),
}

impl Table {
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<JobEntry>> {
        self.names.jobs.values()
    }

    pub fn job(&self, label: &str) -> Option<&Arc<JobEntry>> {
        self.names.jobs.get(label)
    }

    pub fn by_vip(&self, vip: IpAddr) -> Option<&Arc<JobEntry>> {
        self.names.by_vip(vip.to_canonical())
    }

    /// Those that have a VIP, each VIP once.
    pub fn at_vips(&self) -> impl Iterator<Item = &Arc<JobEntry>> {
        self.names.at_vips()
    }

    /// The job port that is served at a VIP.
    pub fn by_address(&self, address: SocketAddr) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        let job = self.by_vip(address.ip())?;
        Some((job.clone(), job.port_number(address.port())?.clone()))
    }

    /// The same for datagrams.
    pub fn by_udp_address(&self, address: SocketAddr) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        self.by_address(address).filter(|(_, port)| port.port.protocol == Protocol::Udp)
    }

    /// `name` in lower case, without port and trailing dot (see [`host_name`]).
    pub fn resolve(&self, name: &str) -> Option<Named> {
        if let Some(prefix) = self.inside_zone(name) {
            return self.in_zone(prefix);
        }
        self.names.domain(name).cloned().map(Named::Domain)
    }

    /// What a public domain is answered with that is published by a pool. One whose pool is not there has no VIPs. `name` as
    /// for [`Self::resolve`].
    pub fn published(&self, name: &str) -> Option<Arc<PoolEntry>> {
        let pool = self.names.domain(name)?.record.value.pool.as_ref()?;
        Some(self.pools.get(pool).cloned().unwrap_or_default())
    }

    /// What stands before the zone in `name`, in its full or its short form.
    pub fn inside_zone<'a>(&self, name: &'a str) -> Option<&'a str> {
        let before = |suffix: &str| name.strip_suffix(suffix)?.strip_suffix('.');
        before(self.zone.as_str()).or_else(|| before(self.zone.first_label()))
    }

    /// Whether a JOBNAME's name lies below this one, which exists for that alone (RFC 8020: NXDOMAIN would deny all below).
    pub fn is_above_a_jobname(&self, prefix: &str) -> bool {
        self.names.is_above_a_jobname(prefix)
    }

    fn in_zone(&self, prefix: &str) -> Option<Named> {
        let whole = |job: &Arc<JobEntry>| Named::Job { job: job.clone(), port: None };
        let by_label = match prefix.split_once('.') {
            None => self.names.jobs.get(prefix).map(whole),
            Some((port, label)) => self.port_of(label, port),
        };
        by_label.or_else(|| self.names.by_jobname(prefix).map(whole))
    }

    fn port_of(&self, label: &str, port: &str) -> Option<Named> {
        let job = self.names.jobs.get(label)?;
        let entry = job.ports.iter().find(|entry| entry.name().as_str() == port)?;
        Some(Named::Job { job: job.clone(), port: Some(entry.name().clone()) })
    }

    pub fn domains(&self) -> impl Iterator<Item = &Arc<DomainEntry>> {
        self.names.domains()
    }
}

impl JobEntry {
    /// A place for one more connection.
    pub fn enter(&self, client: IpNet) -> Result<Slot, Full> {
        let JobLimits { connections, connections_per_client: per_client } = self.record.value.limits;
        self.capacity.enter(Most { connections, per_client }, client)
    }

    /// The same for a request. Where nothing is limited nothing is counted: that would be two writes to memory that all
    /// workers share, for each of them.
    pub fn enter_request(&self, client: impl FnOnce() -> IpNet) -> Result<Option<Slot>, Full> {
        match self.record.value.limits {
            JobLimits { connections: None, connections_per_client: None } => Ok(None),
            _ => self.enter(client()).map(Some),
        }
    }

    /// What is spoken on its TCP ports, where a refusal can be in those words.
    pub fn app(&self) -> Option<App> {
        self.record.value.app
    }

    pub fn connect_timeout(&self, limits: &Limits) -> Duration {
        self.record.value.timeouts.connect.unwrap_or(limits.connect_timeout)
    }

    pub fn idle_timeout(&self, limits: &Limits) -> Duration {
        self.record.value.timeouts.idle.unwrap_or(limits.idle_timeout)
    }

    /// The same of a UDP session.
    pub fn udp_idle(&self, limits: &Limits) -> Duration {
        self.record.value.timeouts.idle.unwrap_or(limits.udp_idle)
    }

    pub fn lifetime(&self, limits: &Limits) -> Option<Duration> {
        self.record.value.timeouts.lifetime.or(limits.lifetime)
    }

    /// Whether live connections to an instance that fails its check are closed.
    pub fn closes_unhealthy(&self) -> bool {
        self.record.value.on_unhealthy == OnUnhealthy::Close
    }

    pub fn port_named(&self, name: &PortName) -> Option<&Arc<PortEntry>> {
        self.ports.iter().find(|entry| entry.name() == name)
    }

    pub fn port_number(&self, number: u16) -> Option<&Arc<PortEntry>> {
        self.ports.iter().find(|entry| entry.port.port == number)
    }

    /// Where HTTP requests go that name the job alone.
    pub fn http_port(&self) -> Option<&Arc<PortEntry>> {
        self.ports.iter().find(|entry| entry.port.protocol.is_http())
    }
}

#[cfg(test)]
pub(crate) mod tests;
