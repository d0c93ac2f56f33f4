//! A name at an entrypoint: the Host chooses the job or the domain and the path the domain's route, or the server name
//! chooses both.

use std::sync::Arc;

use roundhouse_config::PortName;

use super::access::Sight;
use super::entrypoint::{self, Way, arrives};
use super::target::Target;
use super::{Facts, Steps, Verdict, routed};
use crate::run::Listed;
use crate::table::{DomainEntry, JobEntry, Leg, PortEntry};

pub(super) fn job(
    target: &Target,
    job: &Arc<JobEntry>,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    match arrives(target, facts, steps) {
        Ok(way) => led(&way, target.path(), job, named, facts, steps),
        Err(verdict) => verdict,
    }
}

pub(super) fn domain(target: &Target, domain: &DomainEntry, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let way = match arrives(target, facts, steps) {
        Ok(Way::Job(listed)) => return entrypoint::job(listed, facts, steps),
        Ok(way) => way,
        Err(verdict) => return verdict,
    };
    let route = match routed::route(&way, target, domain, facts, steps) {
        Ok(route) => route,
        Err(verdict) => return verdict,
    };
    let legs = route.legs().iter().filter(|leg| leg.weight > 0);
    // What the instance is asked for, if the route has that changed.
    let rewritten = route.policy.rewrite.as_ref().and_then(|rewrite| rewrite.target(target.path()));
    let path = rewritten.as_deref().unwrap_or(target.path());
    legs.map(|to| leg(&way, path, to, facts, steps)).fold(Verdict::Ok, Verdict::and)
}

fn leg(way: &Way<'_>, path: &str, leg: &Arc<Leg>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    match facts.table.job(leg.job.as_str()) {
        Some(job) => led(way, path, job, leg.port.as_ref(), facts, steps),
        None => {
            steps.add(
                "route",
                format!("there is no job `{}`; register one, or change the domain's route", leg.job),
            );
            Verdict::NoRoute
        }
    }
}

fn led(
    way: &Way<'_>,
    path: &str,
    job: &JobEntry,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    match way {
        Way::Host => http_port(job, path, named, facts, steps),
        Way::ServerName(listed) => tls_port(listed, job, named, facts, steps),
        Way::Job(listed) => entrypoint::job(listed, facts, steps),
    }
}

/// Where the entrypoint leads this job's server name.
fn tls_port(
    listed: &Listed,
    job: &JobEntry,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    let terminate = listed.settings.terminate;
    let found = match named {
        Some(name) => job.port_named(name),
        None => job.ports.iter().find(|entry| entry.takes_tls(terminate)),
    };
    if let Some(entry) = found {
        return entrypoint::port(job, entry, Sight::Bytes, facts, steps);
    }
    let label = &job.label;
    let detail = match (named, terminate) {
        (Some(name), _) => format!("job `{label}` has no port `{name}`"),
        (None, false) => {
            format!("job `{label}` has no port that takes the client's TLS; give one the protocol tls or tcp")
        }
        (None, true) => {
            format!("job `{label}` has no port that takes what was inside of the TLS, as tcp does")
        }
    };
    steps.add("port", detail);
    Verdict::NoRoute
}

fn http_port(
    job: &JobEntry,
    path: &str,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
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
    entrypoint::port(job, entry, Sight::Get(path), facts, steps)
}
