//! A domain's routes, ready for matching: longest prefix first, of equal ones those with more conditions, then as they
//! are written; destinations in turn by weight.
//!
//! A route leads to jobs or is a redirect ([`Leads`]); what is done on the way is its [`Policy`]. Whoever has chosen one keeps
//! the `Arc` for as long as the exchange takes, whatever becomes of the table meanwhile.

mod asked;
mod conditions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use roundhouse_config::{DomainName, Label, PortName};
use roundhouse_registry::record::domain::Https;
use roundhouse_registry::record::{Destination, Route, RouteMatch};
use roundhouse_registry::{Domain, Revision, Versioned};

use self::asked::Announced;
pub use self::asked::{Asked, PlainGet};
use self::conditions::Conditions;
use super::path::normalised;
use crate::balance::RoundRobin;
use crate::policy::{Policy, Redirect, hsts, is_preflight};

#[derive(Debug)]
pub struct DomainEntry {
    pub name: DomainName,
    pub routes: Vec<Arc<RouteEntry>>,
    /// Whether a request without TLS is sent to the same URL by https.
    pub https_redirect: bool,
    /// The value of `Strict-Transport-Security`, for answers over TLS.
    pub hsts: Option<Box<str>>,
    pub(crate) record: Arc<Versioned<Domain>>,
}

#[derive(Debug)]
pub struct RouteEntry {
    conditions: Conditions,
    pub leads: Leads,
    pub policy: Policy,
}

#[derive(Debug)]
pub enum Leads {
    ToJobs(Legs),
    Elsewhere(Redirect),
}

/// Where a route leads, in turn.
#[derive(Debug)]
pub struct Legs {
    pub all: Vec<Arc<Leg>>,
    turns: RoundRobin,
}

/// One place that a route leads to.
#[derive(Debug)]
pub struct Leg {
    pub job: Label,
    /// `None`: the job's HTTP port.
    pub port: Option<PortName>,
    pub weight: u32,
}

impl DomainEntry {
    pub(super) fn new(
        name: DomainName,
        record: &Arc<Versioned<Domain>>,
        workers: usize,
        mut start: impl FnMut() -> usize,
    ) -> DomainEntry {
        let domain = &record.value;
        let entry = |route| Arc::new(RouteEntry::new(route, workers, &mut start));
        let mut routes: Vec<_> = domain.routes.iter().map(entry).collect();
        // Stable: equal ones stay in the order in which they are written.
        routes.sort_by(|one, other| one.conditions.rank().cmp(&other.conditions.rank()));
        DomainEntry {
            name,
            routes,
            https_redirect: domain.https == Https::Redirect,
            hsts: domain.hsts.as_ref().map(|record| hsts(record).into()),
            record: record.clone(),
        }
    }

    /// Of a record that nobody serves yet.
    pub(crate) fn tried(name: &DomainName, domain: &Domain) -> DomainEntry {
        let at = Revision(0);
        let record = Versioned { value: domain.clone(), created: at, modified: at, lease: None };
        DomainEntry::new(name.clone(), &Arc::new(record), 0, || 0)
    }

    /// The first route whose conditions hold.
    pub fn route(&self, asked: &impl Asked) -> Option<&Arc<RouteEntry>> {
        let path = normalised(asked.path());
        self.routes.iter().find(|route| route.conditions.hold(&path, asked))
    }

    /// Whether whoever follows the route's redirect from this path is redirected by it again.
    pub(crate) fn leads_back(&self, route: &Arc<RouteEntry>, path: &str) -> bool {
        let Some(redirect) = route.redirect().filter(|redirect| redirect.stays()) else { return false };
        let next = redirect.next_path(path);
        self.route(&PlainGet(&next)).is_some_and(|next| Arc::ptr_eq(next, route))
    }

    /// The route that answers a preflight by itself: that of the request which is announced, if it has `cors`. A preflight
    /// has none of the fields of that request, so a route that asks for such is not found by it.
    pub fn preflight(&self, asked: &impl Asked) -> Option<&Arc<RouteEntry>> {
        if asked.method() != "OPTIONS" {
            return None;
        }
        let mut methods = asked.headers("access-control-request-method");
        let method = methods.next();
        let has_origin = asked.headers("origin").next().is_some();
        if !is_preflight(asked.method(), has_origin, method.is_some()) {
            return None;
        }
        let method = std::str::from_utf8(method?).ok()?;
        self.route(&Announced { preflight: asked, method }).filter(|route| route.policy.cors.is_some())
    }
}

impl RouteEntry {
    fn new(route: &Route, workers: usize, start: impl FnMut() -> usize) -> RouteEntry {
        let matches = route.matches.clone();
        RouteEntry {
            leads: match &route.redirect {
                Some(redirect) => Leads::Elsewhere(Redirect::new(redirect, &matches.path)),
                None => Leads::ToJobs(Legs::new(&route.to, workers, start)),
            },
            policy: Policy::new(route),
            conditions: Conditions(matches),
        }
    }

    pub fn matches(&self) -> &RouteMatch {
        &self.conditions.0
    }

    /// The prefix.
    pub fn path(&self) -> &str {
        &self.matches().path
    }

    pub fn redirect(&self) -> Option<&Redirect> {
        match &self.leads {
            Leads::ToJobs(_) => None,
            Leads::Elsewhere(redirect) => Some(redirect),
        }
    }

    /// None of a redirect.
    pub fn legs(&self) -> &[Arc<Leg>] {
        match &self.leads {
            Leads::ToJobs(legs) => &legs.all,
            Leads::Elsewhere(_) => &[],
        }
    }

    /// Whose turn it is; `None`: a redirect, which is nobody's.
    pub fn next(&self, worker: usize) -> Option<&Arc<Leg>> {
        match &self.leads {
            Leads::ToJobs(legs) => legs.next(worker),
            Leads::Elsewhere(_) => None,
        }
    }
}

impl Legs {
    fn new(to: &[Destination], workers: usize, start: impl FnMut() -> usize) -> Legs {
        let leg = |to: &Destination| {
            Arc::new(Leg { job: to.job.clone(), port: to.port.clone(), weight: to.weight })
        };
        let weights: Vec<u32> = to.iter().map(|to| to.weight).collect();
        Legs { all: to.iter().map(leg).collect(), turns: RoundRobin::new(&weights, workers, start) }
    }

    pub fn next(&self, worker: usize) -> Option<&Arc<Leg>> {
        self.turns.next(worker, |_| true).map(|i| &self.all[i])
    }
}
