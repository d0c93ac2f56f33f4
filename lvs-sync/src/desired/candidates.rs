//! Who may be behind a VIP: instances, hubs, or another pool's VIPs, with the weights that they would have.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use roundhouse_config::{Label, PortName};
use roundhouse_registry::record::{Pool, PoolTarget};
use roundhouse_registry::{Instance, InstanceId, Snapshot, State};

use super::Wrong;

/// Hubs and VIPs have no weights of their own.
const WEIGHT: u32 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: SocketAddr,
    pub(super) weight: u32,
    pub(super) fitness: Fitness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    Healthy,
    /// Its own check fails, or a hub's.
    Failing,
    /// It drains, or somebody has taken it out.
    Leaving,
}

/// Of the line's own, where the pool wants no others.
pub(super) fn candidates(snapshot: &Snapshot, pool: &Pool, line: &Label) -> Result<Vec<Candidate>, Wrong> {
    match &pool.to {
        PoolTarget::Job(job, port) => {
            Ok(instances(snapshot, pool, job, port, line, |of| !pool.local_only || of == line))
        }
        PoolTarget::Hubs(entrypoint) => hubs(snapshot, entrypoint),
        PoolTarget::Pool(other) => vips(snapshot, other, line),
    }
}

/// The job's instances of another line, for a pool that has too few of its own.
pub(super) fn of_line(snapshot: &Snapshot, pool: &Pool, line: &Label) -> Vec<Candidate> {
    match &pool.to {
        PoolTarget::Job(job, port) => instances(snapshot, pool, job, port, line, |of| of == line),
        PoolTarget::Hubs(_) | PoolTarget::Pool(_) => Vec::new(),
    }
}

fn instances(
    snapshot: &Snapshot,
    pool: &Pool,
    job: &Label,
    port: &PortName,
    line: &Label,
    takes: impl Fn(&Label) -> bool,
) -> Vec<Candidate> {
    let members = snapshot.members(job).filter(|member| takes(&member.instance().line));
    let candidate = |instance: &Instance, id| {
        let address = SocketAddr::new(instance.address.to_canonical(), *instance.ports.get(port)?);
        let nearer = if instance.line == *line { pool.local_weight } else { 1 };
        let weight = instance.weight.saturating_mul(nearer);
        Some(Candidate { address, weight, fitness: fitness(snapshot, job, id, instance) })
    };
    let mut seen = BTreeSet::new();
    members
        .filter_map(|member| candidate(member.instance(), member.id()))
        .filter(|candidate| seen.insert(candidate.address))
        .collect()
}

fn fitness(snapshot: &Snapshot, job: &Label, id: InstanceId, instance: &Instance) -> Fitness {
    let verdict = snapshot.health.get(job).and_then(|verdicts| verdicts.get(&id));
    match instance.state {
        State::Draining | State::Maintenance => Fitness::Leaving,
        State::Down => Fitness::Failing,
        State::Up if verdict.is_some_and(|verdict| !verdict.value.healthy) => Fitness::Failing,
        State::Up => Fitness::Healthy,
    }
}

/// None at all is no reason to take them out: it is rather the hubs' registry that is away.
fn hubs(snapshot: &Snapshot, entrypoint: &PortName) -> Result<Vec<Candidate>, Wrong> {
    let addresses: BTreeSet<SocketAddr> = snapshot
        .gateways
        .values()
        .filter_map(|gateway| gateway.value.entrypoints.get(entrypoint))
        .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()))
        .collect();
    match addresses.is_empty() {
        true => Err(Wrong::NoHub(entrypoint.clone())),
        false => Ok(addresses.into_iter().map(healthy).collect()),
    }
}

/// Those of the same line, or all if it has none there.
fn vips(snapshot: &Snapshot, name: &Label, line: &Label) -> Result<Vec<Candidate>, Wrong> {
    let Some(pool) = snapshot.pools.get(name) else { return Err(Wrong::NoPool(name.clone())) };
    let pool = &pool.value;
    let near = pool.lines.get(line).filter(|vips| !vips.is_empty());
    let addresses: Vec<_> = match near {
        Some(vips) => vips.clone(),
        None => pool.vips().map(|(_, vip)| vip).collect(),
    };
    match addresses.is_empty() {
        true => Err(Wrong::NoVips(name.clone())),
        false => Ok(addresses
            .into_iter()
            .map(|vip| healthy(SocketAddr::new(vip.to_canonical(), pool.port)))
            .collect()),
    }
}

fn healthy(address: SocketAddr) -> Candidate {
    Candidate { address, weight: WEIGHT, fitness: Fitness::Healthy }
}

/// Pools lead to pools, and must end somewhere.
pub(super) fn check_loop(snapshot: &Snapshot, first: &Label) -> Result<(), Wrong> {
    let mut way = vec![first.clone()];
    let mut at = first;
    while let Some(PoolTarget::Pool(next)) = snapshot.pools.get(at).map(|pool| &pool.value.to) {
        let around = way.contains(next);
        way.push(next.clone());
        if around {
            return Err(Wrong::Loop(way));
        }
        at = next;
    }
    Ok(())
}
