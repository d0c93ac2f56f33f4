//! From weights to slots: which number drawn for a new connection leads to which destination.
//!
//! | scheduler | number | slots |
//! | --- | --- | --- |
//! | rr | a counter | one a destination |
//! | wrr | a counter, while the weights come down to a few turns | as many as its weight, spread over the round |
//! | wrr | by chance | one range a destination, as long as its weight |
//! | sh, mh | the client's address, hashed | a table by consistent hashing, so that one change moves few clients |

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::consistent;
use crate::model::Scheduler;

/// Turns that are written one by one. A counter divides exactly whatever connections come, but each turn is an element,
/// written anew whenever a weight changes.
const MAX_TURNS: usize = 64;

/// Of a draw: a share is right to a 65,536th, far below what chance itself makes of it.
const MAX_DRAW: u64 = 1 << 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    pub(super) by: By,
    /// First and last number, in order, without gaps, from 0.
    pub(super) spans: Vec<Span>,
}

/// Where the number comes from (nft(8), NUMGEN EXPRESSION and HASH EXPRESSIONS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Turn,
    Chance,
    Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) to: SocketAddr,
}

impl Slots {
    /// `None` if there is nobody to send a connection to.
    pub(super) fn of(scheduler: &Scheduler, destinations: &BTreeMap<SocketAddr, u32>) -> Option<Slots> {
        let taking: Vec<(SocketAddr, u32)> = destinations
            .iter()
            .filter(|(_, weight)| **weight > 0)
            .map(|(to, weight)| (*to, *weight))
            .collect();
        let to: Vec<SocketAddr> = taking.iter().map(|(to, _)| *to).collect();
        let weights = reduced(taking.iter().map(|(_, weight)| *weight));
        if to.is_empty() {
            return None;
        }
        Some(match scheduler.as_str() {
            "sh" | "mh" => Slots::each(By::Source, &to, &consistent::table(&to, &weights)),
            "rr" => Slots::each(By::Turn, &to, &interleaved(&vec![1; to.len()])),
            _ if sum(&weights) <= MAX_TURNS.max(to.len()) as u64 => {
                Slots::each(By::Turn, &to, &interleaved(&weights))
            }
            _ => Slots::ranges(&to, &scaled(&weights, MAX_DRAW)),
        })
    }

    /// How many numbers there are: what one is drawn modulo.
    pub(super) fn count(&self) -> u32 {
        self.spans.last().map_or(0, |span| span.last + 1)
    }

    /// Numbers that lead to each destination.
    pub(super) fn shares(&self) -> BTreeMap<SocketAddr, u32> {
        let mut shares = BTreeMap::new();
        for span in &self.spans {
            *shares.entry(span.to).or_default() += span.last - span.first + 1;
        }
        shares
    }

    fn each(by: By, to: &[SocketAddr], order: &[usize]) -> Slots {
        let spans =
            (0..).zip(order).map(|(slot, to_index)| Span { first: slot, last: slot, to: to[*to_index] });
        Slots { by, spans: spans.collect() }
    }

    fn ranges(to: &[SocketAddr], weights: &[u32]) -> Slots {
        let mut next = 0;
        let spans = to.iter().zip(weights).map(|(to, weight)| {
            let first = next;
            next += weight;
            Span { first, last: next - 1, to: *to }
        });
        Slots { by: By::Chance, spans: spans.collect() }
    }
}

