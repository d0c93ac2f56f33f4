//! Jobs: who owns a label.

use bytes::Bytes;
use roundhouse_config::{JobName, Label, Port};

use super::{ATTEMPTS, Expect, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Entry, Revision, Txn};
use crate::record::{Job, Key, Vip, VipOwner, decode, encode};

impl Registry {
    /// Writes a job under a label that is free, its own, or held by an implicit record only.
    pub async fn put_job(&self, label: &Label, job: &Job, expect: Expect) -> Result<Written, WriteError> {
        job.validate()?;
        let key = Key::Job(label.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            expect.check(&key, found.as_ref())?;
            refuse_stranger(label, job, found.as_ref())?;
            let txn = unchanged(&key, found.as_ref()).put(key.to_string(), encode(job), None);
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: found.is_none() });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// The record that a registering instance brings along, if there is none yet; answers the record's revision. One
    /// that is there is left as it is, unless it names another JOBNAME: then the instance is refused.
    pub async fn ensure_job(
        &self,
        label: &Label,
        jobname: Option<&JobName>,
        ports: &[Port],
    ) -> Result<Revision, WriteError> {
        let key = Key::Job(label.clone());
        for _ in 0..ATTEMPTS {
            let Some(found) = self.read(&key).await? else {
                let job = Job::implicit(label, jobname.cloned(), ports.to_vec());
                job.validate()?;
                let txn = unchanged(&key, None).put(key.to_string(), encode(&job), None);
                match self.kv().commit(txn).await? {
                    Commit::Done(revision) => return Ok(revision),
                    Commit::Refused => continue,
                }
            };
            return match (decode::<Job>(&found.value), jobname) {
                (Ok(owner), Some(wanted)) if owner.jobname != *wanted => Err(WriteError::LabelTaken {
                    label: label.clone(),
                    owner: owner.jobname,
                    wanted: wanted.clone(),
                }),
                _ => Ok(found.modified),
            };
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// Deletes the job and frees its VIP. Its instances must be gone: they would bring it back as an implicit job.
    pub async fn delete_job(&self, label: &Label, expect: Expect, now: u64) -> Result<Written, WriteError> {
        let key = Key::Job(label.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            expect.check(&key, found.as_ref())?;
            let Some(found) = found else { return Err(WriteError::NotFound(format!("job `{label}`"))) };
            let under = Key::instances_of(label);
            let instances = self.kv().range(&under).await?.len();
            if instances > 0 {
                return Err(WriteError::InUse { label: label.clone(), instances });
            }
            let mut txn =
                unchanged(&key, Some(&found)).when(Condition::Vacant(under)).delete(key.to_string());
            let vip_key = Key::Vip(label.clone());
            match self.read(&vip_key).await? {
                Some(entry) => {
                    txn = txn
                        .when(Condition::At(vip_key.to_string(), entry.modified))
                        .delete(vip_key.to_string());
                    if let Ok(Vip { offset }) = decode(&entry.value) {
                        txn =
                            txn.put(Key::VipOwner(offset).to_string(), encode(&VipOwner::FreedAt(now)), None);
                    }
                }
                // One that is allocated at this moment must not stay behind.
                None => txn = txn.when(Condition::Absent(vip_key.to_string())),
            }
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: false });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }
}

/// A transaction that holds only if the key is still as it was read.
pub(super) fn unchanged(key: &Key, found: Option<&Entry>) -> Txn {
    let key = key.to_string();
    Txn::new().when(match found {
        Some(entry) => Condition::At(key, entry.modified),
        None => Condition::Absent(key),
    })
}

/// A record that cannot be read has no owner: writing a good one over it is the cure.
fn refuse_stranger(label: &Label, job: &Job, found: Option<&Entry>) -> Result<(), WriteError> {
    let Some(owner) = found.and_then(|entry| decode::<Job>(&entry.value as &Bytes).ok()) else {
        return Ok(());
    };
    if owner.jobname == job.jobname || owner.implicit {
        return Ok(());
    }
    Err(WriteError::LabelTaken { label: label.clone(), owner: owner.jobname, wanted: job.jobname.clone() })
}
