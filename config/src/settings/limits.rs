//! `[limits]`: what one client, one request or one connection may take.

use std::ops::RangeInclusive;
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
    /// Of an L4 connection, however busy. Default none: a database session may live as long as its app.
    pub lifetime: Option<Duration>,
    /// From accept to the end of what a connection begins with: a PROXY header, a TLS ClientHello, a TLS handshake.
    /// Default 5s: the loss of a first packet costs 1s and of its repetition 2s more (RFC 6298); who needs longer than that
    /// holds a connection that nobody can route yet.
    pub hello_timeout: Duration,
    /// How long open connections may go on when the gateway is told to stop. Default 30s, well under the 90s
    /// after which systemd kills.
    pub drain: Duration,
    /// Client connections a worker holds at once. Default 20,000: two descriptors each, so eight workers stay
    /// under the 524,288 that systemd allows a service.
    pub connections: u32,
    /// Connections and UDP sessions that one client may have open at once on this gateway. Default none: behind one
    /// address there may be a whole company, and any number would refuse one.
    pub connections_per_client: Option<u32>,
    /// How many bits of an IPv4 address are one client. Default 32: neighbours in a range are strangers.
    pub client_prefix_v4: u32,
    /// How many bits of an IPv6 address are one client. Default 64: a link has that much (RFC 4291 section 2.5.4), and
    /// a host takes from it as many addresses as it likes (RFC 8981).
    pub client_prefix_v6: u32,
    /// Of a UDP session without a datagram either way. Default 30s, as Linux's own connection tracking has it
    /// (nf_conntrack_udp_timeout): longer, and one question to DNS pins a descriptor for minutes.
    pub udp_idle: Duration,
    /// UDP sessions a worker holds at once. Default 4,000: a descriptor each, which stays under what systemd allows
    /// beside `connections`.
    pub udp_sessions: u32,
    /// TLS handshakes under way at once on one worker; more wait their turn. Default 64: one signature takes up to a
    /// millisecond of a core, so a storm delays what is open already by little and is worked off at full speed all the
    /// same.
    pub handshakes: u32,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Bounds that a job's own values have too.
impl Limits {
    pub const CONNECT_TIMEOUT: RangeInclusive<Duration> =
        Duration::from_millis(10)..=Duration::from_secs(MINUTE);
    pub const IDLE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * DAY);
    pub const LIFETIME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30 * DAY);
    pub const CONNECTIONS: RangeInclusive<u32> = 1..=1_000_000;
}

impl Limits {
    pub(super) fn read(section: &Section<'_>) -> Self {
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
                Self::CONNECT_TIMEOUT,
            ),
            idle_timeout: section.duration("idle_timeout", default.idle_timeout, Self::IDLE_TIMEOUT),
            lifetime: section.optional_duration("lifetime", seconds(DAY), Self::LIFETIME),
            hello_timeout: section.duration(
                "hello_timeout",
                default.hello_timeout,
                millis(100)..=seconds(MINUTE),
            ),
            drain: section.duration("drain", default.drain, Duration::ZERO..=seconds(DAY)),
            connections: section.count("connections", default.connections, Self::CONNECTIONS),
            connections_per_client: section.optional_count(
                "connections_per_client",
                1_000,
                Self::CONNECTIONS,
            ),
            // Shorter than /8 and /16, half of the world would be one client.
            client_prefix_v4: section.count("client_prefix_v4", default.client_prefix_v4, 8..=32),
            client_prefix_v6: section.count("client_prefix_v6", default.client_prefix_v6, 16..=128),
            udp_idle: section.duration("udp_idle", default.udp_idle, seconds(1)..=seconds(HOUR)),
            udp_sessions: section.count("udp_sessions", default.udp_sessions, 1..=1_000_000),
            handshakes: section.count("handshakes", default.handshakes, 1..=10_000),
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
            lifetime: None,
            hello_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            connections: 20_000,
            connections_per_client: None,
            client_prefix_v4: 32,
            client_prefix_v6: 64,
            udp_idle: Duration::from_secs(30),
            udp_sessions: 4_000,
            handshakes: 64,
        }
    }
}
