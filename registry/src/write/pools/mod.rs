//! Pools, and the VIPs that they get from their lines.
//!
//! ```text
//! VIPs, pools, lines (three ranges) ─► fill (pure) ─► one transaction: pools/<pool> and pool-vips/<ip> of each VIP that
//!                                      choose (pure)   comes, goes or changes its port, if all is still as it was seen
//! ```
//!
//! - Of gateways that race for one address one writes its record, and the others look again.
//! - Two pools may share a VIP if their ports or protocols differ. Whoever comes to a VIP, leaves it or changes the port
//!   there writes the VIP's record, so that two who do so at once cannot both be right about the other.
//! - A VIP that nobody has any more rests a day, as offsets do ([`REST`](super::vips::REST)).

mod among;
mod choose;
mod ensure;
mod fill;

use std::collections::BTreeSet;
use std::net::IpAddr;

use roundhouse_config::Label;

pub use self::ensure::NewPool;

use self::among::Among;
use self::fill::filled;
use super::jobs::unchanged;
use super::{ATTEMPTS, Expect, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Txn};
use crate::record::{Key, Pool, PoolVip, encode};

/// etcd takes 128 operations and as many conditions in a transaction (`--max-txn-ops`); some room is left for a server
/// that is set lower.
const MOST: usize = 100;

/// A pool that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWritten {
    pub written: Written,
    /// With the VIPs that it has now.
    pub pool: Pool,
}

impl Registry {
    /// Writes the pool, and allocates VIPs on the lines that it names with none, or on every line that has VIPs to give
    /// if it names no line. What it has there already it keeps. `now` is in seconds since the epoch.
    pub async fn put_pool(
        &self,
        name: &Label,
        pool: &Pool,
        expect: Expect,
        now: u64,
    ) -> Result<PoolWritten, WriteError> {
        pool.validate()?;
        let key = Key::Pool(name.clone());
        for _ in 0..ATTEMPTS {
            let among = Among::read(self).await?;
            let (found, stored) = among.pool(name);
            expect.check(&key, found)?;
            let on_the_way = among.leads_on(name, pool)?;
            let (pool, lines) = filled(name, pool, &among, now)?;
            pool.validate()?;
            refuse_conflict(name, &pool, &among)?;
            let moves =
                stored.is_none_or(|stored| (stored.port, stored.protocol) != (pool.port, pool.protocol));
            let txn = unchanged(&key, found).put(key.to_string(), encode(&pool), None);
            let lines = lines.iter().filter_map(|line| among.line_stands(line));
            let txn = on_the_way.into_iter().chain(lines).fold(txn, Txn::when);
            let txn = with_owners(txn, name, &pool.vips().map(|(_, vip)| vip).collect(), moves, &among, now)?;
            refuse_large(name, &txn)?;
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                let written = Written { revision, created: found.is_none() };
                return Ok(PoolWritten { written, pool });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// Deletes the pool, also one that cannot be read, and frees its VIPs.
    pub async fn delete_pool(&self, name: &Label, expect: Expect, now: u64) -> Result<Written, WriteError> {
        let key = Key::Pool(name.clone());
        for _ in 0..ATTEMPTS {
            let among = Among::read(self).await?;
            let (found, _) = among.pool(name);
            expect.check(&key, found)?;
            let Some(found) = found else { return Err(WriteError::NotFound(format!("pool `{name}`"))) };
            let txn = unchanged(&key, Some(found)).delete(key.to_string());
            let txn = with_owners(txn, name, &BTreeSet::new(), false, &among, now)?;
            refuse_large(name, &txn)?;
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: false });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }
}

/// The transaction with the records of the VIPs that come and go. `moves`: those of VIPs that stay are written too, since
/// whoever comes to one meanwhile has looked at the pool as it was.
fn with_owners(
    mut txn: Txn,
    name: &Label,
    vips: &BTreeSet<IpAddr>,
    moves: bool,
    among: &Among,
    now: u64,
) -> Result<Txn, WriteError> {
    let left = among.vips_of(name).into_iter().filter(|vip| !vips.contains(vip));
    for vip in vips.iter().copied().chain(left) {
        let key = Key::pool_vip(vip).to_string();
        let found = among.vips.get(&vip);
        let mut pools: Vec<Label> = match found.and_then(|held| held.by.as_ref()) {
            Some(PoolVip::Pools(pools)) => pools.iter().filter(|pool| *pool != name).cloned().collect(),
            _ => Vec::new(),
        };
        pools.extend(among.others_at(vip, name).map(|(other, _)| other.clone()));
        let stays = vips.contains(&vip);
        pools.extend(stays.then(|| name.clone()));
        pools.sort_unstable();
        pools.dedup();
        let by = if pools.is_empty() { PoolVip::FreedAt(now) } else { PoolVip::Pools(pools) };
        by.validate()?;
        if stays && !moves && found.and_then(|held| held.by.as_ref()) == Some(&by) {
            continue;
        }
        let condition = match found {
            Some(held) => Condition::At(key.clone(), held.revision),
            None => Condition::Absent(key.clone()),
        };
        txn = txn.when(condition).put(key, encode(&by), None);
    }
    Ok(txn)
}

/// One port of one VIP is one pool's.
fn refuse_conflict(name: &Label, pool: &Pool, among: &Among) -> Result<(), WriteError> {
    for (_, vip) in pool.vips() {
        let same = |other: &Pool| (other.port, other.protocol) == (pool.port, pool.protocol);
        if let Some((holder, _)) = among.others_at(vip, name).find(|(_, other)| same(other)) {
            let (port, protocol) = (pool.port, pool.protocol.as_str());
            return Err(WriteError::PoolVipTaken { vip, port, protocol, holder: holder.clone() });
        }
    }
    Ok(())
}

fn refuse_large(name: &Label, txn: &Txn) -> Result<(), WriteError> {
    let operations = txn.when.len().max(txn.then.len());
    match operations > MOST {
        true => Err(WriteError::PoolTooLarge { pool: name.clone(), operations, most: MOST }),
        false => Ok(()),
    }
}
