//! How the traffic to VIP:port reaches a worker: a seam with two implementations.
//!
//! The control plane says which `VIP:port` should be caught, at a change what changed; the implementation makes it so and
//! reports what it could not do, with the cure. What cannot be caught is tried again; the others serve.

mod bind;
pub mod capture;
mod captured;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use roundhouse_config::{Label, PortName};
use serde::Serialize;

pub use self::bind::Bind;
pub use self::captured::Capture;
use crate::worker::Site;

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
    pub transport: Transport,
    /// What is wrong, who is in the way, and the cure.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Tcp,
    Udp,
}

/// Where something is to be caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub address: SocketAddr,
    pub transport: Transport,
}

/// Whose it is, for messages, and by what it comes in.
pub type Wanted = BTreeMap<Place, (JobPort, Site)>;

pub trait Catch: Send {
    /// Catches exactly these; called every few seconds while something failed. Returns what is not caught now.
    fn reconcile(&mut self, wanted: &Wanted) -> Vec<NotCaught>;

    /// A change, and nothing beside it: `gone` are not wanted any more, `wanted` are, whether they were before or not.
    /// Returns what of `wanted` is not caught now.
    fn change(&mut self, gone: &[Place], wanted: &Wanted) -> Vec<NotCaught>;

    /// Whether it is worth looking again every few seconds although nothing failed: somebody else may have undone it.
    fn is_looked_after(&self) -> bool {
        false
    }

    /// Stops catching: what the kernel has already accepted is still served.
    fn stop(&mut self);
}
