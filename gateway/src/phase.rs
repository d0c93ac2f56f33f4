//! Where a gateway is in its life. Everything that runs watches it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Serving,
    /// Told to stop: no new connections, the open ones finish until the deadline.
    Draining,
}
