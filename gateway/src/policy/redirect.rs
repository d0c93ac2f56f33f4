//! The `Location` of a redirect (RFC 9110, 10.2.2): always a whole URL, since what begins with `//` would be read as a host.

use std::fmt::Write;

use roundhouse_registry::record::domain::{Redirect as Record, Scheme};

use super::rewrite::{Prefix, query};
use crate::table::normalised;

#[derive(Debug)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    scheme: Option<Scheme>,
    host: Option<Box<str>>,
    port: Option<u16>,
    path: Path,
}

#[derive(Debug)]
enum Path {
    Kept,
    Whole(Box<str>),
    Prefix(Prefix),
}

/// The URL that a client asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub https: bool,
    /// As in the Host or the authority: a name with or without a port.
    pub host: &'a str,
    /// Path and query as received.
    pub target: &'a str,
}

impl Redirect {
    /// `matched` is the route's own prefix.
    pub fn new(record: &Record, matched: &str) -> Redirect {
        let path = match (&record.path, &record.prefix) {
            (Some(path), _) => Path::Whole(path.clone()),
            (None, Some(prefix)) => Path::Prefix(Prefix::new(matched, prefix)),
            (None, None) => Path::Kept,
        };
        Redirect {
            status: record.status.code(),
            scheme: record.scheme,
            host: record.host.as_ref().map(|host| host.as_str().into()),
            port: record.port.map(std::num::NonZeroU16::get),
            path,
        }
    }

    pub fn location(&self, asked: &Asked<'_>) -> String {
        let (name, port) = name_and_port(asked.host);
        let scheme = self.scheme.unwrap_or(if asked.https { Scheme::Https } else { Scheme::Http });
        // Another scheme is at its own port unless that is said.
        let port = self.port.or_else(|| port.filter(|_| self.scheme.is_none()));
        let path = match &self.path {
            Path::Kept => path_of(asked.target).into(),
            Path::Whole(path) => path.to_string(),
            Path::Prefix(prefix) => prefix.replaced(asked.target),
        };
        let host = self.host.as_deref().unwrap_or(name);
        url(scheme, host, port, &path, query(asked.target))
    }

    /// Whether only the path differs, so that the same domain is asked again.
    pub fn stays(&self) -> bool {
        self.scheme.is_none() && self.host.is_none() && self.port.is_none()
    }

    /// Where a redirect that [stays](Redirect::stays) leads from a path: what is routed next.
    pub fn next_path(&self, path: &str) -> String {
        match &self.path {
            Path::Kept => normalised(path).into_owned(),
            Path::Whole(path) => path.to_string(),
            Path::Prefix(prefix) => prefix.replaced(path),
        }
    }
}

/// The same URL by https. `port` is where https is listened on; `None`: its own.
pub fn https_url(host: &str, target: &str, port: Option<u16>) -> String {
    url(Scheme::Https, name_and_port(host).0, port, path_of(target), query(target))
}

/// As received: a client is sent to what it asked for. `OPTIONS *` has no path.
fn path_of(target: &str) -> &str {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') { path } else { "/" }
}

fn name_and_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        // The colons of an IPv6 literal are inside its brackets.
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, None),
    }
}

fn url(scheme: Scheme, host: &str, port: Option<u16>, path: &str, query: &str) -> String {
    let own = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let mut url = format!("{scheme}://");
    push_encoded(&mut url, host);
    if let Some(port) = port.filter(|port| *port != own) {
        let _ = write!(url, ":{port}");
    }
    push_encoded(&mut url, path);
    push_encoded(&mut url, query);
    url
}

/// What no URL has and could end the line or the attribute that it stands in (RFC 3986, 2.1).
fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !b"\"<>\\^`{|}".contains(&byte) => url.push(char::from(byte)),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(record: &str, matched: &str, asked: &Asked<'_>) -> String {
        let record: Record = serde_json::from_str(record).unwrap();
        Redirect::new(&record, matched).location(asked)
    }

    const PLAIN: Asked<'_> = Asked { https: false, host: "a.b:8080", target: "/old/x?q=1" };
    const TLS: Asked<'_> = Asked { https: true, host: "a.b", target: "/old/x?q=1" };

    #[test]
    fn what_is_not_said_stays_as_it_was_asked() {
        for (record, plain, tls) in [
            (r#"{"host":"c.d"}"#, "http://c.d:8080/old/x?q=1", "https://c.d/old/x?q=1"),
            (r#"{"scheme":"https"}"#, "https://a.b/old/x?q=1", "https://a.b/old/x?q=1"),
            (r#"{"scheme":"https","port":8443}"#, "https://a.b:8443/old/x?q=1", "https://a.b:8443/old/x?q=1"),
            (r#"{"port":443}"#, "http://a.b:443/old/x?q=1", "https://a.b/old/x?q=1"),
            (r#"{"path":"/new"}"#, "http://a.b:8080/new?q=1", "https://a.b/new?q=1"),
            (r#"{"prefix":"/new"}"#, "http://a.b:8080/new/x?q=1", "https://a.b/new/x?q=1"),
            (r#"{"prefix":"/"}"#, "http://a.b:8080/x?q=1", "https://a.b/x?q=1"),
        ] {
            assert_eq!(location(record, "/old", &PLAIN), plain, "{record}");
            assert_eq!(location(record, "/old", &TLS), tls, "{record}");
        }
    }

    #[test]
    fn nothing_that_was_asked_ends_the_line_or_becomes_a_host() {
        let asked = Asked { https: false, host: "a.b", target: "//evil.com/\"<x>\u{e9}?a b#c" };
        assert_eq!(location(r#"{"port":81}"#, "/", &asked), "http://a.b:81//evil.com/%22%3Cx%3E%C3%A9?a%20b");
        let asked = Asked { target: "/old/\r\nSet-Cookie:a", ..asked };
        assert!(!location(r#"{"scheme":"https"}"#, "/", &asked).contains(['\r', '\n']));
    }

    #[test]
    fn https_is_the_same_url_at_its_port() {
        assert_eq!(https_url("a.b:8080", "/x?y", None), "https://a.b/x?y");
        assert_eq!(https_url("a.b", "/", Some(8443)), "https://a.b:8443/");
        assert_eq!(https_url("[::1]:80", "*", Some(443)), "https://[::1]/");
    }
}
