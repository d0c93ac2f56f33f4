//! From a snapshot to a table: pure but for the random starts, which are passed in.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use roundhouse_config::{DomainName, Label, Port, Zone};
use roundhouse_registry::delta::{Delta, delta};
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{Domain, InstanceId, Job, Revision, Snapshot, Versioned};

use super::lines::Pools;
use super::names::Names;
use super::{DomainEntry, Endpoint, EndpointSet, Former, JobEntry, Live, Own, PortEntry, Table};

/// What a table depends on besides the snapshot.
pub struct Facts {
    pub zone: Zone,
    pub vips: IpNet,
    pub own: Own,
    pub workers: usize,
    /// Names resolve to the gateways themselves: a port belongs to one job.
    pub hub: bool,
    /// What is believed of an endpoint never seen before. At the gateway's own start: healthy, because a restart must
    /// not black out everybody. Later: unknown, until its first probe.
    pub newcomer: Verdict,
}

type Record = Arc<Versioned<Job>>;

impl Table {
    pub fn empty(facts: &Facts) -> Table {
        Table {
            revision: Revision(0),
            zone: facts.zone.clone(),
            vips: facts.vips,
            hub_addresses: facts.own.hub().into(),
            names: Arc::new(Names::new(facts.hub)),
            pools: Pools::build(&Snapshot::default()),
        }
    }

    /// The whole table; entries whose records did not change are the old table's own.
    pub fn build(facts: &Facts, snapshot: &Snapshot, old: &Table, start: &mut dyn FnMut() -> usize) -> Table {
        let mut names = Names::new(facts.hub);
        for (label, record) in &snapshot.jobs {
            names.add_job(&job_entry(facts, snapshot, label, record, old.names.jobs.get(label), start));
        }
        for (name, record) in &snapshot.domains {
            names.put_domain(&domain_entry(facts, name, record, old.names.domain_entry(name), start));
        }
        Table {
            revision: snapshot.revision,
            hub_addresses: hub_addresses(facts, snapshot),
            names: Arc::new(names),
            pools: Pools::build(snapshot),
            ..Table::empty(facts)
        }
    }

    /// The table of `new`, where this one is that of `old`, what differs, and what jobs had before that differ in their
    /// endpoints. It costs what differs. A job whose instances changed gets its new endpoints at once, in this table too:
    /// both have the same ports.
    pub fn updated(
        &self,
        facts: &Facts,
        old: &Snapshot,
        new: &Snapshot,
        start: &mut dyn FnMut() -> usize,
    ) -> (Table, Option<Delta>, Vec<Former>) {
        let mut table = self.at(new.revision);
        let Some(delta) = delta(old, new) else { return (table, None, Vec::new()) };
        if facts.hub && !old.gateways.ptr_eq(&new.gateways) {
            table.hub_addresses = hub_addresses(facts, new);
        }
        table.pools.follow(old, new);
        let mut former = Vec::new();
        if !delta.jobs.is_empty() || !delta.domains.is_empty() {
            let mut names = Names::clone(&self.names);
            // Before the sets that both tables have are replaced.
            former.extend(
                delta.jobs.iter().filter_map(|label| names.follow_job(facts, new, label, &mut *start)),
            );
            delta.domains.iter().for_each(|name| names.follow_domain(facts, new, name, &mut *start));
            table.names = Arc::new(names);
        }
        for label in &delta.instances {
            former.extend(table.refresh_job(facts, new, label, &mut *start));
        }
        (table, Some(delta), former)
    }

    /// The same names at a later revision.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Table {
        Table { revision, ..self.clone() }
    }

    /// One job's endpoints anew: its instances changed, or a verdict did. What it had before.
    pub fn refresh_job(
        &self,
        facts: &Facts,
        snapshot: &Snapshot,
        label: &Label,
        start: &mut dyn FnMut() -> usize,
    ) -> Option<Former> {
        let job = self.names.jobs.get(label)?;
        let former = job.ports.iter().map(|entry| {
            let old = entry.endpoints();
            let set = endpoint_set(facts, snapshot, job_key(job), &entry.port, Some(&old), &mut *start);
            (entry.port.protocol, entry.replace(set))
        });
        Some(Former { job: label.clone(), sets: former.collect() })
    }
}

impl Names {
    /// What the job had before, if its entry is another one now or none.
    fn follow_job(
        &mut self,
        facts: &Facts,
        snapshot: &Snapshot,
        label: &Label,
        start: &mut dyn FnMut() -> usize,
    ) -> Option<Former> {
        let old = self.jobs.get(label).cloned();
        let record = snapshot.jobs.get(label);
        let new = record.map(|record| job_entry(facts, snapshot, label, record, old.as_ref(), start));
        if let (Some(old), Some(new)) = (&old, &new)
            && Arc::ptr_eq(old, new)
        {
            return None;
        }
        if let Some(old) = &old {
            self.remove_job(old);
        }
        if let Some(new) = &new {
            self.add_job(new);
        }
        old.map(|old| Former::of(&old))
    }

    fn follow_domain(
        &mut self,
        facts: &Facts,
        snapshot: &Snapshot,
        name: &DomainName,
        start: &mut dyn FnMut() -> usize,
    ) {
        match snapshot.domains.get(name) {
            Some(record) => {
                self.put_domain(&domain_entry(facts, name, record, self.domain_entry(name), start));
            }
            None => self.remove_domain(name),
        }
    }
}

