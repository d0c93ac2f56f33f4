//! *bind*: a listening socket for each VIP:port. Needs no privilege, works on loopback prefixes as they are.
//!
//! One socket each, not one a worker: with 10,000 jobs the descriptors count. A socket is lent to one worker, chosen by
//! turns, which hands accepted connections round.
//!
//! An app of this host that listens on `0.0.0.0` of the same port is in the way (EADDRINUSE): that job port is reported
//! with the holder and the cure, the others go on, and it is tried again.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;

use super::{Catch, JobPort, NotCaught, Place, Transport, Wanted};
use crate::descriptors;
use crate::holder::{self, Holder};
use crate::listening::{self, Options};
use crate::worker::{Lender, ListenerId, Site};

pub struct Bind {
    lender: Lender,
    open: BTreeMap<Place, ListenerId>,
    budget: usize,
}

impl Bind {
    pub fn new(lender: Lender) -> Bind {
        let budget = descriptors::spendable(descriptors::available()).max(16);
        let budget = usize::try_from(budget).unwrap_or(usize::MAX);
        tracing::info!(vip_listeners = budget, "descriptor budget");
        Bind { lender, open: BTreeMap::new(), budget }
    }

    fn open(&mut self, place: Place, site: &Site, holders: &mut Holders) -> Result<(), String> {
        if self.open.len() >= self.budget {
            return Err(format!(
                "{} VIP listeners are open, all that this process's descriptor limit allows; raise it (ulimit -n, \
                 LimitNOFILE=)",
                self.open.len()
            ));
        }
        let listener = self.lend(place, site).map_err(|error| explain(place, &error, holders))?;
        self.open.insert(place, listener);
        Ok(())
    }

    fn lend(&self, Place { address, transport }: Place, site: &Site) -> io::Result<ListenerId> {
        let routed = matches!(site, Site::Vip(_));
        match (transport, site) {
            (Transport::Udp, _) => Ok(self.lender.lend_udp(listening::udp(address, routed)?, site.clone())),
            // A hub has few ports, and much comes in by each.
            (Transport::Tcp, Site::Hub(_)) => {
                listening::tcp(address, Options::default())?;
                let options = Options { reuse_port: true, ..Options::default() };
                let group: io::Result<Vec<_>> =
                    (0..self.lender.workers()).map(|_| listening::tcp(address, options)).collect();
                Ok(self.lender.lend_to_all(group?, site))
            }
            (Transport::Tcp, _) => Ok(self.lender.lend_to_one(
                listening::tcp(address, Options { routed, ..Options::default() })?,
                site.clone(),
            )),
        }
    }
}

impl Catch for Bind {
    fn reconcile(&mut self, wanted: &Wanted) -> Vec<NotCaught> {
        let gone: Vec<Place> =
            self.open.keys().filter(|place| !wanted.contains_key(place)).copied().collect();
        self.change(&gone, wanted)
    }

    fn change(&mut self, gone: &[Place], wanted: &Wanted) -> Vec<NotCaught> {
        // Whose port it is, the table says at each connection: a socket stays while anybody wants its address.
        gone.iter()
            .filter_map(|place| self.open.remove(place))
            .for_each(|listener| self.lender.take_back(listener));
        let missing: Vec<_> = wanted.iter().filter(|(place, _)| !self.open.contains_key(place)).collect();
        let mut failed = Vec::new();
        let mut holders = Holders::new();
        for (place, (job_port, site)) in missing {
            if let Err(reason) = self.open(*place, site, &mut holders) {
                let (JobPort { job, port }, Place { address, transport }) = (job_port.clone(), *place);
                failed.push(NotCaught { job, port, address, transport, reason });
            }
        }
        failed
    }

    fn stop(&mut self) {
        self.reconcile(&Wanted::new());
    }
}

/// Whoever listens on all addresses of a port is in the way of every job with that port; looking it up walks /proc.
type Holders = HashMap<(Transport, u16), Option<(SocketAddr, Holder)>>;

fn explain(place: Place, error: &io::Error, holders: &mut Holders) -> String {
    let Place { address, transport } = place;
    let holder = || match transport {
        Transport::Tcp => holder::of_tcp(address),
        Transport::Udp => holder::of_udp(address),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => match holders.entry((transport, address.port())).or_insert_with(holder) {
            Some((_, Holder::Process { pid, .. })) if *pid == std::process::id().cast_signed() => {
                "this gateway is just closing its former listener there; it is tried again".into()
            }
            Some((held, holder)) => format!(
                "{holder} listens on {held}, which takes {address} too; let that app listen on its own address (for \
                 example 127.0.0.1:{port}) instead of all, move one of them to another port, or set names.catch = \
                     \"capture\", which needs no port",
                port = address.port()
            ),
            None => format!("{address} is in use, and its holder is gone again; it is tried again"),
        },
        io::ErrorKind::PermissionDenied => format!(
            "port {} needs CAP_NET_BIND_SERVICE; grant it, or lower net.ipv4.ip_unprivileged_port_start",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{} is no address of this machine; make the VIP prefix local: ip route add local <prefix> dev lo",
            address.ip()
        ),
        _ => format!("cannot listen on {address}: {error}"),
    }
}
