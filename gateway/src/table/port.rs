//! One port of one job, with its endpoints behind an `ArcSwap` of their own.

use std::sync::Arc;

use arc_swap::ArcSwap;
use roundhouse_config::{Port, PortName};

use super::EndpointSet;

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

    /// Lock-free; hold it no longer than the pick.
    pub fn endpoints(&self) -> arc_swap::Guard<Arc<EndpointSet>> {
        self.set.load()
    }

    pub(crate) fn replace(&self, set: EndpointSet) {
        self.set.store(Arc::new(set));
    }
}
