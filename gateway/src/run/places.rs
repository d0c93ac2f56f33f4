//! What a table wants to be caught, and what it alone says cannot be: pure.
//!
//! A job that comes, goes or changes may give what it had to another, and get what another had. What passes between jobs
//! is a [`Spot`] as a whole, so a [`Change`] compares the spots of the jobs that changed, before and after.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use roundhouse_config::{Label, Protocol};
use roundhouse_registry::Snapshot;

use crate::catch::{JobPort, NotCaught, Place, Transport, Wanted};
use crate::table::{Conflict, HubPorts, JobEntry, Numbered, PortEntry, Table, vip_address};
use crate::worker::Site;

/// What belongs to one job at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Vip(IpAddr),
    /// Of each of a hub's own addresses.
    Hub(Numbered),
}

#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) wanted: Wanted,
    /// Job ports for which there is no place.
    pub(super) lacking: Vec<NotCaught>,
}

/// What becomes of the places of the jobs that changed.
pub(super) struct Change<'a> {
    /// Wanted before, and not now.
    pub(super) gone: Vec<Place>,
    pub(super) now: Places,
    before: Wanted,
    jobs: &'a BTreeSet<Label>,
}

/// A table, what it was built from, and the addresses of the hub, if it is one's.
#[derive(Clone, Copy)]
pub(super) struct Wishes<'a> {
    pub(super) table: &'a Table,
    pub(super) snapshot: &'a Snapshot,
    pub(super) hubs: &'a [IpAddr],
}

impl Change<'_> {
    pub(super) fn of<'a>(jobs: &'a BTreeSet<Label>, before: Wishes<'_>, now: Wishes<'_>) -> Change<'a> {
        let spots = &before.spots(jobs) | &now.spots(jobs);
        let (before, now) = (before.at(&spots, jobs).wanted, now.at(&spots, jobs));
        let gone = before.keys().filter(|place| !now.wanted.contains_key(place)).copied().collect();
        Change { gone, now, before, jobs }
    }

    /// Whether what was said of this one before is to be said anew, or not any more.
    pub(super) fn is_about(&self, one: &NotCaught) -> bool {
        let place = Place { address: one.address, transport: one.transport };
        self.jobs.contains(&one.job)
            || self.before.contains_key(&place)
            || self.now.wanted.contains_key(&place)
    }
}

impl Wishes<'_> {
    pub(super) fn all(&self) -> Places {
        let mut places = Places::default();
        match self.table.hub() {
            None => {
                self.table.at_vips().for_each(|job| places.add_vip(job));
                self.snapshot.vips.keys().for_each(|label| self.add_outside(label, &mut places));
            }
            Some(hub) => {
                hub.owners().for_each(|owner| places.add_hub(owner, self.hubs));
                places.lacking.extend(hub.conflicts().filter_map(|conflict| self.refused(&conflict)));
            }
        }
        places
    }

    /// What these jobs have or claim.
    fn spots<'a>(&self, jobs: impl IntoIterator<Item = &'a Label>) -> BTreeSet<Spot> {
        let jobs = jobs.into_iter().filter_map(|label| self.table.job(label.as_str()));
        match self.table.hub() {
            None => jobs.filter_map(|job| job.vip).map(Spot::Vip).collect(),
            Some(_) => jobs.flat_map(|job| &job.ports).map(|entry| Spot::Hub(Numbered::of(entry))).collect(),
        }
    }

    /// What of [`Wishes::all`] is at these spots, or is about these jobs.
    fn at(&self, spots: &BTreeSet<Spot>, jobs: &BTreeSet<Label>) -> Places {
        let mut places = Places::default();
        for spot in spots {
            match (*spot, self.table.hub()) {
                (Spot::Vip(vip), None) => {
                    self.table.by_vip(vip).into_iter().for_each(|job| places.add_vip(job));
                }
                (Spot::Hub(at), Some(hub)) => self.add_number(hub, at, &mut places),
                // A table is a hub's for ever, or never.
                (Spot::Vip(_), Some(_)) | (Spot::Hub(_), None) => {}
            }
        }
        jobs.iter().for_each(|label| self.add_outside(label, &mut places));
        places
    }

    fn add_number(&self, hub: &HubPorts, at: Numbered, places: &mut Places) {
        if let Some(owner) = hub.owner(at) {
            places.add_hub(owner, self.hubs);
        }
        places.lacking.extend(hub.conflicts_at(at).filter_map(|conflict| self.refused(&conflict)));
    }

    /// A job whose offset another gateway's larger prefix allows and ours does not.
    fn add_outside(&self, label: &Label, places: &mut Places) {
        let Table { vips, .. } = self.table;
        let (Some(job), Some(offset)) = (self.table.job(label.as_str()), self.snapshot.vip(label)) else {
            return;
        };
        if self.table.hub().is_some() || vip_address(*vips, offset).is_some() {
            return;
        }
        for port in &job.ports {
            let Place { address, transport } = place(vips.network(), port);
            let reason = format!(
                "its VIP offset {offset} lies outside this gateway's names.vips {vips}; choose a prefix as large as the \
                 other gateways'"
            );
            let (job, port) = (label.clone(), port.name().clone());
            places.lacking.push(NotCaught { job, port, address, transport, reason });
        }
    }

    fn refused(&self, conflict: &Conflict) -> Option<NotCaught> {
        let Conflict { job, port, number, udp, owner, spoken } = conflict;
        Some(NotCaught {
            job: job.clone(),
            port: port.clone(),
            address: SocketAddr::new(*self.hubs.first()?, *number),
            transport: if *udp { Transport::Udp } else { Transport::Tcp },
            reason: format!(
                "port {number} of the hub belongs to job `{owner}`, which speaks {spoken} there and is the older one; \
                 give this job another port, or an entrypoint"
            ),
        })
    }
}

