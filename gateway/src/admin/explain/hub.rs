//! A hub whose names resolve to its own addresses: a port there is one job's, or is shared by Host or by server name.

use std::net::IpAddr;
use std::sync::Arc;

use super::access::Sight;
use super::{Facts, Steps, Verdict, entrypoint};
use crate::table::{Conflict, JobEntry, Numbered, PortEntry, Target};

/// A connection to a hub's own address.
pub(super) fn address(address: IpAddr, number: Option<u16>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let Some(number) = number else {
        steps.add("address", format!("{address} is this hub's own, and its ports are the jobs'"));
        steps.add("hint", format!("explain one of them, as in {address}:1111"));
        return Verdict::NoRoute;
    };
    let whose = |what: String| format!("port {number} of the hub's own address {address} {what}");
    let mut verdict = None;
    match facts.table.hub_port(number) {
        None => {}
        Some(Target::ByHost) => {
            steps.add("address", whose("is shared by HTTP, and the Host chooses the job".into()));
            steps.add("hint", format!("explain a URL, as in http://app2.{}:{number}/", facts.table.zone));
            verdict = Some(Verdict::NoRoute);
        }
        Some(Target::BySni) => {
            steps.add("address", whose("is shared by TLS, and the server name chooses the job".into()));
            steps.add(
                "hint",
                format!("explain a server name, as in tls://app2.{}:{number}", facts.table.zone),
            );
            verdict = Some(Verdict::NoRoute);
        }
        Some(Target::Job(job, entry)) => {
            steps.add("address", whose(format!("belongs to job `{}` ({})", job.label, job.jobname)));
            verdict = Some(port(&job, &entry, facts, steps));
        }
    }
    if let Some((job, entry)) = facts.table.hub_udp_port(number) {
        steps.add("address", whose(format!("belongs for udp to job `{}` ({})", job.label, job.jobname)));
        let udp = port(&job, &entry, facts, steps);
        verdict = Some(verdict.map_or(udp, |tcp| tcp.and(udp)));
    }
    for at in [false, true].map(|udp| Numbered { udp, number }) {
        for conflict in facts.table.hub().into_iter().flat_map(|hub| hub.conflicts_at(at)) {
            steps.add("hint", sentence(&conflict));
        }
    }
    verdict.unwrap_or_else(|| {
        steps.add("address", whose("belongs to no job".into()));
        Verdict::NoRoute
    })
}

/// One port of a job that is known.
fn port(job: &JobEntry, entry: &Arc<PortEntry>, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let lacking = facts.not_caught.iter().find(|port| port.job == job.label && port.port == *entry.name());
    match lacking {
        Some(lacking) => {
            steps.add("listener", format!("{} is not listened on: {}", lacking.address, lacking.reason));
            Verdict::NotCaught
        }
        // Requests go by their Host, at ports that are shared.
        None => entrypoint::port(job, entry, Sight::Bytes, facts, steps),
    }
}

/// Whether another job has this port's number.
pub(super) fn conflict(job: &JobEntry, entry: &PortEntry, facts: &Facts<'_>) -> Option<Conflict> {
    let mut conflicts = facts.table.hub()?.conflicts_at(Numbered::of(entry));
    conflicts.find(|conflict| conflict.job == job.label && conflict.port == *entry.name())
}

pub(super) fn sentence(conflict: &Conflict) -> String {
    let Conflict { job, port, number, owner, spoken, .. } = conflict;
    format!(
        "port `{port}` of job `{job}` wants {number} too, which belongs to the older job `{owner}` ({spoken}); give `{job}` another number"
    )
}
