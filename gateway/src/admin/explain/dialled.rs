//! A connection to a job's VIP: the address chooses the job, the port its port.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use roundhouse_config::{PortName, Protocol};

use super::target::Target;
use super::{Facts, Steps, Verdict, endpoints};
use crate::table::{JobEntry, PortEntry};

pub(super) fn address(address: IpAddr, port: Option<u16>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    if let Some(job) = facts.table.by_vip(address) {
        steps.add("address", format!("{address} is the VIP of job `{}` ({})", job.label, job.jobname));
        return ports(job, port, None, facts, steps);
    }
    let at = |listen: SocketAddr| {
        Some(listen.port()) == port && (listen.ip() == address || listen.ip().is_unspecified())
    };
    if let Some(named) = facts.entrypoints.iter().find(|named| at(named.entrypoint.listen.socket_addr())) {
        steps.add("address", format!("{address} is entrypoint `{}`, which goes by the Host", named.name));
        steps.add("hint", "explain a URL, as in http://blog.coding.net/");
        return Verdict::NoRoute;
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

pub(super) fn job(
    target: &Target,
    job: &Arc<JobEntry>,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    match job.vip {
        Some(vip) => steps.add("address", format!("the name resolves to the VIP {vip}")),
        None => {
            steps.add(
                "address",
                format!("the job has no VIP in {} (yet), so the name has no address", facts.table.vips),
            );
            return Verdict::NotCaught;
        }
    }
    ports(job, target.port, named, facts, steps)
}

/// The port that is dialled; without one, the one that is named, else all of them.
fn ports(
    job: &JobEntry,
    number: Option<u16>,
    named: Option<&PortName>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
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
    chosen.into_iter().map(|entry| port(job, entry, facts, steps)).fold(Verdict::Ok, Verdict::and)
}

fn port(job: &JobEntry, entry: &PortEntry, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let number = entry.port.port;
    let treated = match entry.port.protocol {
        Protocol::Http => "each request is forwarded by itself",
        Protocol::Tcp | Protocol::Grpc | Protocol::Tls => "each connection is relayed as it is",
        Protocol::Udp => {
            steps.add(
                "port",
                format!("{number} is port `{}`: udp, which this version does not forward", entry.name()),
            );
            return Verdict::NotCaught;
        }
    };
    steps.add(
        "port",
        format!("{number} is port `{}`, protocol {}: {treated}", entry.name(), entry.port.protocol),
    );
    let lacking = facts.not_caught.iter().find(|port| port.job == job.label && port.port == *entry.name());
    if let Some(lacking) = lacking {
        steps.add("listener", format!("{} is not listened on: {}", lacking.address, lacking.reason));
        return Verdict::NotCaught;
    }
    if let Some(vip) = job.vip {
        steps.add("listener", format!("{} is listened on", SocketAddr::new(vip, number)));
    }
    endpoints::explain(job, entry, steps)
}