/// The same ratios in the smallest numbers.
fn reduced(weights: impl Iterator<Item = u32> + Clone) -> Vec<u32> {
    let divisor = weights.clone().fold(0, gcd).max(1);
    weights.map(|weight| weight / divisor).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sum(weights: &[u32]) -> u64 {
    weights.iter().map(|weight| u64::from(*weight)).sum()
}

/// Nearly the same ratios with a sum of about `bound` at most. Who takes work goes on to take some.
pub(super) fn scaled(weights: &[u32], bound: u64) -> Vec<u32> {
    let sum = sum(weights);
    if sum <= bound {
        return weights.to_vec();
    }
    // Below `bound`, so it fits.
    let part = |weight: u32| (u64::from(weight) * bound / sum) as u32;
    weights.iter().map(|weight| part(*weight).max(1)).collect()
}

/// Each index as often as its weight says, spread evenly: turn k of weight w is due at (k + 1/2) / w of the round.
pub(super) fn interleaved(weights: &[u32]) -> Vec<usize> {
    let mut turns: Vec<(usize, u64)> = Vec::new();
    for (index, weight) in weights.iter().enumerate() {
        turns.extend((0..u64::from(*weight)).map(|turn| (index, 2 * turn + 1)));
    }
    let due = |(a, turn_a): &(usize, u64), (b, turn_b): &(usize, u64)| -> Ordering {
        let (a_at, b_at) = (turn_a * u64::from(weights[*b]), turn_b * u64::from(weights[*a]));
        a_at.cmp(&b_at).then(a.cmp(b))
    };
    turns.sort_unstable_by(due);
    turns.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots(scheduler: &str, weights: &[u32]) -> Option<Slots> {
        let destinations = (1..).zip(weights).map(|(host, weight)| (at(host), *weight)).collect();
        Slots::of(&Scheduler::new(scheduler), &destinations)
    }

    fn at(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 80))
    }

    fn order(scheduler: &str, weights: &[u32]) -> Vec<u8> {
        let host = |span: &Span| match span.to {
            SocketAddr::V4(to) => to.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        };
        slots(scheduler, weights).map_or_else(Vec::new, |slots| slots.spans.iter().map(host).collect())
    }

    #[test]
    fn turns_are_reduced_and_spread() {
        assert_eq!(order("rr", &[7, 0, 9]), [1, 3]);
        assert_eq!(order("wrr", &[100, 100]), [1, 2]);
        assert_eq!(order("wrr", &[100, 200, 500]), [3, 2, 3, 1, 3, 3, 2, 3]);
        assert_eq!(order("wrr", &[0, 0]), [] as [u8; 0]);
    }

    #[test]
    fn many_turns_become_ranges_of_chance() {
        let slots = slots("wrr", &[100, 99, 0, 1]).unwrap();
        assert_eq!((slots.by, slots.count()), (By::Chance, 200));
        let spans: Vec<_> = slots.spans.iter().map(|span| (span.first, span.last, span.to)).collect();
        assert_eq!(spans, [(0, 99, at(1)), (100, 198, at(2)), (199, 199, at(4))]);
    }

    #[test]
    fn equal_weights_are_turns_however_many() {
        let slots = slots("wrr", &[3; 200]).unwrap();
        assert_eq!((slots.by, slots.count()), (By::Turn, 200));
    }

    proptest! {
        #[test]
        fn shares_are_as_the_weights(
            weights in prop::collection::vec(prop_oneof![0..5u32, 0..1_000u32, any::<u32>()], 1..40),
        ) {
            let Some(slots) = slots("wrr", &weights) else {
                prop_assert!(weights.iter().all(|weight| *weight == 0));
                return Ok(());
            };
            let mut next = 0;
            for span in &slots.spans {
                prop_assert_eq!(span.first, next);
                prop_assert!(span.last >= span.first);
                next = span.last + 1;
            }
            prop_assert_eq!(slots.count(), next);
            let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            let shares = slots.shares();
            for (host, weight) in (1..).zip(&weights) {
                let share = f64::from(shares.get(&at(host)).copied().unwrap_or(0)) / f64::from(next);
                let wanted = f64::from(*weight) / total;
                prop_assert!((share - wanted).abs() < 0.001, "{} {}", share, wanted);
                prop_assert_eq!(share > 0.0, *weight > 0);
            }
        }

        /// Each has had its share to within half a turn of everybody's, wherever a round is broken off.
        #[test]
        fn a_round_is_even_all_along(weights in prop::collection::vec(1..9u32, 1..7)) {
            let round = interleaved(&weights);
            for length in 0..round.len() {
                for (index, weight) in weights.iter().enumerate() {
                    let had = round[..length].iter().filter(|turn| **turn == index).count() as f64;
                    let due = f64::from(*weight) * length as f64 / round.len() as f64;
                    prop_assert!((had - due).abs() <= weights.len() as f64 / 2.0, "{:?}", round);
                }
            }
        }
    }
}
