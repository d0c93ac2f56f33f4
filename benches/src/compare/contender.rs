//! Who is measured: Roundhouse as it is run, and the peers.

use std::net::SocketAddr;

use roundhouse_tests::Gateway;
use serde::Serialize;

use crate::Peer;
use crate::process::{Cpu, Memory};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Roundhouse,
    Nginx,
    Haproxy,
    Pingora,
}

/// A proxy that runs on its core, with a way through it that was proven.
pub struct Contender {
    pub who: Who,
    pub at: SocketAddr,
    process: Process,
}

/// Dropped with its contender, which ends it.
enum Process {
    Gateway(Gateway),
    Peer(Peer),
}

impl Contender {
    pub fn gateway(at: SocketAddr, gateway: Gateway) -> Contender {
        Contender { who: Who::Roundhouse, at, process: Process::Gateway(gateway) }
    }

    pub fn peer(who: Who, at: SocketAddr, peer: Peer) -> Contender {
        Contender { who, at, process: Process::Peer(peer) }
    }

    pub fn cpu(&self) -> Cpu {
        Cpu::of(self.pid())
    }

    pub fn memory(&self) -> Memory {
        Memory::of(self.pid())
    }

    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Gateway(gateway) => gateway.process().pid(),
            Process::Peer(peer) => peer.pid(),
        }
    }
}

impl Who {
    pub fn name(self) -> &'static str {
        match self {
            Who::Roundhouse => "roundhouse",
            Who::Nginx => "nginx",
            Who::Haproxy => "haproxy",
            Who::Pingora => "pingora",
        }
    }
}
