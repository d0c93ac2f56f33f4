//! Which of a worker's connections somebody means.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use roundhouse_config::Label;
use roundhouse_registry::InstanceId;

use roundhouse_registry::access::Changed;

use super::{Connection, ConnectionId, Kind};
use crate::table::{Live, Work};

/// Which connections are meant; each field that is there must fit.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub id: Option<ConnectionId>,
    pub job: Option<Label>,
    pub instance: Option<InstanceId>,
    pub client: Option<IpNet>,
    /// Any of these endpoints.
    pub endpoints: Option<Endpoints>,
}

/// Whose right to be where they are may have changed.
#[derive(Clone, Debug, Default)]
pub struct Recheck {
    pub changed: Changed,
    /// One of the addresses is this host's own: whoever came from its loopback address may be one who lives there.
    pub here: bool,
}

impl Recheck {
    /// `job`: at whose instance it is, if it is at one.
    pub(super) fn concerns(&self, connection: &Connection, job: Option<&Label>) -> bool {
        let client = connection.client().ip();
        let is_here = || client.is_loopback() || client == connection.local.get().ip();
        job.is_some_and(|job| self.changed.jobs.contains(job))
            || self.changed.addresses.contains(&client)
            || (self.here && is_here())
            // On its way to an instance, or of somebody whom only a request names.
            || (connection.kind.get() == Kind::Http && (job.is_none() || connection.forwards.get()))
    }
}

/// Endpoints by their live state, which stays the same one for as long as a table names it.
#[derive(Clone, Debug, Default)]
pub struct Endpoints(HashMap<usize, Arc<Live>>);

impl Endpoints {
    fn has(&self, live: &Arc<Live>) -> bool {
        self.0.contains_key(&Arc::as_ptr(live).addr())
    }
}

impl FromIterator<Arc<Live>> for Endpoints {
    fn from_iter<I: IntoIterator<Item = Arc<Live>>>(lives: I) -> Endpoints {
        Endpoints(lives.into_iter().map(|live| (Arc::as_ptr(&live).addr(), live)).collect())
    }
}

impl Filter {
    pub fn fits(&self, connection: &Connection) -> bool {
        let work = connection.work.borrow();
        let endpoint = work.as_ref().map(Work::endpoint);
        self.id.is_none_or(|id| id == connection.id())
            && self.client.is_none_or(|net| net.contains(&connection.client().ip().to_canonical()))
            && self.job.as_ref().is_none_or(|job| endpoint.is_some_and(|endpoint| endpoint.job == *job))
            && self.instance.is_none_or(|id| endpoint.is_some_and(|endpoint| endpoint.id == id))
            && self
                .endpoints
                .as_ref()
                .is_none_or(|any| endpoint.is_some_and(|endpoint| any.has(&endpoint.live)))
    }
}
