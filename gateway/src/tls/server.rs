//! TLS of an entrypoint.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls::crypto::aws_lc_rs::Ticketer;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, ServerConfig};

use super::resolver::ByName;
use super::store::Certificates;
use super::{CaError, VERSIONS, authorities, provider};

/// One an entrypoint, shared by its workers: a client that comes back finds its session on any of them.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    certificates: Arc<ArcSwap<Certificates>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    #[error("client CA: {0}")]
    Ca(#[from] CaError),
    #[error("client CA: {0}")]
    Verifier(#[from] VerifierBuilderError),
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] Error),
}

impl ServerTls {
    /// With a client CA, a client must show a certificate of it. The first protocol of `alpn` that a client offers too is
    /// spoken; a client that offers only others is refused (RFC 7301, 3.2), one that offers none is not.
    ///
    /// Sessions are resumed by tickets, and nothing of them is kept here. Their keys are random, rotate (6 h, twice that
    /// for the oldest ticket) and belong to this value: no session of another entrypoint, or of another client CA, is
    /// resumed, which would go around its certificate check.
    pub fn new(
        certificates: Arc<ArcSwap<Certificates>>,
        client_ca_pem: Option<&str>,
        alpn: &[&[u8]],
    ) -> Result<ServerTls, ServerTlsError> {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(VERSIONS)?;
        let mut config = builder
            .with_client_cert_verifier(verifier(client_ca_pem)?)
            .with_cert_resolver(Arc::new(ByName::new(Arc::clone(&certificates))));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config.ticketer = Ticketer::new()?;
        // Sessions without a ticket would be kept here, and no other gateway would know them.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // Early data can be replayed (RFC 8446, 8).
        config.max_early_data_size = 0;
        Ok(ServerTls { config: Arc::new(config), certificates })
    }

    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    pub(super) fn certificates(&self) -> &ArcSwap<Certificates> {
        &self.certificates
    }
}

fn verifier(client_ca_pem: Option<&str>) -> Result<Arc<dyn ClientCertVerifier>, ServerTlsError> {
    let Some(pem) = client_ca_pem else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    let roots = Arc::new(authorities(pem)?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?)
}
