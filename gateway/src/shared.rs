//! What the parts of a running gateway share. Everything here is read without a lock.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use roundhouse_config::Settings;
use roundhouse_registry::follow::Holds;
use roundhouse_registry::{Registry, Store};
use tokio::sync::watch;

use crate::catch::NotCaught;
use crate::jobs::Status;
use crate::phase::Phase;
use crate::plane::{Counters, Reason};
use crate::run::Listed;
use crate::table::{Own, Table};
use crate::worker::Lender;

pub struct Shared {
    /// This gateway's name among gateways.
    pub id: String,
    pub settings: Settings,
    pub table: Arc<ArcSwap<Table>>,
    pub store: Arc<Store>,
    /// By which holds are ended.
    pub holds: Holds,
    pub registry: Registry,
    /// An instance that registers at one of these is refused.
    pub own: ArcSwap<Own>,
    /// Those of the file and of the registry, with what became of them.
    pub entrypoints: ArcSwap<Vec<Listed>>,
    /// By which live connections are listed and ended.
    pub workers: Lender,
    /// Job ports that are not reachable at their VIP now, and why.
    pub not_caught: ArcSwap<Vec<NotCaught>>,
    /// One for each file of `[jobs]`, in that order.
    pub(crate) jobs_files: Vec<ArcSwap<Status>>,
    /// One for each worker; summed when somebody asks.
    pub counters: Vec<Arc<Counters>>,
    pub started: Instant,
    pub phase: watch::Receiver<Phase>,
}

impl Shared {
    pub fn stale_seconds(&self) -> f64 {
        self.store.contact().stale(Instant::now()).as_secs_f64()
    }

    /// How often this was why a connection was refused or ended.
    pub fn ended(&self, reason: Reason) -> u64 {
        self.counters.iter().map(|counters| counters.reasons.of(reason)).sum()
    }
}
