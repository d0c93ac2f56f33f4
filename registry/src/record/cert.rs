//! `certs/<name>`: a certificate chain and its private key.
//!
//! The key goes to hubs and admins only. Everybody else gets the [redacted](Cert::redacted) record, in which the key is
//! `null`; it is a record like any other, so that a reader of the API needs no second type.

use std::fmt;
use std::path::{Path, PathBuf};

use roundhouse_config::units::is_absolute_file;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, ValueError};

/// Real chains have two or three.
const MAX_CHAIN: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cert {
    pub chain: Chain,
    #[serde(default)]
    pub key: CertKey,
}

/// The leaf first, then its issuers: PEM (RFC 7468) of certificates and of nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    pem: Box<str>,
    fingerprints: Box<[Digest]>,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub enum CertKey {
    /// The reader may not see it.
    #[default]
    Withheld,
    /// One private key in PEM, not encrypted.
    Pem(Box<str>),
    /// A file on the gateway, so that the key is not in the registry.
    File(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
// Nothing that was written is repeated: it may be a key.
pub enum CertError {
    #[error("is no PEM; write what stands from -----BEGIN to -----END, line breaks included")]
    NoPem,
    #[error("has a private key among the certificates; write it in `key`")]
    KeyInChain,
    #[error("{0} certificates; write 1 to {MAX_CHAIN}, the leaf first")]
    Count(usize),
    #[error("is an encrypted private key; decrypt it first (`openssl pkey -in key.pem`)")]
    Encrypted,
    #[error("{0} private keys; write the one of the leaf, in PEM, or {{\"file\":\"/path\"}}")]
    Keys(usize),
    #[error("is no absolute path; write it as the gateway sees it, as in {{\"file\":\"/etc/tls/key.pem\"}}")]
    Path,
}

impl Cert {
    /// What a reader may see who may not see keys.
    #[must_use]
    pub fn redacted(&self) -> Cert {
        Cert { chain: self.chain.clone(), key: CertKey::Withheld }
    }

    /// A redacted record is right to read, not to serve.
    pub fn validate(&self) -> Result<(), ValueError> {
        Ok(())
    }

    /// What a writer must bring: a redacted record that is written back would lose the key.
    pub fn validate_complete(&self) -> Result<(), ValueError> {
        match self.key {
            CertKey::Withheld => {
                Err(ValueError::field("key", "is missing; write its PEM or {\"file\":\"/path\"}"))
            }
            CertKey::Pem(_) | CertKey::File(_) => Ok(()),
        }
    }
}

impl Chain {
    pub fn new(pem: &str) -> Result<Chain, CertError> {
        if pem.contains("PRIVATE KEY") {
            return Err(CertError::KeyInChain);
        }
        let mut fingerprints = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| CertError::NoPem)?;
            // A certificate is an ASN.1 SEQUENCE (RFC 5280, 4.1).
            if certificate.first() != Some(&0x30) {
                return Err(CertError::NoPem);
            }
            fingerprints.push(Digest::of(&certificate));
        }
        match fingerprints.len() {
            1..=MAX_CHAIN => Ok(Chain { pem: pem.into(), fingerprints: fingerprints.into() }),
            0 if !pem.contains("-----BEGIN") => Err(CertError::NoPem),
            count => Err(CertError::Count(count)),
        }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of each certificate, as `openssl x509 -fingerprint -sha256` has it without the colons.
    pub fn fingerprints(&self) -> &[Digest] {
        &self.fingerprints
    }
}

impl CertKey {
    pub fn pem(pem: &str) -> Result<CertKey, CertError> {
        if pem.contains("ENCRYPTED") {
            return Err(CertError::Encrypted);
        }
        let keys: Result<Vec<PrivateKeyDer<'_>>, _> = PrivateKeyDer::pem_slice_iter(pem.as_bytes()).collect();
        match keys.map_err(|_| CertError::NoPem)?.len() {
            1 => Ok(CertKey::Pem(pem.into())),
            0 if !pem.contains("-----BEGIN") => Err(CertError::NoPem),
            count => Err(CertError::Keys(count)),
        }
    }

    pub fn file(path: &Path) -> Result<CertKey, CertError> {
        if !is_absolute_file(path) {
            return Err(CertError::Path);
        }
        Ok(CertKey::File(path.to_owned()))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.fingerprints).finish()
    }
}

/// Never the key.
impl fmt::Debug for CertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertKey::Withheld => f.write_str("withheld"),
            CertKey::Pem(_) => f.write_str("PEM"),
            CertKey::File(path) => path.fmt(f),
        }
    }
}

