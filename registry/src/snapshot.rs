//! One immutable view of the registry at one revision.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use roundhouse_config::{DomainName, Label, PortName, Selector};
use serde::Serialize;

use crate::hold::Retained;
use crate::kv::{Entry, LeaseId, Listing, Revision};
use crate::quarantine::Quarantine;
use crate::record::{
    Cert, Director, Domain, Entrypoint, Gateway, Guard, Health, Held, Instance, InstanceId, Job, Leader,
    Line, Name, Pool, Rule, Token, Vip, encode, without_secrets,
};

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

/// The records of one kind, sorted.
pub type Records<K, T> = OrdMap<K, Arc<Versioned<T>>>;

/// The records of one kind that instances have, job by job.
pub type PerInstance<T> = OrdMap<Label, Records<InstanceId, T>>;

/// Per-kind sorted maps that share structure with the snapshot they were made from. A job's instances are a map of
/// their own, so two snapshots are compared job by job with a pointer each.
///
/// What only writers look at (who holds an offset, a pool's VIP or an address) is not here, nor is `kv/`.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Which history `revision` counts in; empty before the first listing.
    pub origin: Arc<str>,
    pub revision: Revision,
    /// How often this program changed it without the registry's word, by ending a hold or what was retained. Whoever
    /// builds on changes alone must read the whole again when it differs.
    pub epoch: u64,
    pub certs: Records<Name, Cert>,
    pub directors: Records<Arc<str>, Director>,
    pub domains: Records<DomainName, Domain>,
    pub entrypoints: Records<PortName, Entrypoint>,
    pub gateways: Records<Arc<str>, Gateway>,
    pub guards: Records<Selector, Guard>,
    pub health: PerInstance<Health>,
    pub held: PerInstance<Held>,
    pub instances: PerInstance<Instance>,
    /// How many of them there are, counted by `apply` as they come and go: the hold asks at every change.
    pub live: usize,
    pub jobs: Records<Label, Job>,
    pub leaders: Records<Name, Leader>,
    pub lines: Records<Label, Line>,
    pub pools: Records<Label, Pool>,
    pub rules: Records<Name, Rule>,
    pub tokens: Records<Name, Token>,
    /// The VIP offset of each job that has one.
    pub vips: Records<Label, Vip>,
    pub quarantine: Quarantine,
    /// Keys of records above that only the former history of the registry has.
    pub retained: OrdMap<Arc<str>, Retained>,
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

    /// The records as a store would list them, sorted by key: a listing of them is this snapshot again, but for its
    /// quarantine. Secrets are among them, and fields that this program does not know are not.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.each_entry().collect();
        // Nearly sorted: only `a-b/` comes before `a/`.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    /// The same one by one, each made when it is asked for and only nearly sorted: for who writes them out and must not
    /// hold them all.
    pub fn each_entry(&self) -> impl Iterator<Item = Entry> + Send + '_ {
        kind("certs", &self.certs)
            .chain(kind("directors", &self.directors))
            .chain(kind("domains", &self.domains))
            .chain(kind("entrypoints", &self.entrypoints))
            .chain(kind("gateways", &self.gateways))
            .chain(kind("guards", &self.guards))
            .chain(kind_of_instances("health", &self.health))
            .chain(kind_of_instances("held", &self.held))
            .chain(kind_of_instances("instances", &self.instances))
            .chain(kind("jobs", &self.jobs))
            .chain(kind("leaders", &self.leaders))
            .chain(kind("lines", &self.lines))
            .chain(kind("pools", &self.pools))
            .chain(kind("rules", &self.rules))
            .chain(kind("tokens", &self.tokens))
            .chain(kind("vips", &self.vips))
    }

    /// The same for readers who may not see secrets.
    pub fn entries_without_secrets(&self) -> Vec<Entry> {
        self.entries().iter().filter_map(|entry| Some(without_secrets(entry)?.into_owned())).collect()
    }

    pub fn instance(&self, job: &Label, id: InstanceId) -> Option<&Arc<Versioned<Instance>>> {
        self.instances.get(job)?.get(&id)
    }

    /// Live instances.
    pub fn instance_count(&self) -> usize {
        self.live
    }

    /// Instances that are held.
    pub fn held_count(&self) -> usize {
        self.held.values().map(OrdMap::len).sum()
    }

    /// The offset of the job's VIP.
    pub fn vip(&self, job: &Label) -> Option<u32> {
        self.vips.get(job).map(|vip| vip.value.offset)
    }

    /// All instances with their jobs, sorted.
    pub fn all_instances(&self) -> impl Iterator<Item = (&Label, &InstanceId, &Arc<Versioned<Instance>>)> {
        self.instances
            .iter()
            .flat_map(|(job, instances)| instances.iter().map(move |(id, instance)| (job, id, instance)))
    }

    /// The same content, whatever the structure; for tests and checkers.
    pub fn same_records(&self, other: &Snapshot) -> bool {
        self.certs == other.certs
            && self.directors == other.directors
            && self.domains == other.domains
            && self.entrypoints == other.entrypoints
            && self.gateways == other.gateways
            && self.guards == other.guards
            && self.health == other.health
            && self.held == other.held
            && self.instances == other.instances
            && self.jobs == other.jobs
            && self.leaders == other.leaders
            && self.lines == other.lines
            && self.pools == other.pools
            && self.rules == other.rules
            && self.tokens == other.tokens
            && self.vips == other.vips
            && self.quarantine.keys().eq(other.quarantine.keys())
            && self.quarantine.len() == other.quarantine.len()
            && self.retained == other.retained
    }
}

fn kind<'a, K, T>(kind: &'static str, records: &'a Records<K, T>) -> impl Iterator<Item = Entry> + Send + 'a
where
    K: Ord + fmt::Display + Send + Sync,
    T: Serialize + Send + Sync,
{
    records.iter().map(move |(name, record)| entry(format!("{kind}/{name}"), record))
}

fn kind_of_instances<'a, T>(
    kind: &'static str,
    jobs: &'a PerInstance<T>,
) -> impl Iterator<Item = Entry> + Send + 'a
where
    T: Serialize + Send + Sync,
{
    jobs.iter().flat_map(move |(job, records)| {
        records.iter().map(move |(id, record)| entry(format!("{kind}/{job}/{id}"), record))
    })
}

fn entry<T: Serialize>(key: String, record: &Versioned<T>) -> Entry {
    let Versioned { value, created, modified, lease } = record;
    Entry { key, value: encode(value), created: *created, modified: *modified, lease: *lease }
}
