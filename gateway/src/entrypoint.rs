//! An entrypoint that is served: its settings, and what its connections have in common.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use roundhouse_config::{Entrypoint as Settings, EntrypointProtocol, PortName};

use crate::capacity::Capacity;
use crate::tls::{Certificates, ServerTls};

#[derive(Debug)]
pub struct Entrypoint {
    pub name: PortName,
    pub settings: Settings,
    /// Where TLS ends here.
    pub tls: Option<ServerTls>,
    /// Survives every change of the settings.
    pub capacity: Arc<Capacity>,
}

impl Entrypoint {
    /// `client_ca` is what the file of that name holds. The error says what is wrong with it.
    pub fn new(
        name: PortName,
        settings: Settings,
        capacity: Arc<Capacity>,
        certificates: &Arc<ArcSwap<Certificates>>,
        client_ca: Option<&str>,
    ) -> Result<Entrypoint, String> {
        let tls = settings.ends_tls().then(|| tls(&settings, certificates, client_ca)).transpose()?;
        Ok(Entrypoint { name, settings, tls, capacity })
    }

    /// Whether a connection leads somewhere before it says anything.
    pub fn asks_nothing(&self) -> bool {
        let by_itself = matches!(self.settings.protocol, EntrypointProtocol::Http | EntrypointProtocol::Tcp);
        by_itself && self.settings.trust_proxy.is_empty()
    }

    /// Whether a peer must begin with a PROXY header (and all others must not).
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.settings.trust_proxy.iter().any(|network| network.contains(peer))
    }

    /// Whether what a peer says of its client in a request is believed.
    pub fn trusts_forwarded(&self, peer: IpAddr) -> bool {
        self.settings.trust_forwarded.iter().any(|network| network.contains(peer))
    }
}

fn tls(
    settings: &Settings,
    certificates: &Arc<ArcSwap<Certificates>>,
    client_ca: Option<&str>,
) -> Result<ServerTls, String> {
    // What is inside another TLS is the client's and the instance's.
    let alpn: &[&[u8]] = match settings.protocol {
        EntrypointProtocol::Https => &[b"h2", b"http/1.1"],
        _ => &[],
    };
    ServerTls::new(certificates.clone(), client_ca, alpn).map_err(|error| error.to_string())
}
