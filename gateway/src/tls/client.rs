//! TLS towards an instance.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};

use super::source::{CertificateSource, SourceError, Text};
use super::{CaError, VERSIONS, authorities, provider, watch};

/// How a job's instances are spoken to.
#[derive(Clone, Debug)]
pub struct Originate {
    /// That their certificate must have: a DNS name, sent as SNI, or an address.
    pub server_name: Box<str>,
    /// Who must have signed it.
    pub ca: Ca,
    /// What we show if they ask.
    pub identity: Option<CertificateSource>,
    /// `false`: whoever answers is believed. The connection is private, and nobody knows with whom.
    pub verify: bool,
    /// Protocols we offer, our favourite first.
    pub alpn: Vec<Box<[u8]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ca {
    /// This host's own trust store, read when a configuration is made; SSL_CERT_FILE and SSL_CERT_DIR replace it.
    System,
    Pem(Box<str>),
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum OriginateError {
    #[error(
        "server_name `{0}`: is neither a DNS name nor an address; write it as the instances' certificate has it"
    )]
    Name(Box<str>, InvalidDnsNameError),
    #[error("ca: {0}")]
    Ca(#[from] CaError),
    #[error("ca: {file}: {source}; write a path that the gateway can read", file = .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("ca: this host has no trusted authorities; install ca-certificates, or write the CA's PEM")]
    NoSystem,
    #[error("ca: {0}")]
    Verifier(#[from] VerifierBuilderError),
    #[error("identity: {0}")]
    Identity(#[from] SourceError),
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] Error),
}

/// Ready for [`super::connect`]. Those of one content share their configuration, and with it the sessions (256 server
/// names, in memory) that make the next handshake short.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

/// The configurations in use, by their content. Those that nobody uses any more are dropped at the next new one.
#[derive(Debug, Default)]
pub struct Originations {
    by_content: Mutex<HashMap<[u8; 32], Weak<ClientConfig>>>,
}

impl Originations {
    /// Reads the files that are named, so it is for the control plane.
    pub fn client(&self, originate: &Originate) -> Result<ClientTls, OriginateError> {
        let server_name = server_name(originate)?;
        let parts = Parts::read(originate)?;
        let content = parts.content();
        // Held while the configuration is made: the same one is not made twice.
        let mut by_content = self.by_content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = by_content.get(&content).and_then(Weak::upgrade) {
            return Ok(ClientTls { config, server_name });
        }
        let config = Arc::new(parts.config(&originate.server_name, VERSIONS)?);
        by_content.retain(|_, config| config.strong_count() > 0);
        by_content.insert(content, Arc::downgrade(&config));
        Ok(ClientTls { config, server_name })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_content.lock().unwrap().len()
    }
}

impl ClientTls {
    /// One that shares with nobody; see [`Originations::client`].
    pub fn new(originate: &Originate) -> Result<ClientTls, OriginateError> {
        let server_name = server_name(originate)?;
        let config = Parts::read(originate)?.config(&originate.server_name, VERSIONS)?;
        Ok(ClientTls { config: Arc::new(config), server_name })
    }

    #[cfg(test)]
    pub(super) fn of_version(
        originate: &Originate,
        version: &'static SupportedProtocolVersion,
    ) -> Result<ClientTls, OriginateError> {
        let config = Parts::read(originate)?.config(&originate.server_name, &[version])?;
        Ok(ClientTls { config: Arc::new(config), server_name: server_name(originate)? })
    }

    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }
}

fn server_name(originate: &Originate) -> Result<ServerName<'static>, OriginateError> {
    ServerName::try_from(originate.server_name.to_string())
        .map_err(|error| OriginateError::Name(originate.server_name.clone(), error))
}

/// What is read, before it is made into anything.
struct Parts<'a> {
    ca: Trust,
    identity: Option<Text<'a>>,
    alpn: &'a [Box<[u8]>],
}

enum Trust {
    Anybody,
    System,
    Authorities(Box<str>),
}

impl Parts<'_> {
    fn read(originate: &Originate) -> Result<Parts<'_>, OriginateError> {
        let ca = match &originate.ca {
            _ if !originate.verify => Trust::Anybody,
            Ca::System => Trust::System,
            Ca::Pem(pem) => Trust::Authorities(pem.clone()),
            Ca::File(file) => {
                let pem = watch::read(file)
                    .map_err(|source| OriginateError::File { file: file.clone(), source })?;
                Trust::Authorities(pem.into())
            }
        };
        let identity = originate.identity.as_ref().map(CertificateSource::text).transpose()?;
        Ok(Parts { ca, identity, alpn: &originate.alpn })
    }

    /// Without the server's name: rustls keeps sessions by name itself.
    fn content(&self) -> [u8; 32] {
        let (kind, ca) = match &self.ca {
            Trust::Anybody => (0, ""),
            Trust::System => (1, ""),
            Trust::Authorities(pem) => (2, &**pem),
        };
        let mut content = Sha256::new();
        content.update([kind, u8::from(self.identity.is_some())]);
        content.update((ca.len() as u64).to_be_bytes());
        content.update(ca);
        content.update(self.identity.as_ref().map(Text::content).unwrap_or_default());
        for protocol in self.alpn {
            content.update((protocol.len() as u64).to_be_bytes());
            content.update(protocol);
        }
        content.finalize().into()
    }

    fn config(
        &self,
        server: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ClientConfig, OriginateError> {
        let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let verifier: Arc<dyn ServerCertVerifier> = match &self.ca {
            Trust::Anybody => {
                tracing::warn!(server, "verify is off: whoever answers at an instance's address is believed");
                Arc::new(Anybody(provider()))
            }
            Trust::System => verifier(system()?)?,
            Trust::Authorities(pem) => verifier(authorities(pem)?)?,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()?)))
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

fn verifier(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, VerifierBuilderError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
}

/// A store may have certificates that cannot be read, and yet be of use.
fn system() -> Result<RootCertStore, OriginateError> {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "the host's trust store");
    }
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 { Err(OriginateError::NoSystem) } else { Ok(roots) }
}

/// Believes every certificate, and still asks for proof that its key is there: else not even a copy of the certificate
/// would be needed to pass for its owner.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
