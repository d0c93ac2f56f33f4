//! What a person may ask about: `app2.jobs.coding.net:1111`, `http://blog.coding.net/path`, `tls://db.coding.net:8443`,
//! `127.99.0.7:1111`, `app2.jobs`.

use std::net::{IpAddr, SocketAddr};

use crate::table::{HostError, host_name};

/// Bytes of a target; longer than any URL that a person explains.
const MAX_TARGET: usize = 4_096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub host: Host,
    pub port: Option<u16>,
    /// The client speaks TLS, with the host as its server name.
    pub tls: bool,
    /// Present: an HTTP request.
    pub request: Option<HttpRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// In the form in which tables look it up.
    Name(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub path: String,
}

impl Target {
    /// The path that is asked for; the root where nobody says.
    pub(super) fn path(&self) -> &str {
        self.request.as_ref().map_or("/", |request| &request.path)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the target is empty; write a name and port, as in app2.jobs.coding.net:1111, or a URL")]
    Empty,
    #[error("the target is longer than {MAX_TARGET} bytes")]
    TooLong,
    #[error("`{0}://` is none that is routed here; write http://, https:// or tls://, or a name and port")]
    Scheme(String),
    #[error("the target names no host: {0}; write as in app2.jobs.coding.net:1111")]
    Host(#[from] HostError),
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > MAX_TARGET {
            return Err(TargetError::TooLong);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // Anything before an `@` is a person's secret and no part of the name.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (tls, http) = match scheme.as_deref() {
            Some("http" | "ws") => (false, true),
            Some("https" | "wss") => (true, true),
            Some("tls") => (true, false),
            Some("tcp" | "udp") => (false, false),
            Some(other) => return Err(TargetError::Scheme(other.chars().take(32).collect())),
            None => (false, !path.is_empty()),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = host_and_port(authority)?;
        Ok(Target { host, port, tls, request: http.then_some(HttpRequest { path }) })
    }
}

fn host_and_port(authority: &str) -> Result<(Host, Option<u16>), TargetError> {
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return Ok((Host::Address(address.ip().to_canonical()), Some(address.port())));
    }
    let bare = authority.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok((Host::Address(address.to_canonical()), None));
    }
    let name = host_name(authority)?.into_owned();
    // The form was checked just now; an empty port is none.
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Ok((Host::Name(name), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn names_addresses_and_urls() {
        let plain = target("App2.jobs.coding.net.:1111");
        assert_eq!((plain.host, plain.port), (Host::Name("app2.jobs.coding.net".into()), Some(1111)));
        assert_eq!(plain.request, None);
        let url = target("http://user:secret@blog.coding.net:8080/a?b");
        assert_eq!((&url.host, url.port), (&Host::Name("blog.coding.net".into()), Some(8080)));
        assert_eq!(url.request.clone(), Some(HttpRequest { path: "/a?b".into() }));
        assert!(!url.tls && target("https://a").tls && target("wss://a").tls);
        assert_eq!(target("https://a").request, Some(HttpRequest { path: "/".into() }));
        let server_name = target("TLS://db.coding.net:8443");
        assert_eq!((server_name.tls, server_name.port, server_name.request), (true, Some(8443), None));
        assert_eq!(target("udp://10.0.0.5:53").port, Some(53));
        assert_eq!(target("blog.coding.net/a").request.unwrap().path, "/a");
        assert_eq!(target("127.99.0.7:1111").host, Host::Address("127.99.0.7".parse().unwrap()));
        assert_eq!(target("[::1]:80").port, Some(80));
        assert_eq!(target("::1").host, Host::Address("::1".parse().unwrap()));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        let refused = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert!(refused(" ").contains("is empty"));
        assert!(refused("ftp://a").contains("`ftp://`"));
        assert!(refused("a b:1").contains("character"));
        assert!(refused("a:0").contains("port"));
        assert!(refused(&"a".repeat(5_000)).contains("longer"));
    }
}
