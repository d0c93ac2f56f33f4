//! One change of a table.

use std::net::SocketAddr;

use super::{Destination, ServiceKey, Settings};

/// Printed as ipvsadm(8) would be told, whatever the sink: operators know that language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    AddService(ServiceKey, Settings),
    SetService(ServiceKey, Settings),
    AddDestination(ServiceKey, SocketAddr, Destination),
    SetDestination(ServiceKey, SocketAddr, Destination),
    RemoveDestination(ServiceKey, SocketAddr),
    RemoveService(ServiceKey),
}

impl Op {
    pub fn service(&self) -> &ServiceKey {
        match self {
            Op::AddService(key, _)
            | Op::SetService(key, _)
            | Op::AddDestination(key, ..)
            | Op::SetDestination(key, ..)
            | Op::RemoveDestination(key, _)
            | Op::RemoveService(key) => key,
        }
    }

    pub fn destination(&self) -> Option<SocketAddr> {
        match self {
            Op::AddDestination(_, address, _)
            | Op::SetDestination(_, address, _)
            | Op::RemoveDestination(_, address) => Some(*address),
            Op::AddService(..) | Op::SetService(..) | Op::RemoveService(_) => None,
        }
    }

    /// For JSON and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::AddService(..) => "add_service",
            Op::SetService(..) => "set_service",
            Op::AddDestination(..) => "add_destination",
            Op::SetDestination(..) => "set_destination",
            Op::RemoveDestination(..) => "remove_destination",
            Op::RemoveService(..) => "remove_service",
        }
    }
}
