//! The addresses of this host: a client on it may come from its loopback address, or from a VIP's own, and is then any of
//! the instances that live on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

/// Containers and interfaces come and go; a list that is this old is good enough.
pub(crate) const REFRESH: Duration = Duration::from_secs(5);
/// A host with more addresses of its own is a router of VIPs, and its jobs live at none of them.
const MOST: usize = 256;

/// Kept by the control plane.
#[derive(Default)]
pub(crate) struct Host {
    addresses: ArcSwap<Vec<IpAddr>>,
    read: std::sync::Mutex<Option<Instant>>,
}

impl Host {
    pub(crate) fn addresses(&self) -> arc_swap::Guard<Arc<Vec<IpAddr>>> {
        self.addresses.load()
    }

    /// Whether a socket at this address is on this host.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.load().contains(&address)
    }

    /// Reads them again, if that is due.
    pub(crate) fn look(&self) {
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if read.is_some_and(|read| read.elapsed() < REFRESH) {
            return;
        }
        *read = Some(Instant::now());
        let v4 = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
        let v6 = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        let mut addresses: Vec<IpAddr> = local_v4(&v4).map(IpAddr::V4).collect();
        addresses.extend(local_v6(&v6).map(IpAddr::V6));
        addresses.retain(|address| !address.is_loopback());
        addresses.sort();
        addresses.dedup();
        addresses.truncate(MOST);
        if **self.addresses.load() != addresses {
            self.addresses.store(Arc::new(addresses));
        }
    }
}

/// proc_net_fib_trie: an address in a line, and below it what it is.
fn local_v4(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let mut last = None;
    trie.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        }
        if line == "/32 host LOCAL" { last } else { None }
    })
}

/// Each line begins with an address of 32 digits.
fn local_v6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     +-- 10.0.0.0/24 2 0 2\n        |-- 10.0.0.0\n           /24 link UNICAST\n        |-- 10.0.0.7\n           /32 host LOCAL\n        |-- 10.0.0.255\n           /32 link BROADCAST\n";
        assert_eq!(local_v4(trie).collect::<Vec<_>>(), [Ipv4Addr::new(10, 0, 0, 7)]);
        let table = "20010db8000000000000000000000007 02 40 00 80     eth0\nfe80 x\n";
        assert_eq!(local_v6(table).collect::<Vec<_>>(), ["2001:db8::7".parse::<Ipv6Addr>().unwrap()]);
    }

    #[test]
    fn loopback_is_here_and_documentation_is_not() {
        let host = Host::default();
        host.look();
        assert!(host.has([127, 0, 0, 5].into()) && !host.has([192, 0, 2, 1].into()));
    }
}
