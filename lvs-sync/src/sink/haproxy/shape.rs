//! What of a service HAProxy can hold, and what of it cannot be changed but by a reload.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::name;
use crate::model::{Destination, Flags, Forwarding, Scheduler, Service, ServiceKey, Settings, Transport};
use crate::sink::Unfit;

/// configuration.txt, `weight`.
const MAX_WEIGHT: u32 = 256;
/// configuration.txt, `balance`: the limit of roundrobin.
const MAX_ROUND_ROBIN: usize = 4_095;

/// A frontend and its backend, without the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) balance: Balance,
    pub(super) header: Option<ProxyHeader>,
}

/// Those of HAProxy's algorithms that take servers while they run, and their weights (configuration.txt, `balance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Balance {
    RoundRobin,
    LeastConn,
    /// By the client's address, with `hash-type consistent`.
    Source,
}

/// The version of the PROXY protocol (proxy-protocol.txt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProxyHeader {
    V1,
    V2,
}

impl Shape {
    pub(super) fn of(settings: &Settings) -> Result<Shape, Unfit> {
        let Settings { scheduler, flags, persistence, engine, send_proxy } = settings;
        let balance = Balance::of(scheduler).ok_or_else(|| {
            let name = scheduler.as_str();
            Unfit(format!("HAProxy has no scheduler `{name}`; write wrr, rr, wlc, lc, sh or mh"))
        })?;
        if persistence.is_some() {
            let message = "HAProxy keeps no client at its server for a time; leave `persistence` out, and write \
                           \"scheduler\": \"sh\", which keeps a client's address at one";
            return Err(Unfit(message.into()));
        }
        if let Some(engine) = engine {
            return Err(Unfit(format!("HAProxy has no persistence engine `{engine}`; leave it out")));
        }
        // A hash passes over servers without weight here, so what asks for that asks for nothing.
        let passed_over = if balance == Balance::Source { Flags::SCHEDULER_1 } else { Flags::default() };
        if flags.0 & !passed_over.0 != 0 {
            let message = "HAProxy has none of the kernel's flags; leave `flags` out, or write the sink ipvs";
            return Err(Unfit(message.into()));
        }
        let header = match send_proxy {
            None => None,
            Some(version) => Some(ProxyHeader::of(*version).ok_or_else(|| {
                Unfit(format!("the PROXY protocol has no version {version}; write `send_proxy` 1 or 2"))
            })?),
        };
        Ok(Shape { balance, header })
    }

    pub(super) fn settings(self) -> Settings {
        Settings {
            scheduler: self.balance.scheduler(),
            send_proxy: self.header.map(ProxyHeader::version),
            ..Settings::default()
        }
    }
}

impl Balance {
    fn of(scheduler: &Scheduler) -> Option<Balance> {
        match scheduler.as_str() {
            "rr" | "wrr" => Some(Balance::RoundRobin),
            "lc" | "wlc" => Some(Balance::LeastConn),
            "sh" | "mh" | "dh" => Some(Balance::Source),
            _ => None,
        }
    }

    /// The one that is said of it, whichever of several was asked for.
    fn scheduler(self) -> Scheduler {
        Scheduler::new(match self {
            Balance::RoundRobin => "wrr",
            Balance::LeastConn => "wlc",
            Balance::Source => "sh",
        })
    }

    /// HAProxy's own word for it.
    pub(super) fn algorithm(self) -> &'static str {
        match self {
            Balance::RoundRobin => "roundrobin",
            Balance::LeastConn => "leastconn",
            Balance::Source => "source",
        }
    }

    pub(super) fn read(algorithm: &str) -> Option<Balance> {
        [Balance::RoundRobin, Balance::LeastConn, Balance::Source]
            .into_iter()
            .find(|balance| balance.algorithm() == algorithm)
    }
}

impl ProxyHeader {
    pub(super) fn of(version: u8) -> Option<ProxyHeader> {
        match version {
            1 => Some(ProxyHeader::V1),
            2 => Some(ProxyHeader::V2),
            _ => None,
        }
    }

