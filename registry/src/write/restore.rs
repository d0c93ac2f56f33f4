//! Writes back what only this program remembers: records retained from the former history of the registry.

use crate::kv::{Commit, Condition, Entry, Txn, portions};
use crate::record::{Job, Key, Vip, VipOwner, decode, encode};
use crate::snapshot::Snapshot;

use super::{Expect, Registry, WriteError};

/// A VIP takes two operations and two conditions, and etcd takes 128 of each in a transaction.
const TOGETHER: usize = 60;

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub written: usize,
    /// The registry has the key again, or the VIP's offset is another job's, or a pool's VIP another pool's: left as it is.
    pub left: usize,
}

impl Registry {
    /// Writes every retained record whose key is absent. Running it again goes on where it stopped. `now` is in seconds
    /// since the epoch.
    pub async fn restore(&self, snapshot: &Snapshot, now: u64) -> Result<Restored, WriteError> {
        let retained = |entry: &Entry| snapshot.retained.contains_key(entry.key.as_str());
        let (pools, entries): (Vec<Entry>, Vec<Entry>) = snapshot
            .entries()
            .into_iter()
            .filter(retained)
            .partition(|entry| entry.key.starts_with(Key::POOLS));
        let mut restored = Restored::default();
        for together in portions(&entries, TOGETHER, |entry| entry.key.len() + entry.value.len()) {
            if self.restore_all(together).await? {
                restored.written += together.len();
                continue;
            }
            for one in together.chunks(1) {
                match self.restore_all(one).await? || self.restore_job(&one[0], snapshot).await? {
                    true => restored.written += 1,
                    false => restored.left += 1,
                }
            }
        }
        // Behind the lines. Two of them may have one VIP, whose record no transaction can write twice.
        for entry in &pools {
            match self.restore_pool(entry, snapshot, now).await? {
                true => restored.written += 1,
                false => restored.left += 1,
            }
        }
        Ok(restored)
    }

    /// With its VIPs, unless the registry has given one of them to another pool.
    async fn restore_pool(&self, entry: &Entry, snapshot: &Snapshot, now: u64) -> Result<bool, WriteError> {
        let Ok(Key::Pool(name)) = Key::parse(&entry.key) else { return Ok(false) };
        let Some(pool) = snapshot.pools.get(&name) else { return Ok(false) };
        match self.put_pool(&name, &pool.value, Expect::Absent, now).await {
            Ok(_) => Ok(true),
            Err(error @ (WriteError::Kv(_) | WriteError::Busy(_))) => Err(error),
            Err(error) => {
                tracing::warn!(pool = %name, %error, "not restored");
                Ok(false)
            }
        }
    }

    /// An implicit job that a registrar brought meanwhile yields to the one that a person wrote.
    async fn restore_job(&self, entry: &Entry, snapshot: &Snapshot) -> Result<bool, WriteError> {
        let Ok(Key::Job(label)) = Key::parse(&entry.key) else { return Ok(false) };
        let (Some(found), Some(job)) =
            (self.read(&Key::Job(label.clone())).await?, snapshot.jobs.get(&label))
        else {
            return Ok(false);
        };
        if !decode::<Job>(&found.value).is_ok_and(|found| found.implicit) {
            return Ok(false);
        }
        match self.put_job(&label, &job.value, Expect::At(found.modified)).await {
            Ok(_) => Ok(true),
            Err(WriteError::Precondition { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether they were written: all of them, or none.
    async fn restore_all(&self, entries: &[Entry]) -> Result<bool, WriteError> {
        let txn = entries.iter().fold(Txn::new(), put_if_absent);
        Ok(matches!(self.kv().commit(txn).await?, Commit::Done(_)))
    }
}

fn put_if_absent(txn: Txn, entry: &Entry) -> Txn {
    let txn =
        txn.when(Condition::Absent(entry.key.clone())).put(entry.key.clone(), entry.value.clone(), None);
    match (Key::parse(&entry.key), decode(&entry.value)) {
        // An offset has its owner beside it, or another job would be given it.
        (Ok(Key::Vip(job)), Ok(Vip { offset })) => {
            let owner = Key::VipOwner(offset).to_string();
            txn.when(Condition::Absent(owner.clone())).put(owner, encode(&VipOwner::Job(job)), None)
        }
        _ => txn,
    }
}
