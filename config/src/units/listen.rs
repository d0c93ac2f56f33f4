//! Where to listen.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::serde_as_text;
use crate::text::quoted;

/// An address and port to listen on: `127.0.0.1:80`, `[::1]:80`, or `:80` for all addresses, which is
/// `[::]:80` (on Linux a socket on `::` takes IPv4 as well). Port 0 lets the kernel choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen(SocketAddr);

/// What is wrong with a listen address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    #[error("listen address `{text}` has no port; write `{text}:80`")]
    NoPort { text: String },

    #[error(
        "listen address `{text}` is a port alone; write `:{text}` for all addresses or `127.0.0.1:{text}`"
    )]
    PortAlone { text: String },

    #[error("listen address `{text}` is an IPv6 address without brackets; write `[{text}]:80`")]
    NoBrackets { text: String },

    #[error("listen address `{text}` has the port `{port}`; write 0 to 65535")]
    BadPort { text: String, port: String },

    #[error("listen address `{text}` is a host name; write an address, such as `127.0.0.1:{port}`")]
    HostName { text: String, port: u16 },
}

impl Listen {
    /// Port `port` of 127.0.0.1.
    pub const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self(address));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(ListenError::NoBrackets { text: quoted(text) });
        }
        if text.parse::<u16>().is_ok() {
            return Err(ListenError::PortAlone { text: quoted(text) });
        }
        let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else {
            return Err(ListenError::NoPort { text: quoted(text) });
        };
        // `u16::from_str` takes a leading `+`, which nobody writes in an address.
        let number = port.parse::<u16>().ok().filter(|_| !port.starts_with('+'));
        match number {
            None => Err(ListenError::BadPort { text: quoted(text), port: quoted(port) }),
            Some(port) if host.is_empty() => Ok(Self(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))),
            Some(port) => Err(ListenError::HostName { text: quoted(text), port }),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), self.0.port()) {
            write!(f, ":{}", self.0.port())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

serde_as_text!(Listen);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_ports_and_all_addresses() {
        for text in ["127.0.0.1:80", "[::1]:80", ":80", "0.0.0.0:0", "[2001:db8::1]:443"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!(":80".parse::<Listen>().unwrap().socket_addr(), "[::]:80".parse().unwrap());
        assert!(Listen::loopback(0).is_loopback());
        assert!("[::1]:1".parse::<Listen>().unwrap().is_loopback());
        assert!("[::ffff:127.0.0.1]:1".parse::<Listen>().unwrap().is_loopback());
        assert!(!":1".parse::<Listen>().unwrap().is_loopback());
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refusal = |text: &str| text.parse::<Listen>().unwrap_err().to_string();
        assert!(refusal("127.0.0.1").contains("write `127.0.0.1:80`"));
        assert!(refusal("[::1]").contains("write `[::1]:80`"));
        assert!(refusal("80").contains("write `:80`"));
        assert!(refusal("::1").contains("write `[::1]:80`"));
        assert!(refusal("127.0.0.1:70000").contains("0 to 65535"));
        assert!(refusal(":+80").contains("0 to 65535"));
        assert!(refusal("localhost:80").contains("write an address, such as `127.0.0.1:80`"));
        assert!(refusal("").contains("has no port"));
    }

    proptest! {
        #[test]
        fn every_address_round_trips(address: SocketAddr) {
            let listen = Listen::from(address);
            let back = listen.to_string().parse::<Listen>().unwrap().socket_addr();
            prop_assert_eq!((back.ip(), back.port()), (address.ip(), address.port()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[0-9.:\\[\\]]{0,20}") {
            if let Ok(listen) = text.parse::<Listen>() {
                prop_assert_eq!(listen.to_string().parse(), Ok(listen));
            }
        }
    }
}
