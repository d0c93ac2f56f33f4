//! Who may come to the port that the target leads to, and whether whoever is asked about may.
//!
//! Rules may speak of methods and paths, so it matters whether the gateway sees requests there, and which one is meant.

use std::net::IpAddr;
use std::time::Duration;

use roundhouse_config::JobName;
use roundhouse_registry::access::{Claim, Query, Shown};
use roundhouse_registry::record::Timestamp;

use super::target::Target;
use super::{Facts, Steps, Verdict};
use crate::access::{Readings, decide};
use crate::admin::access::sentence;
use crate::table::{JobEntry, PortEntry};

/// Somebody who would come.
#[derive(Clone, Debug)]
pub struct Asker {
    pub from: IpAddr,
    /// Which job it says it is.
    pub claimed: Option<JobName>,
}

/// What the gateway sees of whoever comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sight<'a> {
    /// Bytes that it passes on as they are.
    Bytes,
    /// A plain GET of this path, as an instance gets it.
    Get(&'a str),
}

impl<'a> Sight<'a> {
    /// Of whoever dials the port itself; of a target that is no URL the root is meant.
    pub(super) fn at(entry: &PortEntry, target: &'a Target) -> Sight<'a> {
        match entry.port.protocol.is_http() {
            true => Sight::Get(target.path()),
            false => Sight::Bytes,
        }
    }
}

pub(super) fn explain(
    job: &JobEntry,
    entry: &PortEntry,
    sight: Sight<'_>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    let Some(policy) = facts.access.policy(&job.label) else { return Verdict::Ok };
    let Some(asker) = facts.asker else {
        let rules = policy.rules().count();
        let others = if policy.otherwise.allows() { "let in" } else { "kept out" };
        steps.add("access", match policy.is_open() {
            true => format!("open to everybody: no rule and no guard names job `{}`", job.label),
            false => format!(
                "{rules} rule(s) name job `{}`, and whom none of them names is {others} ({}); say --from ADDRESS to see which decides",
                job.label, policy.otherwise
            ),
        });
        return Verdict::Ok;
    };
    let stale = facts.lost.as_ref().map_or(0.0, |(seconds, _)| *seconds);
    let readings = match sight {
        Sight::Bytes => None,
        Sight::Get(path) => Some(Readings::of(path)),
    };
    let query = Query {
        peer: asker.from,
        claim: asker.claimed.as_ref().map_or(Claim::None, |name| Claim::Name(name.as_str())),
        proof: Shown::default(),
        owner: None,
        own: &[],
        port: entry.asked(),
        http: readings.as_ref().map_or(entry.unseen(), |readings| readings.seen("GET")),
        now: Timestamp::now(),
        stale: Duration::from_secs_f64(stale),
    };
    let others = readings.as_ref().map_or(&[][..], Readings::others);
    let (query, decision) = decide(facts.access, policy, query, others);
    let sentence = sentence(&decision, policy, &query);
    let looks = policy.rules().any(|rule| !rule.rule().methods.is_empty() || !rule.rule().paths.is_empty());
    steps.add(
        "access",
        match sight {
            Sight::Get(path) if looks => {
                format!("{sentence} (asked for GET {path}; ask for a URL to see another path)")
            }
            Sight::Bytes | Sight::Get(_) => sentence,
        },
    );
    if decision.allows() { Verdict::Ok } else { Verdict::Denied }
}
