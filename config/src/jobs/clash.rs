//! What two jobs cannot both have: a label, a JOBNAME, a domain, a port of a host.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::job::{Draft, JobSpec};
use crate::report::Report;
use crate::service::{Port, Protocol};

pub(super) fn check(drafts: &[Draft], report: &Report<'_>) {
    names(drafts, report);
    domains(drafts, report);
    sockets(drafts, report);
}

fn names(drafts: &[Draft], report: &Report<'_>) {
    let mut labels: BTreeMap<&str, &Draft> = BTreeMap::new();
    let mut jobnames: BTreeMap<&str, &Draft> = BTreeMap::new();
    for draft in drafts {
        let job = &draft.job;
        let path = format!("{}.name", draft.path);
        match labels.entry(job.label.as_str()) {
            Entry::Occupied(earlier) => {
                let first = report.reference(&format!("{}.name", earlier.get().path));
                let message = format!("there is a job `{}` already, at {first}", job.label);
                report.wrong_with_hint(&path, message, "give one of them another name");
                // Its JOBNAME most likely comes from the same label: once is enough.
                continue;
            }
            Entry::Vacant(entry) => drop(entry.insert(draft)),
        }
        if report.is_wrong(&format!("{}.jobname", draft.path)) {
            continue;
        }
        match jobnames.entry(job.jobname.as_str()) {
            Entry::Occupied(earlier) => {
                let earlier = earlier.get();
                let first = report.reference(&format!("{}.jobname", earlier.path));
                let other = &earlier.job.label;
                let message =
                    format!("JOBNAME `{}` is already that of job `{other}`, at {first}", job.jobname);
                let hint = "a JOBNAME is one job's identity: give one of them another";
                report.wrong_with_hint(&format!("{}.jobname", draft.path), message, hint);
            }
            Entry::Vacant(entry) => drop(entry.insert(draft)),
        }
    }
}

fn domains(drafts: &[Draft], report: &Report<'_>) {
    let mut seen: BTreeMap<&str, (&JobSpec, &str)> = BTreeMap::new();
    for draft in drafts {
        for (domain, path) in draft.job.domains.iter().zip(&draft.domains) {
            match seen.entry(domain.as_str()) {
                Entry::Occupied(earlier) => {
                    let (job, first) = earlier.get();
                    let first = report.reference(first);
                    let message =
                        format!("domain `{domain}` is already that of job `{}`, at {first}", job.label);
                    report.wrong_with_hint(path, message, "keep it at one of them");
                }
                Entry::Vacant(entry) => drop(entry.insert((&draft.job, path))),
            }
        }
    }
}

/// One port of one host, where a single process can listen. UDP has ports of its own.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Socket<'a> {
    host: Host<'a>,
    port: u16,
    udp: bool,
}

/// A host by its address where that is known, so that two names of one host are one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// Who wants a socket, and where the file says so.
struct Claim<'a> {
    job: &'a JobSpec,
    host: String,
    path: &'a str,
}

fn sockets(drafts: &[Draft], report: &Report<'_>) {
    let mut seen: BTreeMap<Socket<'_>, Claim<'_>> = BTreeMap::new();
    for draft in drafts {
        for (socket, claim) in claims(draft) {
            let port = socket.port;
            match seen.entry(socket) {
                Entry::Occupied(earlier) => refuse(earlier.get(), &claim, port, report),
                Entry::Vacant(entry) => drop(entry.insert(claim)),
            }
        }
    }
}

fn refuse(earlier: &Claim<'_>, later: &Claim<'_>, port: u16, report: &Report<'_>) {
    let (first, second) = (report.reference(earlier.path), report.reference(later.path));
    let host = match (&earlier.host, &later.host) {
        (one, other) if one == other => format!("`{one}`"),
        (one, other) => format!("`{one}` and `{other}`, which are one host,"),
    };
    let message = if std::ptr::eq(earlier.job, later.job) {
        format!("job `{}` has port {port} of {host} twice, at {first} and at {second}", later.job.label)
    } else {
        let (one, other) = (&earlier.job.label, &later.job.label);
        format!("jobs `{one}` at {first} and `{other}` at {second} are both on {host} port {port}")
    };
    report.wrong_with_hint(later.path, message, "give one of them another port");
}

/// The sockets a job wants: those of its static instances, or those on its host.
fn claims(draft: &Draft) -> Vec<(Socket<'_>, Claim<'_>)> {
    let job = &draft.job;
    let socket =
        |host, number: u16, port: &Port| Socket { host, port: number, udp: port.protocol == Protocol::Udp };
    if !job.instances.is_empty() {
        let each = job.instances.iter().zip(&draft.instances);
        return each
            .flat_map(|(instance, path)| job.ports.iter().map(move |port| (instance, path, port)))
            .map(|(instance, path, port)| {
                let number = instance.port.unwrap_or(port.port);
                let claim = Claim { job, host: instance.address.to_string(), path };
                (socket(Host::Address(instance.address), number, port), claim)
            })
            .collect();
    }
    let Some(name) = &job.host else { return Vec::new() };
    let each = job.ports.iter().zip(&draft.ports);
    each.map(|(port, path)| {
        let host = job.address.map_or(Host::Name(name), Host::Address);
        (socket(host, port.port, port), Claim { job, host: name.clone(), path })
    })
    .collect()
}
