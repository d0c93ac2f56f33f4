//! Which registry to use.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use crate::names::is_host_name;
use crate::serde_as_text;
use crate::text::quoted;

/// IANA's port of etcd clients.
const ETCD_PORT: u16 = 2379;
/// Where a gateway serves its admin and registry API if not told otherwise.
const API_PORT: u16 = 8400;
/// What an etcd client dials begins with one of these.
const PLAIN: &str = "http://";
const TLS: &str = "https://";

/// Which registry a program uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegistryUrl {
    /// A file in the data directory: `embedded`.
    Embedded,
    /// An etcd cluster: `etcd://h1:2379,h2:2379`, or by TLS `etcds://…`. The endpoints are what an etcd client dials:
    /// `http://h1:2379`, or by TLS `https://…`, all of them.
    Etcd { endpoints: Vec<String> },
    /// Another gateway's API: `http://hub:8400`, or by TLS `https://…`. The authority is host and port.
    Http { authority: String, tls: bool },
}

/// What is wrong with a registry URL, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryUrlError {
    #[error("registry `{text}` is none we know; write `embedded`, `etcd://host:2379` or `http://host:8400`")]
    Unknown { text: String },

    #[error("registry `{text}` has no host; write as in `{example}`")]
    NoHost { text: String, example: &'static str },

    #[error("registry `{text}` carries credentials; keep them out of URLs, which end up in logs")]
    Credentials { text: String },

    #[error("registry `{text}` has a path; write the host and port alone, as in `{example}`")]
    Path { text: String, example: &'static str },

    #[error("registry `{text}`: `{host}` is no host name or address; write as in `{example}`")]
    Host { text: String, host: String, example: &'static str },

    #[error("registry `{text}` has the port `{port}`; write 1 to 65535")]
    Port { text: String, port: String },

    #[error("registry `{text}` names several hosts; only `etcd://` and `etcds://` take more than one")]
    Several { text: String },
}

impl RegistryUrl {
    /// Whether every byte to it goes through TLS.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Embedded => false,
            Self::Etcd { endpoints } => endpoints.iter().all(|url| url.starts_with(TLS)),
            Self::Http { tls, .. } => *tls,
        }
    }

    fn etcd(text: &str, scheme: &str, hosts: &str) -> Result<Self, RegistryUrlError> {
        const EXAMPLE: &str = "etcd://10.0.0.1:2379,10.0.0.2:2379";
        let endpoint = |host| authority(text, host, ETCD_PORT, EXAMPLE).map(|host| format!("{scheme}{host}"));
        // A trailing slash is what some clients print.
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        Ok(Self::Etcd { endpoints: hosts.split(',').map(endpoint).collect::<Result<_, _>>()? })
    }

    fn http(text: &str, host: &str, tls: bool) -> Result<Self, RegistryUrlError> {
        if host.contains(',') {
            return Err(RegistryUrlError::Several { text: quoted(text) });
        }
        let host = host.strip_suffix('/').unwrap_or(host);
        Ok(Self::Http { authority: authority(text, host, API_PORT, "http://127.0.0.1:8400")?, tls })
    }
}

impl FromStr for RegistryUrl {
    type Err = RegistryUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        match text.split_once("://") {
            Some(("etcd", hosts)) => Self::etcd(text, PLAIN, hosts),
            Some(("etcds", hosts)) => Self::etcd(text, TLS, hosts),
            Some(("http", host)) => Self::http(text, host, false),
            Some(("https", host)) => Self::http(text, host, true),
            _ => Err(RegistryUrlError::Unknown { text: quoted(text) }),
        }
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Etcd { endpoints } => {
                let scheme = if self.is_tls() { "etcds" } else { "etcd" };
                let hosts: Vec<&str> = endpoints.iter().map(|endpoint| host(endpoint)).collect();
                write!(f, "{scheme}://{}", hosts.join(","))
            }
            Self::Http { authority, tls } => write!(f, "{}{authority}", if *tls { TLS } else { PLAIN }),
        }
    }
}

serde_as_text!(RegistryUrl);

/// Host and port of an endpoint.
fn host(endpoint: &str) -> &str {
    endpoint.strip_prefix(PLAIN).or_else(|| endpoint.strip_prefix(TLS)).unwrap_or(endpoint)
}

/// `host` with its port, or with `default_port`; `text` is the whole URL for errors.
fn authority(
    text: &str,
    host: &str,
    default_port: u16,
    example: &'static str,
) -> Result<String, RegistryUrlError> {
    if host.contains('@') {
        // What stands before the `@` may be a password: it is not repeated.
        let shown = format!("…@{}", host.rsplit('@').next().unwrap_or_default());
        return Err(RegistryUrlError::Credentials { text: quoted(&shown) });
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(RegistryUrlError::NoHost { text: quoted(text), example });
    }
    if host.contains(['/', '?', '#']) {
        return Err(RegistryUrlError::Path { text: quoted(text), example });
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    if !is_host(name) {
        return Err(RegistryUrlError::Host { text: quoted(text), host: quoted(name), example });
    }
    let Some(port) = port else {
        return Ok(format!("{name}:{default_port}"));
    };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && !port.starts_with('+') => Ok(format!("{name}:{number}")),
        _ => Err(RegistryUrlError::Port { text: quoted(text), port: quoted(port) }),
    }
}

/// Whether `host` is a host name, an IPv4 address or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<RegistryUrl>().unwrap_err().to_string()
    }

    #[test]
    fn each_kind_is_read_and_written() {
        for text in [
            "embedded",
            "etcd://h1:2379,h2:2380",
            "http://hub:8400",
            "etcd://[::1]:2379",
            "etcds://h1:2379,h2:2380",
            "https://hub:8400",
        ] {
            assert_eq!(text.parse::<RegistryUrl>().unwrap().to_string(), text);
        }
        let endpoints = vec!["http://h1:2379".to_owned(), "http://[::1]:2379".to_owned()];
        assert_eq!("etcd://h1,[::1]".parse(), Ok(RegistryUrl::Etcd { endpoints }));
        let endpoints = vec!["https://h1:2379".to_owned()];
        assert_eq!("etcds://h1/".parse(), Ok(RegistryUrl::Etcd { endpoints }));
        let authority = "hub:8400".to_owned();
        assert_eq!("http://hub/".parse(), Ok(RegistryUrl::Http { authority, tls: false }));
        assert!("https://hub".parse::<RegistryUrl>().unwrap().is_tls());
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert!(refusal("redis://x").contains("`embedded`, `etcd://host:2379`"));
        assert!(refusal("10.0.0.1:2379").contains("`etcd://host:2379`"));
        assert!(refusal("etcd://").contains("has no host"));
        assert!(refusal("etcd://h1,,h2").contains("has no host"));
        assert!(refusal("http://hub/v1").contains("has a path"));
        assert!(refusal("http://a,b").contains("several hosts"));
        assert!(refusal("http://hub:0").contains("1 to 65535"));
        assert!(refusal("http://hub:x").contains("1 to 65535"));
        assert!(refusal("http://h b").contains("no host name"));
        assert!(refusal("etcd://[::x]").contains("no host name"));
        let credentials = refusal("etcd://root:secret@h1:2379");
        assert!(credentials.contains("credentials") && !credentials.contains("secret"));
    }

    proptest! {
        #[test]
        fn any_text_round_trips_or_is_refused(text in "\\PC*|(etcds?|https?)://[a-z0-9.,:\\[\\]]{0,20}") {
            if let Ok(url) = text.parse::<RegistryUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
        }
    }
}
