//! Which job port a request is for. Pure: the table, the Host and the path decide.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Uri, Version};

use super::reply::Reason;
use crate::table::{DomainEntry, JobEntry, Named, PortEntry, Table, host_name};

#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) sentence: String,
}

type Routed = Result<(Arc<JobEntry>, Arc<PortEntry>), Refused>;

/// What is wrong with a head whatever it is for.
pub(super) fn checked(parts: &Parts) -> Result<(), Refused> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    if hosts.next().is_none() && parts.uri.authority().is_none() && parts.version == Version::HTTP_11 {
        return Err(bad("the request has no Host; send the name of a job or a domain".into()));
    }
    if hosts.next().is_some() {
        return Err(bad("the request has more than one Host; send one".into()));
    }
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(bad("only `chunked` is served as a Transfer-Encoding; use Content-Encoding".into()));
    }
    if parts.method == Method::CONNECT {
        return Err(bad("CONNECT is not served; dial the job's own name and port".into()));
    }
    Ok(())
}

/// The job port at a VIP, as the table has it now: the connection may be older than the port.
pub(super) fn at_vip(table: &Table, address: SocketAddr) -> Routed {
    match table.by_address(address) {
        Some((job, port)) if port.port.protocol.is_http() => Ok((job, port)),
        Some((job, _)) => Err(not_http(table, &job)),
        None => Err(no_route(format!("no job is served at {address} any more; dial its name again"))),
    }
}

pub(super) fn route(table: &Table, worker: usize, parts: &Parts) -> Routed {
    let host = host(&parts.uri, &parts.headers)?;
    let name = host_name(host).map_err(|error| bad(format!("{error}: `{}`", shown(host))))?;
    match table.resolve(&name) {
        Some(Named::Job { job, port: Some(port) }) => match job.port_named(&port).cloned() {
            Some(entry) if entry.port.protocol.is_http() => Ok((job, entry)),
            _ => Err(not_http(table, &job)),
        },
        Some(Named::Job { job, port: None }) => http_port(table, job),
        Some(Named::Domain(domain)) => by_path(table, worker, &domain, parts),
        None => Err(unknown(table, &name)),
    }
}

/// An absolute-form target's authority replaces Host (RFC 9112, 3.2.2).
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, Refused> {
    if let Some(authority) = uri.authority() {
        return Ok(authority.as_str());
    }
    let field = headers
        .get(HOST)
        .ok_or_else(|| bad("the request has no Host; send the name of a job or a domain".into()))?;
    field.to_str().map_err(|_| bad("the Host is not plain text".into()))
}

fn by_path(table: &Table, worker: usize, domain: &DomainEntry, parts: &Parts) -> Routed {
    let Some(leg) = domain.route(parts).and_then(|route| route.next(worker)) else {
        let sentence =
            format!("domain {} has no route for this path; `roundhouse get domains` lists them", domain.name);
        return Err(no_route(sentence));
    };
    let Some(job) = table.job(leg.job.as_str()) else {
        let sentence =
            format!("domain {} leads to job `{}`, which is not there; register it", domain.name, leg.job);
        return Err(no_route(sentence));
    };
    match &leg.port {
        None => http_port(table, job.clone()),
        Some(port) => match job.port_named(port) {
            Some(entry) if entry.port.protocol.is_http() => Ok((job.clone(), entry.clone())),
            _ => Err(not_http(table, job)),
        },
    }
}

fn http_port(table: &Table, job: Arc<JobEntry>) -> Routed {
    match job.http_port().cloned() {
        Some(port) => Ok((job, port)),
        None => Err(not_http(table, &job)),
    }
}

/// A TCP job cannot be reached by Host; it can be dialled.
fn not_http(table: &Table, job: &JobEntry) -> Refused {
    let dial = match job.ports.first() {
        Some(port) => format!("dial {}.{}:{} instead, or", job.label, table.zone, port.port.port),
        None => "it has no port at all;".into(),
    };
    no_route(format!(
        "job `{}` has no port of protocol http here; {dial} give the port \"protocol\":\"http\" if it speaks HTTP",
        job.label
    ))
}

fn unknown(table: &Table, name: &str) -> Refused {
    let name = shown(name);
    let sentence = match table.inside_zone(&name) {
        Some(label) => format!("no job is called `{label}`; `roundhouse get jobs` lists those that are"),
        None => format!(
            "`{name}` is no job name (<label>.{}) and no domain; `roundhouse get domains` lists the domains",
            table.zone.first_label()
        ),
    };
    no_route(sentence)
}

fn no_route(sentence: String) -> Refused {
    Refused { reason: Reason::NoRoute, sentence }
}

fn bad(sentence: String) -> Refused {
    Refused { reason: Reason::BadRequest, sentence }
}

/// Enough of a client's text to recognise it, and no more.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}
