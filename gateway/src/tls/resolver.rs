//! Which certificate a handshake gets: that of the name the client asks for, in the set of now.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::store::Certificates;

/// A name that nobody has gets none, and rustls then sends access_denied; [`super::Hello::finish`] looks before, and
/// sends unrecognized_name (RFC 6066, 3).
#[derive(Debug)]
pub struct ByName {
    certificates: Arc<ArcSwap<Certificates>>,
}

impl ByName {
    pub fn new(certificates: Arc<ArcSwap<Certificates>>) -> ByName {
        ByName { certificates }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.certificates.load();
        let served = match hello.server_name() {
            Some(name) => certificates.by_name(name),
            None => certificates.first(),
        };
        served.map(|served| Arc::clone(served.key()))
    }
}
