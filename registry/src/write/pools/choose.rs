//! Which address of a line's ranges a pool gets. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::record::Network;
use crate::write::vips::REST;

/// The addresses that are or were given: since when one is free again, in seconds since the epoch, or that it is not.
pub(super) type Taken = BTreeMap<IpAddr, Option<u64>>;

/// Addresses of one range that are given or rest, and how many there are to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) used: usize,
    pub(super) size: u128,
}

/// The lowest address that was never given, in the order of the ranges, else the one freed longest ago that has rested.
///
/// An IPv6 range has more addresses than can be walked through, so that only the given ones are.
pub(super) fn choose(ranges: &[Network], taken: &Taken, now: u64) -> Option<IpAddr> {
    ranges.iter().find_map(|range| fresh(*range, taken)).or_else(|| rested(ranges, taken, now))
}

pub(super) fn usage(range: Network, taken: &Taken) -> Usage {
    let (usable, used) = (usable(range), taken.range(bounds(range)).count());
    let size = usable.end().saturating_sub(*usable.start()).saturating_add(1);
    Usage { used, size }
}

/// The first gap in a sorted list.
fn fresh(range: Network, taken: &Taken) -> Option<IpAddr> {
    let usable = usable(range);
    let mut next = *usable.start();
    for (address, _) in taken.range(bounds(range)) {
        if number(*address) != next {
            break;
        }
        // Behind the last address of all there is none.
        next = next.checked_add(1)?;
    }
    usable.contains(&next).then(|| address(range, next))
}

fn rested(ranges: &[Network], taken: &Taken, now: u64) -> Option<IpAddr> {
    let given = ranges.iter().flat_map(|range| taken.range(bounds(*range)));
    let free = given.filter_map(|(address, freed)| Some(((*freed)?, *address)));
    free.filter(|(freed, _)| now >= freed.saturating_add(REST)).min().map(|(_, address)| address)
}

/// Without the network's own address and the broadcast address of IPv4 (RFC 919; ranges of one and two addresses have
/// neither, RFC 3021), and without the subnet-router anycast address of IPv6 (RFC 4291, 2.6.1; RFC 6164).
fn usable(range: Network) -> RangeInclusive<u128> {
    let net = range.net();
    let (first, last) = (number(net.network()), number(net.broadcast()));
    match (net, net.max_prefix_len() - net.prefix_len()) {
        (_, 0 | 1) => first..=last,
        (IpNet::V4(_), _) => first + 1..=last - 1,
        (IpNet::V6(_), _) => first + 1..=last,
    }
}

