//! VIP offsets: one transaction puts both sides, both only if absent, so that gateways that race agree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use roundhouse_config::Label;

use super::jobs::unchanged;
use super::{ATTEMPTS, Registry, WriteError};
use crate::kv::{Commit, Condition, Entry, Revision};
use crate::record::{Key, Vip, VipOwner, decode, encode};

/// A freed offset rests this long: clients may still hold the address in a cache of theirs. Seconds.
pub(super) const REST: u64 = 24 * 3600;

/// Allocates for many jobs: who holds what is read once, and again when somebody else was faster; not at all while a guess
/// is right, since with 10,000 jobs that is 10,000 records read for one.
pub struct VipAllocator<'a> {
    registry: &'a Registry,
    size: u32,
    now: u64,
    /// Given to jobs that the registry has forgotten and that are served on.
    avoid: BTreeSet<u32>,
    /// An offset that was perhaps never used.
    guess: Option<u32>,
    owners: Option<Owners>,
}

impl Registry {
    /// `size` is how many addresses the smallest announced prefix has; offset 0 (the network's own address) and the
    /// last one (broadcast) are never used. `now` is in seconds since the epoch.
    pub fn vip_allocator(&self, size: u32, now: u64) -> VipAllocator<'_> {
        VipAllocator { registry: self, size, now, avoid: BTreeSet::new(), guess: None, owners: None }
    }

    /// One job's offset; see [`VipAllocator::allocate`].
    pub async fn allocate_vip(
        &self,
        label: &Label,
        wish: Option<u32>,
        size: u32,
        now: u64,
    ) -> Result<u32, WriteError> {
        self.vip_allocator(size, now).allocate(label, wish).await
    }
}

