//! A service as a packet knows it: address, port and protocol.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, ServiceKey, Transport};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Vip {
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

/// Tells our chains from others in the same table.
const CHAIN: &str = "service-";

impl Vip {
    pub(super) fn of(key: &ServiceKey) -> Option<Vip> {
        match key {
            ServiceKey::Address(transport, address) => Some(Vip { transport: *transport, address: *address }),
            ServiceKey::Mark(..) | ServiceKey::Group(_) => None,
        }
    }

    /// `None`: no chain of ours.
    pub(super) fn of_chain(name: &str) -> Option<Vip> {
        let (transport, rest) = name.strip_prefix(CHAIN)?.split_once('-')?;
        let (ip, port) = rest.rsplit_once('-')?;
        let ip: IpAddr = ip.replace('_', ":").parse().ok()?;
        let vip = Vip { transport: transport_named(transport)?, address: (ip, port.parse().ok()?).into() };
        // An address can be written in many ways, and we write one.
        (vip.chain() == name).then_some(vip)
    }

    pub(super) fn key(self) -> ServiceKey {
        ServiceKey::Address(self.transport, self.address)
    }

    pub(super) fn family(self) -> Family {
        Family::of(self.address.ip())
    }

    /// An identifier takes letters, digits and `/ \ _ . -`, so the colons of IPv6 become underscores.
    pub(super) fn chain(self) -> String {
        let Vip { transport, address } = self;
        let ip = address.ip().to_string().replace(':', "_");
        format!("{CHAIN}{}-{ip}-{}", transport.as_str(), address.port())
    }
}

/// As nft prints it: by name, or by number where there is no /etc/protocols.
pub(super) fn transport_named(name: &str) -> Option<Transport> {
    match name {
        "tcp" | "6" => Some(Transport::Tcp),
        "udp" | "17" => Some(Transport::Udp),
        _ => None,
    }
}

/// Assigned Internet Protocol Numbers (IANA).
pub(super) fn number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_reads_as_it_is_named() {
        let vip = Vip { transport: Transport::Udp, address: "[2001:db8::10]:53".parse().unwrap() };
        assert_eq!(vip.chain(), "service-udp-2001_db8__10-53");
        for other in ["service-udp-2001_db8__0_10-53", "service-tcp-10.0.0.1", "output", "service-", ""] {
            assert_eq!(Vip::of_chain(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn names_are_identifiers_and_differ_as_services_do(ip: IpAddr, port: u16, udp: bool) {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let vip = Vip { transport, address: (ip, port).into() };
            let name = vip.chain();
            prop_assert!(name.chars().all(|char| char.is_ascii_alphanumeric() || "-._".contains(char)));
            prop_assert_eq!(Vip::of_chain(&name), Some(vip));
        }
    }
}
