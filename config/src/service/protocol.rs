//! What is spoken on a port.

use std::fmt;
use std::str::FromStr;

use super::ServiceError;
use crate::serde_as_text;
use crate::text::quoted;

/// What is spoken on a port. Where nothing is said it is TCP: bytes both ways fit everything but UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Http,
    Grpc,
    Tls,
}

impl Protocol {
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Http, Self::Grpc, Self::Tls];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tls => "tls",
        }
    }

    /// Whether it is served request by request.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Grpc)
    }

    /// Whether each connection is one client's, so that a PROXY header can begin it.
    pub(crate) fn takes_proxy(self) -> Result<(), ServiceError> {
        match self {
            Self::Tcp | Self::Tls => Ok(()),
            Self::Udp | Self::Http | Self::Grpc => Err(ServiceError::Proxy { protocol: self }),
        }
    }

    /// Whether the gateway can put TLS around it.
    pub(crate) fn takes_tls(self) -> Result<(), ServiceError> {
        match self {
            Self::Tcp | Self::Http | Self::Grpc => Ok(()),
            Self::Tls => Err(ServiceError::TlsTwice),
            Self::Udp => Err(ServiceError::TlsOverUdp),
        }
    }
}

impl FromStr for Protocol {
    type Err = ServiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|protocol| protocol.as_str() == text);
        found.ok_or_else(|| ServiceError::Protocol { text: quoted(text) })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(Protocol);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_round_trips() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
            let json = serde_json::to_string(&protocol).unwrap();
            assert_eq!(serde_json::from_str::<Protocol>(&json).unwrap(), protocol);
        }
        assert!(Protocol::Http.is_http() && Protocol::Grpc.is_http() && !Protocol::Tcp.is_http());
        assert_eq!(Protocol::default(), Protocol::Tcp);
    }

    #[test]
    fn an_unknown_protocol_is_told_the_known_ones() {
        let error = "quic".parse::<Protocol>().unwrap_err();
        assert_eq!(error.to_string(), "unknown protocol `quic`; write tcp, udp, http, grpc or tls");
    }
}
