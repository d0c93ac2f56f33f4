//! A hash map in pieces, each shared by all tables in which it is the same: a change copies one piece of many, and a look
//! costs one load more than in a plain map.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Among 100,000 entries a piece has 400, which are copied in a few microseconds.
const PIECES: usize = 256;

type Piece<K, V> = Arc<HashTable<(K, V)>>;

#[derive(Clone)]
pub(super) struct Shards<K, V> {
    pieces: Arc<[Piece<K, V>]>,
    hasher: RandomState,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        // One empty piece for all: a table of nothing takes nothing.
        let empty = Arc::new(HashTable::new());
        Shards { pieces: std::iter::repeat_n(empty, PIECES).collect(), hasher: RandomState::default() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    #[inline]
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        self.pieces[piece(hash)].find(hash, |(known, _)| known.borrow() == key).map(|(_, value)| value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        let hasher = self.hasher;
        let entry =
            self.changed(hash).entry(hash, |(known, _)| *known == key, |(known, _)| hasher.hash_one(known));
        match entry {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => drop(entry.insert((key, value))),
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        let hash = self.hasher.hash_one(key);
        let found = self.changed(hash).find_entry(hash, |(known, _)| known == key);
        found.map(|entry| drop(entry.remove())).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Copied once a table: from then on both are its own.
    fn changed(&mut self, hash: u64) -> &mut HashTable<(K, V)> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.pieces)[piece(hash)])
    }
}

/// By bits that the table of a piece does not go by: those are the lowest and the highest.
fn piece(hash: u64) -> usize {
    (hash >> 40) as usize % PIECES
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
