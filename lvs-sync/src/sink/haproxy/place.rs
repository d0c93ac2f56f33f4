//! Where on the ring of `hash-type consistent` a server stands: HAProxy hashes its `id`.
//!
//! Ids that HAProxy gives count servers in their order, so they change with every reload after a server has gone, and with
//! them the servers of most clients. An id made from the address keeps a client at its server over reloads, and gives it
//! the same server at every HAProxy of a layer.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// HAProxy multiplies an id by 4096 in 32 bits (server-t.h, SRV_EWGHT_RANGE), so ids beyond would stand where others do.
const PLACES: u32 = 1 << 20;

/// The address's own place, or the next that is free.
pub(super) fn of(address: SocketAddr, taken: &BTreeSet<u32>) -> u32 {
    let mut place = own(address);
    // There are far fewer servers than places.
    while taken.contains(&place) {
        place = place % (PLACES - 1) + 1;
    }
    place
}

/// 1 to 2^20 - 1: an id is above 0. FNV-1a (draft-eastlake-fnv), folded.
fn own(address: SocketAddr) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    match address.ip() {
        IpAddr::V4(ip) => add(&ip.octets()),
        IpAddr::V6(ip) => add(&ip.octets()),
    }
    add(&address.port().to_be_bytes());
    ((hash >> 20) ^ hash) % (PLACES - 1) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everybody_has_a_place_of_its_own(addresses: BTreeSet<(IpAddr, u16)>) {
            let mut taken = BTreeSet::new();
            for address in &addresses {
                let place = of((*address).into(), &taken);
                prop_assert!((1..PLACES).contains(&place));
                prop_assert!(taken.insert(place));
            }
        }
    }

    #[test]
    fn the_next_place_is_taken_where_one_is_not_free() {
        let address = "10.0.0.1:80".parse().unwrap();
        let own = of(address, &BTreeSet::new());
        assert_eq!(of(address, &[own].into()), own % (PLACES - 1) + 1);
        assert_eq!(of(address, &(own..PLACES).collect()), 1);
    }
}
