//! TLS at entrypoints (termination) and towards instances (origination): 1.2 and 1.3, rustls over aws-lc-rs.
//!
//! ```text
//! sources ─build─► Certificates ─ArcSwap─► by name ─┐
//!                                                   ├─► ServerTls, one an entrypoint ─► hello ─► finish
//! client CA, ALPN ──────────────────────────────────┘
//! Originate ─► ClientTls, one a content ─► connect
//! ```
//!
//! A set of certificates never changes; the control plane builds another and swaps it in. Handshakes that begin then
//! see the new set; connections keep what they have. A bad certificate never takes a good one down. What a handshake
//! costs is bounded by a deadline, and a peer that is refused gets the alert that says why.

mod chain;
mod client;
mod error;
mod facts;
mod first;
pub mod hello;
mod identity;
mod origins;
mod resolver;
mod self_signed;
mod server;
mod session;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

pub use chain::{ChainError, inspect};
pub use client::{Ca, ClientTls, Originate, OriginateError, Originations};
pub use error::TlsError;
pub use facts::{Facts, Fingerprint};
pub use identity::peer_jobname;
pub use origins::{Alpn, Origins};
pub use resolver::ByName;
pub use self_signed::{SelfSigned, self_signed};
pub use server::{ServerTls, ServerTlsError};
pub use session::{Hello, accept, connect, hello};
pub use source::{CertificateSource, KeySource, SourceError};
pub use store::{Certificates, Former, Refused, Served};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, SupportedProtocolVersion};
pub use watch::WatchedFile;

const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Named wherever a configuration is made: a process-wide default would be another crate's to set.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}

#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error(
        "is no PEM of certificates ({0}); write what stands from -----BEGIN to -----END, line breaks included"
    )]
    Pem(pem::Error),
    #[error("certificate {0} cannot sign others ({1}); write those of the authorities, not of their clients")]
    Unfit(usize, tokio_rustls::rustls::Error),
    #[error("has no certificate; write that of at least one authority, in PEM")]
    Empty,
}

fn authorities(pem: &str) -> Result<RootCertStore, CaError> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in certificates(pem).map_err(CaError::Pem)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| CaError::Unfit(i + 1, error))?;
    }
    if roots.is_empty() { Err(CaError::Empty) } else { Ok(roots) }
}
