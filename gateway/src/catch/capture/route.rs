//! The local route that makes every address of a VIP prefix this host's own (AnyIP), by the `ip` program (ip-route(8)).
//!
//! Asked of the routing table, not tried by a bind: with net.ipv4.ip_nonlocal_bind, which failover pairs set, every
//! address can be bound.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use roundhouse_registry::program::{self, Limits, ProgramError, first_line};
use serde::Deserialize;

use crate::host_address::Family;

/// Marks the routes that we have added, so that they are known as ours after a kill too. No routing daemon uses the number
/// (iproute2's rt_protos and linux/rtnetlink.h name 0-18, 42, 84, 99 and 186-198).
const PROTOCOL: &str = "157";

/// 127.0.0.0/8 is local on every Linux host.
const LOOPBACK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// How a prefix is local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// By itself.
    Loopback,
    /// Ours: [`remove`] takes it back.
    Ours,
    /// Somebody else has made it so, and local clients come from this address. One within the prefix is trouble: UDP
    /// answers to a VIP are caught again ([`RouteError::NoSource`] has the cure).
    Theirs { source: Option<IpAddr> },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error(
        "the `ip` program is not here; install iproute2 (Debian: apt-get install iproute2), or run once: {cure}"
    )]
    Missing { cure: String },
    #[error(
        "routes may not be changed by this process; grant it and the programs it starts CAP_NET_ADMIN (systemd: \
         AmbientCapabilities=CAP_NET_ADMIN), or run once: {cure}"
    )]
    NotPermitted { cure: String },
    #[error(
        "no address of this host to give to local clients of {prefix}; give it one, or run: ip route replace local \
         {prefix} dev lo src <host address>"
    )]
    NoSource { prefix: IpNet },
    #[error("ip gave no answer within {} s; it is tried again", Limits::BRIEF.deadline.as_secs())]
    Late,
    #[error("ip {arguments}: {said}")]
    Other { arguments: String, said: String },
}

/// Makes the prefix local, unless it is. Local clients will come from `source`, by default the address that this host
/// uses towards others: without, they would come from the VIP itself.
pub fn ensure(prefix: IpNet, source: Option<IpAddr>) -> Result<Local, RouteError> {
    if is_loopback(prefix) {
        return Ok(Local::Loopback);
    }
    let source = source.or_else(|| host_address(prefix));
    // Ours is replaced too: this host's address may have changed since.
    if !is_ours(prefix)?
        && let Some(to) = lookup(prefix)?
    {
        return Ok(Local::Theirs { source: to.prefsrc });
    }
    let source = source.ok_or(RouteError::NoSource { prefix })?;
    let (prefix_text, source) = (prefix.to_string(), source.to_string());
    let arguments =
        ["route", "replace", "local", &prefix_text, "dev", "lo", "proto", PROTOCOL, "src", &source];
    ip(prefix, &arguments).map(|_| Local::Ours)
}

/// Takes our route back; somebody else's stays.
pub fn remove(prefix: IpNet) -> Result<(), RouteError> {
    if is_loopback(prefix) || !is_ours(prefix)? {
        return Ok(());
    }
    let arguments = ["route", "del", "local", &prefix.to_string(), "dev", "lo", "proto", PROTOCOL];
    ip(prefix, &arguments).map(drop)
}

/// Whether the kernel takes the whole prefix for its own.
pub fn is_local(prefix: IpNet) -> Result<bool, RouteError> {
    Ok(is_loopback(prefix) || lookup(prefix)?.is_some())
}

/// What to run once where the gateway may not do it.
pub fn cure(prefix: IpNet) -> String {
    let source = host_address(prefix).map_or_else(|| "<host address>".into(), |address| address.to_string());
    format!("ip route add local {prefix} dev lo src {source}")
}

/// A route, as `ip -json` shows it.
#[derive(Deserialize)]
struct Route {
    #[serde(rename = "type", default)]
    kind: String,
    prefsrc: Option<IpAddr>,
    dst: Option<String>,
}

/// The local route to the prefix. Its ends stand for all of it: one address of ours within it is no route to the others.
fn lookup(prefix: IpNet) -> Result<Option<Route>, RouteError> {
    let mut found = None;
    for address in [prefix.network(), prefix.broadcast()] {
        let arguments = ["-json", "route", "get", &address.to_string()];
        let routes: Vec<Route> = match ip(prefix, &arguments) {
            Ok(text) => parsed(&arguments, &text)?,
            // No route at all.
            Err(RouteError::Other { said, .. }) if said.contains("unreachable") => return Ok(None),
            Err(error) => return Err(error),
        };
        match routes.into_iter().next() {
            Some(route) if route.kind == "local" => found = Some(route),
            _ => return Ok(None),
        }
    }
    Ok(found)
}

fn is_ours(prefix: IpNet) -> Result<bool, RouteError> {
    let family = if matches!(prefix, IpNet::V4(_)) { "-4" } else { "-6" };
    let arguments = [family, "-json", "route", "show", "table", "local", "proto", PROTOCOL];
    let routes: Vec<Route> = parsed(&arguments, &ip(prefix, &arguments)?)?;
    // A prefix of one address is shown without its length.
    Ok(routes
        .iter()
        .filter_map(|route| route.dst.as_deref())
        .any(|dst| dst.parse::<IpNet>().or_else(|_| dst.parse::<IpAddr>().map(IpNet::from)) == Ok(prefix)))
}

fn is_loopback(prefix: IpNet) -> bool {
    matches!(prefix, IpNet::V4(v4) if LOOPBACK.contains(&v4))
}

fn host_address(prefix: IpNet) -> Option<IpAddr> {
    crate::host_address::host_address(Family::of(prefix), prefix)
}

fn ip(prefix: IpNet, arguments: &[&str]) -> Result<String, RouteError> {
    let other = |said| RouteError::Other { arguments: arguments.join(" "), said };
    let answer = program::run("ip", arguments, "", Limits::BRIEF).map_err(|error| match error {
        ProgramError::Missing => RouteError::Missing { cure: cure(prefix) },
        ProgramError::Late(_) => RouteError::Late,
        ProgramError::Io(error) => other(error.to_string()),
    })?;
    match answer {
        answer if answer.status.success() => Ok(answer.stdout),
        answer if answer.stderr.contains("Operation not permitted") => {
            Err(RouteError::NotPermitted { cure: cure(prefix) })
        }
        answer => Err(other(first_line(&answer.stderr))),
    }
}

/// Some versions say nothing at all where there is no route to show.
fn parsed(arguments: &[&str], text: &str) -> Result<Vec<Route>, RouteError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text)
        .map_err(|error| RouteError::Other { arguments: arguments.join(" "), said: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_local_without_a_question() {
        assert_eq!(ensure("127.99.0.0/16".parse().unwrap(), None), Ok(Local::Loopback));
        assert!(!is_loopback("126.0.0.0/7".parse().unwrap()));
        assert!(!is_loopback("::1/128".parse().unwrap()));
    }

    #[test]
    fn routes_are_read_as_ip_writes_them() {
        let text =
            r#"[{"type":"local","dst":"10.77.0.1","dev":"lo","prefsrc":"192.168.5.1","flags":[],"uid":0}]"#;
        let routes = parsed(&[], text).unwrap();
        assert_eq!((routes[0].kind.as_str(), routes[0].prefsrc), ("local", "192.168.5.1".parse().ok()));
        assert!(parsed(&[], "\n").unwrap().is_empty());
        let error = parsed(&["route"], "Usage: ip").err().unwrap();
        assert!(error.to_string().starts_with("ip route: "), "{error}");
    }
}
