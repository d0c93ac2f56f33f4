//! What clients connect to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use roundhouse_config::{Label, serde_as_text};
use roundhouse_registry::record::PoolProtocol;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

impl From<PoolProtocol> for Transport {
    fn from(protocol: PoolProtocol) -> Transport {
        match protocol {
            PoolProtocol::Tcp => Transport::Tcp,
            PoolProtocol::Udp => Transport::Udp,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// Written `tcp/203.0.113.10:80`, `udp/[2001:db8::10]:53`, `fwmark/7/v4` or `group/blog`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// A VIP, its port and protocol.
    Address(Transport, SocketAddr),
    /// Packets that carry this firewall mark (nft(8), `meta mark`).
    Mark(u32, Family),
    /// A balancer's own group of targets, whose addresses are not ours: that of a pool.
    Group(Label),
}

/// What is no service, and what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no service; write one as in `tcp/203.0.113.10:80`, `fwmark/7/v4` or `group/blog`")]
pub struct KeyFormError(String);

impl ServiceKey {
    /// The VIP, where there is one.
    pub fn vip(&self) -> Option<SocketAddr> {
        match self {
            ServiceKey::Address(_, address) => Some(*address),
            ServiceKey::Mark(..) | ServiceKey::Group(_) => None,
        }
    }

    /// `None`: of either.
    pub fn family(&self) -> Option<Family> {
        match self {
            ServiceKey::Address(_, address) => Some(Family::of(address.ip())),
            ServiceKey::Mark(_, family) => Some(*family),
            ServiceKey::Group(_) => None,
        }
    }

    /// Whether connections are seen to end, so that one can wait for it.
    pub fn drains(&self) -> bool {
        !matches!(self, ServiceKey::Address(Transport::Udp, _))
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address(transport, address) => write!(f, "{}/{address}", transport.as_str()),
            ServiceKey::Mark(mark, Family::V4) => write!(f, "fwmark/{mark}/v4"),
            ServiceKey::Mark(mark, Family::V6) => write!(f, "fwmark/{mark}/v6"),
            ServiceKey::Group(pool) => write!(f, "group/{pool}"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = KeyFormError;

    fn from_str(text: &str) -> Result<ServiceKey, KeyFormError> {
        let wrong = || KeyFormError(text.chars().take(100).collect());
        let address = |transport, rest: &str| {
            rest.parse().map(|address| ServiceKey::Address(transport, address)).map_err(|_| wrong())
        };
        let mark = |rest: &str| {
            let (mark, family) = rest.split_once('/')?;
            let family = match family {
                "v4" => Family::V4,
                "v6" => Family::V6,
                _ => return None,
            };
            Some(ServiceKey::Mark(mark.parse().ok()?, family))
        };
        match text.split_once('/') {
            Some(("tcp", rest)) => address(Transport::Tcp, rest),
            Some(("udp", rest)) => address(Transport::Udp, rest),
            Some(("fwmark", rest)) => mark(rest).ok_or_else(wrong),
            Some(("group", rest)) => rest.parse().map(ServiceKey::Group).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

serde_as_text!(ServiceKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_written() {
        for text in
            ["tcp/203.0.113.10:80", "udp/[2001:db8::10]:53", "fwmark/7/v4", "fwmark/7/v6", "group/blog"]
        {
            assert_eq!(text.parse::<ServiceKey>().unwrap().to_string(), text);
        }
        for text in
            ["", "tcp", "tcp/203.0.113.10", "sctp/203.0.113.10:80", "fwmark/7", "fwmark/x/v4", "group/A B"]
        {
            let error = text.parse::<ServiceKey>().unwrap_err().to_string();
            assert!(error.contains("tcp/203.0.113.10:80"), "{error}");
        }
    }
}
