//! What an instance is asked for in place of what the client asked for.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use roundhouse_config::{DomainName, serde_as_text};
use serde::{Deserialize, Serialize};

use super::field::shown;
use super::matches::check_written_path;
use crate::record::ValueError;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// In place of the prefix that the route matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Box<str>>,
    /// The Host that the instance reads; left out: the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Authority>,
}

/// A host name, with a port where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Box<str>);

impl Rewrite {
    pub(super) fn check(&self) -> Result<(), ValueError> {
        match &self.prefix {
            Some(prefix) => check_written_path("rewrite.prefix", prefix),
            None if self.host.is_some() => Ok(()),
            None => {
                let message = "rewrites nothing; write `prefix` or `host`, or leave it out";
                Err(ValueError::field("rewrite", message))
            }
        }
    }
}

impl Authority {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Authority {
    type Err = String;

    fn from_str(text: &str) -> Result<Authority, String> {
        let wrong =
            || format!("`{}` is no host; write a name, as in app.internal or app.internal:8080", shown(text));
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse::<NonZeroU16>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let host: DomainName = host.parse().map_err(|_| wrong())?;
        if host.is_wildcard() {
            return Err(wrong());
        }
        Ok(Authority(match port {
            Some(port) => format!("{host}:{port}").into(),
            None => host.as_str().into(),
        }))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

serde_as_text!(Authority);
