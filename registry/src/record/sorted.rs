//! A small map in one allocation.
//!
//! 100,000 instances have 100,000 maps of ports, nearly all of one entry. A B-tree's node takes over 200 bytes for it;
//! a sorted slice takes what the entries take, and instances of one job whose maps are equal share one.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sorted map for a few entries, cheap to clone. Changing it copies it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sorted<K, V>(Arc<[(K, V)]>);

impl<K, V> Sorted<K, V> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> Sorted<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.0.binary_search_by(|(held, _)| held.borrow().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }
}

impl<K: Ord + Clone, V: Clone> Sorted<K, V> {
    /// Adds or replaces an entry.
    pub fn insert(&mut self, key: K, value: V) {
        *self = self.0.iter().cloned().chain([(key, value)]).collect();
    }

    /// Takes the other's memory if it has the same entries.
    pub(crate) fn share(&mut self, other: &Self)
    where
        V: PartialEq,
    {
        if self == other {
            *self = other.clone();
        }
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Sorted(Arc::default())
    }
}

/// Of two entries with one key the later counts.
impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut entries: Vec<(K, V)> = entries.into_iter().collect();
        entries.reverse();
        // Stable, so that the later of two is still the first.
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(later, _), (first, _)| later == first);
        // The empty slice of the default takes no memory.
        if entries.is_empty() { Sorted::default() } else { Sorted(entries.into()) }
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Sorted<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<'a, K, V> IntoIterator for &'a Sorted<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Sorted<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Serialize, V: Serialize> Serialize for Sorted<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for Sorted<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = Sorted<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        std::iter::from_fn(|| map.next_entry().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_maps_share_memory_and_an_empty_one_takes_none() {
        let one = Sorted::from([("a", 1)]);
        let mut other = Sorted::from([("a", 1)]);
        other.share(&one);
        assert!(Arc::ptr_eq(&one.0, &other.0));
        let empty: Sorted<u8, u8> = [].into();
        assert!(Arc::ptr_eq(&empty.0, &Sorted::default().0));
    }

    proptest! {
        #[test]
        fn it_is_the_map_of_the_standard_library(entries: Vec<(u8, u8)>, key: u8, value: u8) {
            let mut twin: BTreeMap<u8, u8> = entries.iter().copied().collect();
            let mut sorted: Sorted<u8, u8> = entries.into_iter().collect();
            prop_assert!(sorted.iter().eq(&twin));
            prop_assert_eq!(sorted.get(&key), twin.get(&key));
            let text = serde_json::to_string(&twin).unwrap();
            prop_assert_eq!(&serde_json::to_string(&sorted).unwrap(), &text);
            prop_assert_eq!(&serde_json::from_str::<Sorted<u8, u8>>(&text).unwrap(), &sorted);
            twin.insert(key, value);
            sorted.insert(key, value);
            prop_assert!(sorted.iter().eq(&twin));
        }
    }
}
