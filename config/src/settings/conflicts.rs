//! What is wrong only when sections are looked at together.

use std::collections::BTreeMap;

use super::{Answer, Settings};
use crate::entrypoint::EntrypointProtocol;
use crate::report::Report;
use crate::units::Listen;

pub(super) fn check(settings: &Settings, report: &Report<'_>) {
    names_are_unique(settings, report);
    listeners_are_unique(settings, report);
    answers_reach_who_asks(settings, report);
    vips_hold_no_listener(settings, report);
}

fn names_are_unique(settings: &Settings, report: &Report<'_>) {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (n, entrypoint) in settings.entrypoints.iter().enumerate() {
        let path = format!("entrypoint[{n}].name");
        if report.is_wrong(&path) {
            continue;
        }
        if let Some(earlier) = seen.get(entrypoint.name.as_str()) {
            let first = report.reference(earlier);
            let message = format!("there is an entrypoint `{}` already, at {first}", entrypoint.name);
            report.wrong_with_hint(&path, message, "give one of them another name");
        } else {
            seen.insert(entrypoint.name.as_str(), path);
        }
    }
}

fn listeners_are_unique(settings: &Settings, report: &Report<'_>) {
    let mut seen: BTreeMap<(Listen, Transport), String> = BTreeMap::new();
    for Listener { path, listen, over } in listeners(settings, report) {
        // The kernel gives every socket on port 0 a port of its own.
        if listen.socket_addr().port() == 0 {
            continue;
        }
        let Some(earlier) = over.iter().find_map(|over| seen.get(&(listen, *over))) else {
            seen.extend(over.iter().map(|over| ((listen, *over), path.clone())));
            continue;
        };
        // The problem stands at what the file says; the other of the two may be a default.
        let (here, there) = if report.place(&path).is_some() {
            (path.as_str(), earlier.as_str())
        } else {
            (earlier.as_str(), path.as_str())
        };
        let place = match report.place(there) {
            Some(_) => format!("at {}", report.reference(there)),
            None => "which is a default".to_owned(),
        };
        let message = format!("`{listen}` is taken by {there}, {place}");
        report.wrong_with_hint(here, message, "give one of them another port");
    }
}

/// What a name resolves to, its asker can dial.
fn answers_reach_who_asks(settings: &Settings, report: &Report<'_>) {
    let names = &settings.names;
    if settings.dns.listen.is_loopback() || report.is_wrong("names.answer") {
        return;
    }
    match names.answer {
        Answer::Vip => loopback_vips_stay_at_home(settings, report),
        Answer::Hub => loopback_hubs_stay_at_home(settings, report),
    }
}

/// A VIP on loopback means the asker's own machine, wherever the asker is.
fn loopback_vips_stay_at_home(settings: &Settings, report: &Report<'_>) {
    let (listen, vips) = (settings.dns.listen, settings.names.vips);
    if !vips.addr().is_loopback() || report.is_wrong("names.vips") {
        return;
    }
    let message = format!(
        "DNS on `{listen}` would answer other machines with VIPs of {vips}, which no other machine can reach"
    );
    let hint = format!(
        "one machine, or a spoke on every host: listen = \"127.0.0.1:{}\" here; \
         a few hubs on a network of your own: a prefix routed to the hubs as names.vips; \
         a few hubs in a cloud: names.answer = \"hub\" and their addresses as names.hub_addresses",
        listen.socket_addr().port()
    );
    report.wrong_with_hint("dns.listen", message, hint);
}

fn loopback_hubs_stay_at_home(settings: &Settings, report: &Report<'_>) {
    let listen = settings.dns.listen;
    let Some(hub) = settings.names.hub_addresses.iter().find(|address| address.is_loopback()) else {
        return;
    };
    let message =
        format!("DNS on `{listen}` would answer other machines with {hub}, which means themselves to them");
    let hint = format!(
        "one machine: listen = \"127.0.0.1:{}\" here; several: addresses at which they reach this one \
         as names.hub_addresses",
        listen.socket_addr().port()
    );
    report.wrong_with_hint("dns.listen", message, hint);
}

/// Own traffic never loops: an address of the gateway itself is no VIP.
fn vips_hold_no_listener(settings: &Settings, report: &Report<'_>) {
    let vips = settings.names.vips;
    for Listener { path, listen, .. } in listeners(settings, report) {
        if vips.contains(&listen.socket_addr().ip().to_canonical()) {
            let message = format!("{vips} holds {path} `{listen}`, an address of the gateway itself");
            report.wrong_with_hint(
                "names.vips",
                message,
                "choose a prefix without it, such as `127.99.0.0/16`",
            );
        }
    }
}

/// What a listener is carried by. The kernel keeps the ports of the two apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Tcp,
    Udp,
}

struct Listener {
    /// In the file.
    path: String,
    listen: Listen,
    over: &'static [Transport],
}

/// Every listener, but for those that are wrong already.
fn listeners(settings: &Settings, report: &Report<'_>) -> Vec<Listener> {
    const TCP: &[Transport] = &[Transport::Tcp];
    const UDP: &[Transport] = &[Transport::Udp];
    const BOTH: &[Transport] = &[Transport::Tcp, Transport::Udp];

    let own = [("admin.listen", settings.admin.listen, TCP), ("dns.listen", settings.dns.listen, BOTH)];
    let own = own.into_iter().map(|(path, listen, over)| Listener { path: path.to_owned(), listen, over });
    // Whose protocol is a stand-in may be carried by either.
    let known = |(n, _): &(usize, _)| !report.is_wrong(&format!("entrypoint[{n}].protocol"));
    let entrypoints = settings.entrypoints.iter().enumerate().filter(known).map(|(n, named)| {
        let over = if named.entrypoint.protocol == EntrypointProtocol::Udp { UDP } else { TCP };
        Listener { path: format!("entrypoint[{n}].listen"), listen: named.entrypoint.listen, over }
    });
    own.chain(entrypoints).filter(|listener| !report.is_wrong(&listener.path)).collect()
}
