//! What the instance is told of the client.

use std::io::Write;
use std::net::IpAddr;

/// The fields of a request that say who it is from: each line's value, in the order in which they came.
#[derive(Clone, Copy, Debug)]
pub struct Came<X, F> {
    pub x_forwarded_for: X,
    pub forwarded: F,
}

/// What the client spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// What is known of a request on its way to an instance.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// Whom the request came from: a client, or a proxy.
    pub peer: IpAddr,
    /// Whether it is a proxy that is believed.
    pub trusted: bool,
    pub scheme: Scheme,
    /// As it was asked for: Host or `:authority`.
    pub host: &'a [u8],
}

/// RFC 3986 has no bound, DNS has: 253 characters, a colon and a port.
const MAX_HOST: usize = 259;

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl Forwarding<'_> {
    /// Whether a field of the request is not passed on as it came, by its name in lower case. Those that are written here
    /// are dropped from anybody, since what is written has in it what may stay.
    pub fn drops(&self, name: &[u8]) -> bool {
        match name {
            b"x-forwarded-for" | b"x-forwarded-proto" | b"x-forwarded-host" | b"forwarded"
            // Of one address there is one spelling: who wants it reads X-Forwarded-For.
            | b"x-real-ip" => true,
            // Port, prefix, server and whatever else somebody reads: only a proxy that is believed may say so.
            _ => name.starts_with(b"x-forwarded-") && !self.trusted,
        }
    }

    /// The value of `X-Forwarded-For`: the peer, after whom a trusted one has named.
    pub fn write_for<'b>(&self, came: impl Iterator<Item = &'b [u8]>, out: &mut Vec<u8>) {
        if self.trusted {
            write_list(came, out);
        }
        match self.peer.to_canonical() {
            IpAddr::V4(v4) => put_v4(out, v4.octets()),
            IpAddr::V6(v6) => put(out, format_args!("{v6}")),
        }
    }

    /// The value of `X-Forwarded-Proto`: what the client spoke to the first proxy that is believed.
    pub fn write_proto<'b>(&self, came: impl Iterator<Item = &'b [u8]>, out: &mut Vec<u8>) {
        let scheme = match self.only(came) {
            Some(said) if said.eq_ignore_ascii_case(b"https") => Scheme::Https,
            Some(said) if said.eq_ignore_ascii_case(b"http") => Scheme::Http,
            _ => self.scheme,
        };
        out.extend_from_slice(scheme.as_str().as_bytes());
    }

    /// The value of `X-Forwarded-Host`: what the client asked the first proxy that is believed for.
    pub fn write_host<'b>(&self, came: impl Iterator<Item = &'b [u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.only(came).filter(|said| is_host(said)).unwrap_or(self.host));
    }

    /// The value of `Forwarded`, if there is to be one: it goes on where a trusted peer uses it. Everybody reads
    /// `X-Forwarded-*`, so nobody is told everything twice. Says whether something was written.
    pub fn write_forwarded<'b>(&self, came: impl Iterator<Item = &'b [u8]>, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if self.trusted {
            write_list(came, out);
        }
        if out.len() == before {
            return false;
        }
        match self.peer.to_canonical() {
            IpAddr::V4(v4) => put(out, format_args!("for={v4}")),
            // Colons and brackets are no token (RFC 7239, 4).
            IpAddr::V6(v6) => put(out, format_args!("for=\"[{v6}]\"")),
        }
        put(out, format_args!(";proto={}", self.scheme.as_str()));
        if is_host(self.host) {
            out.extend_from_slice(b";host=\"");
            out.extend_from_slice(self.host);
            out.push(b'"');
        }
        true
    }

    /// What a trusted peer said, if it said one thing.
    fn only<'b>(&self, mut came: impl Iterator<Item = &'b [u8]>) -> Option<&'b [u8]> {
        let said = came.next().filter(|_| self.trusted)?.trim_ascii();
        came.next().is_none().then_some(said)
    }
}

/// All of it, and a comma for what comes next.
fn write_list<'b>(came: impl Iterator<Item = &'b [u8]>, out: &mut Vec<u8>) {
    for value in came.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}

/// A name or an address and perhaps a port: nothing that would be more than one where it is put.
fn is_host(said: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    (1..=MAX_HOST).contains(&said.len()) && said.iter().all(fits)
}

/// As `Display` has it: each request says it, and formatting would be the larger part of its cost.
fn put_v4(out: &mut Vec<u8>, octets: [u8; 4]) {
    for (i, octet) in octets.into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}