    pub(super) fn version(self) -> u8 {
        match self {
            ProxyHeader::V1 => 1,
            ProxyHeader::V2 => 2,
        }
    }

    /// The server's keyword (configuration.txt, 5.2).
    pub(super) fn keyword(self) -> &'static str {
        match self {
            ProxyHeader::V1 => "send-proxy",
            ProxyHeader::V2 => "send-proxy-v2",
        }
    }
}

/// The service as HAProxy holds it: [`Sink::fit`](crate::sink::Sink::fit).
pub(super) fn fit(key: &ServiceKey, wanted: Service) -> Result<Service, Unfit> {
    vip(key)?;
    let shape = Shape::of(&wanted.settings)?;
    let count = wanted.destinations.len();
    if shape.balance == Balance::RoundRobin && count > MAX_ROUND_ROBIN {
        let message = format!(
            "{count} destinations; HAProxy's roundrobin takes {MAX_ROUND_ROBIN}, so write \"scheduler\": \"wlc\""
        );
        return Err(Unfit(message));
    }
    let mut destinations = wanted.destinations;
    for (address, destination) in &mut destinations {
        *destination = plain(*address, *destination)?;
    }
    match wanted.settings.scheduler.as_str() {
        // Roundrobin and leastconn weigh; these two do not.
        "rr" | "lc" => destinations.values_mut().for_each(|one| one.weight = one.weight.min(1)),
        _ => scale(&mut destinations),
    }
    Ok(Service { settings: shape.settings(), destinations })
}

/// What clients connect to.
pub(super) fn vip(key: &ServiceKey) -> Result<SocketAddr, Unfit> {
    match key {
        // Without scope and flow label, which no name holds.
        ServiceKey::Address(Transport::Tcp, vip) => Ok(SocketAddr::new(vip.ip(), vip.port())),
        ServiceKey::Address(Transport::Udp, _) => {
            Err(Unfit("HAProxy carries no UDP; write another sink, or \"protocol\": \"tcp\"".into()))
        }
        ServiceKey::Mark(..) => {
            Err(Unfit("HAProxy sees no firewall mark; leave `fwmark` out, or write the sink ipvs".into()))
        }
        ServiceKey::Group(_) => Err(Unfit("HAProxy has no target groups; write `lines` with VIPs".into())),
    }
}

/// A server is dialled: there is one way to it, and families may differ.
fn plain(address: SocketAddr, destination: Destination) -> Result<Destination, Unfit> {
    if destination.forwarding != Forwarding::Masquerade {
        return Err(Unfit(
            "HAProxy dials its servers; leave `forwarding` out, or write the sink ipvs".into(),
        ));
    }
    if destination.upper > 0 || destination.lower > 0 {
        return Err(Unfit(format!("HAProxy has no connection thresholds for {address}; leave them out")));
    }
    Ok(destination)
}

/// The largest fits, the others keep their share of it, and what took connections still takes some.
fn scale(destinations: &mut BTreeMap<SocketAddr, Destination>) {
    let most = destinations.values().map(|one| one.weight).max().unwrap_or_default();
    if most <= MAX_WEIGHT {
        return;
    }
    for one in destinations.values_mut().filter(|one| one.weight > 0) {
        let (weight, most) = (u64::from(one.weight), u64::from(most));
        let share = (weight * u64::from(MAX_WEIGHT) + most / 2) / most;
        // At most 256, since no weight is above the most.
        one.weight = u32::try_from(share).unwrap_or(MAX_WEIGHT).max(1);
    }
}

/// Whether a server can be told so: an operation need not have gone through [`fit`].
pub(super) fn told(address: SocketAddr, destination: Destination) -> Result<u32, Unfit> {
    let weight = plain(address, destination)?.weight;
    if weight > MAX_WEIGHT {
        let message = format!("{}: weight {weight}; HAProxy takes 0 to {MAX_WEIGHT}", name::server(address));
        return Err(Unfit(message));
    }
    Ok(weight)
}

#[cfg(test)]
mod tests;
