//! Which entrypoint takes a connection, whether it is listened on, and what chooses the job there.

use std::sync::Arc;

use roundhouse_config::EntrypointProtocol;

use super::access::Sight;
use super::target::{Host, Target};
use super::{Facts, Steps, Verdict, endpoints};
use crate::run::Listed;
use crate::table::{JobEntry, PortEntry};

/// What chooses the job of a connection that came in.
pub(super) enum Way<'a> {
    /// The request's Host and path.
    Host,
    /// The server name in the ClientHello.
    ServerName(&'a Listed),
    /// The entrypoint's own job, whatever was asked for.
    Job(&'a Listed),
}

/// Whether a name of this job means an entrypoint: it has an entrypoint's port, or none, and the job does not serve that
/// one where its name leads.
pub(super) fn is_meant(target: &Target, job: &JobEntry, facts: &Facts<'_>) -> bool {
    let number = number(target);
    if (target.request.is_none() && !target.tls) || job.port_number(number).is_some() {
        return false;
    }
    target.port.is_none() || on_port(number, facts).is_some()
}

/// Where a name's connection comes in, or why it does not.
pub(super) fn arrives<'a>(target: &Target, facts: &Facts<'a>, steps: &mut Steps) -> Result<Way<'a>, Verdict> {
    let number = number(target);
    let elsewhere = || facts.entrypoints.iter().find(|listed| listed.state.is_ok() && takes(listed, target));
    let (listed, remark) = match (on_port(number, facts), target.port) {
        (Some(listed), _) => (listed, String::new()),
        (None, None) => match elsewhere() {
            Some(listed) => (listed, format!("nothing listens on port {number}; ")),
            None => return Err(nowhere(target, facts, steps)),
        },
        (None, Some(_)) => return Err(nowhere(target, facts, steps)),
    };
    enters(listed, target, &remark, facts, steps)
}

fn nowhere(target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    if facts.entrypoints.is_empty() {
        steps.add(
            "listener",
            "no entrypoint is configured; add [[entrypoint]] to the gateway's file, or PUT one to /v1/entrypoints",
        );
        return Verdict::NoRoute;
    }
    let all: Vec<_> = facts.entrypoints.iter().map(called).collect();
    let lacks = match target.port {
        Some(port) => format!("no entrypoint is on port {port}"),
        None if target.tls => "no entrypoint speaks TLS".to_owned(),
        None => "no entrypoint speaks HTTP".to_owned(),
    };
    steps.add("listener", format!("{lacks}; there is {}", all.join(", ")));
    Verdict::NoRoute
}

/// Whether it speaks what the target's client does.
fn takes(listed: &Listed, target: &Target) -> bool {
    match listed.settings.protocol {
        EntrypointProtocol::Http => !target.tls,
        EntrypointProtocol::Https | EntrypointProtocol::Tls => target.tls,
        EntrypointProtocol::Tcp | EntrypointProtocol::Udp => false,
    }
}

/// What becomes of a connection to it.
pub(super) fn enters<'a>(
    listed: &'a Listed,
    target: &Target,
    remark: &str,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Result<Way<'a>, Verdict> {
    let called = called(listed);
    if let Err(reason) = &listed.state {
        steps.add("listener", format!("{remark}entrypoint {called} is not listened on: {reason}"));
        return Err(Verdict::NotCaught);
    }
    let settings = &listed.settings;
    let is_job = settings.job.is_some();
    let (does, way) = match settings.protocol {
        EntrypointProtocol::Http => ("takes it by its Host", Way::Host),
        EntrypointProtocol::Https => ("ends its TLS and takes it by its Host", Way::Host),
        EntrypointProtocol::Tls if is_job && settings.terminate => {
            ("ends its TLS, whatever the server name", Way::Job(listed))
        }
        EntrypointProtocol::Tls if is_job => {
            ("passes its TLS on, whatever the server name", Way::Job(listed))
        }
        EntrypointProtocol::Tls if settings.terminate => {
            ("takes it by its server name and ends its TLS", Way::ServerName(listed))
        }
        EntrypointProtocol::Tls => {
            ("takes it by its server name and passes its TLS on", Way::ServerName(listed))
        }
        EntrypointProtocol::Tcp => ("takes each connection for one job", Way::Job(listed)),
        EntrypointProtocol::Udp => ("takes each client's datagrams for one job", Way::Job(listed)),
    };
    let spoken = matches!(settings.protocol, EntrypointProtocol::Https | EntrypointProtocol::Tls);
    let clear = settings.protocol == EntrypointProtocol::Http;
    if (clear && target.tls) || (spoken && target.request.is_some() && !target.tls) {
        let (speaks, ask) = if clear { ("no TLS", "http") } else { ("TLS", "https") };
        steps.add("listener", format!("{remark}entrypoint {called} speaks {speaks}; ask {ask}:// there"));
        return Err(Verdict::NoRoute);
    }
    steps.add("listener", format!("{remark}entrypoint {called} {does}"));
    if let Some(reason) = &listed.refused {
        steps.add("listener", format!("it listens as before, for what is written is refused: {reason}"));
    }
    if settings.ends_tls() {
        certificate(target, facts, steps)?;
    }
    if !settings.trust_forwarded.is_empty() {
        let from: Vec<_> = settings.trust_forwarded.iter().map(ToString::to_string).collect();
        let from = from.join(", ");
        steps.add("forwarded", format!("peers in {from} are believed about their client (X-Forwarded-For)"));
    }
    if !settings.trust_proxy.is_empty() {
        let from: Vec<_> = settings.trust_proxy.iter().map(ToString::to_string).collect();
        steps.add(
            "proxy",
            format!(
                "peers in {} must begin with one PROXY header, which says who the client is; all others must send none",
                from.join(", ")
            ),
        );
    }
    Ok(way)
}

