//! A piece of the loopback network for one test: ports on it can be fixed, because nobody else has the addresses.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

/// `127.a.b.0/24`, held until it is dropped.
///
/// `.1` is for a gateway's listeners, `.2` to `.99` for apps, `.128/25` for VIPs.
#[derive(Debug)]
pub struct Loopback {
    network: [u8; 2],
    _held: TcpListener,
}

/// Nobody's port: whoever can bind it at the network's `.254` holds the network.
const GUARD: u16 = 7_007;

impl Loopback {
    /// # Panics
    /// When a thousand networks in a row are held.
    pub fn take() -> Loopback {
        (0..1_000)
            .find_map(|_| {
                // Far from 127.0 and from 127.99, which a gateway uses when nobody says otherwise.
                let network = [rand::random_range(100..=250), rand::random()];
                let guard = Ipv4Addr::new(127, network[0], network[1], 254);
                let held = TcpListener::bind((guard, GUARD)).ok()?;
                Some(Loopback { network, _held: held })
            })
            .expect("a free loopback network")
    }

    pub fn address(&self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, self.network[0], self.network[1], host).into()
    }

    /// The address of app `n`, from 0.
    pub fn app(&self, n: u8) -> IpAddr {
        self.address(2 + n)
    }

    pub fn gateway(&self) -> IpAddr {
        self.address(1)
    }

    pub fn vips(&self) -> String {
        format!("{}/25", self.address(128))
    }
}

#[cfg(test)]
mod tests {
    use super::Loopback;

    #[test]
    fn two_networks_are_two() {
        let (a, b) = (Loopback::take(), Loopback::take());
        assert_ne!(a.gateway(), b.gateway());
        let address = a.app(0);
        let _app = std::net::TcpListener::bind((address, 1111)).unwrap();
        std::net::TcpListener::bind((b.app(0), 1111)).unwrap();
    }
}
