//! An HTTP request at an entrypoint: the Host chooses the job or the domain, the path the domain's route.

use std::sync::Arc;

use roundhouse_config::{NamedEntrypoint, PortName};

use super::target::{HttpRequest, Target};
use super::{Facts, Steps, Verdict, endpoints};
use crate::table::{DomainEntry, JobEntry, Leg, PortEntry};

/// A URL's port.
fn number(target: &Target) -> u16 {
    let default = if target.request.as_ref().is_some_and(|request| request.tls) { 443 } else { 80 };
    target.port.unwrap_or(default)
}

/// Whether a URL with a job's name means the entrypoint: it has an entrypoint's port, or none, and the job does not
/// serve that one at its VIP.
pub(super) fn goes_to_entrypoint(target: &Target, job: &JobEntry, facts: &Facts<'_>) -> bool {
    let number = number(target);
    if target.request.is_none() || job.port_number(number).is_some() {
        return false;
    }
    target.port.is_none() || entrypoint(number, facts).is_some()
}

fn entrypoint<'a>(number: u16, facts: &Facts<'a>) -> Option<&'a NamedEntrypoint> {
    facts.entrypoints.iter().find(|named| named.entrypoint.listen.socket_addr().port() == number)
}

pub(super) fn job(
    target: &Target,
    job: &Arc<JobEntry>,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    match arrives(target, facts, steps) {
        Verdict::Ok => http_port(job, named, facts, steps),
        verdict => verdict,
    }
}

pub(super) fn domain(target: &Target, domain: &DomainEntry, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let arrived = arrives(target, facts, steps);
    if arrived != Verdict::Ok {
        return arrived;
    }
    let path = target.request.as_ref().map_or("/", |request| &request.path);
    let Some(route) = domain.route(path) else {
        let known: Vec<_> = domain.routes.iter().map(|route| &*route.path).collect();
        steps.add(
            "route",
            format!("no route has the path {path}; the domain's prefixes are {}", known.join(", ")),
        );
        return Verdict::NoRoute;
    };
    let legs: Vec<_> = route.legs.iter().filter(|leg| leg.weight > 0).collect();
    let to: Vec<_> = legs.iter().map(|leg| format!("`{}` (weight {})", leg.job, leg.weight)).collect();
    let turns = if legs.len() > 1 { ", in turn" } else { "" };
    steps.add(
        "route",
        format!(
            "prefix {} is the longest that fits {path}; it leads to {}{turns}",
            route.path,
            to.join(", ")
        ),
    );
    legs.into_iter().map(|to| leg(to, facts, steps)).fold(Verdict::Ok, Verdict::and)
}

fn leg(leg: &Arc<Leg>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    match facts.table.job(leg.job.as_str()) {
        Some(job) => http_port(job, leg.port.as_ref(), facts, steps),
        None => {
            steps.add(
                "route",
                format!("there is no job `{}`; register one, or change the domain's route", leg.job),
            );
            Verdict::NoRoute
        }
    }
}

/// Where the request comes in.
fn arrives(target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let all = || {
        let all =
            facts.entrypoints.iter().map(|named| format!("`{}` on {}", named.name, named.entrypoint.listen));
        all.collect::<Vec<_>>().join(", ")
    };
    if let Some(HttpRequest { tls: true, .. }) = target.request {
        steps.add("listener", format!("no entrypoint speaks TLS in this version; ask http:// at {}", all()));
        return Verdict::NoRoute;
    }
    match (entrypoint(number(target), facts), facts.entrypoints.first(), target.port) {
        (Some(named), _, _) => {
            let listen = named.entrypoint.listen;
            steps.add("listener", format!("entrypoint `{}` on {listen} takes it by its Host", named.name));
            Verdict::Ok
        }
        (None, Some(first), None) => {
            let listen = first.entrypoint.listen;
            steps.add(
                "listener",
                format!(
                    "nothing listens on port 80; entrypoint `{}` on {listen} takes it by its Host",
                    first.name
                ),
            );
            Verdict::Ok
        }
        (None, None, _) => {
            steps.add("listener", "no entrypoint is configured; add [[entrypoint]] to the gateway's file");
            Verdict::NoRoute
        }
        (None, Some(_), Some(port)) => {
            steps.add("listener", format!("no entrypoint is on port {port}; there is {}", all()));
            Verdict::NoRoute
        }
    }
}

fn http_port(job: &JobEntry, named: Option<&PortName>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let entry: Option<&Arc<PortEntry>> = match named {
        Some(name) => job.port_named(name).filter(|entry| entry.port.protocol.is_http()),
        None => job.http_port(),
    };
    let Some(entry) = entry else {
        let named = named.map_or(String::new(), |name| format!(" called `{name}`"));
        steps.add(
            "port",
            format!("job `{}` has no port{named} of protocol http, so requests cannot go there", job.label),
        );
        if let Some(entry) = job.ports.first() {
            let dial = format!("{}.{}:{}", job.label, facts.table.zone, entry.port.port);
            steps.add(
                "hint",
                format!("dial {dial} instead, or give the port the protocol http if it speaks HTTP"),
            );
        }
        return Verdict::NoRoute;
    };
    steps.add(
        "port",
        format!("port `{}` of job `{}`, protocol {}", entry.name(), job.label, entry.port.protocol),
    );
    endpoints::explain(job, entry, steps)
}
