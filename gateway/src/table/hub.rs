//! Where a connection goes that did not come to a VIP: by SNI, by an entrypoint's job, or by a port of the hub's own.

use std::sync::Arc;

use imbl::OrdMap;
use roundhouse_config::{Label, PortName, Protocol};
use roundhouse_registry::Revision;

use super::{JobEntry, Named, PlainGet, PortEntry, Table};

/// What a port of a hub's own addresses leads to.
#[derive(Clone, Debug)]
pub enum Target {
    /// Shared: the request's Host chooses among the jobs with HTTP on this port.
    ByHost,
    /// Shared: the SNI chooses among the jobs with TLS on it.
    BySni,
    Job(Arc<JobEntry>, Arc<PortEntry>),
}

/// A job port that a hub cannot serve, because another one has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub job: Label,
    pub port: PortName,
    pub number: u16,
    /// TCP's or UDP's.
    pub udp: bool,
    pub owner: Label,
    /// What the owner speaks there.
    pub spoken: Protocol,
}

/// A port number of a hub's own addresses, TCP's and UDP's apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numbered {
    pub udp: bool,
    pub number: u16,
}

/// Whose each number is: of two jobs that want one the older has it. HTTP ports are shared among themselves, and so are
/// those of TLS. All claims are kept, so that a job that comes or goes costs a look at its own numbers.
#[derive(Clone, Debug, Default)]
pub struct HubPorts {
    claims: OrdMap<Claim, JobPort>,
    /// The first claim of each number.
    owners: OrdMap<Numbered, JobPort>,
}

type JobPort = (Arc<JobEntry>, Arc<PortEntry>);

/// Sorted by number, then by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    at: Numbered,
    created: Revision,
    /// `None` comes before all.
    label: Option<Label>,
    /// Among the job's ports.
    index: usize,
}

impl HubPorts {
    pub(super) fn add(&mut self, job: &Arc<JobEntry>) {
        for (claim, entry) in claims(job) {
            let at = claim.at;
            self.claims.insert(claim, (job.clone(), entry.clone()));
            self.settle(at);
        }
    }

    pub(super) fn remove(&mut self, job: &JobEntry) {
        for (claim, _) in claims(job) {
            self.claims.remove(&claim);
            self.settle(claim.at);
        }
    }

    fn settle(&mut self, at: Numbered) {
        let first = self.claims_at(at).next().map(|(_, owner)| owner.clone());
        match first {
            Some(owner) => drop(self.owners.insert(at, owner)),
            None => drop(self.owners.remove(&at)),
        }
    }

    /// The oldest first.
    fn claims_at(&self, at: Numbered) -> impl Iterator<Item = (&Claim, &JobPort)> {
        let before_all = Claim { at, created: Revision(0), label: None, index: 0 };
        self.claims.range(before_all..).take_while(move |(claim, _)| claim.at == at)
    }

    /// The oldest claimant of each number.
    pub fn owners(&self) -> impl Iterator<Item = &(Arc<JobEntry>, Arc<PortEntry>)> {
        self.owners.values()
    }

    /// The oldest claimant of this one.
    pub fn owner(&self, at: Numbered) -> Option<&(Arc<JobEntry>, Arc<PortEntry>)> {
        self.owners.get(&at)
    }

    /// By number, then by age.
    pub fn conflicts(&self) -> impl Iterator<Item = Conflict> {
        self.conflicting(self.claims.iter())
    }

    /// Those that a number has; the oldest first.
    pub fn conflicts_at(&self, at: Numbered) -> impl Iterator<Item = Conflict> {
        self.conflicting(self.claims_at(at))
    }

