//! A connection to an address: a VIP, an entrypoint, or a hub's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use roundhouse_config::{EntrypointProtocol, PortName, Protocol};

use super::access::Sight;
use super::entrypoint::{self, Way};
use super::target::Target;
use super::{Facts, Steps, Verdict, endpoints, hub};
use crate::run::Listed;
use crate::table::{JobEntry, PortEntry};

pub(super) fn address(address: IpAddr, target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    if let Some(job) = facts.table.by_vip(address) {
        steps.add("address", format!("{address} is the VIP of job `{}` ({})", job.label, job.jobname));
        return ports(job, target, None, facts, steps);
    }
    let at = |listed: &&Listed| {
        let listen = listed.address();
        Some(listen.port()) == target.port && (listen.ip() == address || listen.ip().is_unspecified())
    };
    // One of TCP and one of UDP may have one port. Where one is not listened on and the other is, they are two that
    // want the same.
    let found: Vec<_> = facts.entrypoints.iter().filter(at).collect();
    let is_udp = |listed: &Listed| listed.settings.protocol == EntrypointProtocol::Udp;
    let served =
        |listed: &Listed| found.iter().any(|other| other.state.is_ok() && is_udp(other) == is_udp(listed));
    let found = found.iter().filter(|listed| listed.state.is_ok() || !served(listed));
    let verdicts = found.map(|listed| entered(listed, target, facts, steps));
    if let Some(verdict) = verdicts.reduce(Verdict::and) {
        return verdict;
    }
    if facts.hub.contains(&address) {
        return hub::address(address, target.port, facts, steps);
    }
    steps.add(
        "address",
        if facts.table.vips.contains(&address) {
            format!("{address} is inside the VIP prefix {}, but no job has it", facts.table.vips)
        } else {
            format!("{address} is no VIP (they are in {}) and no entrypoint", facts.table.vips)
        },
    );
    Verdict::NoRoute
}

fn entered(listed: &Listed, target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let hint = match entrypoint::enters(listed, target, "", facts, steps) {
        Err(verdict) => return verdict,
        Ok(Way::Job(listed)) => return entrypoint::job(listed, facts, steps),
        Ok(Way::Host) if listed.settings.protocol == EntrypointProtocol::Https => {
            "explain a URL, as in https://blog.coding.net/"
        }
        Ok(Way::Host) => "explain a URL, as in http://blog.coding.net/",
        Ok(Way::ServerName(_)) => "explain a server name, as in tls://db.coding.net:8443",
    };
    steps.add("hint", hint);
    Verdict::NoRoute
}

pub(super) fn job(
    target: &Target,
    job: &Arc<JobEntry>,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    match job.vip {
        _ if !facts.hub.is_empty() => {
            let own: Vec<_> = facts.hub.iter().map(ToString::to_string).collect();
            steps.add(
                "address",
                format!("the name resolves to the hubs' own addresses, here {}", own.join(", ")),
            );
        }
        Some(vip) => steps.add("address", format!("the name resolves to the VIP {vip}")),
        None => {
            steps.add(
                "address",
                format!("the job has no VIP in {} (yet), so the name has no address", facts.table.vips),
            );
            return Verdict::NotCaught;
        }
    }
    ports(job, target, named, facts, steps)
}

/// The port that is dialled; without one, the one that is named, else all of them.
fn ports(
    job: &JobEntry,
    target: &Target,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    let number = target.port;
    let wanted = |entry: &&Arc<PortEntry>| match (number, named) {
        (Some(number), _) => entry.port.port == number,
        (None, Some(name)) => entry.name() == name,
        (None, None) => true,
    };
    let chosen: Vec<_> = job.ports.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let has: Vec<_> =
            job.ports.iter().map(|entry| format!("{} ({})", entry.port.port, entry.name())).collect();
        let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
        let asked = number.map_or("any port".to_owned(), |number| format!("port {number}"));
        steps.add("port", format!("the job does not serve {asked}; its ports are: {has}"));
        return Verdict::NoRoute;
    }
    chosen.into_iter().map(|entry| port(job, entry, target, facts, steps)).fold(Verdict::Ok, Verdict::and)
}

fn port(job: &JobEntry, entry: &PortEntry, target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let number = entry.port.port;
    let at_hub = !facts.hub.is_empty();
    let treated = match entry.port.protocol {
        Protocol::Http if at_hub => "shared with others of HTTP, and each request goes by its Host",
        Protocol::Tls if at_hub => "shared with others of TLS, and each connection goes by its server name",
        Protocol::Http => "each request is forwarded by itself",
        Protocol::Tcp | Protocol::Grpc | Protocol::Tls => "each connection is relayed as it is",
        Protocol::Udp => "each client is a session, whose datagrams go to one instance",
    };
    steps.add(
        "port",
        format!("{number} is port `{}`, protocol {}: {treated}", entry.name(), entry.port.protocol),
    );
    if let Some(conflict) = hub::conflict(job, entry, facts) {
        steps.add("listener", hub::sentence(&conflict));
        return Verdict::NotCaught;
    }
    let lacking = facts.not_caught.iter().find(|port| port.job == job.label && port.port == *entry.name());
    if let Some(lacking) = lacking {
        steps.add("listener", format!("{} is not listened on: {}", lacking.address, lacking.reason));
        return Verdict::NotCaught;
    }
    let addresses = if at_hub { facts.hub } else { job.vip.as_slice() };
    for address in addresses {
        steps.add("listener", format!("{} is listened on", SocketAddr::new(*address, number)));
    }
    endpoints::explain(job, entry, Sight::at(entry, target), facts, steps)
}
