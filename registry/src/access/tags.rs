//! JOBNAMEs and selectors in the form in which they are compared: eight small numbers, one for each tag.
//!
//! A selector has a shape (which tags it names, and of which of them any value will do) and values. There are few shapes
//! among ten thousand selectors, so "which selectors match this JOBNAME" is one look into a hash table for each shape:
//! tuple space search (Srinivasan, Suri, Varghese, "Packet classification using tuple space search", SIGCOMM 1999).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use foldhash::fast::RandomState;
use roundhouse_config::{JobName, Selector, Tag};
use smallvec::SmallVec;

/// What stands for any value in a selector.
const ANY: &str = "*";
const COUNT: usize = Tag::ALL.len();

/// Each value that a tag has anywhere, by its number; 0 is no value. Numbers are given once and for ever, so that what was
/// made with them earlier can be compared with what is made later.
#[derive(Debug, Default)]
pub(super) struct Interner {
    numbers: HashMap<Box<str>, u32, RandomState>,
}

/// The values of a JOBNAME, tag by tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tags([u32; COUNT]);

/// Which tags a selector names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// With a value, a bit each,
    valued: u8,
    /// and with `*`.
    any: u8,
}

/// A selector, or nobody's name in particular: the default matches everybody, also whoever has no JOBNAME at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    shape: Shape,
    values: Tags,
}

impl Interner {
    pub(super) fn tags(&mut self, name: &JobName) -> Tags {
        self.values(name.tags())
    }

    pub(super) fn pattern(&mut self, selector: &Selector) -> Pattern {
        let mut shape = Shape::default();
        for (tag, value) in selector.tags() {
            let bit = 1 << tag as u8;
            match value {
                ANY => shape.any |= bit,
                _ => shape.valued |= bit,
            }
        }
        Pattern { shape, values: self.values(selector.tags().filter(|(_, value)| *value != ANY)) }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    fn values<'a>(&mut self, tags: impl Iterator<Item = (Tag, &'a str)>) -> Tags {
        let mut values = [0; COUNT];
        for (tag, value) in tags {
            values[tag as usize] = self.number(value);
        }
        Tags(values)
    }

    fn number(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        // Four billion different values do not fit into any registry's memory.
        let number = u32::try_from(self.numbers.len() + 1).unwrap_or(u32::MAX);
        self.numbers.insert(value.into(), number);
        number
    }
}

impl Tags {
    fn present(&self) -> u8 {
        self.0.iter().enumerate().fold(0, |bits, (tag, value)| bits | (u8::from(*value != 0) << tag))
    }

    fn only(&self, bits: u8) -> Tags {
        let mut values = self.0;
        for (tag, value) in values.iter_mut().enumerate() {
            *value *= u32::from(bits >> tag & 1);
        }
        Tags(values)
    }
}

/// Tags with their hash, which is made once for a look and a filter.
#[derive(Clone, Copy, Debug)]
struct Key {
    hash: u64,
    tags: Tags,
}

impl Key {
    /// Numbers are given by us one after the other, so that nobody chooses them to collide: odd constants will do.
    fn of(tags: Tags) -> Key {
        const ODD: [u64; COUNT] = [
            0x9e37_79b9_7f4a_7c15,
            0xbf58_476d_1ce4_e5b9,
            0x94d0_49bb_1331_11eb,
            0xd6e8_feb8_6659_fd93,
            0xa076_1d64_78bd_642f,
            0xe703_7ed1_a0b4_28db,
            0x8ebc_6af0_9c88_c6e3,
            0x5896_36ea_2c4c_1d91,
        ];
        let sum = tags
            .0
            .iter()
            .zip(ODD)
            .fold(0u64, |sum, (value, odd)| sum.wrapping_add(u64::from(*value).wrapping_mul(odd)));
        Key { hash: (sum ^ sum >> 32).wrapping_mul(ODD[0]), tags }
    }

