//! What is asked, as JSON.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use roundhouse_config::{JobName, Label};
use roundhouse_registry::access::{Claim, Http, Policy, Port, Query, Shown};
use roundhouse_registry::record::{Digest, RulePort, Timestamp};
use serde::Deserialize;

use crate::access::Readings;
use crate::admin::Problem;

/// A token is no longer than this; nor is anything else here of any use beyond it.
const MAX_TEXT: usize = 8 << 10;

#[derive(Deserialize)]
#[serde(try_from = "Raw")]
pub(in crate::admin) struct Asked {
    pub(super) to: Label,
    from: IpAddr,
    claimed: Option<JobName>,
    port: Option<RulePort>,
    token: Option<Digest>,
    certificate: Option<JobName>,
    http: Option<(String, Readings<'static>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    from: Peer,
    to: Label,
    #[serde(default)]
    r#as: Option<JobName>,
    #[serde(default)]
    port: Option<RulePort>,
    #[serde(default)]
    proof: Option<String>,
    #[serde(default)]
    certificate: Option<JobName>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

impl TryFrom<Raw> for Asked {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Asked, String> {
        let texts = [&raw.proof, &raw.method, &raw.path];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
            return Err(format!("proof, method and path have at most {MAX_TEXT} bytes each"));
        }
        let http = match (raw.method, raw.path) {
            (None, None) => None,
            (method, path) => {
                let path = path.unwrap_or_else(|| "/".to_owned());
                Some((method.unwrap_or_else(|| "GET".to_owned()), Readings::of(&path).into_owned()))
            }
        };
        Ok(Asked {
            to: raw.to,
            from: raw.from.0,
            claimed: raw.r#as,
            port: raw.port,
            token: raw.proof.map(|token| Digest::of(token.trim().as_bytes())),
            certificate: raw.certificate,
            http,
        })
    }
}

impl Asked {
    pub(super) fn peer(&self) -> IpAddr {
        self.from
    }

    /// What the path is beside what the query has.
    pub(super) fn readings(&self) -> &[String] {
        self.http.as_ref().map_or(&[], |(_, path)| path.others())
    }

    pub(super) fn query<'a>(&'a self, policy: &'a Policy, stale: Duration) -> Result<Query<'a>, Problem> {
        let claimed = self.claimed.as_ref().or(self.certificate.as_ref());
        Ok(Query {
            peer: self.from,
            claim: claimed.map_or(Claim::None, |name| Claim::Name(name.as_str())),
            proof: Shown { token: self.token, certificate: self.certificate.as_ref().map(JobName::as_str) },
            owner: None,
            own: &[],
            port: port(policy, self.port.as_ref())?,
            http: match &self.http {
                None => Http::Not,
                Some((method, path)) => path.seen(method),
            },
            now: Timestamp::now(),
            stale,
        })
    }
}

/// Nobody who asks about a job with one port has to name it; of several it is the first.
pub(super) fn port<'a>(policy: &'a Policy, asked: Option<&RulePort>) -> Result<Port<'a>, Problem> {
    let found = match asked {
        None => policy.ports().next(),
        Some(RulePort::Name(name)) => policy.port_named(name),
        Some(RulePort::Number(number)) => policy.ports().find(|port| port.number == *number),
    };
    found.ok_or_else(|| {
        let ports: Vec<String> =
            policy.ports().filter_map(|port| Some(format!("{} ({})", port.name?, port.number))).collect();
        let asked = asked.map_or_else(|| "a port".to_owned(), |port| format!("port `{port}`"));
        let has =
            if ports.is_empty() { "it has none".to_owned() } else { format!("it has {}", ports.join(", ")) };
        Problem::invalid(format!("job `{}` has not {asked}; {has}", policy.job)).at("port")
    })
}

/// An address, perhaps with a zone (RFC 4007, 11), which says by which link it was seen and nothing of who it is.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        match address.parse::<IpAddr>() {
            Ok(address) => Ok(Peer(address.to_canonical())),
            Err(_) => Err(format!(
                "`{}` is no address; write the peer's, as in `10.0.0.7`",
                text.chars().take(64).collect::<String>()
            )),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

roundhouse_config::serde_as_text!(Peer);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Asked, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn zones_and_mapped_addresses_are_the_addresses_that_they_are() {
        let peer = |text: &str| asked(&format!(r#"{{"from":"{text}","to":"a"}}"#)).unwrap().from.to_string();
        assert_eq!(peer("fe80::1%eth0"), "fe80::1");
        assert_eq!(peer("::ffff:10.0.0.7"), "10.0.0.7");
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |text: &str| asked(text).map(drop).unwrap_err();
        assert!(refused(r#"{"from":"ten","to":"a"}"#).contains("write the peer's, as in `10.0.0.7`"));
        assert!(refused(r#"{"from":"::1"}"#).contains("missing field `to`"));
        assert!(refused(r#"{"from":"::1","to":"a","who":"b"}"#).contains("unknown field `who`"));
        let long = "x".repeat(9_000);
        assert!(refused(&format!(r#"{{"from":"::1","to":"a","proof":"{long}"}}"#)).contains("at most 8192"));
    }
}
