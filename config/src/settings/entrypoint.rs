//! `[[entrypoint]]`: listeners for domains and names, and for single jobs.

use std::path::Path;
use std::str::FromStr;

use super::limits::Limits;
use super::reader::Section;
use crate::entrypoint::{Entrypoint, EntrypointProtocol};
use crate::names::{Label, PortName};
use crate::units::{Listen, Network};

/// An entrypoint of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEntrypoint {
    /// One of a kind in the file.
    pub name: PortName,
    /// Its `listen` is one of a kind in the file among those of TCP and among those of UDP, but for port 0.
    pub entrypoint: Entrypoint,
}

impl NamedEntrypoint {
    /// Every entrypoint of the file; the default one if the file does not speak of entrypoints.
    pub(super) fn read_all(root: &Section<'_>, base: &Path) -> Vec<Self> {
        match root.sections("entrypoint") {
            Some(sections) => sections.iter().map(|section| Self::read(section, base)).collect(),
            None => vec![Self::default()],
        }
    }

    fn read(section: &Section<'_>, base: &Path) -> Self {
        let Self { name, entrypoint: default } = Self::default();
        let name = section.required("name", name);
        let truth = |key| section.truth(key, true).unwrap_or_default();
        let connections = |key| section.optional_count(key, 1_000, Limits::CONNECTIONS);
        let entrypoint = Entrypoint {
            listen: section.required("listen", default.listen),
            protocol: section.parsed("protocol", default.protocol),
            job: section.scalar("job", "\"redis\"", Label::from_str),
            port: section.scalar("port", "\"main\"", PortName::from_str),
            terminate: truth("terminate"),
            trust_proxy: section.strings("trust_proxy", "[\"10.0.0.0/8\"]", Network::from_str),
            trust_forwarded: section.strings("trust_forwarded", "[\"10.0.0.0/8\"]", Network::from_str),
            connections: connections("connections"),
            connections_per_client: connections("connections_per_client"),
            client_ca: section.file("client_ca", "\"clients-ca.pem\"").map(|file| base.join(file)),
            fast_open: truth("fast_open"),
            defer_accept: truth("defer_accept"),
        };
        section.refuse_unknown();
        note_contradictions(section, &entrypoint);
        Self { name, entrypoint }
    }
}

impl Default for NamedEntrypoint {
    /// `http` on `127.0.0.1:8080`: a port that needs no privilege.
    fn default() -> Self {
        let entrypoint = Entrypoint::new(Listen::loopback(8080), EntrypointProtocol::Http);
        Self { name: PortName::http(), entrypoint }
    }
}

/// A stand-in for a wrong value is no ground for more problems: not where a rule is about it, and nowhere if it is one
/// of those that decide what the others may be.
fn note_contradictions(section: &Section<'_>, entrypoint: &Entrypoint) {
    if ["protocol", "job", "terminate"].iter().any(|key| section.is_wrong_at(key)) {
        return;
    }
    for (field, message) in entrypoint.contradictions() {
        if !section.is_wrong_at(field) {
            section.wrong(field, message);
        }
    }
}
