//! What is asked of a guard.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::access::{Claim, Http, Port, Query, Shown};
use crate::record::{Digest, Timestamp};

/// May this peer come in? [`Ask::new`] and what else is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The other end of the socket, or whom a proxy named that is trusted. IPv4-mapped or not. Whether a proxy is to be
    /// believed, and that it names no loopback address, is for the caller to see to: here 127.0.0.1 is an address like
    /// any other.
    pub peer: IpAddr,
    /// Which job it says it is; by itself no proof of anything.
    pub claim: Claim<'a>,
    /// The text of the instance's token, as the peer showed it.
    pub token: Option<&'a str>,
    /// The JOBNAME in its client certificate. The caller has verified that.
    pub certificate: Option<&'a str>,
    /// As it stands in the job's record, whichever the socket has.
    pub port: u16,
    pub http: Http<'a>,
}

impl<'a> Ask<'a> {
    /// A peer of which nothing else is known. Its requests, if it is one for HTTP, are [not
    /// looked into](Http::Unseen): a deny for some of them denies it.
    pub fn new(peer: IpAddr, port: u16) -> Ask<'a> {
        Ask { peer, claim: Claim::None, token: None, certificate: None, port, http: Http::Unseen }
    }

    /// What it claims, if that is anything: protocols that have a field for it send it empty.
    #[must_use]
    pub fn claiming(self, claimed: Option<&'a str>) -> Ask<'a> {
        let claim = match claimed {
            None | Some("") => Claim::None,
            Some(name) => Claim::Name(name),
        };
        Ask { claim, ..self }
    }

    /// The request that it comes with. A query (`?…`) is no part of the path.
    #[must_use]
    pub fn requesting(self, method: &'a str, path: &'a str) -> Ask<'a> {
        Ask { http: Http::Seen { method, path }, ..self }
    }

    /// As the table is asked; `stale`: how old that is.
    pub(super) fn query<'b>(&'b self, port: Port<'b>, now: Timestamp, stale: Duration) -> Query<'b> {
        // What is no token at all is the token of nobody.
        let token = self.token.map(|text| Digest::of(text.trim().as_bytes()));
        Query {
            peer: self.peer,
            claim: self.claim,
            proof: Shown { token, certificate: self.certificate },
            owner: None,
            own: &[],
            port,
            http: self.seen(),
            now,
            stale,
        }
    }

    /// A path that could have another form might slip past a rule that names this one: then the request counts as one
    /// that nobody looked into.
    fn seen(&self) -> Http<'a> {
        let Http::Seen { method, path } = self.http else { return self.http };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if is_normal(path) { Http::Seen { method, path } } else { Http::Unseen }
    }
}

/// An address as text, as sockets and logs write it: with a zone, which is dropped (`fe80::1%eth0`), and IPv4-mapped, which
/// is undone.
pub fn peer(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => IpAddr::V6(address.parse::<Ipv6Addr>().ok()?),
        Some(_) => return None,
        None => text.parse().ok()?,
    };
    Some(address.to_canonical())
}

/// Whether the path has one form only (RFC 3986, 6.2.2): no dot segment, no empty one, no parameters, and nothing escaped
/// that need not be.
fn is_normal(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if matches!(segment, "." | "..") || (segment.is_empty() && !last) || !is_plain(segment) {
            return false;
        }
    }
    true
}

fn is_plain(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (bytes.next().and_then(digit), bytes.next().and_then(digit))
                else {
                    return false;
                };
                let byte = high << 4 | low;
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                    return false;
                }
            }
            b';' | b'\\' | 0..=b' ' | 0x7f => return false,
            _ => {}
        }
    }
    true
}

/// Of an escape; in upper case, which is its normal form.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_may_have_a_zone_and_be_mapped() {
        let is = |text, wanted: &str| assert_eq!(peer(text), Some(wanted.parse().unwrap()), "{text}");
        is("10.0.0.7", "10.0.0.7");
        is("::ffff:10.0.0.7", "10.0.0.7");
        is("fe80::1%eth0", "fe80::1");
        is("::ffff:10.0.0.7%3", "10.0.0.7");
        for wrong in [
            "",
            "%eth0",
            "fe80::1%",
            "10.0.0.7%eth0",
            "10.0.0.7:80",
            "[::1]",
            " ::1",
            "localhost",
            "10.0.0.07",
        ] {
            assert_eq!(peer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_path_that_may_mean_another_is_not_looked_into() {
        let ask = Ask::new([10, 0, 0, 7].into(), 80);
        for normal in ["/", "/a", "/a/", "/a/b.c", "/...", "/caf%C3%A9", "/a%2Fb", "/é"] {
            assert_eq!(ask.requesting("GET", normal).seen(), Http::Seen { method: "GET", path: normal });
        }
        assert_eq!(ask.requesting("GET", "/a?b=../c").seen(), Http::Seen { method: "GET", path: "/a" });
        for other in [
            "",
            "a",
            "*",
            "//",
            "/a//b",
            "/.",
            "/a/../b",
            "/a/..",
            "/%2e%2E/a",
            "/a%2fb",
            "/%61",
            "/a;b=1/c",
            "/%",
            "/%4",
            "/%zz",
            "/a\\..\\b",
            "/a b",
            "/a\u{1}",
            "http://h/a",
        ] {
            assert_eq!(ask.requesting("GET", other).seen(), Http::Unseen, "{other}");
        }
    }

    #[test]
    fn an_empty_claim_is_none() {
        let ask = Ask::new([10, 0, 0, 7].into(), 80);
        assert_eq!(ask.claiming(Some("")).claim, Claim::None);
        assert_eq!(ask.claiming(Some("job.a")).claim, Claim::Name("job.a"));
    }
}
