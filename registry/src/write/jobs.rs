//! Jobs: who owns a label.

use bytes::Bytes;
use roundhouse_config::{Label, Port, PortName};

use super::{ATTEMPTS, Expect, NewInstance, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Entry, Revision, Txn};
use crate::record::{Job, Key, ValueError, Vip, VipOwner, decode, encode};

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

    /// The record that a registering instance brings along, if there is none yet; answers the record's revision. An
    /// implicit one learns the ports that it lacks. An explicit one is left as it is, and refuses an instance that names
    /// another JOBNAME or has none of its ports.
    pub async fn ensure_job(&self, new: &NewInstance) -> Result<Revision, WriteError> {
        let key = Key::Job(new.job.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            let job = match &found {
                None => Job::implicit(&new.job, new.jobname.clone(), new.ports.clone()),
                Some(found) => {
                    // One that cannot be read is the operator's to mend; the instance is there when it is.
                    let Ok(owner) = decode::<Job>(&found.value) else { return Ok(found.modified) };
                    refuse_misfit(&owner, new)?;
                    match extended(&owner, &new.ports) {
                        Some(job) => job,
                        None => return Ok(found.modified),
                    }
                }
            };
            job.validate()?;
            let txn = unchanged(&key, found.as_ref()).put(key.to_string(), encode(&job), None);
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(revision);
            }
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

/// The implicit job with the ports that it lacks, if there are any. A number that it has under another name stays that
/// one's: the job's VIP serves a number once.
fn extended(job: &Job, brought: &[Port]) -> Option<Job> {
    if !job.implicit {
        return None;
    }
    let mut extended = job.clone();
    for port in brought {
        if extended.ports.iter().all(|known| known.name != port.name && known.port != port.port) {
            extended.ports.push(port.clone());
        }
    }
    (extended != *job).then_some(extended)
}

/// An instance of another JOBNAME, or one that no port of the job would ever reach.
fn refuse_misfit(owner: &Job, new: &NewInstance) -> Result<(), WriteError> {
    if let Some(wanted) = &new.jobname
        && owner.jobname != *wanted
    {
        return Err(WriteError::LabelTaken {
            label: new.job.clone(),
            owner: owner.jobname.clone(),
            wanted: wanted.clone(),
        });
    }
    let has_one = new.instance.ports.keys().any(|name| owner.port(name).is_some());
    if owner.implicit || owner.ports.is_empty() || has_one {
        return Ok(());
    }
    let message = format!(
        "{}: job `{}` has none of them; it has {}; use its names, or add the ports to the job",
        join(new.instance.ports.keys()),
        new.job,
        join(owner.ports.iter().map(|port| &port.name)),
    );
    Err(ValueError::field("ports", message).into())
}

fn join<'a>(names: impl Iterator<Item = &'a PortName>) -> String {
    names.map(PortName::as_str).collect::<Vec<_>>().join(", ")
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
