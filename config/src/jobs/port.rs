//! The ports of a job: `port` and `protocol`, or any number of `ports`.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::fields::Fields;
use crate::names::PortName;
use crate::service::{Port, Protocol};
use crate::text::quoted;

/// Every port of a job, with its path.
pub(super) fn read_all(job: &Fields<'_>) -> Vec<(Port, String)> {
    if !job.has("port") && !job.has("ports") {
        let name = job.text("name").map(|name| format!("job `{}` ", quoted(name))).unwrap_or_default();
        let message = format!("{name}has no port, so nobody can dial it");
        job.report.wrong_with_hint(&job.path_of("port"), message, "write port: \"8080\"");
    }
    if job.has("protocol") && !job.has("port") {
        job.wrong("protocol", "belongs to `port`, which is not here; write it inside `ports`");
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
    let port = job.read("port", number);
    let protocol = job.parsed::<Protocol>("protocol").unwrap_or_default();
    Some((Port::new(PortName::main(), port?, protocol), job.path_of("port")))
}

fn named(fields: &Fields<'_>) -> Option<(Port, String)> {
    let name = fields.required("name", "admin", PortName::from_str);
    let port = fields.required("port", "8080", number);
    let protocol = fields.parsed::<Protocol>("protocol").unwrap_or_default();
    Some((Port::new(name?, port?, protocol), fields.path().to_owned()))
}
