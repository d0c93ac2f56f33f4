//! A named port of a job.

use serde::{Deserialize, Serialize};

use super::{OriginateTls, Protocol, ServiceError};
use crate::names::PortName;
use crate::serde_as_text;
use crate::word::words;

/// A named port of a job: `{"name":"main","port":1111,"protocol":"tcp"}`. Read from outside, the number is
/// never 0, and `proxy` and `tls` are only where they fit the protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawPort")]
pub struct Port {
    pub name: PortName,
    pub port: u16,
    pub protocol: Protocol,
    /// The PROXY header that instances get first on each connection, before any TLS: who the client is. Instances must
    /// expect it. Not for udp, which has no connection to begin, nor for http and grpc, where connections are shared
    /// by clients and a request's own headers say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyVersion>,
    /// TLS from the gateway to the instance. Not for udp, and not for tls, where the client has TLS with the instance
    /// already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<OriginateTls>,
    /// What is spoken to the instances; for http and grpc.
    #[serde(skip_serializing_if = "is_auto")]
    pub http: HttpVersion,
}

fn is_auto(version: &HttpVersion) -> bool {
    *version == HttpVersion::Auto
}

/// What is spoken to the instances of an HTTP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum HttpVersion {
    /// http: HTTP/1.1, and in TLS what the instance chooses (ALPN, RFC 7301). grpc: HTTP/2.
    #[default]
    Auto,
    /// HTTP/1.1.
    H1,
    /// HTTP/2 without TLS, known beforehand (RFC 9113, 3.3).
    H2c,
    /// HTTP/2 in TLS.
    H2,
}

words!(HttpVersion { Auto = "auto", H1 = "h1", H2c = "h2c", H2 = "h2" });
serde_as_text!(HttpVersion);

/// Which PROXY header: version 1 is text, version 2 is binary and names the JOBNAME too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyVersion {
    V1,
    V2,
}

words!(ProxyVersion { V1 = "v1", V2 = "v2" });
serde_as_text!(ProxyVersion);

impl Port {
    /// A port whose instances are dialled plainly.
    pub fn new(name: PortName, port: u16, protocol: Protocol) -> Self {
        Self { name, port, protocol, proxy: None, tls: None, http: HttpVersion::Auto }
    }

    fn validated(self) -> Result<Self, ServiceError> {
        if self.port == 0 {
            return Err(ServiceError::PortZero);
        }
        if self.proxy.is_some() {
            self.protocol.takes_proxy()?;
        }
        if self.tls.is_some() {
            self.protocol.takes_tls()?;
        }
        self.http.fits(self.protocol, self.tls.is_some())?;
        Ok(self)
    }
}

impl HttpVersion {
    /// Whether it can be spoken on such a port.
    pub(crate) fn fits(self, protocol: Protocol, tls: bool) -> Result<(), ServiceError> {
        match self {
            Self::Auto => Ok(()),
            _ if !protocol.is_http() => Err(ServiceError::HttpVersion { version: self, protocol }),
            Self::H1 if protocol == Protocol::Grpc => Err(ServiceError::GrpcOverH1),
            Self::H2c if tls => Err(ServiceError::H2cInTls),
            Self::H2 if !tls => Err(ServiceError::H2WithoutTls),
            Self::H1 | Self::H2c | Self::H2 => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct RawPort {
    name: PortName,
    port: u16,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    proxy: Option<ProxyVersion>,
    #[serde(default)]
    tls: Option<OriginateTls>,
    #[serde(default)]
    http: Option<HttpVersion>,
}

impl TryFrom<RawPort> for Port {
    type Error = ServiceError;

    fn try_from(raw: RawPort) -> Result<Self, Self::Error> {
        let RawPort { name, port, protocol, proxy, tls, http } = raw;
        Self { name, port, protocol, proxy, tls, http: http.unwrap_or_default() }.validated()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(fields: &str) -> String {
        let json = format!(r#"{{"name":"main","port":1111,{fields}}}"#);
        serde_json::from_str::<Port>(&json).unwrap_err().to_string()
    }

    #[test]
    fn the_shape_is_the_api_s() {
        let json = r#"{"name":"main","port":1111,"protocol":"tcp"}"#;
        let port: Port = serde_json::from_str(json).unwrap();
        assert_eq!(port, Port::new(PortName::main(), 1111, Protocol::Tcp));
        assert_eq!(serde_json::to_string(&port).unwrap(), json);
        let short: Port = serde_json::from_str(r#"{"name":"main","port":1111,"colour":"red"}"#).unwrap();
        assert_eq!(short, port);
        let null = r#"{"name":"main","port":1111,"proxy":null,"tls":null}"#;
        assert_eq!(serde_json::from_str::<Port>(null).unwrap(), port);
        let json = r#"{"name":"main","port":1111,"protocol":"tcp","proxy":"v2","tls":{"server_name":null,"ca":null,"certificate":null,"verify":true}}"#;
        let port: Port = serde_json::from_str(json).unwrap();
        assert_eq!((port.proxy, &port.tls), (Some(ProxyVersion::V2), &Some(OriginateTls::default())));
        assert_eq!(serde_json::to_string(&port).unwrap(), json);
    }

    #[test]
    fn port_0_is_refused() {
        let error = serde_json::from_str::<Port>(r#"{"name":"main","port":0}"#).unwrap_err();
        assert!(error.to_string().contains("write 1 to 65535"));
        assert!(serde_json::from_str::<Port>(r#"{"name":"main","port":65536}"#).is_err());
    }

    #[test]
    fn a_proxy_header_is_for_connections_of_one_client() {
        for protocol in ["udp", "http", "grpc"] {
            let error = refusal(&format!(r#""protocol":"{protocol}","proxy":"v1""#));
            let expected =
                format!("`proxy` does not go with {protocol}; leave it out, or write protocol tcp");
            assert!(error.contains(&expected), "{error}");
        }
        assert!(refusal(r#""proxy":"v3""#).contains("`v3` is unknown; write `v1` or `v2`"));
        let tls = r#"{"name":"main","port":1,"protocol":"tls","proxy":"v1"}"#;
        assert!(serde_json::from_str::<Port>(tls).is_ok());
    }

    #[test]
    fn a_version_of_http_fits_its_port() {
        assert!(refusal(r#""http":"h2c""#).contains("`http` does not go with tcp"));
        assert!(refusal(r#""protocol":"grpc","http":"h1""#).contains("gRPC is HTTP/2"));
        assert!(refusal(r#""protocol":"http","http":"h2""#).contains("\"h2c\""));
        assert!(refusal(r#""protocol":"http","http":"h2c","tls":{}"#).contains("\"h2\""));
        assert!(refusal(r#""protocol":"http","http":"h3""#).contains("`h3` is unknown"));
        let json = r#"{"name":"main","port":1,"protocol":"http","http":"h2c"}"#;
        let port: Port = serde_json::from_str(json).unwrap();
        assert_eq!(port.http, HttpVersion::H2c);
        assert_eq!(serde_json::to_string(&port).unwrap(), json);
    }

    #[test]
    fn tls_is_not_put_around_tls() {
        assert!(
            refusal(r#""protocol":"tls","tls":{}"#).contains("the client's own TLS reaches the instance")
        );
        assert!(refusal(r#""protocol":"udp","tls":{}"#).contains("`tls` runs over TCP"));
        for protocol in ["tcp", "http", "grpc"] {
            let json = format!(r#"{{"name":"main","port":1,"protocol":"{protocol}","tls":{{}}}}"#);
            assert!(serde_json::from_str::<Port>(&json).is_ok(), "{json}");
        }
    }
}