impl VipAllocator<'_> {
    /// Leaves these offsets alone, though the registry says that they are free.
    #[must_use]
    pub fn avoiding(mut self, offsets: impl IntoIterator<Item = u32>) -> Self {
        self.avoid.extend(offsets);
        self
    }

    /// Begins with this offset, if it was never used: what another allocator said is [`VipAllocator::next`].
    #[must_use]
    pub fn guessing(mut self, next: Option<u32>) -> Self {
        self.guess = next;
        self
    }

    /// What is likely the lowest offset never used, if that is known.
    pub fn next(&self) -> Option<u32> {
        self.guess
    }

    /// The job's offset, allocated now if it has none.
    pub async fn allocate(&mut self, label: &Label, wish: Option<u32>) -> Result<u32, WriteError> {
        let key = Key::Vip(label.clone());
        for attempt in 0..ATTEMPTS {
            let found = self.registry.read(&key).await?;
            if let Some(Ok(Vip { offset })) = found.as_ref().map(|entry| decode(&entry.value)) {
                // Another gateway's guess was ours.
                if self.guess == Some(offset) {
                    self.guess = offset.checked_add(1);
                }
                return Ok(offset);
            }
            if attempt > 0 {
                self.guess = None;
            }
            let (offset, held) = self.candidate(wish).await?;
            let owner_key = Key::VipOwner(offset).to_string();
            let free = match held {
                Some(revision) => Condition::At(owner_key.clone(), revision),
                None => Condition::Absent(owner_key.clone()),
            };
            // A job that was deleted meanwhile must not leave a VIP behind.
            let Some(job) = self.registry.read(&Key::Job(label.clone())).await? else {
                return Err(WriteError::NotFound(format!("job `{label}`")));
            };
            let owner = VipOwner::Job(label.clone());
            // A record that cannot be read is written over.
            let txn = unchanged(&key, found.as_ref())
                .when(free)
                .when(Condition::At(job.key, job.modified))
                .put(key.to_string(), encode(&Vip { offset }), None)
                .put(owner_key, encode(&owner), None);
            match self.registry.kv().commit(txn).await? {
                Commit::Done(revision) => {
                    if let Some(owners) = &mut self.owners {
                        owners.insert(offset, (owner, revision));
                    }
                    if held.is_none() && wish != Some(offset) {
                        self.guess = offset.checked_add(1);
                    }
                    return Ok(offset);
                }
                Commit::Refused => self.owners = None,
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// An offset that looks free, and the revision of the record that says since when, if it had an owner.
    async fn candidate(&mut self, wish: Option<u32>) -> Result<(u32, Option<Revision>), WriteError> {
        let (size, now) = (self.size, self.now);
        if let Some(guess) = self.guess
            && self.owners.is_none()
            && wish.is_none()
            && usable(size).contains(&guess)
            && !self.avoid.contains(&guess)
        {
            return Ok((guess, None));
        }
        let owners = self.owners().await?;
        let Some(offset) = choose(owners, wish, size, now) else {
            return Err(WriteError::NoVip { used: owners.len(), size });
        };
        Ok((offset, owners.get(&offset).map(|(_, revision)| *revision)))
    }

    async fn owners(&mut self) -> Result<&Owners, WriteError> {
        if self.owners.is_none() {
            let mut owners = read_owners(&self.registry.kv().range(Key::VIP_OWNERS).await?);
            for offset in &self.avoid {
                owners.entry(*offset).or_insert((VipOwner::FreedAt(u64::MAX), Revision(0)));
            }
            self.owners = Some(owners);
        }
        Ok(self.owners.get_or_insert_default())
    }
}

type Owners = BTreeMap<u32, (VipOwner, Revision)>;

fn read_owners(entries: &[Entry]) -> Owners {
    entries
        .iter()
        .filter_map(|entry| match Key::parse(&entry.key) {
            Ok(Key::VipOwner(offset)) => {
                // One that cannot be read is taken: giving it to a second job would be worse than losing it.
                let owner = decode(&entry.value).unwrap_or(VipOwner::FreedAt(u64::MAX));
                Some((offset, (owner, entry.modified)))
            }
            _ => None,
        })
        .collect()
}

fn usable(size: u32) -> Range<u32> {
    1..size.saturating_sub(1)
}

/// The wish if it is free, else the lowest offset never used, else the one freed longest ago that has rested.
fn choose(owners: &Owners, wish: Option<u32>, size: u32, now: u64) -> Option<u32> {
    let usable = usable(size);
    if let Some(wish) = wish.filter(|wish| usable.contains(wish) && !owners.contains_key(wish)) {
        return Some(wish);
    }
    // The first gap in a sorted list.
    let fresh = owners.keys().fold(usable.start, |next, held| if *held == next { next + 1 } else { next });
    if usable.contains(&fresh) {
        return Some(fresh);
    }
    owners
        .iter()
        .filter_map(|(offset, (owner, _))| match owner {
            VipOwner::FreedAt(at) if usable.contains(offset) && now >= at.saturating_add(REST) => {
                Some((*at, *offset))
            }
            _ => None,
        })
        .min()
        .map(|(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(taken: &[(u32, Option<u64>)]) -> Owners {
        let owner = |freed: Option<u64>| match freed {
            Some(at) => VipOwner::FreedAt(at),
            None => VipOwner::Job("app".parse().unwrap()),
        };
        taken.iter().map(|(offset, freed)| (*offset, (owner(*freed), Revision(1)))).collect()
    }

    #[test]
    fn the_lowest_offset_never_used_comes_first() {
        assert_eq!(choose(&owners(&[]), None, 16, 0), Some(1));
        assert_eq!(choose(&owners(&[(1, None), (2, Some(0))]), None, 16, 1 << 30), Some(3));
    }

    #[test]
    fn a_wish_is_granted_when_it_is_free_and_inside() {
        assert_eq!(choose(&owners(&[]), Some(7), 16, 0), Some(7));
        assert_eq!(choose(&owners(&[(7, None)]), Some(7), 16, 0), Some(1));
        assert_eq!(choose(&owners(&[]), Some(15), 16, 0), Some(1), "the broadcast address is not for use");
    }

    #[test]
    fn freed_offsets_rest_a_day_and_come_back_oldest_first() {
        let full = owners(&[(1, None), (2, Some(200)), (3, Some(100)), (4, None)]);
        assert_eq!(choose(&full, None, 6, 100 + REST - 1), None);
        assert_eq!(choose(&full, None, 6, 100 + REST), Some(3));
        assert_eq!(choose(&full, None, 6, 1 << 40), Some(3));
    }
}
