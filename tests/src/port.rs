//! Ports that nobody listens on.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// A loopback port that is free for TCP and UDP now, and is given once only by this process. Another process may still
/// take it first, so whoever binds it tries again with another; a program that can report the port it bound to 0
/// needs none of this.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
        let port = tcp.local_addr().expect("a bound socket has an address").port();
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if free && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::free_port;
    use std::net::TcpListener;

    #[test]
    fn a_port_is_given_once_and_can_be_bound() {
        let mut ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
    }
}
