//! A domain's route for a URL: which is taken, which others a request of another kind takes, and where a client is sent
//! that is not served.

use std::sync::Arc;

use super::entrypoint::Way;
use super::target::{Host, Target};
use super::{Facts, Steps, Verdict};
use crate::policy::{Asked, https_url};
use crate::run::Listed;
use crate::table::{DomainEntry, PlainGet, RouteEntry, is_under, normalised};

/// More are no help to whoever reads them.
const MAX_OTHERS: usize = 8;

/// The route of a plain GET; `Err`: nothing is served, and why is said.
pub(super) fn route<'d>(
    way: &Way<'_>,
    target: &Target,
    domain: &'d DomainEntry,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Result<&'d Arc<RouteEntry>, Verdict> {
    // Nobody can look into TLS that passes through, and what ends here may be no HTTP: that is the route of `/`.
    let (path, by_host) = match way {
        Way::ServerName(_) | Way::Job(_) => ("/", false),
        Way::Host => (target.request.as_ref().map_or("/", |request| &*request.path), true),
    };
    if by_host && domain.https_redirect && !target.tls {
        return Err(to_https(target, path, facts, steps));
    }
    let Some(route) = domain.route(&PlainGet(path)) else {
        steps.add("route", nothing_fits(domain, path));
        return Err(Verdict::NoRoute);
    };
    steps.add("route", taken(route, path));
    others(domain, route, path, steps);
    let Some(redirect) = route.redirect() else { return Ok(route) };
    if !by_host {
        steps.add("redirect", "the route of / is a redirect, and there is no request that could be answered");
        return Err(Verdict::NoRoute);
    }
    let host = host(target);
    let location = redirect.location(&Asked { https: target.tls, host: &host, target: path });
    steps.add("redirect", format!("the gateway answers {} with the Location {location}", redirect.status));
    if domain.leads_back(route, path) {
        steps.add(
            "hint",
            "which is this route again, so that clients go round in circles; change its `redirect`",
        );
        return Err(Verdict::NoRoute);
    }
    Err(Verdict::Ok)
}

fn to_https(target: &Target, path: &str, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let port = Listed::https_port(facts.entrypoints);
    // Who names no port came by the usual ones, whatever they are mapped to.
    let location = https_url(&host(target), path, port.filter(|_| target.port.is_some()));
    let detail = format!(
        "the domain is for https, so the gateway answers 308 with the Location {location}; explain that one"
    );
    steps.add("https", detail);
    if port.is_none() {
        steps.add(
            "hint",
            "no entrypoint of this gateway speaks https; add one, or let whoever is in front speak it",
        );
    }
    Verdict::Ok
}

fn taken(route: &RouteEntry, path: &str) -> String {
    let mut text = format!("prefix {} is the longest that fits {path}", route.path());
    let matches = route.matches();
    if !matches.methods.is_empty() || !matches.headers.is_empty() {
        text += &format!(" (a GET, as all of {} is)", matches.described());
    }
    let legs: Vec<_> = route.legs().iter().filter(|leg| leg.weight > 0).collect();
    if legs.is_empty() {
        return text + "; it is a redirect";
    }
    let to: Vec<_> = legs.iter().map(|leg| format!("`{}` (weight {})", leg.job, leg.weight)).collect();
    let turns = if legs.len() > 1 { ", in turn" } else { "" };
    format!("{text}; it leads to {}{turns}", to.join(", "))
}

/// Routes before this one that a request to the same path takes if it is another than a plain GET.
fn others(domain: &DomainEntry, taken: &Arc<RouteEntry>, path: &str, steps: &mut Steps) {
    let path = normalised(path);
    let before = domain.routes.iter().take_while(|route| !Arc::ptr_eq(route, taken));
    for route in before.filter(|route| is_under(&path, route.path())).take(MAX_OTHERS) {
        steps.add("route", format!("{} {}", route.matches().described(), leads(route)));
    }
}

fn leads(route: &RouteEntry) -> String {
    match route.redirect() {
        Some(redirect) => format!("is redirected with {}", redirect.status),
        None => {
            let jobs: Vec<_> = route.legs().iter().map(|leg| format!("`{}`", leg.job)).collect();
            format!("leads to {} instead", jobs.join(", "))
        }
    }
}

fn nothing_fits(domain: &DomainEntry, path: &str) -> String {
    let normal = normalised(path);
    let near = domain.routes.iter().filter(|route| is_under(&normal, route.path()));
    let near: Vec<_> = near.map(|route| route.matches().described()).take(MAX_OTHERS).collect();
    if !near.is_empty() {
        return format!("no route takes a plain GET of {path}; there is {}", near.join(", "));
    }
    let mut known: Vec<_> = domain.routes.iter().map(|route| route.path()).collect();
    known.dedup();
    format!("no route has the path {path}; the domain's prefixes are {}", known.join(", "))
}

/// As a client would write it into the Host.
fn host(target: &Target) -> String {
    let name = match &target.host {
        Host::Name(name) => name.clone(),
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        Host::Address(address) => address.to_string(),
    };
    match target.port {
        Some(port) => format!("{name}:{port}"),
        None => name,
    }
}
