//! `[admin]` and `[dns]`: the gateway's own listeners.

use std::path::Path;
use std::time::Duration;

use super::reader::Section;
use crate::access::Identity;
use crate::units::Listen;

/// The admin and registry API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Default `127.0.0.1:8400`. Anywhere but on loopback it needs `cert` and `key`.
    pub listen: Listen,
    /// Whether everybody must show a token. Default: only where others than this machine can reach the listener.
    pub require_token: bool,
    /// What the listener shows; with it, it speaks TLS and nothing else. Read again when the files change.
    pub tls: Option<Identity>,
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
    pub(super) fn read(section: &Section<'_>, base: &Path) -> Self {
        let listen = section.parsed("listen", Self::default().listen);
        let cert = section.file("cert", "\"/etc/roundhouse/admin.pem\"");
        let key = section.file("key", "\"/etc/roundhouse/admin-key.pem\"");
        match (&cert, &key) {
            (Some(_), None) => section.wrong("key", "is missing: a `cert` needs the file of its private key"),
            (None, Some(_)) => section.wrong("cert", "is missing: a `key` needs the file of its certificate"),
            (None, None) if !listen.is_loopback() && !section.is_wrong() => {
                let port = listen.socket_addr().port();
                let message = format!(
                    "a listener that is not on loopback needs TLS and tokens; write cert = \"…\" and key = \"…\" \
                     (tokens are then asked for by themselves), or listen = \"127.0.0.1:{port}\""
                );
                section.wrong("listen", message);
            }
            _ => {}
        }
        let require_token = section.truth("require_token", true);
        if require_token == Some(false) && !listen.is_loopback() {
            let message = "without tokens everybody who reaches the listener could change everything; write true, \
                           or a `listen` on loopback";
            section.wrong("require_token", message);
        }
        section.refuse_unknown();
        let tls = cert.zip(key).map(|(cert, key)| Identity { cert: base.join(cert), key: base.join(key) });
        Self { listen, require_token: require_token.unwrap_or(!listen.is_loopback()), tls }
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
        Self { listen: Listen::loopback(8400), require_token: false, tls: None }
    }
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { listen: Listen::loopback(8053), ttl: Duration::from_secs(5) }
    }
}
