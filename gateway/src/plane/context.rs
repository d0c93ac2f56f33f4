//! What a connection on a worker has at hand.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arc_swap::{ArcSwap, Cache};
use roundhouse_config::Limits;
use roundhouse_registry::probe::Verdict;
use tokio::sync::{mpsc, watch};

use super::Counters;
use crate::phase::Phase;
use crate::table::{Endpoint, Table};

/// What all workers share.
#[derive(Clone)]
pub struct Plane {
    pub table: Arc<ArcSwap<Table>>,
    pub limits: Arc<Limits>,
    pub counters: Vec<Arc<Counters>>,
    pub phase: watch::Receiver<Phase>,
    /// Endpoints that just refused a connection, for the control plane.
    pub failures: mpsc::UnboundedSender<Arc<Endpoint>>,
}

/// One worker's own.
pub struct Context {
    pub index: usize,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    plane: Plane,
    counters: Arc<Counters>,
}

impl Context {
    pub fn new(plane: Plane, index: usize) -> Context {
        let counters = plane.counters[index].clone();
        let table = RefCell::new(Cache::new(plane.table.clone()));
        Context { index, table, plane, counters }
    }

    /// Looks something up in the current table. A worker keeps the table that it used last, so that a look costs one
    /// comparison and no shared cache line is written; a table that was replaced is kept until the worker's next look.
    pub fn look<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        match self.table.try_borrow_mut() {
            Ok(mut cache) => look(cache.load()),
            // A look inside a look.
            Err(_) => look(&self.plane.table.load()),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.plane.limits
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.plane.phase.clone()
    }

    pub fn is_draining(&self) -> bool {
        *self.plane.phase.borrow() == Phase::Draining
    }

    /// A refused connect counts at once: the endpoint is passed over from now on, by every worker, until its check
    /// passes again. Without a check nobody would bring it back, so it is only counted.
    pub fn connect_failed(&self, endpoint: &Arc<Endpoint>, checked: bool) {
        endpoint.live.connect_failures.fetch_add(1, Relaxed);
        if checked && endpoint.live.set_verdict(Verdict::Unhealthy) {
            // The control plane being gone means that the process ends.
            let _ = self.plane.failures.send(endpoint.clone());
        }
    }
}
