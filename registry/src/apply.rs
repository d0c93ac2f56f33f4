//! `apply(snapshot, batch) -> snapshot`: the only way a snapshot comes to be, besides a listing.
//!
//! Pure. A record that does not parse goes to quarantine, and the key's former record is gone with it: what is served
//! is always what the store says now. One bad record never stops the others.
//!
//! Rules and guards are the exception, since losing one can open a door: a bad one leaves in force what its key had before,
//! and the key of a guard says all that matters of it.

use std::sync::Arc;

use roundhouse_config::Label;

use crate::kv::{Batch, Change, Entry};
use crate::quarantine::Quarantined;
use crate::record::{
    Guard, Instance, InstanceId, Job, Key, PoolVip, Record, ValueError, Vip, VipOwner, read,
};
use crate::snapshot::{PerInstance, Snapshot, Versioned};

/// Of a rule whose value is bad.
const IN_FORCE: &str = "the rule as it was before stays in force";

/// The snapshot after the batch. What the batch does not touch is shared with the old one.
pub fn apply(old: &Snapshot, batch: &Batch) -> Snapshot {
    let mut next = old.clone();
    for change in &batch.changes {
        match change {
            Change::Put(entry) => next.put(entry),
            Change::Delete { key, .. } => next.delete(key),
        }
    }
    next.revision = next.revision.max(batch.revision);
    next
}

impl Snapshot {
    pub(crate) fn put(&mut self, entry: &Entry) {
        if self.is_outranked(entry) {
            return;
        }
        self.no_longer_retained(&entry.key);
        let read = Key::parse(&entry.key).map_err(|error| error.to_string());
        match read.and_then(|key| self.put_record(key, entry).map_err(|error| error.to_string())) {
            Ok(()) => self.quarantine.remove(&entry.key),
            Err(reason) => {
                let reason = match self.shuts_as_before(entry) {
                    Some(how) => format!("{reason}; {how}"),
                    None => {
                        self.delete(&entry.key);
                        reason
                    }
                };
                self.quarantine.insert(&entry.key, &reason, entry.modified);
            }
        }
    }

