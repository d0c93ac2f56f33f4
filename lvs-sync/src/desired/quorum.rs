//! Too few healthy: who takes the work, and when it is taken back.
//!
//! A pool falls at once and returns only after its quorum has been there for [`STEADY`], or one instance whose check
//! flaps would move all connections at each flap.

use std::collections::BTreeMap;
use std::time::Duration;

use roundhouse_config::Label;
use roundhouse_registry::record::{Pool, PoolFallback, Timestamp};
use serde::{Deserialize, Serialize};

use super::Site;
use super::candidates::{Candidate, Fitness, of_line};

/// Five rounds of a check every 2 s.
pub(super) const STEADY: Duration = Duration::from_secs(10);
/// A server that says sorry has the work alone.
const SORRY_WEIGHT: u32 = 100;

/// The pools that have fallen, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Falls(BTreeMap<Label, BTreeMap<Label, Fallen>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallen {
    pub since: Timestamp,
    /// Since when there have been enough again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enough: Option<Timestamp>,
}

impl Falls {
    pub fn iter(&self) -> impl Iterator<Item = (&Label, &Label, &Fallen)> {
        self.0.iter().flat_map(|(pool, lines)| lines.iter().map(move |(line, fallen)| (pool, line, fallen)))
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(&Label) -> bool) {
        self.0.retain(|pool, _| is_there(pool));
    }

    fn get(&self, pool: &Label, line: &Label) -> Option<Fallen> {
        self.0.get(pool)?.get(line).copied()
    }

    fn set(&mut self, pool: &Label, line: &Label, fallen: Fallen) {
        self.0.entry(pool.clone()).or_default().insert(line.clone(), fallen);
    }

    fn remove(&mut self, pool: &Label, line: &Label) {
        if let Some(lines) = self.0.get_mut(pool) {
            lines.remove(line);
            if lines.is_empty() {
                self.0.remove(pool);
            }
        }
    }
}

/// Who is behind a VIP of the line, with the weights that they have.
pub(super) struct Chosen {
    pub(super) candidates: Vec<Candidate>,
    /// When the pool returns from its fallback, if it stays as it is.
    pub(super) returns: Option<Timestamp>,
}

pub(super) fn choose(
    site: &Site<'_>,
    name: &Label,
    pool: &Pool,
    line: &Label,
    own: Vec<Candidate>,
    falls: &mut Falls,
) -> Chosen {
    let (fallen, returns) = look(site.now, pool.quorum, &own, falls.get(name, line));
    match fallen {
        None => {
            falls.remove(name, line);
            Chosen { candidates: by_health(own), returns }
        }
        Some(fallen) => {
            falls.set(name, line, fallen);
            Chosen { candidates: fall_back(site, pool, line, own), returns }
        }
    }
}

/// Whether the pool is fallen now, and when it would return.
fn look(
    now: Timestamp,
    quorum: u32,
    own: &[Candidate],
    before: Option<Fallen>,
) -> (Option<Fallen>, Option<Timestamp>) {
    let enough = healthy(own) >= quorum as usize;
    match before {
        None if enough => (None, None),
        None => (Some(Fallen { since: now, enough: None }), None),
        Some(fallen) if !enough => (Some(Fallen { enough: None, ..fallen }), None),
        Some(fallen) => {
            let since = fallen.enough.unwrap_or(now);
            match now.since(since) >= STEADY {
                true => (None, None),
                false => (Some(Fallen { enough: Some(since), ..fallen }), Some(since + STEADY)),
            }
        }
    }
}

fn healthy(candidates: &[Candidate]) -> usize {
    let works = |candidate: &&Candidate| candidate.fitness == Fitness::Healthy && candidate.weight > 0;
    candidates.iter().filter(works).count()
}

/// Only who is healthy takes work.
fn by_health(candidates: Vec<Candidate>) -> Vec<Candidate> {
    weighing(candidates, |fitness| fitness == Fitness::Healthy)
}

fn weighing(candidates: Vec<Candidate>, works: impl Fn(Fitness) -> bool) -> Vec<Candidate> {
    let weigh = |candidate: Candidate| match works(candidate.fitness) {
        true => candidate,
        false => Candidate { weight: 0, ..candidate },
    };
    candidates.into_iter().map(weigh).collect()
}

fn fall_back(site: &Site<'_>, pool: &Pool, line: &Label, own: Vec<Candidate>) -> Vec<Candidate> {
    match pool.fallback {
        PoolFallback::Keep => keep(own),
        PoolFallback::Sorry(address) => {
            let mut candidates = weighing(own, |_| false);
            // One of its own that also says sorry is there once.
            candidates.retain(|candidate| candidate.address != address);
            candidates.push(Candidate { address, weight: SORRY_WEIGHT, fitness: Fitness::Healthy });
            candidates
        }
        PoolFallback::Lines => {
            let mut candidates = own;
            let lines = site.snapshot.lines.get(line);
            for next in lines.into_iter().flat_map(|line| &line.value.fallback) {
                if healthy(&candidates) >= pool.quorum as usize {
                    break;
                }
                for other in of_line(site.snapshot, pool, next) {
                    if !candidates.iter().any(|candidate| candidate.address == other.address) {
                        candidates.push(other);
                    }
                }
            }
            if healthy(&candidates) > 0 { by_health(candidates) } else { keep(candidates) }
        }
    }
}

/// Whatever the checks say; what a person took out stays out.
fn keep(candidates: Vec<Candidate>) -> Vec<Candidate> {
    weighing(candidates, |fitness| fitness != Fitness::Leaving)
}
