//! A balancer's table: services, each with its destinations.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Ordered, so that plans are stable and can be read as a diff.
pub type Services = BTreeMap<ServiceKey, Service>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Udp,
}

/// What clients connect to: the VIP, its port and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    pub transport: Transport,
    pub address: SocketAddr,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub scheduler: Scheduler,
    pub destinations: BTreeMap<SocketAddr, Destination>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// 0 takes no new connections and keeps those it has.
    pub weight: u32,
    pub forwarding: Forwarding,
}

/// ipvsadm(8), `--scheduler`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    RoundRobin,
    #[default]
    WeightedRoundRobin,
    LeastConnection,
    WeightedLeastConnection,
    SourceHash,
    Maglev,
}

/// ipvsadm(8), packet-forwarding methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    #[default]
    Masquerade,
    DirectRouting,
    Tunnel,
}
