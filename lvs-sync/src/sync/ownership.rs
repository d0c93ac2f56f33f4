//! What a person says of ownership.

use std::collections::BTreeSet;

use roundhouse_registry::Snapshot;
use roundhouse_registry::record::Timestamp;

use super::{Sync, SyncError};
use crate::desired::Desired;
use crate::model::{Op, ServiceKey};
use crate::plan::Owned;

/// Which services are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    These(BTreeSet<ServiceKey>),
    /// For `adopt`: those that pools want. For `release`: those that are ours.
    All,
}

impl Sync {
    /// What should be there, and nothing else is looked at.
    pub fn wanted(&self, snapshot: &Snapshot, now: Timestamp) -> Desired {
        self.desired(snapshot, now, &mut self.state.falls.clone())
    }

    /// Takes services over as they are, with all that is in them. Answers which.
    pub fn adopt(
        &mut self,
        chosen: &Chosen,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Vec<ServiceKey>, SyncError> {
        self.look()?;
        let desired = self.wanted(snapshot, now);
        let Some(belief) = &self.belief else { return Ok(Vec::new()) };
        let mut adopted = Vec::new();
        for (key, service) in &belief.actual.services {
            let wanted = desired.services.get(key);
            let meant = match chosen {
                Chosen::These(keys) => keys.contains(key),
                Chosen::All => wanted.is_some(),
            };
            if !meant {
                continue;
            }
            let owned = self.state.services.entry(key.clone()).or_insert_with(|| Owned {
                pool: wanted.map(|wanted| wanted.pool.clone()),
                drain: wanted.map(|wanted| wanted.drain).unwrap_or_default(),
                ..Owned::default()
            });
            for address in service.destinations.keys() {
                owned.destinations.entry(*address).or_insert(None);
            }
            adopted.push(key.clone());
        }
        Ok(adopted)
    }

    /// Gives services up, and where `remove` says so takes what is ours of them out of the sink, at once. Answers which.
    pub fn release(&mut self, chosen: &Chosen, remove: bool) -> Result<Vec<ServiceKey>, SyncError> {
        let meant = |key: &&ServiceKey| match chosen {
            Chosen::These(keys) => keys.contains(*key),
            Chosen::All => true,
        };
        let keys: Vec<ServiceKey> = self.state.services.keys().filter(meant).cloned().collect();
        if remove {
            self.look()?;
            let ops: Vec<Op> = keys.iter().flat_map(|key| self.removals(key)).collect();
            for (op, result) in ops.iter().zip(self.sink.apply(&ops, None)?) {
                if result.is_ok() {
                    self.counters.count(op);
                }
            }
            self.belief = None;
        }
        for key in &keys {
            self.state.services.remove(key);
        }
        Ok(keys)
    }

    /// The service with it, unless somebody else has something in there.
    fn removals(&self, key: &ServiceKey) -> Vec<Op> {
        let found = self.belief.as_ref().and_then(|belief| belief.actual.services.get(key));
        let (Some(found), Some(owned)) = (found, self.state.services.get(key)) else { return Vec::new() };
        let is_ours = |address: &&std::net::SocketAddr| owned.destinations.contains_key(*address);
        let ours = found.destinations.keys().filter(is_ours);
        let mut ops: Vec<Op> = ours.map(|address| Op::RemoveDestination(key.clone(), *address)).collect();
        if ops.len() == found.destinations.len() {
            ops.push(Op::RemoveService(key.clone()));
        }
        ops
    }
}
