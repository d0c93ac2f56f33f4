//! What a connection on a worker has at hand.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use arc_swap::{ArcSwap, Cache};
use ipnet::IpNet;
use roundhouse_config::{Limits, OriginateTls};
use roundhouse_registry::probe::Verdict;
use tokio::sync::{mpsc, watch};

use super::{Connections, Counters};
use crate::access::{Access, Gate};
use crate::access_log::{AccessLog, Recorder};
use crate::capacity::{self, Capacity};
use crate::phase::Phase;
use crate::table::{Endpoint, JobEntry, Table};
use crate::tls::{self, Alpn, ClientTls};

/// What all workers share.
#[derive(Clone)]
pub struct Plane {
    pub table: Arc<ArcSwap<Table>>,
    pub limits: Arc<Limits>,
    pub counters: Vec<Arc<Counters>>,
    pub phase: watch::Receiver<Phase>,
    /// Clients of the whole gateway, where they are limited.
    pub capacity: Arc<Capacity>,
    /// Instances are dialled with TCP Fast Open.
    pub fast_open: bool,
    /// What TLS that ends here is shown.
    pub certificates: Arc<ArcSwap<tls::Certificates>>,
    /// Where https is listened on; 0: nowhere.
    pub https_port: Arc<AtomicU16>,
    /// How instances are spoken to in TLS.
    pub originations: Arc<tls::Origins>,
    /// Who may come in.
    pub access: Arc<Access>,
    /// Of which each worker has its own recorder.
    pub access_log: AccessLog,
    /// Endpoints that just refused a connection, for the control plane.
    pub failures: mpsc::UnboundedSender<Arc<Endpoint>>,
}

/// One worker's own.
pub struct Context {
    pub index: usize,
    table: RefCell<Cache<Arc<ArcSwap<Table>>, Arc<Table>>>,
    plane: Plane,
    counters: Arc<Counters>,
    connections: Rc<Connections>,
    access_log: Recorder,
    gate: Gate,
    ephemeral_from: u16,
}

impl Context {
    pub fn new(plane: Plane, index: usize) -> Context {
        let counters = plane.counters[index].clone();
        let table = RefCell::new(Cache::new(plane.table.clone()));
        let connections = Rc::new(Connections::new(index));
        let access_log = plane.access_log.recorder();
        let gate = Gate::new(plane.access.clone(), counters.clone());
        let ephemeral_from = ephemeral_from();
        Context { index, table, plane, counters, connections, access_log, gate, ephemeral_from }
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

    pub fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }

    /// Where each exchange is recorded.
    pub fn access_log(&self) -> &Recorder {
        &self.access_log
    }

    /// Who may come in.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub fn capacity(&self) -> &Arc<Capacity> {
        &self.plane.capacity
    }

    /// Where clients without TLS find it.
    pub fn https_port(&self) -> Option<u16> {
        Some(self.plane.https_port.load(Relaxed)).filter(|port| *port != 0)
    }

    /// What TLS that ends here is shown now.
    pub fn certificates(&self) -> arc_swap::Guard<Arc<tls::Certificates>> {
        self.plane.certificates.load()
    }

    /// What counts as one client with this address.
    pub fn client(&self, address: IpAddr) -> IpNet {
        capacity::client(address, self.limits())
    }

    /// The first port that the kernel gives to clients.
    pub fn ephemeral_from(&self) -> u16 {
        self.ephemeral_from
    }

    /// Whether bytes may go with the SYN.
    pub fn dials_fast(&self) -> bool {
        self.plane.fast_open
    }

    /// How this port's instances are spoken to in TLS, or what is wrong with what the job says.
    pub fn originate(&self, tls: &OriginateTls, alpn: Alpn, job: &JobEntry) -> Result<ClientTls, String> {
        let name = || self.look(|table| format!("{}.{}", job.label, table.zone));
        self.plane.originations.client(tls, alpn, name)
    }

    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.plane.phase.clone()
    }

    pub fn is_draining(&self) -> bool {
        // Asked at each request, and most of a gateway's life nothing has changed: then there is no lock to take.
        let changed = self.plane.phase.has_changed().unwrap_or(true);
        changed && *self.plane.phase.borrow() == Phase::Draining
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

/// ip(7), ip_local_port_range. Where it cannot be read every port may be one.
fn ephemeral_from() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(0)
}
