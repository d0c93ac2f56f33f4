//! `[limits]`: what one client, one request or one connection may take.

use std::time::Duration;

use super::reader::Section;
use crate::units::ByteSize;

/// What one client, one request or one connection may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A whole HTTP head, request or response. Default 64KiB: large cookies and tokens fit, while 10,000 slow
    /// clients hold no more than 640 MB.
    pub head: ByteSize,
    /// From the first byte of a head to its last. Default 10s: seconds for a phone on a bad network, an end
    /// for whoever sends a byte at a time.
    pub header_timeout: Duration,
    /// Between an answer and the next request on a connection, or before its first. Default 75s: clients keep theirs
    /// for 60s to 90s, and the side that closes first risks a request that is on its way.
    pub keep_alive: Duration,
    /// Between two reads of a body, or two writes to a client that reads slowly. Default 60s, as people know
    /// it from other proxies.
    pub body_idle: Duration,
    /// To connect to an instance. Default 1s: in one network it takes under 1 ms, and Linux sends the first
    /// SYN again after 1s, so what is not there by then is not there; another instance is tried.
    pub connect_timeout: Duration,
    /// Of an L4 connection without a byte either way. Default 1h: database pools keep quiet connections, and
    /// clients that are gone must end some time.
    pub idle_timeout: Duration,
    /// How long open connections may go on when the gateway is told to stop. Default 30s, well under the 90s
    /// after which systemd kills.
    pub drain: Duration,
    /// Client connections a worker holds at once. Default 20,000: two descriptors each, so eight workers stay
    /// under the 524,288 that systemd allows a service.
    pub connections: u32,
}

impl Limits {
    pub(super) fn read(section: &Section<'_>) -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        let default = Self::default();
        let limits = Self {
            head: section.size("head", default.head, ByteSize::kib(8)..=ByteSize::kib(1024)),
            header_timeout: section.duration(
                "header_timeout",
                default.header_timeout,
                millis(100)..=seconds(10 * MINUTE),
            ),
            keep_alive: section.duration("keep_alive", default.keep_alive, millis(100)..=seconds(DAY)),
            body_idle: section.duration("body_idle", default.body_idle, millis(100)..=seconds(DAY)),
            connect_timeout: section.duration(
                "connect_timeout",
                default.connect_timeout,
                millis(10)..=seconds(MINUTE),
            ),
            idle_timeout: section.duration(
                "idle_timeout",
                default.idle_timeout,
                seconds(1)..=seconds(30 * DAY),
            ),
            drain: section.duration("drain", default.drain, Duration::ZERO..=seconds(DAY)),
            connections: section.count("connections", default.connections, 1..=1_000_000),
        };
        section.refuse_unknown();
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: ByteSize::kib(64),
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_idle: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(3600),
            drain: Duration::from_secs(30),
            connections: 20_000,
        }
    }
}
