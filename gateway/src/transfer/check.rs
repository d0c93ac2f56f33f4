//! What of an export would be quarantined: kept out of every snapshot, served by nobody.

use std::fmt;
use std::sync::Arc;

use roundhouse_registry::kv::Listing;
use roundhouse_registry::{Quarantined, Snapshot};
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
    let misfit = |(key, found): (&Arc<str>, &Quarantined)| Misfit {
        key: key.to_string(),
        reason: found.reason.clone(),
    };
    snapshot.quarantine.iter().map(misfit).collect()
}
