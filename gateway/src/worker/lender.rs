//! The control plane's hand on the workers: listeners are lent and taken back, connections are listed and ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::{mpsc, oneshot};

use super::{Command, Site};
use crate::plane::{Filter, Reason, Recheck, Shown};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    pub fn lend_to_all(&self, listeners: Vec<std::net::TcpListener>, site: &Site) -> ListenerId {
        let id = self.new_id();
        for (worker, listener) in self.workers.iter().zip(listeners) {
            let _ = worker.send(Command::Listen { id, listener, site: site.clone() });
        }
        id
    }

    /// A UDP socket has one fixed owner: in a group the kernel would spread one client's datagrams anew at every change.
    pub fn lend_udp(&self, socket: std::net::UdpSocket, site: Site) -> ListenerId {
        let id = self.new_id();
        let worker = self.next_worker.fetch_add(1, Relaxed) % self.workers.len();
        let _ = self.workers[worker].send(Command::Receive { id, socket, site });
        id
    }

    /// The sockets of captured traffic: for each worker those of its own, of both address families.
    pub fn lend_captured(&self, sockets: Vec<Vec<std::net::UdpSocket>>) -> ListenerId {
        let id = self.new_id();
        for family in sockets {
            for (worker, socket) in self.workers.iter().zip(family) {
                let _ = worker.send(Command::Receive { id, socket, site: Site::Captured });
            }
        }
        id
    }

    /// New connections of this listener come in by `site` from now on.
    pub fn resite(&self, id: ListenerId, site: &Site) {
        for worker in &self.workers {
            let _ = worker.send(Command::Resite { id, site: site.clone() });
        }
    }

    /// What was accepted already is still served.
    pub fn take_back(&self, id: ListenerId) {
        for worker in &self.workers {
            let _ = worker.send(Command::Unlisten(id));
        }
    }

    /// Tells every connection that fits to end.
    pub fn end(&self, filter: &Filter, reason: Reason) {
        let filter = Arc::new(filter.clone());
        for worker in &self.workers {
            let _ = worker.send(Command::End { filter: filter.clone(), reason, ended: None });
        }
    }

    /// The same; how many there were.
    pub async fn end_counted(&self, filter: &Filter, reason: Reason) -> usize {
        let filter = Arc::new(filter.clone());
        let mut count = 0;
        for worker in &self.workers {
            let (ended, told) = oneshot::channel();
            let _ = worker.send(Command::End { filter: filter.clone(), reason, ended: Some(ended) });
            count += told.await.unwrap_or(0);
        }
        count
    }

    /// Tells those to end whose clients may no longer be where they are.
    pub(crate) fn recheck(&self, recheck: Recheck) {
        let recheck = Arc::new(recheck);
        for worker in &self.workers {
            let _ = worker.send(Command::Recheck(recheck.clone()));
        }
    }

    /// The first `most` connections that fit.
    pub async fn list(&self, filter: &Filter, most: usize) -> Vec<Shown> {
        let filter = Arc::new(filter.clone());
        let mut all = Vec::new();
        for worker in &self.workers {
            let (list, listed) = oneshot::channel();
            let _ = worker.send(Command::List { filter: filter.clone(), most: most - all.len(), list });
            all.extend(listed.await.unwrap_or_default());
        }
        all
    }

    fn new_id(&self) -> ListenerId {
        ListenerId(self.next_id.fetch_add(1, Relaxed))
    }
}
