//! A domain's routes, ready for matching: longest prefix first, destinations in turn by weight.

use std::sync::Arc;

use roundhouse_config::{DomainName, Label, PortName};
use roundhouse_registry::{Domain, Versioned};

use super::path::{is_under, normalised};
use crate::balance::RoundRobin;

#[derive(Debug)]
pub struct DomainEntry {
    pub name: DomainName,
    pub routes: Vec<RouteEntry>,
    pub(crate) record: Arc<Versioned<Domain>>,
}

#[derive(Debug)]
pub struct RouteEntry {
    pub path: Box<str>,
    pub legs: Vec<Arc<Leg>>,
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
        let mut routes: Vec<RouteEntry> = record
            .value
            .routes
            .iter()
            .map(|route| {
                let weights: Vec<u32> = route.to.iter().map(|to| to.weight).collect();
                let leg = |to: &roundhouse_registry::record::Destination| {
                    Arc::new(Leg { job: to.job.clone(), port: to.port.clone(), weight: to.weight })
                };
                RouteEntry {
                    path: route.matches.path.clone(),
                    legs: route.to.iter().map(leg).collect(),
                    turns: RoundRobin::new(&weights, workers, &mut start),
                }
            })
            .collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
        DomainEntry { name, routes, record: record.clone() }
    }

    /// The longest prefix that the path lies under.
    pub fn route(&self, path: &str) -> Option<&RouteEntry> {
        let path = normalised(path);
        self.routes.iter().find(|route| is_under(&path, &route.path))
    }
}

impl RouteEntry {
    pub fn next(&self, worker: usize) -> Option<&Arc<Leg>> {
        self.turns.next(worker, |_| true).map(|i| &self.legs[i])
    }
}
