//! One port of one job, with its endpoints behind an `ArcSwap` of their own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use roundhouse_config::{Label, Port, PortName, Protocol};
use roundhouse_registry::access;

use super::{EndpointSet, JobEntry};

/// The endpoints of a job, port by port, before a change. Some may be as they were.
#[derive(Debug)]
pub struct Former {
    pub job: Label,
    pub sets: Vec<(Protocol, Arc<EndpointSet>)>,
}

impl Former {
    pub(super) fn of(job: &JobEntry) -> Former {
        let sets = job.ports.iter().map(|entry| (entry.port.protocol, entry.set.load_full()));
        Former { job: job.label.clone(), sets: sets.collect() }
    }
}

#[derive(Debug)]
pub struct PortEntry {
    pub port: Port,
    set: ArcSwap<EndpointSet>,
}

impl PortEntry {
    pub fn new(port: Port, set: EndpointSet) -> PortEntry {
        PortEntry { port, set: ArcSwap::from_pointee(set) }
    }

    pub fn name(&self) -> &PortName {
        &self.port.name
    }

    /// As access rules know it.
    pub(crate) fn asked(&self) -> access::Port<'_> {
        access::Port { number: self.port.port, name: Some(&self.port.name) }
    }

    /// What of HTTP can be seen on a connection whose bytes are passed on as they are.
    pub(crate) fn unseen(&self) -> access::Http<'static> {
        match self.port.protocol {
            Protocol::Http | Protocol::Grpc | Protocol::Tls => access::Http::Unseen,
            Protocol::Tcp | Protocol::Udp => access::Http::Not,
        }
    }

    /// Lock-free; hold it no longer than the pick.
    pub fn endpoints(&self) -> arc_swap::Guard<Arc<EndpointSet>> {
        self.set.load()
    }

    /// What was there before.
    pub(crate) fn replace(&self, set: EndpointSet) -> Arc<EndpointSet> {
        self.set.swap(Arc::new(set))
    }
}
