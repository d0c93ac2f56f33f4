//! The control plane's hand on the workers' listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

use super::{Command, Site};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

#[derive(Clone)]
pub struct Lender {
    workers: Vec<mpsc::UnboundedSender<Command>>,
    next_id: Arc<AtomicU64>,
    next_worker: Arc<AtomicUsize>,
}

impl Lender {
    pub(crate) fn new(workers: Vec<mpsc::UnboundedSender<Command>>) -> Lender {
        Lender { workers, next_id: Arc::default(), next_worker: Arc::default() }
    }

    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// To one worker, by turns.
    pub fn lend_to_one(&self, listener: std::net::TcpListener, site: Site) -> ListenerId {
        let id = self.new_id();
        let worker = self.next_worker.fetch_add(1, Relaxed) % self.workers.len();
        // A worker that is gone (the process is ending) drops the socket, which closes it.
        let _ = self.workers[worker].send(Command::Listen { id, listener, site });
        id
    }

    /// One socket for each worker, all of one SO_REUSEPORT group.
    pub fn lend_to_all(&self, listeners: Vec<std::net::TcpListener>, site: Site) -> ListenerId {
        let id = self.new_id();
        for (worker, listener) in self.workers.iter().zip(listeners) {
            let _ = worker.send(Command::Listen { id, listener, site });
        }
        id
    }

    /// What was accepted already is still served.
    pub fn take_back(&self, id: ListenerId) {
        for worker in &self.workers {
            let _ = worker.send(Command::Close(id));
        }
    }

    fn new_id(&self) -> ListenerId {
        ListenerId(self.next_id.fetch_add(1, Relaxed))
    }
}