/// As it is stored: with the key. The fingerprints are for readers, and are computed again when it is read.
impl Serialize for Cert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Cert", 3)?;
        record.serialize_field("chain", &self.chain.pem)?;
        record.serialize_field("key", &self.key)?;
        record.serialize_field("fingerprints", &self.chain.fingerprints)?;
        record.end()
    }
}

impl Serialize for CertKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            CertKey::Withheld => serializer.serialize_unit(),
            CertKey::Pem(pem) => serializer.serialize_str(pem),
            CertKey::File(path) => {
                let mut file = serializer.serialize_struct("File", 1)?;
                file.serialize_field("file", path)?;
                file.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Chain, D::Error> {
        struct Pem;

        impl Visitor<'_> for Pem {
            type Value = Chain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the certificates in PEM")
            }

            fn visit_str<E: Error>(self, pem: &str) -> Result<Chain, E> {
                Chain::new(pem).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Pem)
    }
}

impl<'de> Deserialize<'de> for CertKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CertKey, D::Error> {
        #[derive(Deserialize)]
        struct File {
            file: PathBuf,
        }

        struct PemOrFile;

        impl<'de> Visitor<'de> for PemOrFile {
            type Value = CertKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the private key in PEM, or {\"file\":\"/path\"}")
            }

            fn visit_unit<E: Error>(self) -> Result<CertKey, E> {
                Ok(CertKey::Withheld)
            }

            fn visit_str<E: Error>(self, pem: &str) -> Result<CertKey, E> {
                CertKey::pem(pem).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CertKey, A::Error> {
                let File { file } = File::deserialize(MapAccessDeserializer::new(map))?;
                CertKey::file(&file).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(PemOrFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{decode, encode};

    /// As far as a record looks into it, this is one: an ASN.1 SEQUENCE.
    const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n";

    fn cert(chain: &str, key: impl Into<serde_json::Value>) -> Result<Cert, ValueError> {
        let key = key.into();
        decode(&serde_json::to_vec(&serde_json::json!({ "chain": chain, "key": key })).unwrap())
    }

    #[test]
    fn keys_are_pem_or_a_file_and_come_back() {
        for (key, expected) in [
            (KEY.into(), CertKey::Pem(KEY.into())),
            (serde_json::json!({ "file": "/etc/tls/key.pem" }), CertKey::File("/etc/tls/key.pem".into())),
            (serde_json::Value::Null, CertKey::Withheld),
        ] {
            let cert = cert(&CHAIN.repeat(2), key).unwrap();
            assert_eq!(cert.key, expected);
            assert_eq!(cert.chain.fingerprints(), [Digest::of(&[0x30, 3, 2, 1, 0]); 2]);
            assert_eq!(decode::<Cert>(&encode(&cert)).unwrap(), cert);
            assert_eq!(cert.validate_complete().is_ok(), expected != CertKey::Withheld);
        }
    }

    #[test]
    fn a_redacted_record_has_fingerprints_and_no_key() {
        let cert = cert(CHAIN, KEY).unwrap();
        let text = String::from_utf8(encode(&cert.redacted()).to_vec()).unwrap();
        assert!(
            !text.contains("PRIVATE") && text.contains(&cert.chain.fingerprints()[0].to_string()),
            "{text}"
        );
        assert!(text.contains("\"key\":null"), "{text}");
        assert!(!format!("{cert:?}").contains("BEGIN"));
    }

    #[test]
    fn refusals_say_what_to_write_and_repeat_nothing() {
        let refused = |chain: &str, key: serde_json::Value| {
            let error = cert(chain, key).unwrap_err().to_string();
            assert!(!error.contains("MAMC"), "{error}");
            error
        };
        assert!(refused("blog", KEY.into()).contains("chain: is no PEM; write what stands from -----BEGIN"));
        assert!(refused("", KEY.into()).contains("chain: is no PEM"));
        assert!(refused(&format!("{CHAIN}{KEY}"), KEY.into()).contains("write it in `key`"));
        assert!(refused(&CHAIN.repeat(17), KEY.into()).contains("chain: 17 certificates; write 1 to 16"));
        assert!(refused(&CHAIN.replace("MAMC", "AAAA"), KEY.into()).contains("chain: is no PEM"));
        assert!(refused(CHAIN, CHAIN.into()).contains("key: 0 private keys"));
        assert!(refused(CHAIN, KEY.repeat(2).into()).contains("key: 2 private keys"));
        let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
        assert!(refused(CHAIN, encrypted.into()).contains("decrypt it first"));
        assert!(refused(CHAIN, serde_json::json!({ "file": "key.pem" })).contains("no absolute path"));
        assert!(refused(CHAIN, 7.into()).contains("or {\"file\":\"/path\"}"));
    }
}
