//! What a service and its servers are called in HAProxy, so that a name read back says what it stands for.
//!
//! Proxy and server names are made of letters, digits and `-_.:` (configuration.txt, 4 "Proxies"): enough for IPv6
//! addresses as they are written, without their brackets.

use std::net::{IpAddr, SocketAddr};

use super::shape::ProxyHeader;
use crate::model::{ServiceKey, Transport};

const PREFIX: &str = "rh-tcp-";

/// `rh-tcp-203.0.113.10-80`, and with `-proxy-v2` behind it where servers are spoken to in the PROXY protocol: of all that
/// a reload can change, that alone is in no answer of the Runtime API, and a name always is.
pub(super) fn backend(vip: SocketAddr, header: Option<ProxyHeader>) -> String {
    let (ip, port) = (vip.ip(), vip.port());
    match header {
        None => format!("{PREFIX}{ip}-{port}"),
        Some(header) => format!("{PREFIX}{ip}-{port}-proxy-v{}", header.version()),
    }
}

/// What a backend's name stands for; `None`: it is not ours.
pub(super) fn read_backend(name: &str) -> Option<(SocketAddr, Option<ProxyHeader>)> {
    let rest = name.strip_prefix(PREFIX)?;
    let (address, header) = match rest.split_once("-proxy-v") {
        Some((address, version)) => (address, Some(ProxyHeader::of(version.parse().ok()?)?)),
        None => (rest, None),
    };
    let (ip, port) = address.split_once('-')?;
    let vip = SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?);
    // Another spelling of an address is somebody else's name: two names would be one service.
    (backend(vip, header) == name).then_some((vip, header))
}

pub(super) fn key(vip: SocketAddr) -> ServiceKey {
    ServiceKey::Address(Transport::Tcp, vip)
}

/// `10.0.0.1_80`
pub(super) fn server(address: SocketAddr) -> String {
    format!("{}_{}", address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address() -> impl Strategy<Value = SocketAddr> {
        (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
    }

    proptest! {
        #[test]
        fn a_name_reads_back_and_is_valid(vip in address(), version in proptest::option::of(1u8..=2)) {
            let header = version.and_then(ProxyHeader::of);
            let name = backend(vip, header);
            prop_assert_eq!(read_backend(&name), Some((vip, header)));
            for name in [name, server(vip)] {
                let valid = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
                prop_assert!(name.chars().all(valid), "{}", name);
            }
        }

        #[test]
        fn two_services_have_two_names(a in address(), b in address()) {
            prop_assume!(a != b);
            prop_assert_ne!(backend(a, None), backend(b, None));
            prop_assert_ne!(server(a), server(b));
        }
    }

    #[test]
    fn names_of_others_are_not_ours() {
        assert_eq!(backend("203.0.113.10:80".parse().unwrap(), None), "rh-tcp-203.0.113.10-80");
        let v6 = backend("[2001:db8::10]:80".parse().unwrap(), ProxyHeader::of(2));
        assert_eq!(v6, "rh-tcp-2001:db8::10-80-proxy-v2");
        for name in [
            "web",
            "rh-tcp-web",
            "rh-tcp-203.0.113.10",
            "rh-tcp-203.0.113.10-80-",
            "rh-tcp-203.0.113.10-080",
            "rh-tcp-2001:DB8::10-80",
            "rh-tcp-203.0.113.10-80-proxy-v3",
            "rh-tcp-203.0.113.10-80-proxy-v02",
            "RH-tcp-203.0.113.10-80",
        ] {
            assert_eq!(read_backend(name), None, "{name}");
        }
    }
}
