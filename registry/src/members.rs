//! Whom a job's traffic may go to: its live instances, and those that are held.

use std::collections::{BTreeSet, HashSet};
use std::iter;
use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse_config::Label;

use crate::record::{Held, Instance, InstanceId};
use crate::snapshot::{Snapshot, Versioned};

/// One of a job's instances, as traffic sees it.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    Live(InstanceId, &'a Arc<Versioned<Instance>>),
    /// The registry no longer has it; see [`hold`](crate::hold).
    Held(InstanceId, &'a Arc<Versioned<Held>>),
}

impl<'a> Member<'a> {
    pub fn id(&self) -> InstanceId {
        match self {
            Member::Live(id, _) | Member::Held(id, _) => *id,
        }
    }

    pub fn instance(&self) -> &'a Instance {
        match self {
            Member::Live(_, record) => &record.value,
            Member::Held(_, record) => &record.value.instance,
        }
    }

    pub fn is_held(&self) -> bool {
        matches!(self, Member::Held(..))
    }
}

impl Snapshot {
    /// Sorted by id. A held instance that lives again, or at whose address another one of the job lives, is none.
    pub fn members<'a>(&'a self, job: &Label) -> impl Iterator<Item = Member<'a>> + use<'a> {
        let mut live = self.instances.get(job).into_iter().flatten().peekable();
        let mut held = self.held.get(job).into_iter().flatten().peekable();
        let owned: HashSet<SocketAddr> = match held.peek() {
            None => HashSet::new(),
            Some(_) => live.clone().flat_map(|(_, record)| record.value.socket_addrs()).collect(),
        };
        iter::from_fn(move || {
            loop {
                let live_is_next = match (live.peek(), held.peek()) {
                    (Some((live, _)), Some((held, _))) => live <= held,
                    (live, _) => live.is_some(),
                };
                if live_is_next {
                    let (id, record) = live.next()?;
                    held.next_if(|(held, _)| *held == id);
                    return Some(Member::Live(*id, record));
                }
                let (id, record) = held.next()?;
                if !record.value.instance.socket_addrs().any(|address| owned.contains(&address)) {
                    return Some(Member::Held(*id, record));
                }
            }
        })
    }

    /// All members with their jobs, sorted.
    pub fn all_members(&self) -> impl Iterator<Item = (&Label, Member<'_>)> {
        let jobs: BTreeSet<&Label> = self.instances.keys().chain(self.held.keys()).collect();
        jobs.into_iter().flat_map(|job| self.members(job).map(move |member| (job, member)))
    }
}
