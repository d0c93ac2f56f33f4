//! Which job port a request is for. Pure: the table, the Host, the path and the fields decide.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use roundhouse_config::Zone;
use roundhouse_registry::InstanceId;

use super::reply::Refusal;
use super::request::Request;
use super::{Scope, Visit};
use crate::policy::{self, https_url};
use crate::table::{
    Asked, DomainEntry, JobEntry, Leads, Leg, Legs, Named, PortEntry, RouteEntry, Table, host_name,
};

/// Where a request goes.
pub(super) struct Routed {
    pub(super) job: Arc<JobEntry>,
    pub(super) port: Arc<PortEntry>,
    /// What is done on the way; a job's own names have nothing.
    pub(super) route: Option<Arc<RouteEntry>>,
    pub(super) domain: Option<Arc<DomainEntry>>,
}

impl Routed {
    /// Bytes that a request's body may have.
    pub(super) fn max_body(&self) -> Option<u64> {
        self.route.as_ref().and_then(|route| route.policy.max_body)
    }

    /// How long the head of an answer may take.
    pub(super) fn head_timeout(&self) -> Option<Duration> {
        self.route.as_ref().and_then(|route| route.policy.head_timeout)
    }

    /// The instance that the client's cookie names.
    pub(super) fn kept_instance(&self, request: &Request) -> Option<InstanceId> {
        let sticky = self.route.as_ref()?.policy.sticky.as_ref()?;
        sticky.instance(request.head.named("cookie"))
    }

    /// An HTTP/1.0 client need not name a host, and an HTTP/1.1 server need not take a request without one.
    pub(super) fn host_of_old_clients(
        &self,
        zone: impl FnOnce() -> Zone,
        request: &Request,
    ) -> Option<String> {
        request
            .authority()
            .is_none()
            .then(|| format!("{}.{}:{}", self.job.label, zone(), self.port.port.port))
    }
}

/// What becomes of a request.
pub(super) enum Way {
    To(Routed),
    /// Another URL, with this status.
    Elsewhere {
        status: u16,
        location: String,
        domain: Arc<DomainEntry>,
    },
    /// A preflight, which the route answers by itself.
    Preflight {
        route: Arc<RouteEntry>,
        domain: Arc<DomainEntry>,
    },
    Nowhere(Refusal),
}

impl Asked for Request {
    fn method(&self) -> &str {
        Request::method(self)
    }

    fn path(&self) -> &str {
        Request::path(self)
    }

    fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.named(name)
    }
}

/// `https_port`: where clients without TLS find it.
pub(super) fn route(
    table: &Table,
    worker: usize,
    visit: &Visit<'_>,
    request: &Request,
    https_port: Option<u16>,
) -> Way {
    let found = match visit.scope {
        Scope::Vip => at_vip(table, visit.connection.local.get()),
        Scope::ByHost => by_host(table, worker, request, https_port),
    };
    found.unwrap_or_else(|refusal| Way::Nowhere(refusal.at(table.revision)))
}

/// The job port at a VIP, as the table has it now: the connection may be older than the port.
fn at_vip(table: &Table, address: SocketAddr) -> Result<Way, Refusal> {
    match table.by_address(address) {
        Some((job, port)) if port.port.protocol.is_http() => Ok(to(job, port)),
        Some((job, _)) => Err(not_http(table, &job)),
        None => {
            Err(Refusal::no_route(format!("no job is served at {address} any more; dial its name again")))
        }
    }
}

fn by_host(table: &Table, worker: usize, request: &Request, https_port: Option<u16>) -> Result<Way, Refusal> {
    let Some(host) = request.authority() else {
        return Err(Refusal::bad("the request has no Host; send the name of a job or a domain"));
    };
    let name = host_name(host).map_err(|error| Refusal::bad(format!("{error}: `{}`", shown(host))))?;
    match table.resolve(&name) {
        Some(Named::Job { job, port: Some(port) }) => match job.port_named(&port).cloned() {
            Some(entry) if entry.port.protocol.is_http() => Ok(to(job, entry)),
            _ => Err(not_http(table, &job)),
        },
        Some(Named::Job { job, port: None }) => {
            let port = http_port(table, &job)?;
            Ok(to(job, port))
        }
        Some(Named::Domain(domain)) => by_path(table, worker, domain, request, host, https_port),
        None => Err(unknown(table, &name)),
    }
}

