//! JOBNAMEs and selectors in the form in which they are compared: eight small numbers, one for each tag.
//!
//! A selector has a shape (which tags it names, and of which of them any value will do) and values. There are few shapes
//! among ten thousand selectors, so "which selectors match this JOBNAME" is one look into a hash table for each shape:
//! tuple space search (Srinivasan, Suri, Varghese, "Packet classification using tuple space search", SIGCOMM 1999).

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use roundhouse_config::{JobName, Selector, Tag};

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

impl Hash for Tags {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for pair in self.0.chunks_exact(2) {
            state.write_u64(u64::from(pair[0]) << 32 | u64::from(pair[1]));
        }
    }
}

/// Values by the patterns that they are for.
#[derive(Clone, Debug)]
pub(super) struct ByPattern<T> {
    /// One for each shape that there is.
    tables: Vec<(Shape, HashMap<Tags, T, RandomState>)>,
}

impl<T> Default for ByPattern<T> {
    fn default() -> Self {
        ByPattern { tables: Vec::new() }
    }
}

impl<T> ByPattern<T> {
    /// Of all patterns that match; of nobody's name those that match everybody.
    pub(super) fn matching(&self, tags: Option<&Tags>) -> impl Iterator<Item = &T> + use<'_, T> {
        let present = tags.map_or(0, Tags::present);
        let tags = tags.copied().unwrap_or_default();
        self.tables.iter().filter_map(move |(shape, table)| {
            if (shape.valued | shape.any) & !present != 0 {
                return None;
            }
            table.get(&tags.only(shape.valued))
        })
    }

    /// Of those that match a JOBNAME because they name some of its tags: [`Self::matching`] without everybody's.
    pub(super) fn naming<'a>(&'a self, tags: &Tags, mut found: impl FnMut(&'a T)) {
        let present = tags.present();
        for (shape, table) in &self.tables {
            let named = shape.valued | shape.any;
            if named != 0 && named & !present == 0 {
                table.get(&tags.only(shape.valued)).into_iter().for_each(&mut found);
            }
        }
    }

    /// Of the pattern that matches everybody.
    pub(super) fn everybodys(&self) -> Option<&T> {
        self.get(&Pattern::default())
    }

    pub(super) fn get(&self, pattern: &Pattern) -> Option<&T> {
        let (_, table) = self.tables.iter().find(|(shape, _)| *shape == pattern.shape)?;
        table.get(&pattern.values)
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, value: T) {
        self.table(pattern.shape).insert(pattern.values, value);
    }

    pub(super) fn entry(&mut self, pattern: &Pattern, new: impl FnOnce() -> T) -> &mut T {
        self.table(pattern.shape).entry(pattern.values).or_insert_with(new)
    }

    fn table(&mut self, shape: Shape) -> &mut HashMap<Tags, T, RandomState> {
        let at = self.tables.iter().position(|(known, _)| *known == shape).unwrap_or_else(|| {
            self.tables.push((shape, HashMap::default()));
            self.tables.len() - 1
        });
        &mut self.tables[at].1
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        let Some(at) = self.tables.iter().position(|(shape, _)| *shape == pattern.shape) else { return };
        let table = &mut self.tables[at].1;
        table.remove(&pattern.values);
        if table.is_empty() {
            self.tables.swap_remove(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.tables.iter().flat_map(|(_, table)| table.values())
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = T> {
        self.tables.into_iter().flat_map(|(_, table)| table.into_values())
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
            let mut all: Vec<_> = table.matching(tags).copied().collect();
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
            let mut found: Vec<_> = table.matching(Some(&tags)).cloned().collect();
            found.sort();
            let expected: Vec<_> = selectors.into_iter().filter(|selector| selector.matches(&name)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
