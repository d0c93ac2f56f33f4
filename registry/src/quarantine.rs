//! Keys that are in the store and not in the snapshot, and why.
//!
//! Bounded: the first 10,000 are listed with their reasons, of those beyond only a hash is kept, so that the number is
//! right. A key that is mended or deleted makes room for the next bad one; those beyond are listed after the next
//! listing at the latest.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::Serialize;

use crate::kv::Revision;
use crate::record::Digest;

/// Keys listed with their reasons.
const MAX_LISTED: usize = 10_000;
/// Characters of a reason; the parser may repeat a whole value.
const MAX_REASON: usize = 400;
/// Characters of a key; a right one has at most 512 bytes.
const MAX_KEY: usize = 512;

/// One bad key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    pub reason: String,
    pub revision: Revision,
}

#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    listed: OrdMap<Arc<str>, Quarantined>,
    beyond: OrdSet<u64>,
}

impl Quarantine {
    /// All bad keys, listed or not.
    pub fn len(&self) -> usize {
        self.listed.len() + self.beyond.len()
    }

    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.beyond.is_empty()
    }

    /// How many are not listed.
    pub fn beyond(&self) -> usize {
        self.beyond.len()
    }

    /// The listed ones, sorted. A key that is too long for a list is cut, and ends with its length and its hash.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Quarantined)> {
        self.listed.iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.listed.keys()
    }

    pub fn get(&self, key: &str) -> Option<&Quarantined> {
        self.listed.get(&*listed_key(key))
    }

    /// The same keys with the same reasons; compares pointers first.
    pub(crate) fn same(&self, other: &Quarantine) -> bool {
        (self.listed.ptr_eq(&other.listed) || self.listed == other.listed)
            && (self.beyond.ptr_eq(&other.beyond) || self.beyond == other.beyond)
    }

    pub(crate) fn insert(&mut self, key: &str, reason: &str, revision: Revision) {
        let listed = listed_key(key);
        if self.listed.len() < MAX_LISTED || self.listed.contains_key(&*listed) {
            self.beyond.remove(&hash(key));
            self.listed.insert(listed, Quarantined { reason: bounded(reason), revision });
        } else {
            self.beyond.insert(hash(key));
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        // Nearly every key was never here.
        if !self.is_empty() && self.listed.remove(&*listed_key(key)).is_none() {
            self.beyond.remove(&hash(key));
        }
    }
}

/// A bad key may be of any length; its list entry is not, and two long keys are two entries.
fn listed_key(key: &str) -> Arc<str> {
    match key.char_indices().nth(MAX_KEY) {
        None => key.into(),
        Some((end, _)) => format!("{}… ({} bytes, {:016x})", &key[..end], key.len(), hash(key)).into(),
    }
}

fn hash(key: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *Digest::of(key.as_bytes()).as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// One line of at most [`MAX_REASON`] characters.
fn bounded(reason: &str) -> String {
    let mut shown = String::with_capacity(reason.len().min(MAX_REASON));
    for (n, c) in reason.chars().enumerate() {
        if n == MAX_REASON {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_right_beyond_the_list() {
        let mut quarantine = Quarantine::default();
        for n in 0..MAX_LISTED + 500 {
            quarantine.insert(&format!("jobz/{n}"), "unknown kind", Revision(1));
            // Again with another value: still one key.
            quarantine.insert(&format!("jobz/{n}"), "unknown kind", Revision(2));
        }
        assert_eq!((quarantine.len(), quarantine.beyond()), (MAX_LISTED + 500, 500));
        assert_eq!(quarantine.iter().count(), MAX_LISTED);
        quarantine.remove(&format!("jobz/{}", MAX_LISTED + 1));
        quarantine.remove("jobz/0");
        quarantine.remove("jobs/never-bad");
        assert_eq!((quarantine.len(), quarantine.beyond()), (MAX_LISTED + 498, 499));
        // There is room again, also for one that was beyond.
        quarantine.insert(&format!("jobz/{}", MAX_LISTED + 2), "unknown kind", Revision(3));
        assert_eq!((quarantine.len(), quarantine.beyond()), (MAX_LISTED + 498, 498));
    }

    #[test]
    fn reasons_and_keys_are_bounded() {
        let mut quarantine = Quarantine::default();
        let long = "k".repeat(64 << 10);
        quarantine.insert(&format!("{long}a"), &"r\n".repeat(64 << 10), Revision(1));
        quarantine.insert(&format!("{long}b"), "", Revision(1));
        assert_eq!(quarantine.len(), 2, "they differ behind the cut");
        assert!(quarantine.keys().all(|key| key.len() < 600));
        let reason = &quarantine.get(&format!("{long}a")).unwrap().reason;
        assert!(reason.starts_with("r\\nr") && reason.chars().count() < 2 * MAX_REASON, "{reason}");
        quarantine.remove(&format!("{long}b"));
        assert_eq!(quarantine.len(), 1);
    }

    #[test]
    fn what_is_beyond_goes_although_nothing_is_listed() {
        let mut quarantine = Quarantine::default();
        let keys: Vec<String> = (0..=MAX_LISTED).map(|n| format!("jobz/{n}")).collect();
        keys.iter().for_each(|key| quarantine.insert(key, "unknown kind", Revision(1)));
        keys.iter().for_each(|key| quarantine.remove(key));
        assert!(quarantine.is_empty());
    }
}
