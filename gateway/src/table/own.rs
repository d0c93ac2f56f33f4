//! The gateway's own addresses: no instance may live there, or the proxy would reach itself and its admin API.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use ipnet::IpNet;

#[derive(Debug, Clone)]
pub struct Own {
    vips: IpNet,
    /// What each listener is called, for the message.
    listeners: Vec<(SocketAddr, String)>,
    entrypoints: Vec<(SocketAddr, String)>,
    /// What names resolve to here, where it is not VIPs.
    hub: Vec<IpAddr>,
}

impl Own {
    pub fn new(vips: IpNet, listeners: Vec<(SocketAddr, String)>) -> Own {
        Own { vips, listeners, entrypoints: Vec::new(), hub: Vec::new() }
    }

    /// The same with these entrypoints, which come and go at run time.
    #[must_use]
    pub fn with_entrypoints(&self, entrypoints: Vec<(SocketAddr, String)>) -> Own {
        Own { entrypoints, ..self.clone() }
    }

    /// The same of a hub, whose names resolve to itself.
    #[must_use]
    pub fn with_hub(self, hub: Vec<IpAddr>) -> Own {
        Own { hub, ..self }
    }

    pub fn hub(&self) -> &[IpAddr] {
        &self.hub
    }

    /// Why this address is our own, if it is.
    pub fn holds(&self, address: SocketAddr) -> Option<String> {
        let ip = address.ip().to_canonical();
        if self.vips.contains(&ip) {
            return Some(format!(
                "{ip} is inside this gateway's VIP prefix {}; register the app's own address",
                self.vips
            ));
        }
        self.listeners
            .iter()
            .chain(&self.entrypoints)
            .find(|(own, _)| own.port() == address.port() && is_reached_at(own.ip().to_canonical(), ip))
            .map(|(own, name)| {
                format!("{address} is this gateway's own {name} listener ({own}); give the app another port")
            })
    }
}

fn is_reached_at(listener: IpAddr, address: IpAddr) -> bool {
    listener == address || (listener.is_unspecified() && is_local(address))
}

/// Only an address of this machine can be bound (unless net.ipv4.ip_nonlocal_bind says otherwise, and then refusing too
/// much is the safe side).
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_vips_are_our_own() {
        let own = Own::new(
            "127.99.0.0/16".parse().unwrap(),
            vec![
                ("127.0.0.1:8400".parse().unwrap(), "admin".into()),
                ("[::]:8080".parse().unwrap(), "entrypoint `http`".into()),
            ],
        );
        let holds = |address: &str| own.holds(address.parse().unwrap());
        assert!(holds("127.0.0.1:8400").unwrap().contains("own admin listener"));
        assert!(holds("[::ffff:127.0.0.1]:8400").unwrap().contains("own admin listener"));
        assert!(holds("127.99.3.4:1").unwrap().contains("VIP prefix"));
        assert!(holds("127.0.0.9:8080").unwrap().contains("entrypoint `http`"));
        assert_eq!(holds("127.0.0.9:8400"), None);
        assert_eq!(holds("192.0.2.1:8080"), None, "not an address of this machine");
    }
}
