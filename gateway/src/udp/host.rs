//! The seam to whoever knows routes, instances and their health.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::UdpCounters;

/// What the engine asks and tells. It is called while the engine works and must not call back into it.
pub trait Host {
    /// The pick of one session, held for its life.
    type Picked;

    /// The instance for a new session. `tried` are those that have just failed for the same first datagram, the oldest
    /// first; another must be picked. Addresses are never IPv4-mapped ones.
    fn pick(
        &self,
        asked: SocketAddr,
        client: SocketAddr,
        tried: &[Self::Picked],
    ) -> Result<(Self::Picked, SocketAddr), Refused>;

    /// Ticks after its last datagram until a session of this pick is closed.
    fn idle(&self, picked: &Self::Picked) -> u32;

    /// The instance is not reachable: connect failed, or an ICMP error came back.
    fn failed(&self, picked: &Self::Picked, error: &io::Error);

    fn opened(&self, session: &SessionView<'_, Self::Picked>);

    fn closed(&self, session: &SessionView<'_, Self::Picked>, reason: Reason);

    /// Answers captured traffic from the address that was asked, which the downstream socket is not bound to.
    fn reply(&self, asked: SocketAddr, client: SocketAddr, bytes: &[u8]) -> io::Result<()>;

    fn counters(&self) -> &UdpCounters;
}

/// Why a first datagram becomes no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no job has this address")]
    NoRoute,
    #[error("no instance is up")]
    NoBackend,
    #[error("the client may not use this job")]
    Denied,
    #[error("the client or the job has as many sessions as it may")]
    Limit,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Idle,
    /// It made room for another.
    Evicted,
    /// Its instance is not reachable.
    Failed,
    /// Its instance is gone, or was drained to the deadline.
    InstanceGone,
    /// Its client may no longer use the job.
    Denied,
    /// An operator's wish.
    Asked,
    /// The downstream was stopped.
    Stopped,
}

/// A session as others may see it.
#[derive(Debug)]
pub struct SessionView<'a, P> {
    pub client: SocketAddr,
    pub asked: SocketAddr,
    pub instance: SocketAddr,
    pub picked: &'a P,
    pub since: Instant,
    /// Whether its instance has ever replied.
    pub answered: bool,
    pub traffic: Traffic,
}

/// What one session has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub datagrams_to_instance: u64,
    pub bytes_to_instance: u64,
    pub datagrams_to_client: u64,
    pub bytes_to_client: u64,
}