fn to(job: Arc<JobEntry>, port: Arc<PortEntry>) -> Way {
    Way::To(Routed { job, port, route: None, domain: None })
}

fn by_path(
    table: &Table,
    worker: usize,
    domain: Arc<DomainEntry>,
    request: &Request,
    host: &str,
    https_port: Option<u16>,
) -> Result<Way, Refusal> {
    if domain.https_redirect && !request.tls {
        // Who names no port came by the usual ones, whatever they are mapped to.
        let port = https_port.filter(|_| names_port(host));
        let location = https_url(host, request.path(), port);
        return Ok(Way::Elsewhere { status: 308, location, domain });
    }
    if let Some(route) = domain.preflight(request) {
        return Ok(Way::Preflight { route: route.clone(), domain });
    }
    let Some(route) = domain.route(request) else {
        let sentence = format!(
            "domain {} has no route for this request; `roundhouse get domains` lists them",
            domain.name
        );
        return Err(Refusal::no_route(sentence));
    };
    let legs = match &route.leads {
        Leads::ToJobs(legs) => legs,
        Leads::Elsewhere(redirect) => {
            let asked = policy::Asked { https: request.tls, host, target: request.path() };
            let location = redirect.location(&asked);
            return Ok(Way::Elsewhere { status: redirect.status, location, domain });
        }
    };
    let leg = kept(table, route, legs, request).or_else(|| legs.next(worker)).ok_or_else(|| {
        Refusal::no_route(format!("domain {} leads to nobody: all its weights are 0", domain.name))
    })?;
    let Some(job) = table.job(leg.job.as_str()) else {
        let sentence =
            format!("domain {} leads to job `{}`, which is not there; register it", domain.name, leg.job);
        return Err(Refusal::no_route(sentence));
    };
    let port = match &leg.port {
        None => http_port(table, job)?,
        Some(port) => match job.port_named(port) {
            Some(entry) if entry.port.protocol.is_http() => entry.clone(),
            _ => return Err(not_http(table, job)),
        },
    };
    let route = Some(route.clone());
    Ok(Way::To(Routed { job: job.clone(), port, route, domain: Some(domain) }))
}

/// The job of the instance that the client's cookie names, if it is up.
fn kept<'a>(table: &Table, route: &RouteEntry, legs: &'a Legs, request: &Request) -> Option<&'a Arc<Leg>> {
    let id = route.policy.sticky.as_ref()?.instance(request.head.named("cookie"))?;
    let is_there = |leg: &&Arc<Leg>| {
        let Some(job) = table.job(leg.job.as_str()) else { return false };
        job.ports.iter().any(|port| port.endpoints().find(id).is_some_and(|endpoint| endpoint.takes_work()))
    };
    legs.all.iter().find(is_there)
}

fn http_port(table: &Table, job: &JobEntry) -> Result<Arc<PortEntry>, Refusal> {
    job.http_port().cloned().ok_or_else(|| not_http(table, job))
}

/// A TCP job cannot be reached by Host; it can be dialled.
fn not_http(table: &Table, job: &JobEntry) -> Refusal {
    let dial = match job.ports.first() {
        Some(port) => format!("dial {}.{}:{} instead, or", job.label, table.zone, port.port.port),
        None => "it has no port at all;".into(),
    };
    Refusal::no_route(format!(
        "job `{}` has no port of protocol http here; {dial} give the port \"protocol\":\"http\" if it speaks HTTP",
        job.label
    ))
}

fn unknown(table: &Table, name: &str) -> Refusal {
    let name = shown(name);
    let sentence = match table.inside_zone(&name) {
        Some(label) => format!("no job is called `{label}`; `roundhouse get jobs` lists those that are"),
        None => format!(
            "`{name}` is no job name (<label>.{}) and no domain; `roundhouse get domains` lists the domains",
            table.zone.first_label()
        ),
    };
    Refusal::no_route(sentence)
}

fn names_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Enough of a client's text to recognise it, and no more.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
