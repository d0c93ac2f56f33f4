//! Which pools have which VIP once a file is imported: no port of one twice, and the VIPs' records as the pools say. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use roundhouse_config::Label;
use roundhouse_registry::kv::{Condition, Entry};
use roundhouse_registry::record::{Key, Pool, PoolProtocol, PoolVip, decode, encode};

use super::plan::{Plan, Put, conflict};

/// What is in the file stands before what is in the registry.
pub(super) fn settle(plan: &mut Plan, file: &[Entry], registry: &[Entry], now: u64) {
    let pools = Pools::of(registry.iter().chain(file));
    plan.conflicts.extend(pools.ports_twice().map(|(pool, why)| conflict(&format!("pools/{pool}"), &why)));
    let there: BTreeMap<&str, &Entry> = vips(registry);
    let mut left = there.clone();
    left.extend(vips(file));
    for (key, entry) in left {
        let Ok(Key::PoolVip(vip)) = Key::parse(key) else { continue };
        let stands: Option<PoolVip> = decode(&entry.value).ok();
        let former = there.get(key).and_then(|found| decode(&found.value).ok());
        let by = pools.by(vip, stands.as_ref(), former.as_ref(), now);
        if stands.as_ref() == Some(&by) {
            continue;
        }
        let value = encode(&by);
        if let Some(put) = plan.units.iter_mut().flatten().find(|put| put.key == key) {
            put.value = value;
        } else if let Some(found) = there.get(key) {
            plan.count(key).replace += 1;
            let when = Condition::At(key.to_owned(), found.modified);
            plan.units.push(vec![Put { key: key.to_owned(), value, leased: false, when }]);
        }
    }
}

fn vips(entries: &[Entry]) -> BTreeMap<&str, &Entry> {
    entries
        .iter()
        .map(|entry| (&*entry.key, entry))
        .filter(|(key, _)| key.starts_with(Key::POOL_VIPS))
        .collect()
}

/// The pools that there will be; `None`: one that cannot be read.
struct Pools(BTreeMap<Label, Option<Pool>>);

impl Pools {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Pools {
        let pool = |entry: &Entry| match Key::parse(&entry.key) {
            Ok(Key::Pool(name)) => Some((name, decode(&entry.value).ok())),
            _ => None,
        };
        Pools(entries.filter_map(pool).collect())
    }

    fn places(&self) -> impl Iterator<Item = (&Label, &Pool, IpAddr)> {
        let readable = self.0.iter().filter_map(|(name, pool)| Some((name, pool.as_ref()?)));
        readable.flat_map(|(name, pool)| pool.vips().map(move |(_, vip)| (name, pool, vip)))
    }

    /// The later pool of two at one port of a VIP, and why it cannot be.
    fn ports_twice(&self) -> impl Iterator<Item = (&Label, String)> {
        let mut holders: BTreeMap<(IpAddr, u16, bool), &Label> = BTreeMap::new();
        self.places().filter_map(move |(name, pool, vip)| {
            let place = (vip, pool.port, pool.protocol == PoolProtocol::Udp);
            let holder = *holders.entry(place).or_insert(name);
            let (port, protocol) = (pool.port, pool.protocol.as_str());
            let why = format!(
                "would have {vip} port {port}/{protocol} of pool {holder} too; delete one of them first"
            );
            (holder != name).then_some((name, why))
        })
    }

    /// A pool that cannot be read keeps what is held in its name.
    fn by(&self, vip: IpAddr, stands: Option<&PoolVip>, former: Option<&PoolVip>, now: u64) -> PoolVip {
        let mut by: BTreeSet<Label> =
            self.places().filter(|(_, _, theirs)| *theirs == vip).map(|(name, _, _)| name.clone()).collect();
        for said in stands.into_iter().chain(former) {
            if let PoolVip::Pools(pools) = said {
                by.extend(pools.iter().filter(|pool| matches!(self.0.get(*pool), Some(None))).cloned());
            }
        }
        match stands {
            _ if !by.is_empty() => PoolVip::Pools(by.into_iter().collect()),
            Some(PoolVip::FreedAt(at)) => PoolVip::FreedAt(*at),
            _ => PoolVip::FreedAt(now),
        }
    }
}
