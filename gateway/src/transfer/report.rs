//! What an import did, or would do: for people, and for programs by the API.

use std::collections::BTreeMap;
use std::fmt::Display;

use roundhouse_registry::Revision;
use serde::{Deserialize, Serialize};

/// Names of one list that are spelt out; a thousand would hide what to do about them.
const SPELT_OUT: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Nothing was written: the counts say what would be.
    pub dry_run: bool,
    /// The registry's revision after it (of a dry run: at which it looked).
    pub revision: Revision,
    /// By kind: `jobs`, `instances`, …
    pub kinds: BTreeMap<String, Count>,
    /// Leased records that were left out, because the new registry has their key or their address already.
    pub left: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub create: u64,
    pub replace: u64,
    /// There already.
    pub equal: u64,
    pub left: u64,
}

impl Report {
    pub fn total(&self) -> Count {
        self.kinds.values().fold(Count::default(), |sum, count| Count {
            create: sum.create + count.create,
            replace: sum.replace + count.replace,
            equal: sum.equal + count.equal,
            left: sum.left + count.left,
        })
    }

    /// Whether the new registry is not as the file says.
    pub fn changes(&self) -> bool {
        let Count { create, replace, .. } = self.total();
        create + replace > 0
    }
}

/// A list for a sentence: the first of them, and how many more there are.
pub fn list<T: Display>(items: &[T]) -> String {
    let mut text: Vec<String> = items.iter().take(SPELT_OUT).map(|item| format!("  {item}")).collect();
    if items.len() > SPELT_OUT {
        text.push(format!("  and {} more", items.len() - SPELT_OUT));
    }
    text.join("\n")
}
