//! Entrypoints: what whoever wrote one would want to know of its name, its address and its job.

use roundhouse_config::{EntrypointProtocol, PortName, Protocol};
use roundhouse_registry::record::{Entrypoint, Key};

use super::{Site, Writable};

impl Writable for Entrypoint {
    fn key(name: &PortName) -> Key {
        Key::Entrypoint(name.clone())
    }

    fn warnings(&self, name: &PortName, site: &Site<'_>) -> Vec<String> {
        let in_the_way = file_has_name(name, site).or_else(|| address_is_taken(self, name, site));
        in_the_way.into_iter().chain(misses_port(self, site)).collect()
    }
}

/// The file is about this gateway, the record about all of them, so the file's is served.
fn file_has_name(name: &PortName, site: &Site<'_>) -> Option<String> {
    let has = site.file_entrypoints.iter().any(|named| named.name == *name);
    has.then(|| {
        format!(
            "the file of this gateway has an entrypoint `{name}` of its own, which is served instead; choose another name"
        )
    })
}

/// Of two records on one address the first by name is served, and the file's before both.
fn address_is_taken(entrypoint: &Entrypoint, name: &PortName, site: &Site<'_>) -> Option<String> {
    let is_udp = |entrypoint: &Entrypoint| entrypoint.protocol == EntrypointProtocol::Udp;
    let same = |other: &Entrypoint| other.listen == entrypoint.listen && is_udp(other) == is_udp(entrypoint);
    let listen = entrypoint.listen;
    let file = site.file_entrypoints.iter().find(|named| same(&named.entrypoint));
    if let Some(named) = file {
        return Some(format!(
            "`{listen}` is taken by entrypoint `{}` of this gateway's file; give it another port",
            named.name
        ));
    }
    let others = site.snapshot.entrypoints.iter().filter(|(other, _)| *other != name);
    let (other, _) = others.into_iter().find(|(_, record)| same(&record.value))?;
    Some(match other < name {
        true => format!("`{listen}` is taken by entrypoint `{other}`; give it another port"),
        false => format!(
            "`{listen}` is entrypoint `{other}`'s too, which is no longer served; give one another port"
        ),
    })
}

fn misses_port(entrypoint: &Entrypoint, site: &Site<'_>) -> Option<String> {
    let job = entrypoint.job.as_ref()?;
    if let Some(lacks) = site.lacks_port(job, entrypoint.port.as_ref()) {
        return Some(lacks);
    }
    let record = site.snapshot.jobs.get(job)?;
    let protocol = entrypoint.protocol;
    match &entrypoint.port {
        Some(name) => {
            let port = record.value.port(name).filter(|port| !carries(entrypoint, port.protocol))?;
            Some(format!(
                "port `{name}` of job `{job}` is {}, which does not go with an entrypoint of {}",
                port.protocol,
                described(entrypoint)
            ))
        }
        None => {
            let fits = record.value.ports.iter().any(|port| carries(entrypoint, port.protocol));
            (!fits).then(|| match protocol {
                EntrypointProtocol::Udp => format!("job `{job}` has no udp port yet"),
                _ => format!(
                    "job `{job}` has no port yet that goes with an entrypoint of {}",
                    described(entrypoint)
                ),
            })
        }
    }
}

fn described(entrypoint: &Entrypoint) -> String {
    match entrypoint.terminate {
        true => format!("{} that ends it", entrypoint.protocol),
        false => entrypoint.protocol.to_string(),
    }
}

/// Whether what comes out of the entrypoint is what such a port takes (see
/// [`PortEntry::takes_tls`](crate::table::PortEntry::takes_tls)).
fn carries(entrypoint: &Entrypoint, port: Protocol) -> bool {
    // The client's own TLS is still around it.
    let sealed = entrypoint.protocol == EntrypointProtocol::Tls && !entrypoint.terminate;
    match (entrypoint.protocol, port) {
        (EntrypointProtocol::Udp, port) => port == Protocol::Udp,
        (_, Protocol::Udp) => false,
        (_, Protocol::Tcp) => true,
        // Bytes are bytes to whoever named the port.
        (EntrypointProtocol::Tcp, Protocol::Tls) => entrypoint.port.is_some(),
        (_, Protocol::Tls) => sealed,
        (_, Protocol::Http | Protocol::Grpc) => !sealed,
    }
}