fn bounds(range: Network) -> RangeInclusive<IpAddr> {
    let usable = usable(range);
    address(range, *usable.start())..=address(range, *usable.end())
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of this number in the range's family.
fn address(range: Network, number: u128) -> IpAddr {
    match range.net() {
        // A number in the range fits.
        IpNet::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpNet::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(ranges: &[&str]) -> Vec<Network> {
        ranges.iter().map(|range| range.parse().unwrap()).collect()
    }

    fn chosen(ranges: &[&str], taken: &[(&str, Option<u64>)], now: u64) -> Option<String> {
        let taken = taken.iter().map(|(address, freed)| (address.parse().unwrap(), *freed)).collect();
        choose(&networks(ranges), &taken, now).map(|address| address.to_string())
    }

    #[test]
    fn what_is_no_hosts_address_is_left_alone() {
        let first = |range: &str| chosen(&[range], &[], 0).unwrap();
        assert_eq!(first("203.0.113.0/28"), "203.0.113.1");
        assert_eq!(first("203.0.113.4/31"), "203.0.113.4");
        assert_eq!(first("203.0.113.4/32"), "203.0.113.4");
        assert_eq!(first("2001:db8::/64"), "2001:db8::1");
        assert_eq!(first("2001:db8::4/127"), "2001:db8::4");
        assert_eq!(first("2001:db8::4/128"), "2001:db8::4");
        let full = [("203.0.113.1", None), ("203.0.113.2", None)];
        assert_eq!(chosen(&["203.0.113.0/30"], &full, 0), None, "the broadcast address");
        let last = [("2001:db8::1", None), ("2001:db8::2", None)];
        assert_eq!(chosen(&["2001:db8::/126"], &last, 0).unwrap(), "2001:db8::3", "IPv6 has no broadcast");
    }

    #[test]
    fn the_next_range_comes_before_what_has_rested() {
        let given = [("203.0.113.1", Some(0)), ("203.0.113.2", None)];
        let both = ["203.0.113.0/30", "198.51.100.0/30"];
        assert_eq!(chosen(&both, &given, REST).unwrap(), "198.51.100.1");
        assert_eq!(chosen(&both[..1], &given, REST - 1), None);
        assert_eq!(chosen(&both[..1], &given, REST).unwrap(), "203.0.113.1");
    }

    #[test]
    fn the_ends_of_all_addresses_are_no_trap() {
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127";
        let last = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let first = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
        assert_eq!(chosen(&[all], &[(first, None)], 0).unwrap(), last);
        assert_eq!(chosen(&[all], &[(first, None), (last, None)], 0), None);
        assert_eq!(chosen(&["::/0"], &[], 0).unwrap(), "::1");
        assert_eq!(usage("::/0".parse().unwrap(), &Taken::new()).size, u128::MAX);
        let usage =
            usage("203.0.113.0/29".parse().unwrap(), &[("203.0.113.3".parse().unwrap(), None)].into());
        assert_eq!(usage, Usage { used: 1, size: 6 });
    }

    /// By walking through every address.
    fn naive(ranges: &[Network], taken: &Taken, now: u64) -> Option<IpAddr> {
        let mut hosts = Vec::new();
        for range in ranges {
            let net = range.net();
            let mut all: Vec<IpAddr> = match net {
                IpNet::V4(v4) => (v4.network().to_bits()..=v4.broadcast().to_bits())
                    .map(|bits| Ipv4Addr::from_bits(bits).into())
                    .collect(),
                IpNet::V6(v6) => (v6.network().to_bits()..=v6.broadcast().to_bits())
                    .map(|bits| Ipv6Addr::from_bits(bits).into())
                    .collect(),
            };
            if all.len() > 2 {
                all.remove(0);
                if net.network().is_ipv4() {
                    all.pop();
                }
            }
            hosts.extend(all);
        }
        if let Some(fresh) = hosts.iter().find(|host| !taken.contains_key(host)) {
            return Some(*fresh);
        }
        let mut best: Option<(u64, IpAddr)> = None;
        for host in hosts {
            let Some(Some(freed)) = taken.get(&host) else { continue };
            let candidate = (*freed, host);
            if freed.saturating_add(REST) <= now && best.is_none_or(|best| candidate < best) {
                best = Some(candidate);
            }
        }
        best.map(|(_, host)| host)
    }

    fn worlds() -> impl Strategy<Value = (Vec<Network>, Taken, u64)> {
        // Ranges beside each other, so that what is given in one must not count in the other.
        let ranges = [
            vec!["10.0.0.0/29"],
            vec!["10.0.0.8/29", "10.0.0.0/31"],
            vec!["10.0.0.4/30", "10.0.0.1/32", "10.0.0.2/31"],
            vec!["::10/125", "::/126"],
            vec!["::4/127", "::8/128"],
        ];
        let ranges = proptest::sample::select(ranges.to_vec()).prop_map(|ranges| networks(&ranges));
        let address = (0..16u8, any::<bool>()).prop_map(|(n, v6)| match v6 {
            true => IpAddr::from([0, 0, 0, 0, 0, 0, 0, n.into()] as [u16; 8]),
            false => IpAddr::from([10, 0, 0, n]),
        });
        let freed =
            prop_oneof![Just(None), (0..4u64).prop_map(|days| Some(days * REST)), Just(Some(u64::MAX))];
        let taken = proptest::collection::btree_map(address, freed, 0..32);
        (ranges, taken, (0..5u64).prop_map(|days| days * REST))
    }

    proptest! {
        #[test]
        fn it_is_what_a_walk_through_all_addresses_finds((ranges, taken, now) in worlds()) {
            prop_assert_eq!(choose(&ranges, &taken, now), naive(&ranges, &taken, now));
        }
    }
}
