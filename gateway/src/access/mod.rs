//! Who may come to which job, as this gateway enforces it.
//!
//! ```text
//! snapshot ─► run: Compiler ─► Access (ArcSwap) ─┬─► Gate of each worker: L4 before it dials, UDP, L7 after it routes
//!                 │                              └─► admin: check, test, external authorisation
//!                 └─ who or what changed ─► each worker looks again at its live connections
//! ```
//!
//! The decision itself is the registry's ([`roundhouse_registry::access`]), and the same in a database proxy. Here is what
//! only a gateway knows: which socket is at the other end, which addresses are this host's own, what a request says, and
//! what is written down of a decision.

mod audit;
mod gate;
mod host;
mod owner;
mod readings;

use std::sync::Arc;

use arc_swap::ArcSwap;
use roundhouse_registry::access::{CatchUp, Table};
use roundhouse_registry::{Kv, Revision, Snapshot, Store};
use tokio::sync::watch;

pub use self::audit::Verdicts;
pub(crate) use self::gate::{Asking, Gate, Judged, Judgement};
pub(crate) use self::host::Host;
pub(crate) use self::readings::{Readings, decide};

/// What all who decide share.
pub struct Access {
    table: Arc<ArcSwap<Table>>,
    revision: watch::Sender<Revision>,
    store: Arc<Store>,
    catch_up: CatchUp,
    pub(crate) host: Host,
}

impl Access {
    /// With a table of no job. Needs a runtime, in which the registry is asked about peers that nobody knows.
    pub fn new(store: Arc<Store>, kv: Arc<dyn Kv>) -> Access {
        let revision = watch::Sender::new(Revision(0));
        let catch_up = CatchUp::start(kv, revision.subscribe());
        Access { table: Arc::default(), revision, store, catch_up, host: Host::default() }
    }

    /// Of no registry.
    fn alone() -> Access {
        let store = Arc::new(Store::new(Snapshot::default()));
        let revision = watch::Sender::new(Revision(0));
        Access { table: Arc::default(), revision, store, catch_up: CatchUp::never(), host: Host::default() }
    }

    pub fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    pub fn stale(&self) -> std::time::Duration {
        self.store.contact().stale(std::time::Instant::now())
    }

    pub(crate) fn catch_up(&self) -> &CatchUp {
        &self.catch_up
    }

    /// For the one writer.
    pub(crate) fn publish(&self, table: Arc<Table>) {
        let revision = table.revision;
        self.table.store(table);
        self.revision.send_replace(revision);
    }
}

impl Default for Access {
    fn default() -> Access {
        Access::alone()
    }
}
