//! What the clients of a UDP engine may take.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpLimits {
    /// Sessions of one downstream socket. Default 10,000, so that one job's flood leaves half of the worker to others.
    pub sessions: usize,
    /// Sessions of a worker, each with a descriptor. Default 20,000, as for connections.
    pub sessions_of_worker: usize,
    /// Bytes of replies that wait for one socket whose send buffer is full, a fixed overhead for each datagram included.
    /// Default 256 KiB, about what the buffer itself holds.
    pub backlog: usize,
}

impl Default for UdpLimits {
    fn default() -> UdpLimits {
        UdpLimits { sessions: 10_000, sessions_of_worker: 20_000, backlog: 256 << 10 }
    }
}
