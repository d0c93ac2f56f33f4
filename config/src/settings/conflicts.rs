//! What is wrong only when sections are looked at together.

use std::collections::BTreeMap;

use super::Settings;
use crate::report::Report;
use crate::units::Listen;

pub(super) fn check(settings: &Settings, report: &Report<'_>) {
    names_are_unique(settings, report);
    listeners_are_unique(settings, report);
    loopback_vips_stay_at_home(settings, report);
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
    let mut seen: BTreeMap<Listen, String> = BTreeMap::new();
    for (path, listen) in listeners(settings, report) {
        // The kernel gives every socket on port 0 a port of its own.
        if listen.socket_addr().port() == 0 {
            continue;
        }
        let Some(earlier) = seen.get(&listen) else {
            seen.insert(listen, path);
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

/// A VIP on loopback means the asker's own machine, wherever the asker is.
fn loopback_vips_stay_at_home(settings: &Settings, report: &Report<'_>) {
    let (listen, vips) = (settings.dns.listen, settings.names.vips);
    if listen.is_loopback() || !vips.addr().is_loopback() || report.is_wrong("names.vips") {
        return;
    }
    let message = format!(
        "DNS on `{listen}` would answer other machines with VIPs of {vips}, which no other machine can reach"
    );
    let hint = format!(
        "one machine, or a spoke on every host: listen = \"127.0.0.1:{}\" here; \
         a few hubs on a network of your own: a prefix routed to the hubs as names.vips",
        listen.socket_addr().port()
    );
    report.wrong_with_hint("dns.listen", message, hint);
}

/// Own traffic never loops: an address of the gateway itself is no VIP.
fn vips_hold_no_listener(settings: &Settings, report: &Report<'_>) {
    let vips = settings.names.vips;
    for (path, listen) in listeners(settings, report) {
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

/// Every TCP listener with its path in the file, but for those that are wrong already.
fn listeners(settings: &Settings, report: &Report<'_>) -> Vec<(String, Listen)> {
    let own = [("admin.listen", settings.admin.listen), ("dns.listen", settings.dns.listen)];
    let own = own.into_iter().map(|(path, listen)| (path.to_owned(), listen));
    let entrypoints = settings.entrypoints.iter().enumerate();
    own.chain(entrypoints.map(|(n, entrypoint)| (format!("entrypoint[{n}].listen"), entrypoint.listen)))
        .filter(|(path, _)| !report.is_wrong(path))
        .collect()
}
