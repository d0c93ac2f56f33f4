//! UDP both ways: asked -> session -> instance, and the answer from the address that was asked.
//!
//! ```text
//!            recvmmsg              session                send
//! client ──► downstream socket ──► (asked, client) ──► connected socket ──► instance
//!            sendmmsg ◄── replies of many sessions, queued ◄── recvmmsg
//! ```
//!
//! A [`Downstream`] is one socket with one owner, a worker's [`Engine`]. A session keeps the instance that was picked for
//! its first datagram, and has a connected socket of its own, which is how the kernel tells replies apart and reports
//! ICMP errors. What counts is system calls: a batch is received by one, the replies of one round leave by one, and the
//! engine watches the upstream sockets by an epoll of its own, so a session has neither task nor timer.
//!
//! Invariants: a reply comes from the address and port that was asked. One bad datagram never costs another. A client
//! that forges its source takes no room from those that are served ([`session`]). All that a peer can grow has a limit
//! ([`UdpLimits`]), and what goes beyond is dropped and counted, as UDP may be.

mod counters;
mod host;
mod limits;
mod relay;
mod session;
mod sys;
#[cfg(test)]
mod tests;

pub use self::counters::UdpCounters;
pub use self::host::{Host, Reason, Refused, SessionView, Traffic};
pub use self::limits::UdpLimits;
pub use self::relay::{Arrival, Downstream, Engine};
