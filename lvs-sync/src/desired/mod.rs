//! What a sink should hold, as the registry says it. Pure.
//!
//! ```text
//! pools of this sink ─► keys: VIP:port of each line held here │ firewall mark │ target group
//!                    ─► candidates: the job's instances │ the hubs │ another pool's VIPs, with their weights
//!                    ─► quorum: with too few healthy, the fallback
//!                    ─► fit: as the sink can hold it ─► Wanted
//! ```
//!
//! A pool that cannot be as it is written is a [`Problem`] with its name, and nothing is changed for that pool: what was
//! programmed for it stays. The others go on.

mod candidates;
mod problem;
mod quorum;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::Label;
use roundhouse_registry::record::{self, Key, Pool, PoolTarget, Timestamp};
use roundhouse_registry::{Snapshot, Versioned};

use self::candidates::{Candidate, candidates};
pub use self::problem::{Problem, Wrong};
pub use self::quorum::{Fallen, Falls};
use crate::model::{Destination, Family, Forwarding, Service, ServiceKey, Settings};
use crate::sink::Unfit;

/// ipvsadm(8), `--weight`.
const MAX_WEIGHT: u32 = 65_535;

/// What is wanted of one sink, and where.
pub struct Site<'a> {
    pub snapshot: &'a Snapshot,
    pub sink: record::Sink,
    pub lines: &'a Held,
    pub fit: &'a dyn Fn(&ServiceKey, Service) -> Result<Service, Unfit>,
    pub now: Timestamp,
}

/// The lines whose VIPs come to this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    All,
    These(BTreeSet<Label>),
}

impl Held {
    pub fn holds(&self, line: &Label) -> bool {
        match self {
            Held::All => true,
            Held::These(lines) => lines.contains(line),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Desired {
    pub services: BTreeMap<ServiceKey, Wanted>,
    pub problems: Vec<Problem>,
    /// Of each pool, on the lines that are held.
    pub vips: BTreeMap<Label, BTreeSet<IpAddr>>,
    /// When it becomes another although the registry does not change.
    pub next: Option<Timestamp>,
}

/// One service, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub pool: Label,
    pub line: Label,
    pub service: Service,
    /// Who is to have no work and cannot stay in this sink without: it leaves with a farewell.
    pub leaving: BTreeSet<SocketAddr>,
    /// How long the connections of a destination that leaves may go on.
    pub drain: Duration,
}

/// `falls`: which pools have fallen below their quorum, as it was and then as it is.
pub fn desired(site: &Site<'_>, falls: &mut Falls) -> Desired {
    let mut desired = Desired::default();
    desired.problems.extend(quarantined(site.snapshot));
    for (name, pool) in claims(site, &mut desired.problems) {
        let held = pool.value.vips().filter(|(line, _)| site.lines.holds(line)).map(|(_, vip)| vip);
        desired.vips.insert(name.clone(), held.collect());
        let mut services = Vec::new();
        match pool_services(site, name, &pool.value, falls, &mut services) {
            Ok(next) => {
                desired.next = desired.next.into_iter().chain(next).min();
                desired.services.extend(services);
            }
            Err(problem) => desired.problems.push(problem),
        }
        desired.problems.extend(nobody_holds(site, name, &pool.value));
    }
    falls.retain(|pool| site.snapshot.pools.contains_key(pool));
    desired
}

/// Records that are in the store and cannot be read: their pools are not gone.
fn quarantined(snapshot: &Snapshot) -> impl Iterator<Item = Problem> + '_ {
    snapshot.quarantine.iter().filter_map(|(key, bad)| match Key::parse(key) {
        Ok(Key::Pool(pool)) => Some(Problem::of(&pool, Wrong::Unreadable(bad.reason.clone()))),
        _ => None,
    })
}

type Pools<'a> = Vec<(&'a Label, &'a Arc<Versioned<Pool>>)>;

/// The pools of this sink. Of two that claim one service, the older record has it.
fn claims<'a>(site: &Site<'a>, problems: &mut Vec<Problem>) -> Pools<'a> {
    let of_this_sink = site.snapshot.pools.iter().filter(|(_, pool)| pool.value.sink == site.sink);
    let mut pools: Pools<'a> = of_this_sink.collect();
    pools.sort_by_key(|(name, pool)| (pool.created, *name));
    let mut owners: BTreeMap<ServiceKey, &Label> = BTreeMap::new();
    pools.retain(|(name, pool)| {
        let keys: Vec<ServiceKey> = keys(&Held::All, name, &pool.value).map(|(_, key)| key).collect();
        let taken = keys.iter().find_map(|key| Some((key, *owners.get(key)?)));
        if let Some((key, owner)) = taken {
            problems.push(Problem::of(name, Wrong::VipTwice { key: key.clone(), owner: owner.clone() }));
            return false;
        }
        owners.extend(keys.into_iter().map(|key| (key, *name)));
        true
    });
    pools
}

