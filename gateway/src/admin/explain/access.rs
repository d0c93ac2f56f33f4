//! Who may come to the port that the target leads to, and whether whoever is asked about may.

use std::net::IpAddr;
use std::time::Duration;

use roundhouse_config::JobName;
use roundhouse_registry::access::{Claim, Query, Shown};
use roundhouse_registry::record::Timestamp;

use super::{Facts, Steps, Verdict};
use crate::admin::access::sentence;
use crate::table::{JobEntry, PortEntry};

/// Somebody who would come.
#[derive(Clone, Debug)]
pub struct Asker {
    pub from: IpAddr,
    /// Which job it says it is.
    pub claimed: Option<JobName>,
}

pub(super) fn explain(job: &JobEntry, entry: &PortEntry, facts: &Facts<'_>, steps: &mut Steps) -> Verdict {
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
    let query = Query {
        peer: asker.from,
        claim: asker.claimed.as_ref().map_or(Claim::None, |name| Claim::Name(name.as_str())),
        proof: Shown::default(),
        owner: None,
        own: &[],
        port: entry.asked(),
        http: entry.unseen(),
        now: Timestamp::now(),
        stale: Duration::from_secs_f64(stale),
    };
    let decision = facts.access.decide(policy, &query);
    steps.add("access", sentence(&decision, policy, &query));
    if decision.allows() { Verdict::Ok } else { Verdict::Denied }
}
