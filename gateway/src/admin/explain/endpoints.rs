//! Who would be picked among a port's endpoints, and why not the others.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use roundhouse_registry::State;

use super::access::{self, Sight};
use super::{Facts, Steps, Verdict};
use crate::admin::view::health;
use crate::table::{Endpoint, JobEntry, PortEntry};

/// Steps for single endpoints; a set of thousands is told in numbers.
const SHOWN: usize = 20;

pub(super) fn explain(
    job: &JobEntry,
    entry: &PortEntry,
    sight: Sight<'_>,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    let access = access::explain(job, entry, sight, facts, steps);
    let set = entry.endpoints();
    for endpoint in set.endpoints.iter().take(SHOWN) {
        steps.add("endpoint", line(endpoint));
    }
    if set.endpoints.len() > SHOWN {
        steps.add("endpoint", format!("and {} more", set.endpoints.len() - SHOWN));
    }
    // The two sets that `EndpointSet` makes its turns of: the healthy, or all that are wanted where nobody is healthy.
    let of = |takes: fn(&Endpoint) -> bool| {
        set.endpoints.iter().filter(|endpoint| takes(endpoint)).collect::<Vec<_>>()
    };
    let healthy = of(Endpoint::takes_work);
    let wanted = of(is_wanted);
    let (turns, remark) = match (healthy.len(), wanted.len()) {
        (0, 0) => {
            steps.add("pick", nobody(job, entry, set.endpoints.len()));
            return access.and(Verdict::NoBackend);
        }
        (0, _) => (wanted, "nobody is healthy, so those that are wanted are tried all the same: "),
        _ => (healthy, ""),
    };
    let total: u64 = turns.iter().map(|endpoint| u64::from(endpoint.weight)).sum();
    let share = |endpoint: &&Arc<Endpoint>| {
        format!("{} ({} %)", endpoint.address, u64::from(endpoint.weight) * 100 / total.max(1))
    };
    let who: Vec<_> = turns.iter().take(SHOWN).map(share).collect();
    let more = if turns.len() > SHOWN { format!(" and {} more", turns.len() - SHOWN) } else { String::new() };
    steps.add(
        "pick",
        format!("{remark}{} of {} in turn: {}{more}", turns.len(), set.endpoints.len(), who.join(", ")),
    );
    access.and(if remark.is_empty() { Verdict::Ok } else { Verdict::NoBackend })
}

fn line(endpoint: &Endpoint) -> String {
    let Endpoint { address, id, state, weight, .. } = endpoint;
    let open = endpoint.live.open.load(Relaxed);
    let line = format!("{address} ({id}): {state}, {}, weight {weight}, {open} open", health(endpoint));
    let held = if endpoint.held { ", held: the registry no longer has it" } else { "" };
    match &endpoint.refused {
        Some(reason) => format!("{line}{held}, refused: {reason}"),
        None => format!("{line}{held}"),
    }
}

fn is_wanted(endpoint: &Endpoint) -> bool {
    endpoint.state == State::Up && endpoint.weight > 0 && endpoint.refused.is_none()
}

fn nobody(job: &JobEntry, entry: &PortEntry, endpoints: usize) -> String {
    if endpoints > 0 {
        return "no endpoint takes work: each is out by its state, its weight or its address; undrain one or start another"
            .into();
    }
    let (label, port) = (&job.label, entry.name());
    format!(
        "no instance of `{label}` has a port `{port}`; start one under job-init, or POST one to /v1/instances/{label}"
    )
}
