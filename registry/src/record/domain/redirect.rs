//! Where a client is sent instead of being served.

use std::fmt;
use std::num::NonZeroU16;

use roundhouse_config::DomainName;
use serde::{Deserialize, Serialize};

use super::matches::check_written_path;
use crate::record::ValueError;

/// The URL that was asked for, but for what is said here. The query is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<DomainName>,
    /// Left out: the scheme's own if `scheme` is written, else that which was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// In place of the whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// In place of the prefix that the route matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Box<str>>,
    #[serde(default)]
    pub status: RedirectStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Http,
    Https,
}

/// Those that say where to go and what becomes of the method (RFC 9110, 15.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum RedirectStatus {
    MovedPermanently,
    Found,
    SeeOther,
    Temporary,
    /// Clients send the same method and body again, and keep that in mind.
    #[default]
    Permanent,
}

impl Redirect {
    pub(super) fn check(&self) -> Result<(), ValueError> {
        let Redirect { scheme, host, port, path, prefix, status: _ } = self;
        if scheme.is_none() && host.is_none() && port.is_none() && path.is_none() && prefix.is_none() {
            let message = "leads to itself; write `scheme`, `host`, `port`, `path` or `prefix`";
            return Err(ValueError::field("redirect", message));
        }
        if path.is_some() && prefix.is_some() {
            let message = "is written beside `path`, which replaces all of it; write one of the two";
            return Err(ValueError::field("redirect.prefix", message));
        }
        if host.as_ref().is_some_and(DomainName::is_wildcard) {
            let message = "is a wildcard; write the one name that clients are sent to";
            return Err(ValueError::field("redirect.host", message));
        }
        for (at, path) in [("redirect.path", path), ("redirect.prefix", prefix)] {
            path.as_deref().map_or(Ok(()), |path| check_written_path(at, path))?;
        }
        Ok(())
    }
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl RedirectStatus {
    pub fn code(self) -> u16 {
        match self {
            RedirectStatus::MovedPermanently => 301,
            RedirectStatus::Found => 302,
            RedirectStatus::SeeOther => 303,
            RedirectStatus::Temporary => 307,
            RedirectStatus::Permanent => 308,
        }
    }
}

impl From<RedirectStatus> for u16 {
    fn from(status: RedirectStatus) -> u16 {
        status.code()
    }
}

impl TryFrom<u16> for RedirectStatus {
    type Error = String;

    fn try_from(code: u16) -> Result<RedirectStatus, String> {
        use RedirectStatus::{Found, MovedPermanently, Permanent, SeeOther, Temporary};
        let all = [MovedPermanently, Found, SeeOther, Temporary, Permanent];
        all.into_iter()
            .find(|status| status.code() == code)
            .ok_or_else(|| format!("{code} is no redirect's status; write 301, 302, 303, 307 or 308"))
    }
}
