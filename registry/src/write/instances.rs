//! Instances: put if absent, with their addresses, under one lease.

use std::net::SocketAddr;
use std::time::Duration;

use roundhouse_config::{JobName, Label, Port};

use super::jobs::unchanged;
use super::{ATTEMPTS, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Entry, LeaseId, Txn};
use crate::record::{Instance, InstanceId, Key, State, decode, encode};

/// What a registrar brings.
#[derive(Clone, Debug)]
pub struct NewInstance {
    pub job: Label,
    pub id: InstanceId,
    pub instance: Instance,
    /// For the implicit job record; and a JOBNAME that is not the label's owner is refused.
    pub jobname: Option<JobName>,
    pub ports: Vec<Port>,
}

impl Registry {
    /// Grants a lease and registers under it.
    pub async fn register_leased(
        &self,
        new: &NewInstance,
        ttl: Duration,
    ) -> Result<(LeaseId, Written), WriteError> {
        new.instance.validate()?;
        self.under_lease(ttl, |lease| self.register(new, Some(lease))).await
    }

    /// Registers under a lease, or without one (`None`: a static instance). Taking over is for the same UUID only. A hold
    /// of the instance ends in the same commit.
    pub async fn register(&self, new: &NewInstance, lease: Option<LeaseId>) -> Result<Written, WriteError> {
        new.instance.validate()?;
        let key = Key::Instance(new.job.clone(), new.id);
        let holder = key.to_string();
        self.reach.check(&holder, &new.instance)?;
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            if let Some(found) = &found {
                self.reach.check_stored(found)?;
            }
            let created = found.is_none();
            // Whoever lives is not held: one commit ends the hold that its absence brought.
            let held = Key::Held(new.job.clone(), new.id).to_string();
            let mut txn = unchanged(&key, found.as_ref())
                .put(holder.clone(), encode(&new.instance), lease)
                .delete(held);
            for address in new.instance.socket_addrs() {
                let address_key = Key::Address(address);
                let held = self.read(&address_key).await?;
                if let Some(held) = &held
                    && held.value != holder.as_bytes()
                {
                    return Err(WriteError::AddressTaken {
                        address: address.to_string(),
                        holder: String::from_utf8_lossy(&held.value).into_owned(),
                    });
                }
                let condition = match held {
                    Some(held) => Condition::At(address_key.to_string(), held.modified),
                    None => Condition::Absent(address_key.to_string()),
                };
                txn = txn.when(condition).put(address_key.to_string(), holder.clone().into_bytes(), lease);
            }
            // Behind the addresses: an instance that is refused brings no job along. A job that is deleted at this moment
            // comes back as an implicit one.
            let job = self.ensure_job(new).await?;
            txn = txn.when(Condition::At(Key::Job(new.job.clone()).to_string(), job));
            // An instance that comes back at another address leaves the old one free.
            let mut left = match &found {
                Some(found) => self.addresses_of(found).await?,
                None => Vec::new(),
            };
            left.retain(|old| new.instance.socket_addrs().all(|new| new != *old));
            txn = self.release(txn, &holder, left).await?;
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created });
            }
        }
        Err(WriteError::Busy(holder))
    }

    /// Changes the state and keeps the lease.
    pub async fn set_state(&self, job: &Label, id: InstanceId, state: State) -> Result<Written, WriteError> {
        self.set_state_from(job, id, state, None).await.map(|(written, _)| written)
    }

    /// Changes the state if it is one of `from` (`None`: whatever it is), and answers what it is now. One that is none
    /// of them stays, and that is no error: somebody else has decided.
    pub async fn set_state_from(
        &self,
        job: &Label,
        id: InstanceId,
        state: State,
        from: Option<&[State]>,
    ) -> Result<(Written, State), WriteError> {
        let edit = |instance: &mut Instance| {
            if from.is_none_or(|from| from.contains(&instance.state)) {
                instance.state = state;
            }
        };
        let (written, instance) = self.change(job, id, edit).await?;
        Ok((written, instance.state))
    }

    /// Takes the instance out: state `down` first, so that readers can tell a departure from a loss. A record that
    /// cannot be read just goes, with its addresses.
    pub async fn deregister(&self, job: &Label, id: InstanceId) -> Result<Written, WriteError> {
        match self.set_state(job, id, State::Down).await {
            Ok(_) | Err(WriteError::Invalid(_)) => {}
            Err(error) => return Err(error),
        }
        let key = Key::Instance(job.clone(), id);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.read(&key).await? else { return Err(missing(job, id)) };
            self.reach.check_stored(&found)?;
            let txn = unchanged(&key, Some(&found)).delete(key.to_string());
            let txn = self.release(txn, &found.key, self.addresses_of(&found).await?).await?;
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok(Written { revision, created: false });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// The addresses that an instance claims. If its record does not say, those that are held in its name.
    async fn addresses_of(&self, found: &Entry) -> Result<Vec<SocketAddr>, WriteError> {
        if let Ok(instance) = decode::<Instance>(&found.value) {
            return Ok(instance.socket_addrs().collect());
        }
        let held = self.kv().range(Key::ADDRESSES).await?;
        let own = held.iter().filter(|entry| entry.value == found.key.as_bytes());
        let address = |entry: &Entry| match Key::parse(&entry.key) {
            Ok(Key::Address(address)) => Some(address),
            _ => None,
        };
        Ok(own.filter_map(address).collect())
    }

    /// Deletes the addresses that the instance holds; one that somebody else came to hold is left alone.
    async fn release(
        &self,
        mut txn: Txn,
        holder: &str,
        addresses: Vec<SocketAddr>,
    ) -> Result<Txn, WriteError> {
        for address in addresses {
            let address = Key::Address(address);
            if let Some(held) = self.read(&address).await?
                && held.value == holder.as_bytes()
            {
                let key = address.to_string();
                txn = txn.when(Condition::At(key.clone(), held.modified)).delete(key);
            }
        }
        Ok(txn)
    }

    async fn change(
        &self,
        job: &Label,
        id: InstanceId,
        edit: impl Fn(&mut Instance),
    ) -> Result<(Written, Instance), WriteError> {
        let key = Key::Instance(job.clone(), id);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.read(&key).await? else { return Err(missing(job, id)) };
            self.reach.check_stored(&found)?;
            let mut instance: Instance = decode(&found.value)?;
            let before = instance.clone();
            edit(&mut instance);
            if instance == before {
                return Ok((Written { revision: found.modified, created: false }, instance));
            }
            let txn = unchanged(&key, Some(&found)).put(key.to_string(), encode(&instance), found.lease);
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                return Ok((Written { revision, created: false }, instance));
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }
}

fn missing(job: &Label, id: InstanceId) -> WriteError {
    WriteError::NotFound(format!("instance {job}/{id}"))
}
