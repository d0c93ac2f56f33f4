//! What a pool is written among: the other pools, the lines, and who has which VIP.

use std::collections::BTreeMap;
use std::net::IpAddr;

use roundhouse_config::Label;

use super::choose::Taken;
use crate::kv::{Condition, Entry, KvError, Revision};
use crate::record::{Key, Line, Pool, PoolTarget, PoolVip, ValueError, read};
use crate::write::{Registry, WriteError};

pub(super) struct Among {
    pub(super) vips: BTreeMap<IpAddr, Held>,
    pools: BTreeMap<Label, Entry>,
    /// Those that can be read.
    readable: BTreeMap<Label, Pool>,
    lines: BTreeMap<Label, Entry>,
}

/// A VIP's record as it stands.
pub(super) struct Held {
    /// `None`: it cannot be read, so the VIP is taken.
    pub(super) by: Option<PoolVip>,
    pub(super) revision: Revision,
}

impl Among {
    /// The VIPs first: who comes to share one between the two looks changes its record, which a write has as its
    /// condition. The other way round a pool would be missed.
    pub(super) async fn read(registry: &Registry) -> Result<Among, KvError> {
        let kv = registry.kv();
        let vips = kv.range(Key::POOL_VIPS).await?;
        let pools = kv.range(Key::POOLS).await?;
        let lines = kv.range(Key::LINES).await?;
        let vips = vips.into_iter().filter_map(|entry| match Key::parse(&entry.key) {
            Ok(Key::PoolVip(vip)) => {
                Some((vip, Held { by: read(&entry.value).ok(), revision: entry.modified }))
            }
            _ => None,
        });
        let label = |entry: Entry| match Key::parse(&entry.key) {
            Ok(Key::Pool(label) | Key::Line(label)) => Some((label, entry)),
            _ => None,
        };
        let pools: BTreeMap<Label, Entry> = pools.into_iter().filter_map(label).collect();
        let readable =
            pools.iter().filter_map(|(name, entry)| Some((name.clone(), read(&entry.value).ok()?)));
        Ok(Among {
            vips: vips.collect(),
            readable: readable.collect(),
            pools,
            lines: lines.into_iter().filter_map(label).collect(),
        })
    }

    /// The pool as it is stored, and its record if that can be read.
    pub(super) fn pool(&self, name: &Label) -> (Option<&Entry>, Option<&Pool>) {
        (self.pools.get(name), self.readable.get(name))
    }

    /// The line's record; `None`: there is none.
    pub(super) fn line(&self, name: &Label) -> Result<Option<Line>, WriteError> {
        let Some(entry) = self.lines.get(name) else { return Ok(None) };
        let line = read(&entry.value).map_err(|error| {
            let message = format!("line `{name}` cannot be read, mend it first: {error}");
            ValueError::field(format!("lines.{name}"), message)
        })?;
        Ok(Some(line))
    }

    /// The lines that have VIPs to give.
    pub(super) fn lines_with_vips(&self) -> impl Iterator<Item = &Label> {
        let has = |entry: &Entry| read::<Line>(&entry.value).is_ok_and(|line| !line.vips.is_empty());
        self.lines.iter().filter(move |(_, entry)| has(entry)).map(|(name, _)| name)
    }

    /// That the line gives what it gave.
    pub(super) fn line_stands(&self, name: &Label) -> Option<Condition> {
        self.lines.get(name).map(|entry| Condition::At(entry.key.clone(), entry.modified))
    }

    /// The pools but this one that have the VIP, by their own records.
    pub(super) fn others_at<'a>(
        &'a self,
        vip: IpAddr,
        name: &'a Label,
    ) -> impl Iterator<Item = (&'a Label, &'a Pool)> {
        let has = move |pool: &Pool| pool.vips().any(|(_, theirs)| theirs == vip);
        self.readable.iter().filter(move |(other, pool)| *other != name && has(pool))
    }

    /// The VIPs that the pool leaves or keeps: those of its record, and those that are held in its name.
    pub(super) fn vips_of(&self, name: &Label) -> Vec<IpAddr> {
        let held = self.vips.iter().filter(|(_, held)| held.has(name)).map(|(vip, _)| *vip);
        let own = self.readable.get(name).into_iter().flat_map(|pool| pool.vips().map(|(_, vip)| vip));
        let mut vips: Vec<IpAddr> = held.chain(own).collect();
        vips.sort_unstable();
        vips.dedup();
        vips
    }

    /// What is not to be given. A pool whose VIP has no record, as an earlier version wrote it, has it all the same.
    pub(super) fn taken(&self, own: &Pool) -> Taken {
        let mut taken: Taken =
            self.vips.iter().map(|(vip, held)| (*vip, held.by.as_ref().and_then(freed_at))).collect();
        let pools = self.readable.values().chain([own]);
        taken.extend(pools.flat_map(|pool| pool.vips().map(|(_, vip)| (vip, None))));
        taken
    }

    /// That what the pool leads to does not lead back to it: the pools on the way as they were seen.
    pub(super) fn leads_on(&self, name: &Label, pool: &Pool) -> Result<Vec<Condition>, ValueError> {
        let mut way: Vec<&Label> = vec![name];
        let mut conditions = Vec::new();
        let mut at = pool;
        while let PoolTarget::Pool(next) = &at.to {
            way.push(next);
            if next == name {
                let way: Vec<&str> = way.into_iter().map(Label::as_str).collect();
                let message = match way.len() {
                    2 => "a pool cannot lead to itself; name another".to_owned(),
                    _ => format!("the pool would lead back to itself ({}); name another", way.join(" -> ")),
                };
                return Err(ValueError::field("to.pool", message));
            }
            let key = Key::Pool(next.clone()).to_string();
            conditions.push(match self.pools.get(next) {
                Some(entry) => Condition::At(key, entry.modified),
                None => Condition::Absent(key),
            });
            // A circle of others, which somebody wrote into the store by hand, is theirs.
            match self.readable.get(next) {
                Some(pool) if !way[..way.len() - 1].contains(&next) => at = pool,
                _ => break,
            }
        }
        Ok(conditions)
    }
}

impl Held {
    pub(super) fn has(&self, name: &Label) -> bool {
        matches!(&self.by, Some(PoolVip::Pools(pools)) if pools.contains(name))
    }
}

fn freed_at(by: &PoolVip) -> Option<u64> {
    match by {
        PoolVip::FreedAt(at) => Some(*at),
        PoolVip::Pools(_) => None,
    }
}
