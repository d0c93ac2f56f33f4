//! `[admin]` and `[dns]`: the gateway's own listeners.

use std::time::Duration;

use super::reader::Section;
use crate::units::Listen;

/// The admin and registry API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Default `127.0.0.1:8400`. On loopback only: who can reach it can change everything.
    pub listen: Listen,
}

/// The DNS server of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettings {
    /// UDP and TCP. Default `127.0.0.1:8053`: port 53 needs a privilege and is often a resolver's.
    pub listen: Listen,
    /// How long clients may keep an answer, in whole seconds, at most a day. Default 5s: VIPs hardly ever
    /// change, but a lookup costs microseconds and a stale answer costs an outage.
    pub ttl: Duration,
}

impl AdminSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let settings = Self { listen: section.parsed("listen", Self::default().listen) };
        if !settings.listen.is_loopback() {
            let port = settings.listen.socket_addr().port();
            let message = format!(
                "a listener that is not on loopback needs TLS and tokens, which are not in this version; \
                 write \"127.0.0.1:{port}\""
            );
            section.wrong("listen", message);
        }
        section.refuse_unknown();
        settings
    }
}

impl DnsSettings {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let longest = Duration::from_secs(86_400);
        let settings = Self {
            listen: section.parsed("listen", default.listen),
            ttl: section.duration("ttl", default.ttl, Duration::ZERO..=longest),
        };
        if settings.ttl.subsec_nanos() > 0 {
            section.wrong("ttl", "DNS counts whole seconds (RFC 1035 section 3.2.1); write as in \"5s\"");
        }
        section.refuse_unknown();
        settings
    }
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: Listen::loopback(8400) }
    }
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { listen: Listen::loopback(8053), ttl: Duration::from_secs(5) }
    }
}
