//! What this sink can hold, and what to write instead of what it cannot.

use std::net::SocketAddr;

use super::vip::Vip;
use crate::model::{Destination, Family, Flags, Forwarding, Scheduler, Service, ServiceKey, Settings};
use crate::sink::Unfit;

/// Those that need no count of connections: rules have none.
const SCHEDULERS: [&str; 4] = ["rr", "wrr", "sh", "mh"];

pub(super) fn service(key: &ServiceKey, mut wanted: Service) -> Result<Service, Unfit> {
    let vip = vip(key)?;
    wanted.settings = Settings {
        flags: flags(&wanted.settings.scheduler),
        scheduler: scheduler(&wanted.settings)?,
        ..Settings::default()
    };
    for (to, of) in &wanted.destinations {
        destination(vip, *to, of)?;
    }
    Ok(wanted)
}

pub(super) fn vip(key: &ServiceKey) -> Result<Vip, Unfit> {
    let vip = Vip::of(key).ok_or_else(|| {
        Unfit(format!("nftables takes services by address and port; {key} has none: write a pool with VIPs"))
    })?;
    if vip.address.port() == 0 {
        return Err(Unfit(format!("{key}: nftables takes one port; write 1 to 65535")));
    }
    plain(vip.address)?;
    Ok(vip)
}

pub(super) fn scheduler(settings: &Settings) -> Result<Scheduler, Unfit> {
    let Settings { scheduler, flags: wanted, persistence, engine, send_proxy } = settings;
    if !SCHEDULERS.contains(&scheduler.as_str()) {
        return Err(Unfit(format!(
            "nftables has no scheduler {}; write rr, wrr, sh or mh, or the sink ipvs",
            scheduler.as_str()
        )));
    }
    if persistence.is_some() || engine.is_some() {
        let instead =
            "write the scheduler mh, which gives a client's address one destination, or the sink ipvs";
        return Err(Unfit(format!("nftables has no persistence; {instead}")));
    }
    if !flags(scheduler).has(*wanted) {
        return Err(Unfit("nftables has no scheduler flags; leave them out, or write the sink ipvs".into()));
    }
    if send_proxy.is_some() {
        let instead = "leave send_proxy out, or write the sink haproxy";
        return Err(Unfit(format!("nftables cannot say the PROXY protocol; {instead}")));
    }
    Ok(scheduler.clone())
}

pub(super) fn destination(vip: Vip, to: SocketAddr, destination: &Destination) -> Result<(), Unfit> {
    let Destination { weight: _, forwarding, upper, lower } = *destination;
    if forwarding != Forwarding::Masquerade {
        return Err(Unfit(format!(
            "nftables translates addresses and does nothing else for {to}; write \"forwarding\": \"masq\", or the sink \
             ipvs"
        )));
    }
    if upper != 0 || lower != 0 {
        return Err(Unfit(format!("nftables has no bounds of connections for {to}; write the sink ipvs")));
    }
    if Family::of(to.ip()) != vip.family() {
        return Err(Unfit(format!(
            "nftables cannot lead {} to {to} of another family; write a VIP of the destination's family",
            vip.key()
        )));
    }
    if to.port() == 0 || to.ip().is_unspecified() {
        return Err(Unfit(format!("nobody can be dialled at {to}; write an address and a port")));
    }
    plain(to)
}

/// What is said of every service with this scheduler: hashing passes over who takes nothing.
pub(super) fn flags(scheduler: &Scheduler) -> Flags {
    match scheduler.as_str() {
        "sh" | "mh" => Flags::SCHEDULER_1,
        _ => Flags::default(),
    }
}

/// Without an interface: a packet that is forwarded has none (RFC 4007, 9).
fn plain(address: SocketAddr) -> Result<(), Unfit> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 || v6.flowinfo() != 0 => Err(Unfit(format!(
            "nftables translates no address of one interface, as {address} is; write a global one"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Persistence;

    fn unfit(key: &str, settings: Settings, destinations: &[(&str, Destination)]) -> String {
        let destinations = destinations.iter().map(|(to, of)| (to.parse().unwrap(), *of)).collect();
        let wanted = Service { settings, destinations };
        service(&key.parse().unwrap(), wanted).map_or_else(|unfit| unfit.0, |fit| format!("{fit:?} fits"))
    }

    fn scheduled(name: &str) -> Settings {
        Settings { scheduler: Scheduler::new(name), ..Settings::default() }
    }

    #[test]
    fn what_fits_is_held_as_it_is_wanted() {
        for name in SCHEDULERS {
            let wanted = Service {
                settings: Settings { flags: flags(&Scheduler::new(name)), ..scheduled(name) },
                destinations: [
                    ("10.0.0.1:80".parse().unwrap(), Destination::new(u32::MAX, Forwarding::Masquerade)),
                    ("10.0.0.2:80".parse().unwrap(), Destination::new(0, Forwarding::Masquerade)),
                ]
                .into(),
            };
            let key = "tcp/203.0.113.10:80".parse().unwrap();
            assert_eq!(service(&key, wanted.clone()), Ok(wanted));
        }
    }

    #[test]
    fn what_does_not_fit_says_what_does() {
        let vip = "tcp/203.0.113.10:80";
        let masq = Destination::new(1, Forwarding::Masquerade);
        let persistent =
            Settings { persistence: Some(Persistence { timeout: 300, prefix: 32 }), ..Settings::default() };
        let flagged = Settings { flags: Flags::SCHEDULER_2, ..scheduled("sh") };
        let proxied = Settings { send_proxy: Some(2), ..Settings::default() };
        let wrr = Settings::default;
        for (said, instead) in [
            (unfit("fwmark/7/v4", wrr(), &[]), "write a pool with VIPs"),
            (unfit("group/blog", wrr(), &[]), "write a pool with VIPs"),
            (unfit("tcp/203.0.113.10:0", wrr(), &[]), "write 1 to 65535"),
            (unfit(vip, scheduled("wlc"), &[]), "write rr, wrr, sh or mh"),
            (unfit(vip, persistent, &[]), "write the scheduler mh"),
            (unfit(vip, flagged, &[]), "leave them out"),
            (unfit(vip, proxied, &[]), "haproxy"),
            (unfit(vip, wrr(), &[("[fd00::1]:80", masq)]), "write a VIP of the destination's family"),
            (unfit(vip, wrr(), &[("10.0.0.1:0", masq)]), "write an address and a port"),
            (unfit("tcp/[fe80::1%3]:80", wrr(), &[]), "write a global one"),
            (
                unfit(vip, wrr(), &[("10.0.0.1:80", Destination::new(1, Forwarding::DirectRouting))]),
                "\"masq\"",
            ),
            (unfit(vip, wrr(), &[("10.0.0.1:80", Destination { upper: 9, ..masq })]), "write the sink ipvs"),
        ] {
            assert!(said.contains(instead), "{said}");
        }
    }
}
