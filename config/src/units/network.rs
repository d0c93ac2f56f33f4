//! Address ranges.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

use crate::serde_as_text;
use crate::text::quoted;

/// A range such as `10.0.0.0/8`, without bits beyond its prefix and never IPv4-mapped, so that one range has one
/// spelling and a peer's canonical address is in it or is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

/// What is wrong with a range, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    #[error("`{0}` is no address range; write one as in `10.0.0.0/8` or `2001:db8::/32`")]
    Form(String),

    #[error("`{0}` has no prefix length; write `{1}`")]
    Alone(IpAddr, IpNet),

    #[error("`{0}` has bits beyond its prefix; write `{1}`")]
    HostBits(IpNet, IpNet),

    #[error("`{0}` is IPv4 in IPv6's clothes; write `{1}`")]
    Mapped(IpNet, IpNet),
}

impl Network {
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Whether the address is in it, an IPv4-mapped one as the IPv4 address that it is.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    pub fn overlaps(self, other: Network) -> bool {
        self.contains(other.0.network()) || other.contains(self.0.network())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Err(NetworkError::Alone(address, IpNet::from(address.to_canonical())));
        }
        let form = || NetworkError::Form(quoted(text));
        let net: IpNet = text.parse().map_err(|_| form())?;
        if let Some(unmapped) = unmapped(net) {
            return Err(NetworkError::Mapped(net, unmapped));
        }
        if net.trunc() != net {
            return Err(NetworkError::HostBits(net, net.trunc()));
        }
        Ok(Network(net))
    }
}

/// The IPv4 range that an IPv4-mapped one means (RFC 4291, 2.5.5.2: the last 32 bits).
fn unmapped(net: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = net else { return None };
    let v4 = v6.addr().to_ipv4_mapped()?;
    let prefix = v6.prefix_len().checked_sub(96)?;
    Some(IpNet::V4(Ipv4Net::new(v4, prefix).ok()?.trunc()))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corrected_range_is_named() {
        let error = |text: &str| text.parse::<Network>().unwrap_err().to_string();
        assert!(error("10.0.0.7/8").ends_with("write `10.0.0.0/8`"));
        assert!(error("2001:db8::1/32").ends_with("write `2001:db8::/32`"));
        assert!(error("10.0.0.7").ends_with("write `10.0.0.7/32`"));
        assert!(error("::ffff:10.0.0.7/104").ends_with("write `10.0.0.0/8`"));
        assert!(error("::ffff:10.0.0.7").ends_with("write `10.0.0.7/32`"));
        assert!(error("ten").contains("as in `10.0.0.0/8`"));
        assert!(error("10.0.0.0/33").contains("as in `10.0.0.0/8`"));
    }

    #[test]
    fn mapped_addresses_are_the_ones_they_map() {
        let ten: Network = "10.0.0.0/8".parse().unwrap();
        assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!ten.contains("11.0.0.0".parse().unwrap()));
        let part: Network = "10.3.0.0/16".parse().unwrap();
        assert!(ten.overlaps(part) && part.overlaps(ten));
        assert!(!part.overlaps("10.4.0.0/16".parse().unwrap()));
    }
}
