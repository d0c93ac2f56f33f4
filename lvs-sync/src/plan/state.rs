//! What we made, and what we wait for. It outlives the program: a restart must neither forget nor begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use roundhouse_config::{Label, duration};
use roundhouse_registry::record::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desired::Falls;
use crate::model::ServiceKey;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    #[serde(default)]
    pub services: BTreeMap<ServiceKey, Owned>,
    /// Addresses that we gave to this host.
    #[serde(default)]
    pub vips: BTreeSet<IpAddr>,
    #[serde(default)]
    pub falls: Falls,
}

/// A service that we made, with the destinations in it that we made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// For which pool; `None`: the sink knows it as ours, and we had forgotten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Label>,
    #[serde(default, with = "duration")]
    pub drain: Duration,
    /// Until when one that leaves may stay; `null`: it does not leave.
    #[serde(default)]
    pub destinations: BTreeMap<SocketAddr, Option<Timestamp>>,
    /// Since when most of them are gone from the registry, which is not believed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Timestamp>,
}

impl State {
    /// Both: what is written before the first operation is done, so that a crash in the middle leaves nothing of ours
    /// behind that we do not know.
    #[must_use]
    pub fn with(&self, next: &State) -> State {
        let mut both = next.clone();
        for (key, owned) in &self.services {
            let entry = both.services.entry(key.clone()).or_insert_with(|| owned.clone());
            for (address, leaving) in &owned.destinations {
                entry.destinations.entry(*address).or_insert(*leaving);
            }
        }
        both.vips.extend(&self.vips);
        both
    }
}