    fn conflicting<'a>(
        &'a self,
        claims: impl Iterator<Item = (&'a Claim, &'a JobPort)>,
    ) -> impl Iterator<Item = Conflict> {
        claims.filter_map(|(Claim { at, .. }, (job, entry))| {
            let (owner, owned) = self.owners.get(at)?;
            let spoken = owned.port.protocol;
            let shared = matches!(spoken, Protocol::Http | Protocol::Tls) && spoken == entry.port.protocol;
            // The owner's own entry is the first claim's.
            if shared || Arc::ptr_eq(owned, entry) {
                return None;
            }
            Some(Conflict {
                job: job.label.clone(),
                port: entry.name().clone(),
                number: at.number,
                udp: at.udp,
                owner: owner.label.clone(),
                spoken,
            })
        })
    }
}

fn claims(job: &JobEntry) -> impl Iterator<Item = (Claim, &Arc<PortEntry>)> {
    job.ports.iter().enumerate().map(|(index, entry)| {
        let (created, label) = (job.record.created, Some(job.label.clone()));
        (Claim { at: Numbered::of(entry), created, label, index }, entry)
    })
}

impl Numbered {
    pub fn of(entry: &PortEntry) -> Numbered {
        Numbered { udp: entry.port.protocol == Protocol::Udp, number: entry.port.port }
    }
}

impl Table {
    /// `None` where names resolve to VIPs.
    pub fn hub(&self) -> Option<&HubPorts> {
        self.names.hub.as_ref()
    }

    pub fn hub_port(&self, number: u16) -> Option<Target> {
        let (job, entry) = self.hub()?.owner(Numbered { udp: false, number })?;
        Some(match entry.port.protocol {
            Protocol::Http => Target::ByHost,
            Protocol::Tls => Target::BySni,
            Protocol::Tcp | Protocol::Udp | Protocol::Grpc => Target::Job(job.clone(), entry.clone()),
        })
    }

    pub fn hub_udp_port(&self, number: u16) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        self.hub()?.owner(Numbered { udp: true, number }).cloned()
    }

    /// The job port that a server name leads to, of those that fit; a domain's is that of its path `/`.
    pub fn by_sni(
        &self,
        worker: usize,
        name: &str,
        fits: impl Fn(&PortEntry) -> bool,
    ) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        let (job, port) = match self.resolve(name)? {
            Named::Job { job, port } => (job, port),
            Named::Domain(domain) => {
                let leg = domain.route(&PlainGet("/"))?.next(worker)?.clone();
                (self.job(leg.job.as_str())?.clone(), leg.port.clone())
            }
        };
        let found = match &port {
            Some(name) => job.port_named(name)?.clone(),
            None => job.ports.iter().find(|entry| fits(entry))?.clone(),
        };
        Some((job, found))
    }

    /// The port of an entrypoint's job: the named one, else its first that carries bytes like these. `clear`: what goes
    /// to the instance is not the client's own TLS.
    pub fn named_port(
        &self,
        label: &Label,
        port: Option<&PortName>,
        clear: bool,
    ) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        let job = self.job(label.as_str())?;
        let found = match port {
            // A port that is named is what was meant, but for one that no TCP connection can be led to.
            Some(name) => job.port_named(name).filter(|entry| entry.port.protocol != Protocol::Udp)?,
            None => job.ports.iter().find(|entry| entry.takes_tls(clear))?,
        };
        Some((job.clone(), found.clone()))
    }

    /// The UDP port of an entrypoint's job.
    pub fn named_udp_port(
        &self,
        label: &Label,
        port: Option<&PortName>,
    ) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        let job = self.job(label.as_str())?;
        let udp = |entry: &&Arc<PortEntry>| {
            entry.port.protocol == Protocol::Udp && port.is_none_or(|name| entry.name() == name)
        };
        Some((job.clone(), job.ports.iter().find(udp)?.clone()))
    }
}

impl PortEntry {
    /// Whether a TLS client may be led here: with its TLS (`clear` false) to ports that speak it, without it to any
    /// other of TCP.
    pub fn takes_tls(&self, clear: bool) -> bool {
        match self.port.protocol {
            Protocol::Udp => false,
            Protocol::Tls => !clear,
            Protocol::Tcp => true,
            Protocol::Http | Protocol::Grpc => clear,
        }
    }
}
