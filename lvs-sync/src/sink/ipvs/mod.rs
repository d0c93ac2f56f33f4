//! The kernel's own balancer (ipvsadm(8)), by generic netlink.
//!
//! ```text
//! Op ─► request: command and attributes ─► link: many messages a send, one answer for all that went well
//! dump: services ─► of each its destinations ─► service, destination: attributes read, whatever they say
//! ```
//!
//! The codec is ours, over neli's frames: numbers from linux/ip_vs.h, in [`attribute`].

mod attribute;
mod destination;
mod link;
mod request;
mod service;
mod sysctl;

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use roundhouse_registry::record;

use self::link::{Link, Refusal};
use super::{OpError, Sink, SinkError, Unfit};
use crate::model::{Actual, Op, Service, ServiceKey};

/// Messages in one send: their errors, should all of them fail, fit into a socket's receive buffer.
const BATCH: usize = 128;

/// The table of the network namespace that the program runs in.
#[derive(Default)]
pub struct Ipvs {
    link: Option<Link>,
    /// Messages sent that change something, since the start.
    sent: u64,
}

impl Ipvs {
    pub fn new() -> Ipvs {
        Ipvs::default()
    }

    /// Messages that would have changed something, since the start.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// After an error the link is not to be used again: a late answer might come.
    fn with_link<T>(&mut self, ask: impl FnOnce(&mut Link) -> io::Result<T>) -> Result<T, SinkError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::open().map_err(explained)?,
        };
        let answer = ask(&mut link).map_err(explained)?;
        self.link = Some(link);
        Ok(answer)
    }
}

impl Sink for Ipvs {
    fn kind(&self) -> record::Sink {
        record::Sink::Ipvs
    }

    fn fit(&self, key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
        match key {
            ServiceKey::Group(_) => Err(Unfit("it has no groups of targets; give the pool VIPs".to_owned())),
            ServiceKey::Address(..) | ServiceKey::Mark(..) => Ok(wanted),
        }
    }

    fn warnings(&self) -> Vec<String> {
        sysctl::warnings()
    }

    fn dump(&mut self) -> Result<Actual, SinkError> {
        self.with_link(|link| {
            let mut actual = Actual::default();
            for found in link.dump(&request::services())? {
                // Of a protocol that no pool can ask for (SCTP): nothing of ours.
                let Some((key, service, stats)) = service::read(&found)? else { continue };
                actual.stats.insert(key.clone(), stats);
                actual.services.insert(key, service);
            }
            add_destinations(link, &mut actual)?;
            Ok(actual)
        })
    }

    fn dump_of(&mut self, keys: &BTreeSet<ServiceKey>) -> Result<Actual, SinkError> {
        self.with_link(|link| {
            let mut actual = Actual::default();
            for key in keys {
                let Some(found) = link.one(&request::service(key)?)? else { continue };
                let Some((key, service, stats)) = service::read(&found)? else { continue };
                actual.stats.insert(key.clone(), stats);
                actual.services.insert(key, service);
            }
            add_destinations(link, &mut actual)?;
            Ok(actual)
        })
    }

    fn apply(&mut self, ops: &[Op], _: Option<Instant>) -> Result<Vec<Result<(), OpError>>, SinkError> {
        let mut results = Vec::with_capacity(ops.len());
        for batch in ops.chunks(BATCH) {
            let requests: Vec<_> =
                batch.iter().map(request::of).collect::<io::Result<_>>().map_err(explained)?;
            self.sent += requests.len() as u64;
            let refusals = self.with_link(|link| link.change(&requests))?;
            if refusals.iter().any(|refusal| refusal.is(libc::EPERM)) {
                return Err(explained(io::Error::from_raw_os_error(libc::EPERM)));
            }
            let refusal = |n: usize| refusals.iter().find(|refusal| refusal.request == n);
            results
                .extend(batch.iter().enumerate().map(|(n, op)| refusal(n).map_or(Ok(()), |no| said(op, no))));
        }
        Ok(results)
    }
}

fn add_destinations(link: &mut Link, actual: &mut Actual) -> io::Result<()> {
    for (key, service) in &mut actual.services {
        for found in link.dump(&request::destinations(key)?)? {
            let (address, destination, open) = destination::read(&found, key)?;
            if open > 0 {
                actual.open.insert((key.clone(), address), open);
            }
            service.destinations.insert(address, destination);
        }
    }
    Ok(())
}

/// What the kernel means, which depends on what it was told.
fn said(op: &Op, refusal: &Refusal) -> Result<(), OpError> {
    match (refusal.error, op) {
        (libc::EEXIST, Op::AddService(..) | Op::AddDestination(..)) => Err(OpError::Exists),
        // Whatever was to go is gone.
        (libc::ESRCH | libc::ENOENT, Op::RemoveService(..) | Op::RemoveDestination(..)) => Ok(()),
        (libc::ENOENT, Op::AddService(_, settings) | Op::SetService(_, settings)) => {
            let name = settings.scheduler.as_str();
            Err(OpError::Refused(format!(
                "the kernel has no scheduler `{name}`; load it with `modprobe ip_vs_{name}`, or write another `scheduler`"
            )))
        }
        (libc::ESRCH, _) | (libc::ENOENT, Op::SetDestination(..)) => Err(OpError::Gone),
        (libc::ENOMEM | libc::ENOBUFS, _) => Err(OpError::Later("the kernel is out of memory".to_owned())),
        (error, _) => {
            Err(OpError::Refused(format!("the kernel refused it: {}", io::Error::from_raw_os_error(error))))
        }
    }
}

fn explained(error: io::Error) -> SinkError {
    match error.raw_os_error() {
        Some(libc::EPERM) => SinkError::Refused(
            "IPVS may not be changed by this process; grant it CAP_NET_ADMIN (systemd: \
             AmbientCapabilities=CAP_NET_ADMIN)"
                .to_owned(),
        ),
        Some(libc::ENOENT) => SinkError::Refused(
            "the kernel has no IPVS; load it with `modprobe ip_vs`, or give the pools another sink"
                .to_owned(),
        ),
        _ if error.kind() == io::ErrorKind::InvalidData => {
            SinkError::Strange(format!("the kernel's answer is not understood: {error}"))
        }
        _ => SinkError::io("the netlink socket to IPVS")(error),
    }
}
