//! An endpoint is one port of one instance; a set of them is what one job port balances over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use roundhouse_config::{Label, PortName};
use roundhouse_registry::probe::Verdict;
use roundhouse_registry::{InstanceId, State};

use crate::balance::RoundRobin;

/// What the registry says of an endpoint, and its live state.
#[derive(Debug)]
pub struct Endpoint {
    pub job: Label,
    pub port: PortName,
    pub id: InstanceId,
    pub address: SocketAddr,
    pub weight: u32,
    pub state: State,
    /// The registry no longer has it; it is served while its check passes.
    pub held: bool,
    /// Why it is never dialled (it is one of the gateway's own listeners, say).
    pub refused: Option<String>,
    pub live: Arc<Live>,
}

/// What is known of an endpoint by dialling it. It outlives every table that names the endpoint.
#[repr(align(128))]
#[derive(Debug)]
pub struct Live {
    verdict: AtomicU8,
    /// The registry wants nothing new to go there: what was kept for that is of no use.
    leaving: AtomicBool,
    pub open: AtomicU32,
    pub served: AtomicU64,
    pub connect_failures: AtomicU64,
}

impl Live {
    pub fn new(verdict: Verdict) -> Live {
        Live {
            verdict: AtomicU8::new(verdict as u8),
            leaving: AtomicBool::new(false),
            open: AtomicU32::new(0),
            served: AtomicU64::new(0),
            connect_failures: AtomicU64::new(0),
        }
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }

    pub fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Relaxed);
    }

    pub fn verdict(&self) -> Verdict {
        from_bits(self.verdict.load(Relaxed))
    }

    /// Whether this call changed it.
    pub fn set_verdict(&self, verdict: Verdict) -> bool {
        from_bits(self.verdict.swap(verdict as u8, Relaxed)) != verdict
    }
}

fn from_bits(bits: u8) -> Verdict {
    match bits {
        0 => Verdict::Unknown,
        1 => Verdict::Healthy,
        _ => Verdict::Unhealthy,
    }
}

impl Endpoint {
    /// By the registry's word alone.
    fn is_wanted(&self) -> bool {
        self.state == State::Up && self.weight > 0 && self.refused.is_none()
    }

    pub fn takes_work(&self) -> bool {
        self.is_wanted() && self.live.verdict() == Verdict::Healthy
    }
}

/// Counted at the endpoint for as long as it lasts.
#[derive(Debug)]
pub struct Work(Arc<Endpoint>);

impl Work {
    pub fn begin(endpoint: Arc<Endpoint>) -> Work {
        endpoint.live.open.fetch_add(1, Relaxed);
        endpoint.live.served.fetch_add(1, Relaxed);
        Work(endpoint)
    }

    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.live.open.fetch_sub(1, Relaxed);
    }
}

/// All endpoints of one job port, those out of work included (they are shown), and the turn order of the others.
#[derive(Debug)]
pub struct EndpointSet {
    pub endpoints: Vec<Arc<Endpoint>>,
    turns: RoundRobin,
}

/// Endpoints that this exchange has already failed on; a retry always goes to another.
#[derive(Debug, Default)]
pub struct Tried(Vec<InstanceId>);

impl Tried {
    pub fn add(&mut self, id: InstanceId) {
        self.0.push(id);
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl EndpointSet {
    /// With no healthy endpoint at all the wanted ones stay in the order: a check that fails everywhere is more often
    /// wrong than everybody dead, and dialling costs the client nothing it had.
    pub fn new(endpoints: Vec<Arc<Endpoint>>, workers: usize, start: impl FnMut() -> usize) -> EndpointSet {
        let weights = |takes: fn(&Endpoint) -> bool| -> Vec<u32> {
            endpoints.iter().map(|endpoint| if takes(endpoint) { endpoint.weight } else { 0 }).collect()
        };
        let mut by_weight = weights(Endpoint::takes_work);
        if by_weight.iter().all(|weight| *weight == 0) {
            by_weight = weights(Endpoint::is_wanted);
        }
        let turns = RoundRobin::new(&by_weight, workers, start);
        EndpointSet { endpoints, turns }
    }

    pub fn pick(&self, worker: usize, tried: &Tried) -> Option<Arc<Endpoint>> {
        // One that failed since the order was made is passed over, unless there is nobody else.
        let healthy = |i: usize| {
            let endpoint = &self.endpoints[i];
            endpoint.live.verdict() == Verdict::Healthy && !tried.0.contains(&endpoint.id)
        };
        let next = match tried.count() {
            0 => self.turns.next(worker, healthy),
            _ => self.turns.again(worker, healthy),
        };
        next.or_else(|| self.turns.again(worker, |i| !tried.0.contains(&self.endpoints[i].id)))
            .map(|i| self.endpoints[i].clone())
    }

    /// There is nobody else.
    pub fn is_alone(&self) -> bool {
        self.endpoints.len() == 1
    }

    pub fn find(&self, id: InstanceId) -> Option<&Arc<Endpoint>> {
        // Sorted by id, as the snapshot is.
        let at = self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id).ok()?;
        Some(&self.endpoints[at])
    }
}
