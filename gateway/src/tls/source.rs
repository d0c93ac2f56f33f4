//! A certificate as it is configured, and the way from there to one that can be served.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::{certificates, provider, watch};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSource {
    /// Of the record; people find it by that.
    pub name: Box<str>,
    /// PEM, the leaf first, then its issuers.
    pub chain: Box<str>,
    pub key: KeySource,
}

/// Of the leaf: one private key in PEM, not encrypted.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    Pem(Box<str>),
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
// Nothing that was written is repeated: it may be a key.
pub enum SourceError {
    #[error("the chain is no PEM ({0}); write what stands from -----BEGIN to -----END, line breaks included")]
    Chain(pem::Error),
    #[error("the chain has no certificate; write the leaf first, then its issuers, in PEM")]
    Empty,
    #[error(
        "the chain's first certificate cannot be read ({0}); write an X.509 version 3 certificate in PEM"
    )]
    Leaf(webpki::Error),
    #[error("key file {file}: {source}; write a path that the gateway can read", file = .file.display())]
    File { file: PathBuf, source: io::Error },
    #[error("the key is encrypted; decrypt it first (`openssl pkey -in key.pem`)")]
    Encrypted,
    #[error(
        "the key is no private key in PEM; write what stands from -----BEGIN to -----END, line breaks included"
    )]
    Key,
    #[error("the key is of a kind that is not served ({0}); write an ECDSA, Ed25519 or RSA key")]
    Kind(Error),
    #[error(
        "the key does not fit the chain's first certificate; write the leaf first, and the key that it was issued for"
    )]
    Mismatch,
}

/// A source as it was read: with the key's text, wherever it came from.
pub(super) struct Text<'a> {
    chain: &'a str,
    key: Box<str>,
}

impl CertificateSource {
    /// Reads the key's file, if it has one.
    pub(super) fn text(&self) -> Result<Text<'_>, SourceError> {
        let key = match &self.key {
            KeySource::Pem(pem) => pem.clone(),
            KeySource::File(file) => read(file)?,
        };
        Ok(Text { chain: &self.chain, key })
    }
}

impl Text<'_> {
    /// Two of one content make one certificate.
    pub(super) fn content(&self) -> [u8; 32] {
        let mut content = Sha256::new();
        content.update((self.chain.len() as u64).to_be_bytes());
        content.update(self.chain);
        content.update(&*self.key);
        content.finalize().into()
    }

    pub(super) fn certified_key(&self) -> Result<CertifiedKey, SourceError> {
        let chain = certificates(self.chain).map_err(SourceError::Chain)?;
        let leaf = chain.first().ok_or(SourceError::Empty)?;
        webpki::EndEntityCert::try_from(leaf).map_err(SourceError::Leaf)?;
        if self.key.contains("ENCRYPTED") {
            return Err(SourceError::Encrypted);
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|_| SourceError::Key)?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => SourceError::Mismatch,
            error => SourceError::Kind(error),
        })
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Pem(_) => f.write_str("Pem(..)"),
            KeySource::File(file) => f.debug_tuple("File").field(file).finish(),
        }
    }
}

fn read(file: &Path) -> Result<Box<str>, SourceError> {
    let text = watch::read(file).map_err(|source| SourceError::File { file: file.to_owned(), source })?;
    Ok(text.into())
}
