//! Fields that end at a proxy, and those that it adds (RFC 9110, 7.6; RFC 7239 and its `X-Forwarded-*` forerunners).

use std::net::SocketAddr;

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use roundhouse_config::Zone;

use crate::table::{JobEntry, PortEntry};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const JOBNAME: HeaderName = HeaderName::from_static("x-jobname");

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What `Connection` may not nominate for removal: a client could otherwise take away what we add or check.
const KEPT: [HeaderName; 6] =
    [HOST, CONTENT_LENGTH, FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO];

/// Removes the hop-by-hop fields, and those that `Connection` nominates.
pub(super) fn end_hop(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !KEPT.contains(name))
        .collect();
    for name in nominated.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// An HTTP/1.0 client need not name a host, and an HTTP/1.1 server need not take a request without one.
pub(super) fn host_of_old_clients(headers: &mut HeaderMap, job: &JobEntry, port: &PortEntry, zone: &Zone) {
    if let Ok(host) = HeaderValue::from_str(&format!("{}.{zone}:{}", job.label, port.port.port)) {
        headers.insert(HOST, host);
    }
}

/// What the instance is told of the client. Nobody in front of us is trusted in this version, so what a client says of
/// itself is replaced.
pub(super) fn forwarded(headers: &mut HeaderMap, peer: SocketAddr, tls: bool) {
    for name in [FORWARDED, FORWARDED_HOST, REAL_IP, JOBNAME] {
        headers.remove(name);
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_canonical().to_string()) {
        headers.insert(FORWARDED_FOR, address);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if tls { "https" } else { "http" }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect()
    }

    #[test]
    fn a_nomination_takes_away_what_is_the_clients_and_nothing_of_ours() {
        let mut fields = headers(&[
            ("host", "a"),
            ("Connection", "close, X-Mine , HOST,x-forwarded-for"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        end_hop(&mut fields);
        let mut left: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host"]);
    }

    #[test]
    fn a_client_does_not_say_who_it_is() {
        let mut fields = headers(&[
            ("host", "app2.jobs"),
            ("x-forwarded-for", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-jobname", "job.root"),
            ("x-forwarded-host", "evil"),
        ]);
        forwarded(&mut fields, "[::ffff:10.0.0.7]:1".parse().unwrap(), false);
        assert_eq!(fields.get("x-forwarded-for").unwrap(), "10.0.0.7");
        assert_eq!(fields.get("x-forwarded-host").unwrap(), "app2.jobs");
        assert_eq!(fields.get("x-forwarded-proto").unwrap(), "http");
        assert!(!fields.contains_key("forwarded") && !fields.contains_key("x-real-ip"));
        assert!(!fields.contains_key("x-jobname"));
    }
}
