//! `[[entrypoint]]`: listeners for domains and names.

use super::reader::Section;
use super::word::single_word;
use crate::names::PortName;
use crate::units::Listen;

/// A listener that routes by what the client asks for (Host), not by the address it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    /// One of a kind in the file.
    pub name: PortName,
    /// One of a kind in the file, but for port 0.
    pub listen: Listen,
    /// Default `http`.
    pub protocol: EntrypointProtocol,
}

/// What is spoken on an entrypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntrypointProtocol {
    #[default]
    Http,
}

single_word!(EntrypointProtocol::Http, "http", later: ["https", "tls", "tcp", "udp"]);

impl Entrypoint {
    /// Every entrypoint of the file; the default one if the file does not speak of entrypoints.
    pub(super) fn read_all(root: &Section<'_>) -> Vec<Self> {
        match root.sections("entrypoint") {
            Some(sections) => sections.iter().map(Self::read).collect(),
            None => vec![Self::default()],
        }
    }

    fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let entrypoint = Self {
            name: section.required("name", default.name),
            listen: section.required("listen", default.listen),
            protocol: section.parsed("protocol", default.protocol),
        };
        section.refuse_unknown();
        entrypoint
    }
}

impl Default for Entrypoint {
    /// `http` on `127.0.0.1:8080`: a port that needs no privilege.
    fn default() -> Self {
        Self { name: PortName::http(), listen: Listen::loopback(8080), protocol: EntrypointProtocol::Http }
    }
}