    /// One of the filter's bits.
    fn bit(&self) -> u128 {
        1 << (self.hash >> 57)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.tags == other.tags
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Of what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Keys write one word, whole.
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
}

/// Values by the patterns that they are for.
#[derive(Clone, Debug)]
pub(super) struct ByPattern<T> {
    /// Of the pattern that matches everybody.
    everybodys: Option<T>,
    /// One for each other shape that there is.
    tables: SmallVec<[Table<T>; 2]>,
}

#[derive(Clone, Debug)]
struct Table<T> {
    shape: Shape,
    /// A bit for each key: where it is not set, the map need not be looked into.
    filter: u128,
    values: HashMap<Key, T, BuildHasherDefault<AsItIs>>,
}

impl<T> Default for ByPattern<T> {
    fn default() -> Self {
        ByPattern { everybodys: None, tables: SmallVec::new() }
    }
}

impl<T> ByPattern<T> {
    /// Of all patterns that match; of nobody's name those that match everybody.
    pub(super) fn matching<'a>(&'a self, tags: Option<&Tags>) -> Vec<&'a T> {
        let mut found: Vec<&T> = self.everybodys.iter().collect();
        if let Some(tags) = tags {
            self.naming(tags, |value| found.push(value));
        }
        found
    }

    /// Of those that match a JOBNAME because they name some of its tags: [`Self::matching`] without everybody's.
    #[inline]
    pub(super) fn naming<'a>(&'a self, tags: &Tags, mut found: impl FnMut(&'a T)) {
        let present = tags.present();
        for Table { shape, filter, values } in &self.tables {
            if (shape.valued | shape.any) & !present != 0 {
                continue;
            }
            let key = Key::of(tags.only(shape.valued));
            if filter & key.bit() != 0
                && let Some(value) = values.get(&key)
            {
                found(value);
            }
        }
    }

    pub(super) fn everybodys(&self) -> Option<&T> {
        self.everybodys.as_ref()
    }

    pub(super) fn get(&self, pattern: &Pattern) -> Option<&T> {
        if *pattern == Pattern::default() {
            return self.everybodys.as_ref();
        }
        let table = self.tables.iter().find(|table| table.shape == pattern.shape)?;
        table.values.get(&Key::of(pattern.values))
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, value: T) {
        if *pattern == Pattern::default() {
            self.everybodys = Some(value);
            return;
        }
        let key = Key::of(pattern.values);
        let table = self.table(pattern.shape);
        table.filter |= key.bit();
        table.values.insert(key, value);
    }

    pub(super) fn entry(&mut self, pattern: &Pattern, new: impl FnOnce() -> T) -> &mut T {
        if *pattern == Pattern::default() {
            return self.everybodys.get_or_insert_with(new);
        }
        let key = Key::of(pattern.values);
        let table = self.table(pattern.shape);
        table.filter |= key.bit();
        table.values.entry(key).or_insert_with(new)
    }

    fn table(&mut self, shape: Shape) -> &mut Table<T> {
        let at = self.tables.iter().position(|table| table.shape == shape).unwrap_or_else(|| {
            self.tables.push(Table { shape, filter: 0, values: HashMap::default() });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        if *pattern == Pattern::default() {
            self.everybodys = None;
            return;
        }
        let Some(at) = self.tables.iter().position(|table| table.shape == pattern.shape) else { return };
        let table = &mut self.tables[at];
        table.values.remove(&Key::of(pattern.values));
        table.filter = table.values.keys().fold(0, |filter, key| filter | key.bit());
        if table.values.is_empty() {
            self.tables.swap_remove(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.everybodys.is_none() && self.tables.is_empty()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.everybodys.iter().chain(self.tables.iter().flat_map(|table| table.values.values()))
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = T> {
        self.everybodys
            .into_iter()
            .chain(self.tables.into_iter().flat_map(|table| table.values.into_values()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everybodys_pattern_matches_also_whoever_has_no_name() {
        let mut interner = Interner::default();
        let mut table = ByPattern::default();
        table.insert(&Pattern::default(), "everybody");
        table.insert(&interner.pattern(&"cop.z".parse().unwrap()), "z");
        table.insert(&interner.pattern(&"cop.*".parse().unwrap()), "any");
        let of = |tags: Option<&Tags>| {
            let mut all: Vec<_> = table.matching(tags).into_iter().copied().collect();
            all.sort_unstable();
            all
        };
        assert_eq!(of(None), ["everybody"]);
        let z = interner.tags(&"job.x_cop.z".parse().unwrap());
        assert_eq!(of(Some(&z)), ["any", "everybody", "z"]);
        assert_eq!(of(Some(&interner.tags(&"job.x".parse().unwrap()))), ["everybody"]);
        assert_eq!(table.everybodys(), Some(&"everybody"));
        let mut naming = 0;
        table.naming(&z, |_| naming += 1);
        assert_eq!(naming, 2);
    }

    #[test]
    fn a_shape_that_nothing_has_any_more_is_not_looked_at() {
        let mut interner = Interner::default();
        let (a, b) =
            (interner.pattern(&"job.a".parse().unwrap()), interner.pattern(&"cop.z".parse().unwrap()));
        let mut table = ByPattern::default();
        table.insert(&a, 1);
        table.insert(&b, 2);
        table.remove(&a);
        table.remove(&a);
        assert_eq!((table.tables.len(), table.get(&a), table.get(&b)), (1, None, Some(&2)));
        table.remove(&b);
        assert!(table.is_empty());
    }

    fn text(tags: &std::collections::BTreeMap<usize, String>) -> String {
        let parts: Vec<_> = tags.iter().map(|(tag, value)| format!("{}.{value}", Tag::ALL[*tag])).collect();
        parts.join("_")
    }

    proptest! {
        /// The selector's own comparison is the naive twin.
        #[test]
        fn those_that_match_are_found(
            selectors in prop::collection::vec(prop::collection::btree_map(0usize..8, "[ab*]", 1..5), 0..12),
            had in prop::collection::btree_map(0usize..7, "[ab]", 0..7),
        ) {
            let mut had = had;
            had.insert(7, "a".to_owned());
            let name: JobName = text(&had).parse().unwrap();
            let selectors: std::collections::BTreeSet<Selector> =
                selectors.iter().map(|tags| text(tags).parse().unwrap()).collect();
            let (mut interner, mut table) = (Interner::default(), ByPattern::default());
            for selector in &selectors {
                table.insert(&interner.pattern(selector), selector.clone());
            }
            let tags = interner.tags(&name);
            let mut found: Vec<_> = table.matching(Some(&tags)).into_iter().cloned().collect();
            found.sort();
            let expected: Vec<_> = selectors.into_iter().filter(|selector| selector.matches(&name)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
