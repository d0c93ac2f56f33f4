//! What is kept of the former history when the registry comes back with another one.
//!
//! An etcd whose disk was lost, or that was restored from an old backup, answers like any other: it lists what it has.
//! That its revision is lower is the only sign, and what it lacks was not deleted by anybody. Instances are held one by
//! one (see [`keeper`](super::keeper)); the jobs, domains, VIPs, certificates, rules and pools without which nothing
//! routes to them stay where they are in the snapshot, and are listed as retained. They go when they are released, or at
//! the deadline; rules and guards only when they are released, because losing one can open a door, and tokens, because
//! losing them locks everybody out. Tokens do not even go when everything is released: they are released by name.
//!
//! Only this program's memory (and its snapshot on disk) has them: writing them back is a person's decision, see
//! `roundhouse registry import`.

use std::collections::HashSet;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Away;
use crate::kv::Revision;
use crate::record::{Key, Timestamp};
use crate::snapshot::{Records, Snapshot};

/// Why a record that the registry does not have is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retained {
    pub since: Timestamp,
    /// `None`: until somebody releases it.
    pub until: Option<Timestamp>,
    pub reason: Box<str>,
}

/// Whether `fresh` goes on where `old` was. A cluster that lost its data and was started as before has the same id, and
/// its revision soon catches up; but a record older than what was seen is one that was seen.
pub(super) fn is_same_history(old: &Snapshot, fresh: &Snapshot, away: Away) -> bool {
    if fresh.origin != old.origin || fresh.revision < old.revision {
        return false;
    }
    let seen = Seen { until: old.revision, whole: !away.from_disk };
    let instances = fresh.instances.iter().all(|(job, fresh)| {
        old.instances.get(job).map_or_else(|| seen.knows(&OrdMap::new(), fresh), |old| seen.knows(old, fresh))
    });
    // What is retained has the revisions of a history before.
    instances
        && (!old.retained.is_empty()
            || seen.knows(&old.jobs, &fresh.jobs)
                && seen.knows(&old.domains, &fresh.domains)
                && seen.knows(&old.vips, &fresh.vips)
                && seen.knows(&old.rules, &fresh.rules)
                && seen.knows(&old.guards, &fresh.guards))
}

struct Seen {
    until: Revision,
    /// Everything up to there; else an earlier version of this program may have left out what it could not read.
    whole: bool,
}

impl Seen {
    fn knows<K: Ord + Clone, T>(&self, old: &Records<K, T>, fresh: &Records<K, T>) -> bool {
        fresh
            .iter()
            .filter(|(_, record)| (1..=self.until.0).contains(&record.modified.0))
            .all(|(key, record)| old.get(key).map_or(!self.whole, |old| old.modified == record.modified))
    }
}

/// Copies into `fresh` what only `old` has, of the kinds that are wanted.
pub(super) fn retain(
    old: &Snapshot,
    fresh: &mut Snapshot,
    wanted: impl Fn(&Key) -> bool,
    reason: &str,
    since: Timestamp,
    until: Timestamp,
) {
    let has = keys(fresh);
    for entry in old.entries() {
        let Ok(key) = Key::parse(&entry.key) else { continue };
        if !is_retained(&key) || !wanted(&key) || !lacks(fresh, &has, old, &key, &entry.key) {
            continue;
        }
        let until = (!guards_doors(&key)).then_some(until);
        fresh.put(&entry);
        fresh.retained.insert(entry.key.into(), Retained { since, until, reason: reason.into() });
    }
}

/// After one more listing of the same new history: what was retained and is still missing.
pub(super) fn carry(old: &Snapshot, fresh: &mut Snapshot) {
    if old.retained.is_empty() {
        return;
    }
    let has = keys(fresh);
    for entry in old.entries() {
        if let Some(retained) = old.retained.get(entry.key.as_str())
            && let Ok(key) = Key::parse(&entry.key)
            && lacks(fresh, &has, old, &key, &entry.key)
        {
            fresh.put(&entry);
            fresh.retained.insert(entry.key.into(), retained.clone());
        }
    }
}

fn keys(snapshot: &Snapshot) -> HashSet<String> {
    snapshot.entries().into_iter().map(|entry| entry.key).collect()
}

/// Whether the registry lost the record. An implicit job that a registrar has just brought is no word about the explicit
/// one; a record that is there and cannot be read is one.
fn lacks(fresh: &Snapshot, has: &HashSet<String>, old: &Snapshot, key: &Key, text: &str) -> bool {
    let implicit = |snapshot: &Snapshot, label| snapshot.jobs.get(label).map(|job| job.value.implicit);
    match key {
        Key::Job(label) if has.contains(text) => {
            implicit(fresh, label) == Some(true) && implicit(old, label) == Some(false)
        }
        // One address is one job's, and the registry says whose.
        Key::Vip(label)
            if old
                .vip(label)
                .is_some_and(|offset| fresh.vips.values().any(|vip| vip.value.offset == offset)) =>
        {
            false
        }
        _ => !has.contains(text) && fresh.quarantine.get(text).is_none(),
    }
}

/// Ends what is past its deadline. Whether there was any.
pub(super) fn expire(snapshot: &mut Snapshot, now: Timestamp) -> bool {
    let over = |retained: &Retained| retained.until.is_some_and(|until| now >= until);
    let keys: Vec<Arc<str>> =
        snapshot.retained.iter().filter(|(_, retained)| over(retained)).map(|(key, _)| key.clone()).collect();
    keys.iter().for_each(|key| snapshot.delete(key));
    !keys.is_empty()
}

/// Ends one, or all but the tokens. How many.
pub(super) fn release(snapshot: &mut Snapshot, key: Option<&str>) -> usize {
    let wanted = |one: &str| key.map_or(!one.starts_with(Key::TOKENS), |key| key == one);
    let keys: Vec<Arc<str>> = snapshot.retained.keys().filter(|one| wanted(one)).cloned().collect();
    // A deleted record is not retained either.
    keys.iter().for_each(|key| snapshot.delete(key));
    keys.len()
}

/// Losing one can let somebody in, or keep everybody out.
pub(super) fn guards_doors(key: &Key) -> bool {
    matches!(key, Key::Rule(_) | Key::Guard(_) | Key::Token(_))
}

/// Instances have holds of their own, and presence and verdicts mean nothing without their writer.
fn is_retained(key: &Key) -> bool {
    !matches!(
        key,
        Key::Instance(..)
            | Key::Held(..)
            | Key::Health(..)
            | Key::Address(_)
            | Key::Gateway(_)
            | Key::Director(_)
            | Key::Leader(_)
            | Key::PoolVip(_)
            | Key::VipOwner(_)
            | Key::Reserved
    )
}
