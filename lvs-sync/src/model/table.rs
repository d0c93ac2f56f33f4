//! All services of a sink.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Op, Service, ServiceKey};

pub type Services = BTreeMap<ServiceKey, Service>;

/// What a sink holds, by whose hand whatever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    pub services: Services,
    /// Connections that a destination still has, established or not yet forgotten; what has none is left out.
    pub open: BTreeMap<(ServiceKey, SocketAddr), u64>,
    /// What each service has carried, where the sink counts it.
    pub stats: BTreeMap<ServiceKey, Stats>,
}

/// Since the service was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub connections: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Actual {
    pub fn open(&self, service: &ServiceKey, destination: SocketAddr) -> u64 {
        if self.open.is_empty() {
            return 0;
        }
        self.open.get(&(service.clone(), destination)).copied().unwrap_or_default()
    }

    /// What the sink holds after it has taken the operation. One that does not fit changes nothing: a sink refuses it.
    pub fn take(&mut self, op: &Op) {
        match op {
            Op::AddService(key, settings) => {
                let service = Service { settings: settings.clone(), ..Service::default() };
                self.services.entry(key.clone()).or_insert(service);
            }
            Op::SetService(key, settings) => {
                if let Some(service) = self.services.get_mut(key) {
                    service.settings = settings.clone();
                }
            }
            Op::AddDestination(key, address, destination) => {
                if let Some(service) = self.services.get_mut(key) {
                    service.destinations.entry(*address).or_insert(*destination);
                }
            }
            Op::SetDestination(key, address, destination) => {
                let service = self.services.get_mut(key);
                if let Some(found) = service.and_then(|service| service.destinations.get_mut(address)) {
                    *found = *destination;
                }
            }
            Op::RemoveDestination(key, address) => {
                if let Some(service) = self.services.get_mut(key) {
                    service.destinations.remove(address);
                }
                self.open.remove(&(key.clone(), *address));
            }
            Op::RemoveService(key) => {
                self.services.remove(key);
                self.stats.remove(key);
                self.open.retain(|(of, _), _| of != key);
            }
        }
    }
}
