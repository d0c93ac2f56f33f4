//! Smooth weighted round robin: the turn order of one endpoint set, computed once, read with one addition.
//!
//! "Smooth" is nginx's word (upstream round robin, commit 52327e0627f4, 2012): an endpoint of weight 5 among two of
//! weight 1 is not asked five times in a row. Each step every weight is added to its running score, the highest score
//! takes the turn and pays the total. Here the scores are kept by weight class and members of a class take turns, so
//! that the order of 100,000 endpoints with a handful of weights costs their number and not its square.
//!
//! Every worker has a cursor of its own with a random start: no cache line is shared, and gateways that start together
//! do not begin with the same endpoint.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The order may be this many times longer than there are endpoints; beyond it weights are rounded.
const STRETCH: usize = 8;
/// A small set may have an order of this length anyhow, so that its weights are exact.
const EXACT: usize = 4_096;

/// Two cache lines: adjacent lines are fetched in pairs on x86-64.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Cursor(AtomicUsize);

#[derive(Debug)]
pub struct RoundRobin {
    order: Box<[u32]>,
    cursors: Box<[Cursor]>,
}

impl RoundRobin {
    /// `weights[i]` is the weight of endpoint `i`; 0 gets no turn. `start` gives each worker's first position.
    pub fn new(weights: &[u32], workers: usize, mut start: impl FnMut() -> usize) -> RoundRobin {
        let cursors = (0..workers).map(|_| Cursor(AtomicUsize::new(start()))).collect();
        RoundRobin { order: order(weights).into(), cursors }
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The next endpoint of this worker that `accept` takes; each distinct turn of the order is offered once.
    pub fn next(&self, worker: usize, accept: impl FnMut(usize) -> bool) -> Option<usize> {
        let cursor = self.cursors.get(worker)?.0.fetch_add(1, Relaxed);
        self.from(cursor, accept)
    }

    /// Another one for whoever had the last turn: nobody else's turn is used up by a retry.
    pub fn again(&self, worker: usize, accept: impl FnMut(usize) -> bool) -> Option<usize> {
        let cursor = self.cursors.get(worker)?.0.load(Relaxed).wrapping_sub(1);
        self.from(cursor, accept)
    }

    fn from(&self, cursor: usize, mut accept: impl FnMut(usize) -> bool) -> Option<usize> {
        (0..self.order.len())
            .map(|step| self.order[cursor.wrapping_add(step) % self.order.len()] as usize)
            .find(|endpoint| accept(*endpoint))
    }
}

struct Class {
    weight: u32,
    members: Vec<u32>,
    turns: usize,
    score: i64,
}

fn order(weights: &[u32]) -> Vec<u32> {
    let mut classes: Vec<Class> = Vec::new();
    for (index, weight) in reduced(weights).into_iter().enumerate().filter(|(_, weight)| *weight > 0) {
        match classes.iter_mut().find(|class| class.weight == weight) {
            Some(class) => class.members.push(index as u32),
            None => classes.push(Class { weight, members: vec![index as u32], turns: 0, score: 0 }),
        }
    }
    let total: i64 = classes.iter().map(Class::share).sum();
    let mut order = Vec::with_capacity(total as usize);
    for _ in 0..total {
        for class in &mut classes {
            class.score += class.share();
        }
        // Of equal scores the first class wins, as in nginx.
        let Some(best) = (0..classes.len()).rev().max_by_key(|class| classes[*class].score) else { break };
        let class = &mut classes[best];
        class.score -= total;
        order.push(class.members[class.turns % class.members.len()]);
        class.turns += 1;
    }
    order
}

impl Class {
    fn share(&self) -> i64 {
        i64::from(self.weight) * self.members.len() as i64
    }
}

/// The weights by their greatest common divisor, rounded when the order would still be too long.
fn reduced(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, *weight)).max(1);
    let total: u64 = weights.iter().map(|weight| u64::from(weight / divisor)).sum();
    let limit = (weights.len() * STRETCH).max(EXACT) as u64;
    let scale = |weight: u32| match u64::from(weight / divisor) {
        0 => 0,
        exact if total <= limit => exact as u32,
        exact => (exact * limit / total).max(1) as u32,
    };
    weights.iter().map(|weight| scale(*weight)).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letters(weights: &[u32]) -> String {
        order(weights).into_iter().map(|index| char::from(b'a' + index as u8)).collect()
    }

    #[test]
    fn a_heavy_endpoint_is_spread_out() {
        assert_eq!(letters(&[1, 1, 1]), "abc");
        assert_eq!(letters(&[100, 100]), "ab");
        assert_eq!(letters(&[5, 1, 1]), "abaaaca");
        assert_eq!(letters(&[0, 3]), "b");
        assert_eq!(letters(&[]), "");
    }

    #[test]
    fn a_large_set_with_awkward_weights_stays_short() {
        let weights: Vec<u32> = (0..100_000).map(|i| 990 + (i % 11)).collect();
        let order = order(&weights);
        assert!(order.len() <= weights.len() * STRETCH, "{}", order.len());
    }

    #[test]
    fn workers_have_cursors_of_their_own() {
        let turns = RoundRobin::new(&[1, 1], 2, || 0);
        let next = |worker| turns.next(worker, |_| true);
        assert_eq!([next(0), next(1), next(0), next(1)], [Some(0), Some(0), Some(1), Some(1)]);
        assert_eq!(turns.next(0, |endpoint| endpoint == 1), Some(1));
        assert_eq!(turns.next(0, |_| false), None);
        assert_eq!(turns.next(7, |_| true), None, "an unknown worker has no turn");
    }

    #[test]
    fn a_retry_uses_up_nobodys_turn() {
        let turns = RoundRobin::new(&[1, 1, 1], 1, || 0);
        assert_eq!(turns.next(0, |_| true), Some(0));
        assert_eq!(turns.again(0, |endpoint| endpoint != 0), Some(1));
        assert_eq!(turns.again(0, |endpoint| endpoint > 1), Some(2));
        assert_eq!(turns.next(0, |_| true), Some(1));
    }

    proptest! {
        /// In one round everybody gets exactly its weight, and nobody waits much longer than its share says.
        #[test]
        fn shares_are_exact_and_turns_are_spread(weights in proptest::collection::vec(0u32..40, 1..12)) {
            let order = order(&weights);
            let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, *weight)).max(1);
            for (index, weight) in weights.iter().enumerate() {
                let turns = order.iter().filter(|turn| **turn == index as u32).count();
                prop_assert_eq!(turns as u32, weight / divisor);
                // At any time an endpoint's turns differ from its share by less than one turn of its own and one of
                // its class.
                let mut had = 0.0;
                for (step, turn) in order.iter().enumerate() {
                    had += f64::from(u8::from(*turn == index as u32));
                    let due = (step + 1) as f64 * turns as f64 / order.len() as f64;
                    prop_assert!((had - due).abs() < 2.0, "{weights:?} {order:?} endpoint {index} step {step}");
                }
            }
        }
    }
}
