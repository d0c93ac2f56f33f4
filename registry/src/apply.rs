//! `apply(snapshot, batch) -> snapshot`: the only way a snapshot comes to be, besides a listing.
//!
//! Pure. A record that does not parse goes to quarantine, and the key's former record is gone with it: what is served
//! is always what the store says now. One bad record never stops the others.

use std::sync::Arc;

use crate::kv::{Batch, Change, Entry};
use crate::record::{Domain, Gateway, Instance, Job, Key, ValueError, Vip, decode};
use crate::snapshot::{Quarantined, Snapshot, Versioned};

/// Quarantined keys listed with their reason; beyond that only served records matter, and memory stays bounded.
const MAX_QUARANTINE: usize = 10_000;

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
        match self.try_put(entry) {
            Ok(()) => {
                if !self.quarantine.is_empty() {
                    self.quarantine.remove(entry.key.as_str());
                }
            }
            Err(reason) => {
                self.delete(&entry.key);
                if self.quarantine.len() < MAX_QUARANTINE {
                    let quarantined = Quarantined { reason, revision: entry.modified };
                    self.quarantine.insert(quarantine_key(&entry.key), quarantined);
                }
            }
        }
    }

    fn try_put(&mut self, entry: &Entry) -> Result<(), String> {
        let sentence = |error: ValueError| error.to_string();
        match Key::parse(&entry.key).map_err(|error| error.to_string())? {
            Key::Job(label) => {
                let job: Job = decode(&entry.value).map_err(sentence)?;
                job.validate().map_err(sentence)?;
                self.jobs.insert(label, versioned(job, entry));
            }
            Key::Instance(label, id) => {
                let instance: Instance = decode(&entry.value).map_err(sentence)?;
                instance.validate().map_err(sentence)?;
                self.instances.entry(label).or_default().insert(id, versioned(instance, entry));
            }
            Key::Domain(domain) => {
                let record: Domain = decode(&entry.value).map_err(sentence)?;
                record.validate().map_err(sentence)?;
                self.domains.insert(domain, versioned(record, entry));
            }
            Key::Vip(label) => {
                let vip: Vip = decode(&entry.value).map_err(sentence)?;
                self.vips.insert(label, vip.offset);
            }
            Key::Gateway(id) => {
                let gateway: Gateway = decode(&entry.value).map_err(sentence)?;
                self.gateways.insert(id.into(), versioned(gateway, entry));
            }
            // Only writers look at these, in their transactions.
            Key::VipOwner(_) | Key::Address(_) | Key::Reserved => {}
        }
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        if !self.quarantine.is_empty() {
            self.quarantine.remove(&quarantine_key(key));
        }
        match Key::parse(key) {
            Ok(Key::Job(label)) => {
                self.jobs.remove(&label);
            }
            Ok(Key::Instance(label, id)) => {
                if let Some(instances) = self.instances.get_mut(&label) {
                    instances.remove(&id);
                    if instances.is_empty() {
                        self.instances.remove(&label);
                    }
                }
            }
            Ok(Key::Domain(domain)) => {
                self.domains.remove(&domain);
            }
            Ok(Key::Vip(label)) => {
                self.vips.remove(&label);
            }
            Ok(Key::Gateway(id)) => {
                self.gateways.remove(id.as_str());
            }
            Ok(Key::VipOwner(_) | Key::Address(_) | Key::Reserved) | Err(_) => {}
        }
    }
}

fn versioned<T>(value: T, entry: &Entry) -> Arc<Versioned<T>> {
    Arc::new(Versioned { value, created: entry.created, modified: entry.modified, lease: entry.lease })
}

/// A bad key may be of any length; its list entry is not.
fn quarantine_key(key: &str) -> Arc<str> {
    key.chars().take(512).collect::<String>().into()
}

#[cfg(test)]
mod tests;
