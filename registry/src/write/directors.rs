//! A director's own record: put only if nobody live has its id, and from then on under one lease.

use std::time::Duration;

use super::jobs::unchanged;
use super::{ATTEMPTS, Registry, WriteError, Written};
use crate::kv::{Commit, Entry, LeaseId};
use crate::record::{Director, Key, ValueError, decode, encode, read};

impl Registry {
    /// Grants a lease and puts the record under it, unless a live director has the id.
    pub async fn announce_director(
        &self,
        id: &str,
        director: &Director,
        ttl: Duration,
    ) -> Result<(LeaseId, Written), WriteError> {
        self.under_lease(ttl, |lease| self.put_director(id, director, lease)).await
    }

    /// Puts the record under the lease, which its director has; nothing is written of what is there already.
    pub async fn put_director(
        &self,
        id: &str,
        director: &Director,
        lease: LeaseId,
    ) -> Result<Written, WriteError> {
        let key = Key::Director(id.to_owned());
        let value = encode(director);
        // What is refused here would be quarantined by every reader.
        read::<Director>(&value)?;
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            match &found {
                Some(found) if is_held_by_another(found, lease) => return Err(taken(id, found)),
                Some(found) if found.lease == Some(lease) && found.value == value => {
                    return Ok(Written { revision: found.modified, created: false });
                }
                _ => {}
            }
            let created = found.is_none();
            let txn = unchanged(&key, found.as_ref()).put(key.to_string(), value.clone(), Some(lease));
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// Ends the lease, if it is the one that the record is under.
    pub async fn withdraw_director(&self, id: &str, lease: LeaseId) -> Result<(), WriteError> {
        let key = Key::Director(id.to_owned());
        match self.read(&key).await? {
            None => Err(WriteError::NotFound(format!("record {key}"))),
            Some(found) if found.lease != Some(lease) => Err(taken(id, &found)),
            Some(_) => Ok(self.kv().revoke(lease).await?),
        }
    }
}

/// A record without a lease says that nobody lives: somebody has put it there by hand.
fn is_held_by_another(found: &Entry, lease: LeaseId) -> bool {
    found.lease.is_some_and(|held| held != lease)
}

fn taken(id: &str, found: &Entry) -> WriteError {
    let director: Result<Director, ValueError> = decode(&found.value);
    let host = director.map_or_else(|_| "a host that it does not name".to_owned(), |director| director.host);
    WriteError::DirectorTaken { id: id.to_owned(), host }
}
