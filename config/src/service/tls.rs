//! TLS from the gateway to an instance.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ServiceError;
use crate::names::{DomainName, Name};
use crate::units::is_absolute_file;

/// How the gateway speaks TLS to the instances of a port; `{}` is all defaults.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawTls")]
pub struct OriginateTls {
    /// The SNI, and the name that the instance's certificate must bear (RFC 9525); no wildcard. `null`: the job's name in
    /// the zone.
    pub server_name: Option<DomainName>,
    /// Who signs the instances' certificates. `null`: whom the system trusts.
    pub ca: Option<TrustedCa>,
    /// `certs/<name>`: what the gateway shows if an instance asks who it is. `null`: nothing.
    pub certificate: Option<Name>,
    /// Whether the certificate is looked at. Without that anybody on the way may be the instance; for tests.
    pub verify: bool,
}

/// Certificates of who signs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustedCa {
    /// PEM (RFC 7468) of certificates and of no key.
    Pem(Box<str>),
    /// A file on the gateway, by its absolute path.
    File(PathBuf),
}

impl OriginateTls {
    pub(crate) fn validated(self) -> Result<Self, ServiceError> {
        match self.server_name {
            Some(name) if name.is_wildcard() => Err(ServiceError::ServerName { name }),
            _ => Ok(self),
        }
    }
}

impl Default for OriginateTls {
    fn default() -> Self {
        Self { server_name: None, ca: None, certificate: None, verify: true }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct RawTls {
    server_name: Option<DomainName>,
    ca: Option<TrustedCa>,
    certificate: Option<Name>,
    verify: bool,
}

impl Default for RawTls {
    fn default() -> Self {
        let OriginateTls { server_name, ca, certificate, verify } = OriginateTls::default();
        Self { server_name, ca, certificate, verify }
    }
}

impl TryFrom<RawTls> for OriginateTls {
    type Error = ServiceError;

    fn try_from(raw: RawTls) -> Result<Self, Self::Error> {
        let RawTls { server_name, ca, certificate, verify } = raw;
        Self { server_name, ca, certificate, verify }.validated()
    }
}

impl TrustedCa {
    /// Nothing that was written is repeated in an error: it may be a key.
    pub fn pem(text: &str) -> Result<Self, ServiceError> {
        if text.contains("PRIVATE KEY") {
            return Err(ServiceError::KeyInCa);
        }
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(ServiceError::CaNoPem);
        }
        Ok(Self::Pem(text.into()))
    }

    pub fn file(path: PathBuf) -> Result<Self, ServiceError> {
        if is_absolute_file(&path) { Ok(Self::File(path)) } else { Err(ServiceError::CaPath) }
    }
}

/// A PEM is pages long and says nothing to the eye.
impl fmt::Debug for TrustedCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(_) => f.write_str("PEM"),
            Self::File(path) => path.fmt(f),
        }
    }
}

impl Serialize for TrustedCa {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pem(pem) => serializer.serialize_str(pem),
            Self::File(path) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("file", path)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for TrustedCa {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct File {
            file: PathBuf,
        }

        struct PemOrFile;

        impl<'de> Visitor<'de> for PemOrFile {
            type Value = TrustedCa;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("certificates in PEM, or {\"file\":\"/path\"}")
            }

            fn visit_str<E: Error>(self, pem: &str) -> Result<TrustedCa, E> {
                TrustedCa::pem(pem).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TrustedCa, A::Error> {
                let File { file } = File::deserialize(MapAccessDeserializer::new(map))?;
                TrustedCa::file(file).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(PemOrFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";

    #[test]
    fn the_shape_and_its_defaults_are_the_api_s() {
        let json = r#"{"server_name":null,"ca":null,"certificate":null,"verify":true}"#;
        assert_eq!(serde_json::to_string(&OriginateTls::default()).unwrap(), json);
        for text in [json, "{}", r#"{"from_the_future":1}"#] {
            assert_eq!(serde_json::from_str::<OriginateTls>(text).unwrap(), OriginateTls::default());
        }
        let json = r#"{"server_name":"db.internal","ca":{"file":"/etc/tls/ca.pem"},"certificate":"hub","verify":false}"#;
        let tls: OriginateTls = serde_json::from_str(json).unwrap();
        assert_eq!(tls.ca, Some(TrustedCa::File("/etc/tls/ca.pem".into())));
        assert_eq!(serde_json::to_string(&tls).unwrap(), json);
        let pem = serde_json::json!({ "ca": PEM });
        let tls: OriginateTls = serde_json::from_value(pem).unwrap();
        assert_eq!(tls.ca, Some(TrustedCa::Pem(PEM.into())));
        assert_eq!(serde_json::to_value(&tls).unwrap()["ca"], PEM);
        assert!(!format!("{tls:?}").contains("MAMC"));
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refused = |json: serde_json::Value| {
            let error = serde_json::from_value::<OriginateTls>(json).unwrap_err().to_string();
            assert!(!error.contains("MAMC"), "{error}");
            error
        };
        let refused = |key: &str, value: serde_json::Value| refused(serde_json::json!({ key: value }));
        assert!(refused("server_name", "*.db.internal".into()).contains("write the one name"));
        assert!(refused("server_name", "10.0.0.7".into()).contains("is an IP address"));
        assert!(
            refused("ca", "ca.pem".into()).contains("write what stands from -----BEGIN CERTIFICATE-----")
        );
        let key = format!("{PEM}{}", PEM.replace("CERTIFICATE", "PRIVATE KEY"));
        assert!(refused("ca", key.into()).contains("`ca` has a private key"));
        assert!(refused("ca", serde_json::json!({ "file": "ca.pem" })).contains("no absolute path"));
        assert!(refused("ca", 7.into()).contains("or {\"file\":\"/path\"}"));
        assert!(refused("certificate", "Hub".into()).contains("is no name"));
    }
}
