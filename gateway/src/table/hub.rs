//! Where a connection goes that did not come to a VIP: by SNI, by an entrypoint's job, or by a port of the hub's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use roundhouse_config::{Label, PortName, Protocol};

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

/// Ports by number, TCP's and UDP's apart.
#[derive(Debug, Default)]
pub struct HubPorts {
    tcp: BTreeMap<u16, Target>,
    udp: BTreeMap<u16, Target>,
    conflicts: Vec<Conflict>,
}

impl HubPorts {
    /// `jobs` by age: of two that want a port the older has it. HTTP ports are shared among themselves, and so are those
    /// of TLS.
    pub(super) fn new<'a>(jobs: impl Iterator<Item = &'a Arc<JobEntry>>) -> HubPorts {
        let mut ports = HubPorts::default();
        let mut owners: BTreeMap<(bool, u16), (Label, Protocol)> = BTreeMap::new();
        for (job, entry) in jobs.flat_map(|job| job.ports.iter().map(move |entry| (job, entry))) {
            let (number, spoken) = (entry.port.port, entry.port.protocol);
            let udp = spoken == Protocol::Udp;
            let target = match spoken {
                Protocol::Http => Target::ByHost,
                Protocol::Tls => Target::BySni,
                Protocol::Tcp | Protocol::Udp | Protocol::Grpc => Target::Job(job.clone(), entry.clone()),
            };
            let shared = !matches!(target, Target::Job(..));
            match owners.get(&(udp, number)) {
                None => {
                    owners.insert((udp, number), (job.label.clone(), spoken));
                    let ports = if udp { &mut ports.udp } else { &mut ports.tcp };
                    ports.insert(number, target);
                }
                Some((_, owned)) if shared && *owned == spoken => {}
                Some((owner, owned)) => ports.conflicts.push(Conflict {
                    job: job.label.clone(),
                    port: entry.name().clone(),
                    number,
                    udp,
                    owner: owner.clone(),
                    spoken: *owned,
                }),
            }
        }
        ports
    }

    pub fn tcp(&self) -> impl Iterator<Item = u16> {
        self.tcp.keys().copied()
    }

    pub fn udp(&self) -> impl Iterator<Item = u16> {
        self.udp.keys().copied()
    }

    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }
}

impl Table {
    pub fn hub(&self) -> &HubPorts {
        &self.names.hub
    }

    pub fn hub_port(&self, number: u16) -> Option<Target> {
        self.names.hub.tcp.get(&number).cloned()
    }

    pub fn hub_udp_port(&self, number: u16) -> Option<(Arc<JobEntry>, Arc<PortEntry>)> {
        match self.names.hub.udp.get(&number)? {
            Target::Job(job, port) => Some((job.clone(), port.clone())),
            Target::ByHost | Target::BySni => None,
        }
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
