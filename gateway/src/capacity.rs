//! How many connections there may be, of all clients together and of each: one [`Capacity`] an entrypoint, a job, and
//! one for the gateway. A connection takes a [`Slot`] and gives it back by being dropped.
//!
//! The counts are shared by all workers. Clients are counted only where somebody limits them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ipnet::IpNet;
use roundhouse_config::Limits;

#[derive(Debug, Default)]
pub struct Capacity {
    open: AtomicU32,
    /// Those that have something open; so no more than there are connections.
    clients: DashMap<IpNet, u32>,
}

/// A capacity is no other, whatever both count.
impl PartialEq for Capacity {
    fn eq(&self, other: &Capacity) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Capacity {}

/// What a capacity is limited to; `None`: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Most {
    pub connections: Option<u32>,
    pub per_client: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    All,
    Client,
}

impl Capacity {
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// A place for one more connection of this client (see [`client`]), or which limit is reached.
    pub fn enter(self: &Arc<Self>, most: Most, client: IpNet) -> Result<Slot, Full> {
        // Counted first and looked at afterwards: of two that race for the last place one sees the limit.
        let before = self.open.fetch_add(1, Relaxed);
        let mut slot = Slot { capacity: self.clone(), client: None };
        if most.connections.is_some_and(|most| before >= most) {
            return Err(Full::All);
        }
        if let Some(most) = most.per_client {
            let mut count = self.clients.entry(client).or_insert(0);
            if *count >= most {
                return Err(Full::Client);
            }
            *count += 1;
            slot.client = Some(Box::new(client));
        }
        Ok(slot)
    }
}

/// Held for as long as the connection is open.
#[derive(Debug)]
pub struct Slot {
    capacity: Arc<Capacity>,
    /// Boxed: few limits are a client's, and each connection has two of these.
    client: Option<Box<IpNet>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.capacity.open.fetch_sub(1, Relaxed);
        let Some(client) = &self.client else { return };
        if let Entry::Occupied(mut count) = self.capacity.clients.entry(**client) {
            match count.get() {
                0 | 1 => drop(count.remove()),
                more => *count.get_mut() = more - 1,
            }
        }
    }
}

/// What counts as one client: the address, or the part of it that one client has to itself.
pub fn client(address: IpAddr, limits: &Limits) -> IpNet {
    let address = address.to_canonical();
    let prefix = match address {
        IpAddr::V4(_) => limits.client_prefix_v4,
        IpAddr::V6(_) => limits.client_prefix_v6,
    };
    let prefix = u8::try_from(prefix).unwrap_or(u8::MAX);
    IpNet::new(address, prefix).unwrap_or_else(|_| IpNet::from(address)).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn places_run_out_and_come_back() {
        let capacity = Arc::new(Capacity::default());
        let most = Most { connections: Some(3), per_client: Some(2) };
        let (a, b) = (net("10.0.0.1/32"), net("10.0.0.2/32"));
        let first = capacity.enter(most, a).unwrap();
        let second = capacity.enter(most, a).unwrap();
        assert_eq!(capacity.enter(most, a).unwrap_err(), Full::Client);
        let third = capacity.enter(most, b).unwrap();
        assert_eq!(capacity.enter(most, b).unwrap_err(), Full::All);
        assert_eq!(capacity.open(), 3, "a refusal takes no place");
        drop(first);
        let again = capacity.enter(most, a).unwrap();
        drop((second, third, again));
        assert_eq!((capacity.open(), capacity.clients.len()), (0, 0));
    }

    #[test]
    fn without_limits_clients_are_not_remembered() {
        let capacity = Arc::new(Capacity::default());
        let _slot = capacity.enter(Most::default(), net("10.0.0.1/32")).unwrap();
        assert_eq!((capacity.open(), capacity.clients.len()), (1, 0));
    }

    #[test]
    fn a_client_is_an_address_or_a_prefix() {
        let limits = Limits::default();
        assert_eq!(client("10.1.2.3".parse().unwrap(), &limits), net("10.1.2.3/32"));
        assert_eq!(client("::ffff:10.1.2.3".parse().unwrap(), &limits), net("10.1.2.3/32"));
        assert_eq!(client("2001:db8:1:2:3::4".parse().unwrap(), &limits), net("2001:db8:1:2::/64"));
        let limits = Limits { client_prefix_v4: 24, ..limits };
        assert_eq!(client("10.1.2.3".parse().unwrap(), &limits), net("10.1.2.0/24"));
    }

    #[test]
    fn many_threads_never_exceed_the_limit() {
        let capacity = Arc::new(Capacity::default());
        let most = Most { connections: Some(4), per_client: Some(2) };
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let capacity = capacity.clone();
                std::thread::spawn(move || {
                    let client = net(if n % 2 == 0 { "10.0.0.1/32" } else { "10.0.0.2/32" });
                    for _ in 0..2_000 {
                        if let Ok(slot) = capacity.enter(most, client) {
                            let mine = capacity.clients.get(&client).map(|count| *count);
                            assert!(matches!(mine, Some(1 | 2)), "{mine:?}");
                            drop(slot);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((capacity.open(), capacity.clients.len()), (0, 0));
    }
}
