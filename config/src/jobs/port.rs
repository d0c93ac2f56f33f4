//! The ports of a job: `port` and what stands beside it, or any number of `ports`.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::fields::Fields;
use super::tls;
use crate::names::PortName;
use crate::service::{HttpVersion, Port, Protocol};
use crate::text::quoted;

/// Every port of a job, with its path.
pub(super) fn read_all(job: &Fields<'_>) -> Vec<(Port, String)> {
    if !job.has("port") && !job.has("ports") {
        let name = job.text("name").map(|name| format!("job `{}` ", quoted(name))).unwrap_or_default();
        let message = format!("{name}has no port, so nobody can dial it");
        job.report.wrong_with_hint(&job.path_of("port"), message, "write port: \"8080\"");
    }
    if !job.has("port") {
        for field in ["protocol", "proxy", "tls", "http"].into_iter().filter(|field| job.has(field)) {
            job.wrong(field, "belongs to `port`, which is not here; write it inside `ports`");
        }
    }
    let mut seen: BTreeMap<PortName, String> = BTreeMap::new();
    let mut ports = Vec::new();
    for (port, path) in main(job).into_iter().chain(job.messages("ports").iter().filter_map(named)) {
        if let Some(earlier) = seen.get(&port.name) {
            let first = job.report.reference(earlier);
            let message = format!("there is a port `{}` already, at {first}", port.name);
            job.report.wrong_with_hint(&path, message, "give one of them another name");
        }
        seen.entry(port.name.clone()).or_insert_with(|| path.clone());
        ports.push((port, path));
    }
    ports
}

/// Reads the number of a port that can be dialled.
pub(super) fn number(text: &str) -> Result<u16, String> {
    // `u16::from_str` takes a leading `+`, which nobody writes.
    let number = text.parse::<u16>().ok().filter(|number| *number > 0 && !text.starts_with('+'));
    number.ok_or_else(|| format!("`{}` is no port; write \"1\" to \"65535\"", quoted(text)))
}

fn main(job: &Fields<'_>) -> Option<(Port, String)> {
    let port = read(job, Some(PortName::main()), job.read("port", number))?;
    Some((port, job.path_of("port")))
}

fn named(fields: &Fields<'_>) -> Option<(Port, String)> {
    let name = fields.required("name", "admin", PortName::from_str);
    let port = read(fields, name, fields.required("port", "8080", number))?;
    Some((port, fields.path().to_owned()))
}

/// What is spoken on a port and how its instances are dialled, whether or not its name and number are right.
fn read(fields: &Fields<'_>, name: Option<PortName>, number: Option<u16>) -> Option<Port> {
    let protocol = fields.parsed::<Protocol>("protocol").unwrap_or_default();
    let proxy = fields.parsed("proxy");
    let tls = fields.message("tls").map(|fields| tls::read(&fields));
    let http = fields.parsed::<HttpVersion>("http").unwrap_or_default();
    // A stand-in for a wrong protocol is no ground for more problems.
    if !fields.report.is_wrong(&fields.path_of("protocol")) {
        let misfits = [
            ("proxy", proxy.is_some().then(|| protocol.takes_proxy())),
            ("tls", tls.is_some().then(|| protocol.takes_tls())),
            ("http", Some(http.fits(protocol, tls.is_some()))),
        ];
        for (field, misfit) in misfits {
            if let Some(Err(error)) = misfit {
                fields.wrong(field, error.to_string());
            }
        }
    }
    Some(Port { proxy, tls, http, ..Port::new(name?, number?, protocol) })
}