    /// What stays in force at the key of a rule or a guard whose value is bad.
    fn shuts_as_before(&mut self, entry: &Entry) -> Option<&'static str> {
        match Key::parse(&entry.key).ok()? {
            Key::Rule(id) => self.rules.contains_key(&id).then_some(IN_FORCE),
            Key::Guard(selector) => {
                self.guards.entry(selector).or_insert_with(|| versioned(Guard::default(), entry));
                Some("it guards all the same")
            }
            _ => None,
        }
    }

    /// After a listing: what `old` had where this one has rules and guards that cannot be read.
    pub(crate) fn shut_as(&mut self, old: &Snapshot) {
        let bad: Vec<(Arc<str>, Quarantined)> =
            self.quarantine.iter().map(|(key, bad)| (key.clone(), bad.clone())).collect();
        for (key, Quarantined { reason, revision }) in bad {
            match Key::parse(&key) {
                Ok(Key::Rule(id)) => {
                    let Some(rule) = old.rules.get(&id) else { continue };
                    self.rules.insert(id, rule.clone());
                    self.quarantine.insert(&key, &format!("{reason}; {IN_FORCE}"), revision);
                }
                Ok(Key::Guard(selector)) => {
                    if let Some(guard) = old.guards.get(&selector) {
                        self.guards.insert(selector, guard.clone());
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether a registrar's implicit job would take the place of a retained one that a person wrote: its ports, its
    /// check and its access default are still the better knowledge.
    fn is_outranked(&self, entry: &Entry) -> bool {
        self.retained.contains_key(entry.key.as_str())
            && read::<Job>(&entry.value).is_ok_and(|job| job.implicit)
            && matches!(Key::parse(&entry.key), Ok(Key::Job(label)) if self.jobs.get(&label).is_some_and(|job| !job.value.implicit))
    }

    /// One address is one job's: what the registry gives to another is no longer kept for a job that it forgot.
    fn give_up_retained_vip(&mut self, label: &Label, offset: u32) {
        if self.retained.is_empty() {
            return;
        }
        let holders = self.vips.iter().filter(|(other, vip)| *other != label && vip.value.offset == offset);
        let holders: Vec<Label> = holders.map(|(other, _)| other.clone()).collect();
        for other in holders {
            let key = Key::Vip(other.clone()).to_string();
            if self.retained.remove(key.as_str()).is_some() {
                tracing::error!(job = %other, to = %label, offset, "a VIP of a forgotten job was given to another");
                self.vips.remove(&other);
            }
        }
    }

    /// The registry speaks of it again.
    fn no_longer_retained(&mut self, key: &str) {
        if !self.retained.is_empty() {
            self.retained.remove(key);
        }
    }

    fn put_record(&mut self, key: Key, entry: &Entry) -> Result<(), ValueError> {
        match key {
            Key::Cert(name) => drop(self.certs.insert(name, record(entry)?)),
            Key::Director(id) => drop(self.directors.insert(id.into(), record(entry)?)),
            Key::Domain(domain) => drop(self.domains.insert(domain, record(entry)?)),
            Key::Entrypoint(name) => drop(self.entrypoints.insert(name, record(entry)?)),
            Key::Gateway(id) => drop(self.gateways.insert(id.into(), record(entry)?)),
            Key::Guard(selector) => drop(self.guards.insert(selector, record(entry)?)),
            Key::Health(job, id) => insert(&mut self.health, job, id, record(entry)?),
            Key::Held(job, id) => insert(&mut self.held, job, id, record(entry)?),
            Key::Instance(job, id) => self.put_instance(job, id, entry)?,
            Key::Job(label) => drop(self.jobs.insert(label, record(entry)?)),
            Key::Leader(name) => drop(self.leaders.insert(name, record(entry)?)),
            Key::Line(label) => drop(self.lines.insert(label, record(entry)?)),
            Key::Pool(label) => drop(self.pools.insert(label, record(entry)?)),
            Key::Rule(name) => drop(self.rules.insert(name, record(entry)?)),
            Key::Token(name) => drop(self.tokens.insert(name, record(entry)?)),
            Key::Vip(label) => {
                let vip = record::<Vip>(entry)?;
                self.give_up_retained_vip(&label, vip.value.offset);
                self.vips.insert(label, vip);
            }
            // Only writers look at these, in their transactions; here they are checked, so that a bad one is seen.
            Key::PoolVip(_) => drop(read::<PoolVip>(&entry.value)?),
            Key::VipOwner(_) => drop(read::<VipOwner>(&entry.value)?),
            Key::Address(_) => check_holder(&entry.value)?,
            Key::Reserved => {}
        }
        Ok(())
    }

    fn put_instance(&mut self, job: Label, id: InstanceId, entry: &Entry) -> Result<(), ValueError> {
        let mut instance: Instance = read(&entry.value)?;
        let siblings = self.instances.entry(job).or_default();
        if let Some((_, sibling)) = siblings.get_min() {
            instance.share(&sibling.value);
        }
        let came = siblings.insert(id, versioned(instance, entry)).is_none();
        self.live += usize::from(came);
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.no_longer_retained(key);
        self.quarantine.remove(key);
        let Ok(key) = Key::parse(key) else { return };
        match key {
            Key::Cert(name) => drop(self.certs.remove(&name)),
            Key::Director(id) => drop(self.directors.remove(id.as_str())),
            Key::Domain(domain) => drop(self.domains.remove(&domain)),
            Key::Entrypoint(name) => drop(self.entrypoints.remove(&name)),
            Key::Gateway(id) => drop(self.gateways.remove(id.as_str())),
            Key::Guard(selector) => drop(self.guards.remove(&selector)),
            Key::Health(job, id) => drop(remove(&mut self.health, &job, id)),
            Key::Held(job, id) => drop(remove(&mut self.held, &job, id)),
            Key::Instance(job, id) => {
                let gone = remove(&mut self.instances, &job, id).is_some();
                self.live -= usize::from(gone);
            }
            Key::Job(label) => drop(self.jobs.remove(&label)),
            Key::Leader(name) => drop(self.leaders.remove(&name)),
            Key::Line(label) => drop(self.lines.remove(&label)),
            Key::Pool(label) => drop(self.pools.remove(&label)),
            Key::Rule(name) => drop(self.rules.remove(&name)),
            Key::Token(name) => drop(self.tokens.remove(&name)),
            Key::Vip(label) => drop(self.vips.remove(&label)),
            Key::PoolVip(_) | Key::VipOwner(_) | Key::Address(_) | Key::Reserved => {}
        }
    }
}

fn record<T: Record>(entry: &Entry) -> Result<Arc<Versioned<T>>, ValueError> {
    Ok(versioned(read(&entry.value)?, entry))
}

pub(crate) fn versioned<T>(value: T, entry: &Entry) -> Arc<Versioned<T>> {
    Arc::new(Versioned { value, created: entry.created, modified: entry.modified, lease: entry.lease })
}

fn insert<T>(jobs: &mut PerInstance<T>, job: Label, id: InstanceId, record: Arc<Versioned<T>>) {
    jobs.entry(job).or_default().insert(id, record);
}

/// The record that was there. The last one takes its job's map along.
fn remove<T>(jobs: &mut PerInstance<T>, job: &Label, id: InstanceId) -> Option<Arc<Versioned<T>>> {
    let records = jobs.get_mut(job)?;
    let removed = records.remove(&id);
    if records.is_empty() {
        jobs.remove(job);
    }
    removed
}

/// The value of an address is the key of the instance that holds it.
fn check_holder(value: &[u8]) -> Result<(), ValueError> {
    match std::str::from_utf8(value).map(Key::parse) {
        Ok(Ok(Key::Instance(..))) => Ok(()),
        _ => Err(ValueError::Json("is no key of an instance, as in `instances/app2/<uuid>`".to_owned())),
    }
}

#[cfg(test)]
mod tests;
