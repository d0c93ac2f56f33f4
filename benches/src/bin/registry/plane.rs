//! A control plane in this process: what a gateway does with a snapshot, without its sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use roundhouse::table::{Facts, Table};
use roundhouse_benches::facts;
use roundhouse_registry::Snapshot;

pub(crate) struct Plane {
    facts: Facts,
    snapshot: Arc<Snapshot>,
    table: Table,
}

impl Plane {
    /// The first table of a snapshot.
    pub(crate) fn first(snapshot: Arc<Snapshot>) -> Plane {
        let facts = facts();
        let table = Table::build(&facts, &snapshot, &Table::empty(&facts), &mut || 0);
        Plane { facts, snapshot, table }
    }

    /// The next one, as the gateway's control plane makes it.
    pub(crate) fn take(&mut self, snapshot: Arc<Snapshot>) {
        let old = std::mem::replace(&mut self.snapshot, snapshot);
        self.table = self.table.updated(&self.facts, &old, &self.snapshot, &mut || 0).0;
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Where the job's first instance is.
    pub(crate) fn address(&self, job: &str, port: usize) -> Option<SocketAddr> {
        let set = self.table.job(job)?.ports.get(port)?.endpoints();
        Some(set.endpoints.first()?.address)
    }
}
