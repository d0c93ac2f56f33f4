//! Who has a sink that several directors share: put only if absent, under the director's own lease.

use super::jobs::unchanged;
use super::{ATTEMPTS, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Entry, LeaseId, Revision};
use crate::record::{Key, Leader, Name, ValueError, decode, encode};

/// Somebody leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The revision that made the record: whoever leads later has a higher one.
    pub fence: Revision,
    pub written: Written,
}

impl Registry {
    /// Makes the director the leader, unless another one is. Who leads already goes on, and nothing is written.
    pub async fn lead(&self, name: &Name, leader: &Leader, lease: LeaseId) -> Result<Led, WriteError> {
        leader.validate()?;
        let key = Key::Leader(name.clone());
        let director = Key::Director(leader.director.to_string());
        for _ in 0..ATTEMPTS {
            // A leader is a director that lives: its record goes with the same lease.
            let record = self.read(&director).await?.filter(|record| record.lease == Some(lease));
            let Some(record) = record else {
                return Err(WriteError::NoDirector { id: leader.director.clone(), lease });
            };
            if let Some(found) = self.read(&key).await? {
                return if found.lease == Some(lease) {
                    let written = Written { revision: found.modified, created: false };
                    Ok(Led { fence: found.created, written })
                } else {
                    Err(taken(name, &found))
                };
            }
            let txn = unchanged(&key, None).when(Condition::At(record.key, record.modified)).put(
                key.to_string(),
                encode(leader),
                Some(lease),
            );
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Led { fence: revision, written: Written { revision, created: true } });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// Leaves the place to others, if the lease has it.
    pub async fn resign(&self, name: &Name, lease: LeaseId) -> Result<(), WriteError> {
        let key = Key::Leader(name.clone());
        for _ in 0..ATTEMPTS {
            let found = match self.read(&key).await? {
                None => return Err(WriteError::NotFound(format!("record {key}"))),
                Some(found) if found.lease != Some(lease) => return Err(taken(name, &found)),
                Some(found) => found,
            };
            let txn = unchanged(&key, Some(&found)).delete(key.to_string());
            if let Commit::Done(_) = self.kv().commit(txn).await? {
                return Ok(());
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }
}

fn taken(name: &Name, found: &Entry) -> WriteError {
    let leader: Result<Leader, ValueError> = decode(&found.value);
    let director = leader.map_or_else(|_| "one that it does not name".into(), |leader| leader.director);
    WriteError::LeaderTaken { name: name.clone(), director }
}
