//! What of an export would be quarantined: kept out of every snapshot, served by nobody.

use std::fmt;

use roundhouse_registry::Snapshot;
use roundhouse_registry::kv::Listing;
use roundhouse_registry::record::{Key, VipOwner, decode};
use serde::Serialize;

use super::Contents;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    pub key: String,
    pub reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key.escape_debug(), self.reason)
    }
}

/// Judged by the code that judges what comes from a registry, so that both say the same.
pub fn misfits(contents: &Contents) -> Vec<Misfit> {
    let header = &contents.header;
    let listing = Listing {
        origin: header.origin.clone(),
        revision: header.revision,
        entries: contents.entries.clone(),
    };
    let snapshot = Snapshot::from_listing(listing);
    let quarantined = snapshot.quarantine.iter();
    let mut misfits: Vec<Misfit> = quarantined
        .map(|(key, found)| Misfit { key: key.to_string(), reason: found.reason.clone() })
        .collect();
    // Only writers look at these, so no snapshot has an opinion.
    for entry in &contents.entries {
        if let Ok(Key::VipOwner(_)) = Key::parse(&entry.key)
            && let Err(error) = decode::<VipOwner>(&entry.value)
        {
            misfits.push(Misfit { key: entry.key.clone(), reason: error.to_string() });
        }
    }
    misfits
}
