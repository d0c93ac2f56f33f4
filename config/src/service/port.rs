//! A named port of a job.

use serde::{Deserialize, Serialize};

use super::{Protocol, ServiceError};
use crate::names::PortName;

/// A named port of a job: `{"name":"main","port":1111,"protocol":"tcp"}`. Read from outside, the number is
/// never 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawPort")]
pub struct Port {
    pub name: PortName,
    pub port: u16,
    pub protocol: Protocol,
}

#[derive(Deserialize)]
struct RawPort {
    name: PortName,
    port: u16,
    #[serde(default)]
    protocol: Protocol,
}

impl TryFrom<RawPort> for Port {
    type Error = ServiceError;

    fn try_from(raw: RawPort) -> Result<Self, Self::Error> {
        if raw.port == 0 {
            return Err(ServiceError::PortZero);
        }
        Ok(Self { name: raw.name, port: raw.port, protocol: raw.protocol })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_api_s() {
        let json = r#"{"name":"main","port":1111,"protocol":"tcp"}"#;
        let port: Port = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&port).unwrap(), json);
        let short: Port = serde_json::from_str(r#"{"name":"main","port":1111,"colour":"red"}"#).unwrap();
        assert_eq!(short, port);
    }

    #[test]
    fn port_0_is_refused() {
        let error = serde_json::from_str::<Port>(r#"{"name":"main","port":0}"#).unwrap_err();
        assert!(error.to_string().contains("write 1 to 65535"));
        assert!(serde_json::from_str::<Port>(r#"{"name":"main","port":65536}"#).is_err());
    }
}
