//! `plan(file, registry, mode) -> what is written, what is refused`: pure.
//!
//! | in the registry | unleased in the file | leased in the file |
//! | --- | --- | --- |
//! | absent | created | created, under the grace |
//! | equal | passed over | passed over |
//! | other, unleased | refused; `replace`: replaced | left as it is |
//! | other, leased | refused | left as it is |
//!
//! A lease in the new registry means that its holder lives there: what it says is newer than the file, always. An
//! instance and its addresses are one unit: all of it is written in one transaction, or it is left out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bytes::Bytes;
use roundhouse_registry::kv::{Condition, Entry, LeaseId};
use roundhouse_registry::record::{Key, Vip, VipOwner, decode, encode};
use serde::{Deserialize, Serialize};

use super::report::Count;
use super::{kind, moves, pools};

/// What may be in the registry before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing that is not in the file, and as it is there.
    #[default]
    Fresh,
    /// Anything; but what is in the file too must be equal.
    Merge,
    /// Anything; what is in the file too becomes as it is there. Nothing is deleted.
    Replace,
}

/// A record that stands against the import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub key: String,
    pub reason: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key.escape_debug(), self.reason)
    }
}

/// One key that is written, if it is still as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) value: Bytes,
    pub(super) leased: bool,
    pub(super) when: Condition,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Each is written whole, in this order.
    pub(super) units: Vec<Vec<Put>>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) kinds: BTreeMap<String, Count>,
    pub(super) left: Vec<String>,
    /// Leases of an earlier import of this file that did not come to its end.
    pub(super) graces: Vec<LeaseId>,
}

/// `now` in seconds since the epoch.
pub(super) fn plan(file: &[Entry], registry: &[Entry], mode: Mode, now: u64) -> Plan {
    let there: HashMap<&str, &Entry> = registry.iter().map(|entry| (&*entry.key, entry)).collect();
    let mut plan = Plan::default();
    for unit in units(file) {
        if unit.iter().any(|entry| entry.lease.is_some()) {
            plan.leased(&unit, &there);
        } else {
            plan.unleased(&unit, &there, mode);
        }
    }
    if mode == Mode::Fresh {
        let known: std::collections::HashSet<&str> = file.iter().map(|entry| &*entry.key).collect();
        let others = registry.iter().filter(|entry| moves(entry) && !known.contains(&*entry.key));
        plan.conflicts
            .extend(others.map(|entry| conflict(&entry.key, "is there already, and not in the file")));
    }
    plan.vips(file, registry, now);
    pools::settle(&mut plan, file, registry, now);
    plan.graces = graces(file, &there);
    // A gateway on the registry gives every job without a VIP one, so what has been decided is there before the jobs;
    // an instance brings its job along where there is none.
    plan.units.sort_by_key(|unit| unit.first().map_or(0, |put| rank(&put.key)));
    plan
}

fn rank(key: &str) -> u8 {
    match kind(key) {
        "vip-owners" | "pool-vips" => 0,
        "vips" => 1,
        "certs" => 2,
        "jobs" => 3,
        "instances" | "addresses" => 5,
        _ => 4,
    }
}

/// An instance with the addresses that it holds; anything else alone.
fn units(file: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut units: BTreeMap<&[u8], Vec<&Entry>> = BTreeMap::new();
    let instances: std::collections::HashSet<&[u8]> = file
        .iter()
        .filter(|entry| kind(&entry.key) == "instances")
        .map(|entry| entry.key.as_bytes())
        .collect();
    for entry in file {
        let holder = (kind(&entry.key) == "addresses").then_some(&*entry.value);
        let of = holder.filter(|holder| instances.contains(holder)).unwrap_or(entry.key.as_bytes());
        units.entry(of).or_default().push(entry);
    }
    units.into_values().collect()
}

impl Plan {
    fn leased(&mut self, unit: &[&Entry], there: &HashMap<&str, &Entry>) {
        let found: Vec<Option<&Entry>> = unit.iter().map(|entry| there.get(&*entry.key).copied()).collect();
        if found.iter().all(Option::is_none) {
            for entry in unit {
                self.count(&entry.key).create += 1;
            }
            let put = |entry: &&Entry| put(entry, Condition::Absent(entry.key.clone()));
            self.units.push(unit.iter().map(put).collect());
            return;
        }
        let equal = |(entry, found): (&&Entry, &Option<&Entry>)| {
            found.is_some_and(|found| same(&entry.value, &found.value))
        };
        let all_equal = unit.iter().zip(&found).all(equal);
        for entry in unit {
            let count = self.count(&entry.key);
            if all_equal { count.equal += 1 } else { count.left += 1 }
        }
        if !all_equal {
            self.left.extend(unit.iter().map(|entry| entry.key.clone()));
        }
    }

