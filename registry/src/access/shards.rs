//! A hash map in pieces, each shared by all tables in which it is the same: a change copies one piece of many, and a look
//! costs one load more than in a plain map.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// Among 100,000 entries a piece has 400, which are copied in a few microseconds.
const PIECES: usize = 256;

type Piece<K, V> = HashMap<K, V, RandomState>;

#[derive(Clone)]
pub(super) struct Shards<K, V> {
    pieces: Arc<[Arc<Piece<K, V>>]>,
    hasher: RandomState,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        // One empty piece for all: a table of nothing takes nothing.
        let empty = Arc::new(Piece::default());
        Shards { pieces: std::iter::repeat_n(empty, PIECES).collect(), hasher: RandomState::default() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.pieces[self.piece(key)].get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.change(&key.clone(), |piece| drop(piece.insert(key, value)));
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        self.get(key).is_some() && self.change(key, |piece| piece.remove(key).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    fn change<R>(&mut self, key: &K, change: impl FnOnce(&mut Piece<K, V>) -> R) -> R {
        let at = self.piece(key);
        // Copied once a table: from then on both are its own.
        let pieces = Arc::make_mut(&mut self.pieces);
        change(Arc::make_mut(&mut pieces[at]))
    }

    fn piece<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        // The map itself goes by other bits, of another seed.
        (self.hasher.hash_one(key) >> 32) as usize % PIECES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_one_keeps_what_it_had() {
        let mut map = Shards::default();
        (0..10_000u32).for_each(|n| map.insert(n, n));
        let before = map.clone();
        map.insert(7, 70);
        assert!(map.remove(&8) && !map.remove(&8));
        assert_eq!((map.get(&7), map.get(&8), map.len()), (Some(&70), None, 9_999));
        assert_eq!((before.get(&7), before.get(&8), before.len()), (Some(&7), Some(&8), 10_000));
        let shared = before.pieces.iter().zip(&*map.pieces).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert!(shared >= PIECES - 2, "{shared}");
    }
}