/// What a client's handshake is shown, which ends there if nothing fits the name.
fn certificate(target: &Target, facts: &Facts<'_>, steps: &mut Steps) -> Result<(), Verdict> {
    let name = match &target.host {
        Host::Name(name) => Some(name.as_str()),
        // An address is no server name (RFC 6066, 3).
        Host::Address(_) => None,
    };
    let shown = match name {
        Some(name) => facts.certificates.by_name(name),
        None => facts.certificates.first(),
    };
    let Some(shown) = shown else {
        let name = name.unwrap_or("a client that names no server");
        let detail = format!(
            "none is for {name}, so the handshake is refused (unrecognized_name); \
             `roundhouse cert add` brings one, `get certs` lists those there are"
        );
        steps.add("certificate", detail);
        return Err(Verdict::NoRoute);
    };
    let days = shown.facts.days_left(facts.now);
    let lasts = match days {
        ..0 => "has ended, and clients refuse it; renew it with `roundhouse cert add`".to_owned(),
        days => format!("is good for {days} more days"),
    };
    steps.add("certificate", format!("`{}` is shown, which {lasts}", shown.name));
    Ok(())
}

/// The job of an entrypoint that has one.
pub(super) fn job(listed: &Listed, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
    let settings = &listed.settings;
    let Some(label) = &settings.job else { return Verdict::NoRoute };
    let found = match settings.protocol {
        EntrypointProtocol::Udp => facts.table.named_udp_port(label, settings.port.as_ref()),
        protocol => {
            let clear = protocol == EntrypointProtocol::Tcp || settings.terminate;
            facts.table.named_port(label, settings.port.as_ref(), clear)
        }
    };
    if let Some((job, entry)) = found {
        return port(&job, &entry, Sight::Bytes, facts, steps);
    }
    let detail = match (facts.table.job(label.as_str()), &settings.port) {
        (None, _) => {
            format!("there is no job `{label}`; register one, or change entrypoint `{}`", listed.name)
        }
        (Some(_), Some(port)) => {
            format!("job `{label}` has no port `{port}` that fits; change entrypoint `{}`", listed.name)
        }
        (Some(_), None) => format!("job `{label}` has no port that fits protocol {}", settings.protocol),
    };
    steps.add("port", detail);
    Verdict::NoRoute
}

/// One of a job's ports, reached without its VIP.
pub(super) fn port(
    job: &JobEntry,
    entry: &Arc<PortEntry>,
    sight: Sight<'_>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    steps.add(
        "port",
        format!("port `{}` of job `{}`, protocol {}", entry.name(), job.label, entry.port.protocol),
    );
    endpoints::explain(job, entry, sight, facts, steps)
}

/// As in "`http` on 127.0.0.1:8080".
fn called(listed: &Listed) -> String {
    let listen = listed.settings.listen;
    // Port 0 is whichever the kernel chose.
    match (listen.socket_addr().port(), &listed.state) {
        (0, Ok(address)) => format!("`{}` on {address}", listed.name),
        _ => format!("`{}` on {listen}", listed.name),
    }
}

/// The port that is meant; without one, that of the scheme.
fn number(target: &Target) -> u16 {
    target.port.unwrap_or(if target.tls { 443 } else { 80 })
}

/// One that is listened on rather than one that is not, one of TCP rather than one of UDP.
fn on_port<'a>(number: u16, facts: &Facts<'a>) -> Option<&'a Listed> {
    let on_it = facts.entrypoints.iter().filter(|listed| listed.address().port() == number);
    on_it.min_by_key(|listed| (listed.state.is_err(), listed.settings.protocol == EntrypointProtocol::Udp))
}
