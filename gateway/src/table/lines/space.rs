//! The address space of a family, divided.
//!
//! Prefixes nest or are apart, never else, so what longest-prefix match says of every address is a list of intervals:
//!
//! ```text
//! 10.0.0.0/8 → a, 10.64.0.0/10 → b      0 ──► rest │ 10.0.0.0 ──► a │ 10.64.0.0 ──► b │ 10.128.0.0 ──► a │ 11.0.0.0 ──► rest
//! ```
//!
//! A lookup is a binary search. How far one answer reaches around an address is told by the two neighbours of its interval:
//! the largest subtree that holds the address and neither of them.

use std::net::IpAddr;

use ipnet::IpNet;

/// What a part of the space belongs to.
pub(super) type Class = u32;

/// Both families, each with its parts, of which no two neighbours are of one class.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Space {
    v4: Parts,
    v6: Parts,
}

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// Bits of an address.
    width: u8,
    /// Where each part starts; the first at 0.
    starts: Box<[u128]>,
    classes: Box<[Class]>,
}

impl Space {
    /// Each address is of the class of the longest prefix that holds it; of two that are equal the first counts. What is
    /// in none is of the class `rest`.
    pub(super) fn new(prefixes: impl IntoIterator<Item = (IpNet, Class)>, rest: Class) -> Space {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, class) in prefixes {
            let (first, last) = (number(prefix.network()), number(prefix.broadcast()));
            let family = if prefix.addr().is_ipv4() { &mut v4 } else { &mut v6 };
            family.push(Interval { first, last, class });
        }
        Space { v4: Parts::new(32, v4, rest), v6: Parts::new(128, v6, rest) }
    }

    /// The same with other classes: parts that become one are one.
    pub(super) fn mapped(&self, map: impl Fn(Class) -> Class) -> Space {
        Space { v4: self.v4.mapped(&map), v6: self.v6.mapped(&map) }
    }

    pub(super) fn class(&self, address: IpAddr) -> Class {
        let parts = self.family(address);
        parts.classes[parts.at(number(address))]
    }

    /// Bits of the shortest prefix of the address that is all of one class; 0 where all of both families is: to many a
    /// cache a scope of 0 means everybody, not everybody of one family.
    pub(super) fn scope(&self, address: IpAddr) -> u8 {
        if self.is_one() { 0 } else { self.family(address).depth(number(address)).max(1) }
    }

    fn is_one(&self) -> bool {
        self.v4.classes.len() == 1 && self.v4.classes == self.v6.classes
    }

    fn family(&self, address: IpAddr) -> &Parts {
        if address.is_ipv4() { &self.v4 } else { &self.v6 }
    }
}

/// Everything is of one class.
impl Default for Space {
    fn default() -> Space {
        Space::new([], 0)
    }
}

struct Interval {
    first: u128,
    last: u128,
    class: Class,
}

impl Parts {
    fn new(width: u8, mut intervals: Vec<Interval>, rest: Class) -> Parts {
        // What is around something comes before it. The sort is stable: of two that are equal the first is last to go in.
        intervals.reverse();
        intervals.sort_by_key(|interval| (interval.first, std::cmp::Reverse(interval.last)));
        let last = u128::MAX >> (128 - u32::from(width));
        let mut parts = vec![(0, rest)];
        let mut around = vec![Interval { first: 0, last, class: rest }];
        for interval in intervals {
            close(&mut around, Some(interval.first), &mut parts);
            parts.push((interval.first, interval.class));
            around.push(interval);
        }
        close(&mut around, None, &mut parts);
        Parts::joined(width, parts)
    }

    /// Of several that start at one place the last counts.
    fn joined(width: u8, parts: impl IntoIterator<Item = (u128, Class)>) -> Parts {
        let mut joined: Vec<(u128, Class)> = Vec::new();
        for (start, class) in parts {
            while joined.last().is_some_and(|(at, _)| *at == start) {
                joined.pop();
            }
            if joined.last().is_none_or(|(_, before)| *before != class) {
                joined.push((start, class));
            }
        }
        let (starts, classes): (Vec<u128>, Vec<Class>) = joined.into_iter().unzip();
        Parts { width, starts: starts.into(), classes: classes.into() }
    }

    fn mapped(&self, map: impl Fn(Class) -> Class) -> Parts {
        let parts = self.starts.iter().copied().zip(self.classes.iter().map(|class| map(*class)));
        Parts::joined(self.width, parts)
    }

    /// The part that has the address. There is one: the first starts at 0.
    fn at(&self, address: u128) -> usize {
        self.starts.partition_point(|start| *start <= address).saturating_sub(1)
    }

    fn depth(&self, address: u128) -> u8 {
        let at = self.at(address);
        let before = (at > 0).then(|| self.starts[at] - 1);
        let after = self.starts.get(at + 1).copied();
        let apart = |other: u128| self.common(address, other) + 1;
        before.into_iter().chain(after).map(apart).max().unwrap_or(0)
    }

    /// Leading bits that two different addresses share.
    fn common(&self, a: u128, b: u128) -> u8 {
        let unused = 128 - u32::from(self.width);
        // At most 127, for they differ.
        ((a ^ b).leading_zeros() - unused) as u8
    }
}

/// Ends the intervals that end before `until`, the innermost first: what was around one goes on behind it.
fn close(around: &mut Vec<Interval>, until: Option<u128>, parts: &mut Vec<(u128, Class)>) {
    while let [.., outer, inner] = &around[..]
        && until.is_none_or(|until| inner.last < until)
    {
        if inner.last < outer.last {
            parts.push((inner.last + 1, outer.class));
        }
        around.pop();
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}
