//! Which line a client is on, and what it is answered for a pool.
//!
//! ```text
//! lines/<line> ─► Lines: the address space divided among lines ──┐
//! pools/<pool>, directors/<id> (what they have applied) ─────────┴─► PoolEntry: an answer for each line
//! ```
//!
//! A client is on the line whose prefix around its address is the longest; of two lines with one prefix the first by name
//! has it, and whoever is on none is on `default`. It is answered, in this order and never with nothing for its line
//! alone:
//!
//! 1. the VIPs of its own line,
//! 2. those of the first of its fallback lines that has any, then of `default`,
//! 3. those of all lines,
//!
//! each only as far as a live director has applied them; and while none is applied at all, all of its own line, or of
//! all lines: whoever cannot tell what works hides nothing.
//!
//! What changes with every director is which answer a line gets. Which lines are answered alike whatever is applied is told by
//! records alone, and only that decides how far an answer reaches ([`PoolEntry::answer`]): a cache keeps its entries while
//! lines fail over.

mod pool;
mod space;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use roundhouse_config::Label;
use roundhouse_registry::Snapshot;
use roundhouse_registry::record::{Director, default_line};

pub use self::pool::{Answer, PoolEntry};
use self::pool::{Applied, Spaces};
use self::space::{Class, Space};

/// The lines that clients are on, and the space that each has.
#[derive(Debug)]
pub(super) struct Lines {
    /// A line's class is its place here. The first is `default`.
    all: Vec<Line>,
    space: Space,
}

#[derive(Debug)]
struct Line {
    label: Label,
    /// What stands in for it, in this order.
    fallback: Vec<Label>,
}

/// All pools, as DNS answers with them.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    lines: Arc<Lines>,
    entries: OrdMap<Label, Arc<PoolEntry>>,
}

impl Lines {
    fn new(snapshot: &Snapshot) -> Lines {
        let line = |label: Label| {
            let record = snapshot.lines.get(&label);
            let fallback = record.map(|line| line.value.fallback.clone()).unwrap_or_default();
            Line { label, fallback }
        };
        let mut all = vec![line(default_line())];
        let mut prefixes = Vec::new();
        for (label, record) in snapshot.lines.iter().filter(|(_, line)| !line.value.prefixes.is_empty()) {
            let known = all.iter().position(|known| known.label == *label);
            let place = known.unwrap_or(all.len());
            if known.is_none() {
                all.push(line(label.clone()));
            }
            // A registry has a handful of lines.
            let class = Class::try_from(place).unwrap_or(Class::MAX);
            prefixes.extend(record.value.prefixes.iter().map(|prefix| (prefix.net(), class)));
        }
        Lines { all, space: Space::new(prefixes, 0) }
    }

    /// The space with what each line is to a pool.
    fn divided(&self, classes: &[Class]) -> Arc<Space> {
        Arc::new(self.space.mapped(|line| classes.get(line as usize).copied().unwrap_or_default()))
    }
}

impl Pools {
    pub(super) fn build(snapshot: &Snapshot) -> Pools {
        let mut pools = Pools { lines: Arc::new(Lines::new(snapshot)), entries: OrdMap::new() };
        let lines = pools.lines.clone();
        // Most pools have the same lines, and so divide the space alike.
        let mut spaces: HashMap<Box<[Class]>, Arc<Space>> = HashMap::new();
        for label in snapshot.pools.keys() {
            pools.make(snapshot, label, &mut |classes| {
                spaces.entry(classes.into()).or_insert_with(|| lines.divided(classes)).clone()
            });
        }
        pools
    }

    /// Those of `new`, where these are of `old`. A change of lines is a change of all; else it costs what differs.
    pub(super) fn follow(&mut self, old: &Snapshot, new: &Snapshot) {
        if !old.lines.ptr_eq(&new.lines) && old.lines != new.lines {
            *self = Pools::build(new);
            return;
        }
        let (before, lines) = (self.entries.clone(), self.lines.clone());
        for label in changed(old, new) {
            self.make(new, &label, &mut |classes| {
                let alike = before.get(&label).into_iter().chain(before.values());
                let alike = alike.filter_map(|entry| entry.divided_alike(classes)).next();
                alike.unwrap_or_else(|| lines.divided(classes))
            });
        }
    }

    pub(super) fn get(&self, pool: &Label) -> Option<&Arc<PoolEntry>> {
        self.entries.get(pool)
    }

    fn make(&mut self, snapshot: &Snapshot, label: &Label, spaces: &mut Spaces<'_>) {
        match snapshot.pools.get(label) {
            Some(pool) => {
                let directors = snapshot.directors.values().map(|director| &director.value);
                let applied = Applied::of(label, directors);
                let entry = PoolEntry::new(&self.lines, &pool.value, &applied, spaces);
                self.entries.insert(label.clone(), Arc::new(entry));
            }
            None => drop(self.entries.remove(label)),
        }
    }
}

/// Pools that changed, and those of which a director says something else.
fn changed(old: &Snapshot, new: &Snapshot) -> BTreeSet<Label> {
    let mut changed = BTreeSet::new();
    for item in old.pools.diff(&new.pools) {
        let (DiffItem::Add(pool, _) | DiffItem::Remove(pool, _) | DiffItem::Update { new: (pool, _), .. }) =
            item;
        changed.insert(pool.clone());
    }
    for item in old.directors.diff(&new.directors) {
        let (before, after): (Option<&Director>, Option<&Director>) = match item {
            DiffItem::Add(_, after) => (None, Some(&after.value)),
            DiffItem::Remove(_, before) => (Some(&before.value), None),
            DiffItem::Update { old: (_, before), new: (_, after) } => {
                (Some(&before.value), Some(&after.value))
            }
        };
        let said = |director: Option<&Director>, pool| {
            director.and_then(|director| director.applied.get(pool).cloned())
        };
        for pool in [before, after].into_iter().flatten().flat_map(|director| director.applied.keys()) {
            if said(before, pool) != said(after, pool) {
                changed.insert(pool.clone());
            }
        }
    }
    changed
}
