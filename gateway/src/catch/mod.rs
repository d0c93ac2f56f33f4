//! How the traffic to VIP:port reaches a worker: a seam with one implementation in this version.
//!
//! The control plane says which `VIP:port` should be caught; the implementation makes it so and reports what it could
//! not do, with the cure. What cannot be caught is tried again; the others serve.

mod bind;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use roundhouse_config::{Label, PortName};
use serde::Serialize;

pub use self::bind::Bind;

/// One port of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPort {
    pub job: Label,
    pub port: PortName,
}

/// A job port that is not reachable at its VIP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCaught {
    pub job: Label,
    pub port: PortName,
    pub address: SocketAddr,
    /// What is wrong, who is in the way, and the cure.
    pub reason: String,
}

pub trait Catch {
    /// Catches exactly these; called at every change and, for what failed, again every few seconds. Returns what is not
    /// caught now.
    fn reconcile(&mut self, wanted: &BTreeMap<SocketAddr, JobPort>) -> Vec<NotCaught>;

    /// Stops catching: what the kernel has already accepted is still served.
    fn stop(&mut self);
}
