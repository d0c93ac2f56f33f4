//! Which pages of other origins may use what the route serves (WHATWG Fetch, "CORS protocol").

use std::fmt;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use roundhouse_config::{DomainName, duration, serde_as_text};
use serde::{Deserialize, Serialize};

use super::bounds;
use super::field::{FieldName, shown};
use super::matches::Method;
use crate::record::ValueError;
use crate::record::text::check_list;

/// Origins, methods or headers.
const MAX_ITEMS: usize = 64;
/// No browser believes a preflight for longer than a day.
const MAX_AGE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(bounds::DAY);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    pub origins: Vec<Origin>,
    /// Empty: GET, HEAD and POST, which need no leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// That a page may send besides those that need no leave; `*`: whatever it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<FieldName>,
    /// That a page may read besides those that need no leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<FieldName>,
    /// Whether with cookies, and what else says who the user is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// How long a browser need not ask again; left out: as it likes, which is 5 s.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// Whence a page is, as a browser spells it: no path, and no port where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Any,
    Exact(Box<str>),
    /// `*` stands for one label, as in a domain.
    Wildcard {
        /// With `://`.
        scheme: Box<str>,
        /// From the `.` on, with its port.
        suffix: Box<str>,
    },
}

impl Cors {
    pub(super) fn check(&self) -> Result<(), ValueError> {
        if self.origins.is_empty() {
            let message =
                "nobody is let in; write origins, as in [\"https://app.example.com\"], or leave `cors` out";
            return Err(ValueError::field("cors.origins", message));
        }
        check_list("cors.origins", &self.origins, MAX_ITEMS)?;
        check_list("cors.methods", &self.methods, MAX_ITEMS)?;
        check_list("cors.headers", &self.headers, MAX_ITEMS)?;
        check_list("cors.expose", &self.expose, MAX_ITEMS)?;
        if let Some(any) = self.origins.iter().position(|origin| *origin == Origin::Any) {
            if self.credentials {
                let message = "`*` with `credentials` would let any page act as the user; write the origins";
                return Err(ValueError::field(format!("cors.origins[{any}]"), message));
            }
            if self.origins.len() > 1 {
                let message = "`*` is every origin; write it alone, or leave it out";
                return Err(ValueError::field(format!("cors.origins[{any}]"), message));
            }
        }
        bounds::check_seconds("cors.max_age", self.max_age, &MAX_AGE)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        let wrong = |instead: &str| format!("`{}` is no origin; {instead}", shown(text));
        if text == "*" {
            return Ok(Origin::Any);
        }
        if text == "null" {
            // Sandboxed frames of any site, and files, have this one.
            return Err(wrong("any page can make itself `null`; write https://app.example.com"));
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(wrong("write it with its scheme, as in https://app.example.com"));
        };
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(is_scheme) {
            return Err(wrong("write its scheme as in https://app.example.com"));
        }
        if authority.contains('/') {
            return Err(wrong("write it without a path, and without a `/` at its end"));
        }
        let (host, port) =
            parts(authority).ok_or_else(|| wrong("write a host name, as in https://app.example.com"))?;
        let scheme = scheme.to_ascii_lowercase();
        if matches!((scheme.as_str(), port.map(NonZeroU16::get)), ("https", Some(443)) | ("http", Some(80))) {
            return Err(wrong("browsers leave out a scheme's own port; do so too"));
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(match host.strip_prefix('*') {
            Some(parent) => Origin::Wildcard {
                scheme: format!("{scheme}://").into(),
                suffix: format!("{parent}{port}").into(),
            },
            None => Origin::Exact(format!("{scheme}://{host}{port}").into()),
        })
    }
}

/// The host in lower case, perhaps with `*.` before it, and the port.
fn parts(authority: &str) -> Option<(String, Option<NonZeroU16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_bracket..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_bracket + colon);
            (host, Some(port[1..].parse().ok()?))
        }
        None => (authority, None),
    };
    let host = match host.parse::<DomainName>() {
        Ok(name) if name.as_str().len() == host.len() => name.to_string(),
        Ok(_) => return None,
        Err(_) => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => format!("[{}]", v6.parse::<std::net::Ipv6Addr>().ok()?),
            None => host.parse::<std::net::Ipv4Addr>().ok()?.to_string(),
        },
    };
    Some((host, port))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Any => f.write_str("*"),
            Origin::Exact(origin) => f.write_str(origin),
            Origin::Wildcard { scheme, suffix } => write!(f, "{scheme}*{suffix}"),
        }
    }
}

serde_as_text!(Origin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_spell_them() {
        for (text, spelled) in [
            ("*", "*"),
            ("https://App.Example.com", "https://app.example.com"),
            ("HTTP://localhost:3000", "http://localhost:3000"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[0:0::1]:80x", ""),
            ("http://[0:0::1]:81", "http://[::1]:81"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            match text.parse::<Origin>() {
                Ok(origin) => assert_eq!(origin.to_string(), spelled),
                Err(error) => assert!(spelled.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for (text, instead) in [
            ("null", "any page can make itself"),
            ("example.com", "with its scheme"),
            ("https://example.com/", "without a path"),
            ("https://example.com:443", "scheme's own port"),
            ("http://example.com:80", "scheme's own port"),
            ("https://*", "write a host name"),
            ("https://a.*.com", "write a host name"),
            ("https://example.com.", "write a host name"),
            ("https://example.com:0", "write a host name"),
            ("https://us er", "write a host name"),
            ("://a", "its scheme"),
        ] {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains(instead), "{text}: {error}");
        }
    }
}