/// Of this hub and of those that announced themselves, each once.
fn hub_addresses(facts: &Facts, snapshot: &Snapshot) -> Arc<[IpAddr]> {
    if !facts.hub {
        return Arc::default();
    }
    let announced = snapshot.gateways.values().flat_map(|gateway| gateway.value.addresses.iter().copied());
    let all: BTreeSet<IpAddr> = announced.chain(facts.own.hub().iter().copied()).collect();
    all.into_iter().collect()
}

/// The address of an offset, if the prefix has it.
pub fn vip_address(prefix: IpNet, offset: u32) -> Option<IpAddr> {
    let address = match prefix {
        IpNet::V4(net) => IpAddr::V4(Ipv4Addr::from(u32::from(net.network()).checked_add(offset)?)),
        IpNet::V6(net) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(net.network()).checked_add(u128::from(offset))?))
        }
    };
    prefix.contains(&address).then_some(address)
}

/// What of a job its endpoints depend on.
#[derive(Clone, Copy)]
struct JobKey<'a> {
    label: &'a Label,
    checked: bool,
}

fn job_key(job: &JobEntry) -> JobKey<'_> {
    JobKey { label: &job.label, checked: job.check.is_some() }
}

fn job_entry(
    facts: &Facts,
    snapshot: &Snapshot,
    label: &Label,
    record: &Record,
    old: Option<&Arc<JobEntry>>,
    start: &mut dyn FnMut() -> usize,
) -> Arc<JobEntry> {
    let vip = snapshot.vip(label).and_then(|offset| vip_address(facts.vips, offset));
    if let Some(old) = old
        && old.record == *record
        && old.vip == vip
    {
        return old.clone();
    }
    let job = &record.value;
    let key = JobKey { label, checked: job.check.is_some() };
    let ports = job.ports.iter().map(|port| {
        let former = old.and_then(|old| old.port_named(&port.name));
        match former {
            // The same port of a job that changed elsewhere keeps its set.
            Some(entry) if entry.port == *port && old.is_some_and(|old| old.check == job.check) => {
                entry.clone()
            }
            former => {
                let endpoints = former.map(|entry| entry.endpoints());
                let set =
                    endpoint_set(facts, snapshot, key, port, endpoints.as_deref().map(|set| &**set), start);
                Arc::new(PortEntry::new(port.clone(), set))
            }
        }
    });
    Arc::new(JobEntry {
        label: label.clone(),
        jobname: job.jobname.clone(),
        ports: ports.collect(),
        vip,
        check: job.check.clone(),
        drain: job.drain,
        capacity: old.map(|old| old.capacity.clone()).unwrap_or_default(),
        record: record.clone(),
    })
}

fn domain_entry(
    facts: &Facts,
    name: &DomainName,
    record: &Arc<Versioned<Domain>>,
    old: Option<&Arc<DomainEntry>>,
    start: &mut dyn FnMut() -> usize,
) -> Arc<DomainEntry> {
    match old {
        Some(old) if old.record == *record => old.clone(),
        _ => Arc::new(DomainEntry::new(name.clone(), record, facts.workers, start)),
    }
}

fn endpoint_set(
    facts: &Facts,
    snapshot: &Snapshot,
    job: JobKey<'_>,
    port: &Port,
    old: Option<&EndpointSet>,
    start: &mut dyn FnMut() -> usize,
) -> EndpointSet {
    let endpoints = snapshot.members(job.label).filter_map(|member| {
        let (id, instance) = (member.id(), member.instance());
        let number = *instance.ports.get(&port.name)?;
        let address = SocketAddr::new(instance.address.to_canonical(), number);
        let live = live(facts, job, old, id, address);
        // An entrypoint of ours may have come to its address, or gone from it.
        let refused = facts.own.holds(address);
        // Of a hundred endpoints one has changed.
        if let Some(same) = old.and_then(|old| old.find(id)).filter(|old| {
            Arc::ptr_eq(&old.live, &live)
                && (old.weight, old.state, old.held) == (instance.weight, instance.state, member.is_held())
                && old.refused == refused
        }) {
            return Some(same.clone());
        }
        Some(Arc::new(Endpoint {
            job: job.label.clone(),
            port: port.name.clone(),
            id,
            address,
            weight: instance.weight,
            state: instance.state,
            held: member.is_held(),
            refused,
            live,
        }))
    });
    EndpointSet::new(endpoints.collect(), facts.workers, start)
}

/// Carried over while the instance stays at its address.
fn live(
    facts: &Facts,
    job: JobKey<'_>,
    old: Option<&EndpointSet>,
    id: InstanceId,
    address: SocketAddr,
) -> Arc<Live> {
    let known = old.and_then(|old| old.find(id)).filter(|endpoint| endpoint.address == address);
    match known {
        Some(endpoint) => {
            if !job.checked {
                endpoint.live.set_verdict(Verdict::Healthy);
            }
            endpoint.live.clone()
        }
        None if job.checked => Arc::new(Live::new(facts.newcomer)),
        None => Arc::new(Live::new(Verdict::Healthy)),
    }
}