impl Places {
    fn add_vip(&mut self, job: &Arc<JobEntry>) {
        let Some(vip) = job.vip else { return };
        for port in &job.ports {
            let at = place(vip, port);
            self.wanted.insert(at, (job_port(job, port), Site::Vip(at.address)));
        }
    }

    /// A hub's own addresses have one port of each number, which belongs to one job, or is shared by Host or SNI.
    fn add_hub(&mut self, (job, port): &(Arc<JobEntry>, Arc<PortEntry>), hubs: &[IpAddr]) {
        for hub in hubs {
            let at = place(*hub, port);
            self.wanted.insert(at, (job_port(job, port), Site::Hub(at.address)));
        }
    }
}

fn job_port(job: &JobEntry, port: &PortEntry) -> JobPort {
    JobPort { job: job.label.clone(), port: port.name().clone() }
}

fn place(address: IpAddr, port: &PortEntry) -> Place {
    let transport = if port.port.protocol == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
    Place { address: SocketAddr::new(address, port.port.port), transport }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Facts;
    use crate::table::tests::changes::{follow, history};
    use crate::table::tests::facts;

    fn not_caught(wanted: &Wanted) -> impl Iterator<Item = NotCaught> {
        let failing = |place: &Place| place.address.port() == 2;
        wanted.iter().filter(move |(place, _)| failing(place)).map(|(place, (at, _))| NotCaught {
            job: at.job.clone(),
            port: at.port.clone(),
            address: place.address,
            transport: place.transport,
            reason: "it fails".into(),
        })
    }

    fn sorted(not_caught: impl Iterator<Item = NotCaught>) -> Vec<String> {
        let mut all: Vec<_> = not_caught.map(|one| format!("{one:?}")).collect();
        all.sort();
        all
    }

    fn whose(wanted: &Wanted) -> Vec<String> {
        wanted.iter().map(|(place, owner)| format!("{place:?} {owner:?}")).collect()
    }

    proptest! {
        /// Told change by change, one knows what a look at the whole says.
        #[test]
        fn changes_add_up_to_the_whole(history in history(), hub: bool) {
            let facts = Facts { hub, ..facts() };
            let hubs: &[IpAddr] = if hub { &["10.9.0.1".parse().unwrap(), "fd00::1".parse().unwrap()] } else { &[] };
            let (mut snapshot, mut table) = (Snapshot::default(), Table::empty(&facts));
            let (mut caught, mut lacking) = (Wanted::new(), Vec::new());
            for steps in history {
                let next = follow(&snapshot, steps);
                let (updated, delta, _) = table.updated(&facts, &snapshot, &next, &mut || 0);
                let jobs = delta.map(|delta| delta.jobs).unwrap_or_default();
                let before = Wishes { table: &table, snapshot: &snapshot, hubs };
                let now = Wishes { table: &updated, snapshot: &next, hubs };
                let change = Change::of(&jobs, before, now);
                lacking.retain(|one| !change.is_about(one));
                lacking.extend(change.now.lacking.iter().cloned().chain(not_caught(&change.now.wanted)));
                for place in &change.gone {
                    prop_assert!(caught.remove(place).is_some(), "{:?} was not there", place);
                }
                caught.extend(change.now.wanted);
                let all = now.all();
                prop_assert_eq!(whose(&caught), whose(&all.wanted));
                let expected = all.lacking.iter().cloned().chain(not_caught(&all.wanted));
                prop_assert_eq!(sorted(lacking.iter().cloned()), sorted(expected));
                (table, snapshot) = (updated, next);
            }
        }
    }
}