    fn unleased(&mut self, unit: &[&Entry], there: &HashMap<&str, &Entry>, mode: Mode) {
        let mut puts = Vec::new();
        for entry in unit {
            match there.get(&*entry.key) {
                None => {
                    self.count(&entry.key).create += 1;
                    puts.push(put(entry, Condition::Absent(entry.key.clone())));
                }
                Some(found) if found.lease.is_some() => {
                    let why = format!(
                        "is held there by a live lease as {}; stop its holder, or delete it",
                        shortened(&found.value)
                    );
                    self.conflicts.push(conflict(&entry.key, &why));
                }
                Some(found) if same(&entry.value, &found.value) => self.count(&entry.key).equal += 1,
                Some(found) if mode == Mode::Replace => {
                    self.count(&entry.key).replace += 1;
                    puts.push(put(entry, Condition::At(entry.key.clone(), found.modified)));
                }
                Some(_) => {
                    self.conflicts.push(conflict(&entry.key, "is there already, and not as in the file"));
                }
            }
        }
        if !puts.is_empty() {
            self.units.push(puts);
        }
    }

    /// No two jobs on one offset, and no offset kept by a job that has another one now.
    fn vips(&mut self, file: &[Entry], registry: &[Entry], now: u64) {
        let mut vips: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in registry.iter().chain(file) {
            if let (Some(label), Ok(Vip { offset })) = (entry.key.strip_prefix("vips/"), decode(&entry.value))
            {
                vips.insert(label, offset);
            }
        }
        let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
        for (label, offset) in &vips {
            if let Some(other) = owners.insert(*offset, label) {
                let why = format!(
                    "would have the VIP offset {offset} of job {other} too; delete one of the jobs first"
                );
                self.conflicts.push(conflict(&format!("vips/{label}"), &why));
            }
        }
        let in_file: std::collections::HashSet<&str> = file.iter().map(|entry| &*entry.key).collect();
        for entry in registry.iter().filter(|entry| !in_file.contains(&*entry.key)) {
            if let (Ok(Key::VipOwner(offset)), Ok(VipOwner::Job(label))) =
                (Key::parse(&entry.key), decode(&entry.value))
                && vips.get(label.as_str()).is_some_and(|now_at| *now_at != offset)
            {
                self.count(&entry.key).replace += 1;
                let when = Condition::At(entry.key.clone(), entry.modified);
                let value = encode(&VipOwner::FreedAt(now));
                self.units.push(vec![Put { key: entry.key.clone(), value, leased: false, when }]);
            }
        }
    }

    pub(super) fn count(&mut self, key: &str) -> &mut Count {
        self.kinds.entry(kind(key).to_owned()).or_default()
    }
}

/// A registrar's lease holds one instance; one that holds several is a grace, which runs from the end of the import.
fn graces(file: &[Entry], there: &HashMap<&str, &Entry>) -> Vec<LeaseId> {
    let mut held: HashMap<LeaseId, usize> = HashMap::new();
    for entry in file.iter().filter(|entry| kind(&entry.key) == "instances" && entry.lease.is_some()) {
        if let Some(lease) = there.get(&*entry.key).and_then(|found| found.lease) {
            *held.entry(lease).or_default() += 1;
        }
    }
    held.into_iter().filter(|(_, count)| *count > 1).map(|(lease, _)| lease).collect()
}

fn put(entry: &Entry, when: Condition) -> Put {
    Put { key: entry.key.clone(), value: entry.value.clone(), leased: entry.lease.is_some(), when }
}

pub(super) fn conflict(key: &str, reason: &str) -> Conflict {
    Conflict { key: key.to_owned(), reason: reason.to_owned() }
}

/// The same bytes, or JSON that says the same.
fn same(a: &[u8], b: &[u8]) -> bool {
    let json = |text| serde_json::from_slice::<serde_json::Value>(text).ok();
    a == b || json(a).is_some_and(|a| Some(a) == json(b))
}

fn shortened(value: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(value).chars().take(80).collect();
    text.escape_debug().to_string()
}