/// The services of a pool on the lines that are held, each with its line.
fn keys<'a>(
    held: &'a Held,
    name: &'a Label,
    pool: &'a Pool,
) -> impl Iterator<Item = (&'a Label, ServiceKey)> + 'a {
    let mut once = BTreeSet::new();
    let group = (pool.sink == record::Sink::Aws).then(|| (name, ServiceKey::Group(name.clone())));
    let vips = pool.vips().filter(move |(line, _)| held.holds(line)).filter_map(move |(line, vip)| {
        let key = match (pool.sink, pool.fwmark) {
            (record::Sink::Aws, _) => return None,
            (_, Some(mark)) => ServiceKey::Mark(mark, Family::of(vip)),
            (_, None) => ServiceKey::Address(pool.protocol.into(), SocketAddr::new(vip, pool.port)),
        };
        once.insert(key.clone()).then_some((line, key))
    });
    group.into_iter().chain(vips)
}

fn pool_services(
    site: &Site<'_>,
    name: &Label,
    pool: &Pool,
    falls: &mut Falls,
    services: &mut Vec<(ServiceKey, Wanted)>,
) -> Result<Option<Timestamp>, Problem> {
    let wrong = |wrong| Problem::of(name, wrong);
    if let PoolTarget::Pool(_) = pool.to {
        candidates::check_loop(site.snapshot, name).map_err(wrong)?;
    }
    let forwarding = Forwarding::of(pool.forwarding, pool.tunnel.as_ref());
    let mut next = None;
    let mut reached: BTreeSet<SocketAddr> = BTreeSet::new();
    let mut all: BTreeMap<SocketAddr, Family> = BTreeMap::new();
    for (line, key) in keys(site.lines, name, pool) {
        let own = candidates(site.snapshot, pool, line).map_err(wrong)?;
        let chosen = quorum::choose(site, name, pool, line, own, falls);
        next = next.into_iter().chain(chosen.returns).min();
        check_ports(&key, forwarding, &chosen.candidates).map_err(wrong)?;
        let family = match forwarding.mixes_families() || !needs_one_family(pool.sink) {
            true => None,
            false => key.family(),
        };
        let taken =
            |candidate: &&Candidate| family.is_none_or(|family| Family::of(candidate.address.ip()) == family);
        let destinations: BTreeMap<SocketAddr, Destination> = chosen
            .candidates
            .iter()
            .filter(taken)
            .map(|candidate| (candidate.address, Destination::new(candidate.weight, forwarding)))
            .collect();
        all.extend(
            chosen.candidates.iter().map(|candidate| (candidate.address, Family::of(candidate.address.ip()))),
        );
        if let (true, Some(family), false) = (destinations.is_empty(), family, chosen.candidates.is_empty()) {
            return Err(wrong(Wrong::NoneOfTheFamily { key, family }));
        }
        reached.extend(destinations.keys());
        let heavy = destinations.iter().find(|(_, destination)| destination.weight > MAX_WEIGHT);
        if let Some((address, destination)) = heavy {
            return Err(wrong(Wrong::TooHeavy { address: *address, weight: destination.weight }));
        }
        let quiet: Vec<SocketAddr> = destinations
            .iter()
            .filter(|(_, destination)| destination.weight == 0)
            .map(|(address, _)| *address)
            .collect();
        let service = Service { settings: Settings::of(pool, key.family()), destinations };
        let service = (site.fit)(&key, service)
            .map_err(|Unfit(reason)| wrong(Wrong::Unfit { sink: site.sink, reason }))?;
        let stays = |address: &SocketAddr| service.destinations.contains_key(address);
        let leaving = quiet.into_iter().filter(|address| !stays(address)).collect();
        let (pool, line, drain) = (name.clone(), line.clone(), pool.drain);
        services.push((key, Wanted { pool, line, service, leaving, drain }));
    }
    match all.into_iter().find(|(address, _)| !reached.contains(address)) {
        Some((address, family)) => Err(wrong(Wrong::OfAnotherFamily { address, family })),
        None => Ok(next),
    }
}

/// HAProxy connects anew, and a cloud's groups are its own business.
fn needs_one_family(sink: record::Sink) -> bool {
    matches!(sink, record::Sink::Ipvs | record::Sink::Nftables)
}

fn check_ports(key: &ServiceKey, forwarding: Forwarding, candidates: &[Candidate]) -> Result<(), Wrong> {
    let Some(vip) = key.vip().filter(|_| forwarding.keeps_port()) else { return Ok(()) };
    match candidates.iter().find(|candidate| candidate.address.port() != vip.port()) {
        Some(other) => Err(Wrong::PortDiffers { vip, address: other.address }),
        None => Ok(()),
    }
}

/// Lines on which no live director with this sink would program the pool. It does not block the lines that are held: a
/// director that died must not stop the others.
fn nobody_holds<'a>(
    site: &'a Site<'_>,
    name: &'a Label,
    pool: &'a Pool,
) -> impl Iterator<Item = Problem> + 'a {
    let held = |line: &Label| {
        let mut directors = site.snapshot.directors.values().map(|director| &director.value);
        site.lines.holds(line)
            || directors.any(|director| {
                director.sinks.contains(&site.sink)
                    && (director.lines.is_empty() || director.lines.contains(line))
            })
    };
    let unheld = pool.lines.keys().filter(move |line| !held(line));
    unheld.map(|line| Problem::of(name, Wrong::NobodyHolds(line.clone())))
}
