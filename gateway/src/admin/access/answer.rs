//! Decisions as JSON.

use std::time::Duration;

use roundhouse_registry::access::{Decision, Explained, Policy, Query, Reason, Resident, Seen, Table};
use serde_json::{Value, json};

/// Instances of a job that an explanation names.
const MAX_INSTANCES: usize = 20;

pub(super) fn decision(decision: &Decision<'_>, table: &Table, stale: Duration) -> Value {
    json!({
        "verdict": decision.verdict.as_str(),
        "reason": decision.reason.as_str(),
        "rule": decision.rule.map(|rule| &rule.id),
        "identity": decision.jobname(),
        "shared_ip": decision.shared,
        "proved": decision.proved,
        "would": decision.would.map(|would| json!({
            "verdict": would.verdict.as_str(),
            "rule": would.rule.map(|rule| &rule.id),
        })),
        "revision": table.revision,
        "stale_seconds": stale.as_secs_f64(),
    })
}

pub(super) fn explained(
    explained: &Explained<'_>,
    policy: &Policy,
    query: &Query<'_>,
    table: &Table,
) -> Value {
    let mut answer = decision(&explained.decision, table, query.stale);
    answer["sentence"] = json!(sentence(&explained.decision, policy, query));
    answer["default"] = json!({
        "verdict": if policy.otherwise.allows() { "allow" } else { "deny" },
        "because": policy.otherwise.to_string(),
    });
    let jobs = explained.candidates.chunk_by(|a, b| a.subject.job == b.subject.job);
    answer["candidates"] = jobs.map(candidate).collect();
    answer["rules"] = explained.rules.iter().map(seen).collect();
    answer
}

fn candidate(instances: &[&Resident]) -> Value {
    let subject = &instances[0].subject;
    json!({
        "job": subject.job,
        "jobname": subject.jobname,
        "shared_ip": instances.iter().any(|one| one.shares_address()),
        "instances": instances.iter().take(MAX_INSTANCES).map(|one| one.id).collect::<Vec<_>>(),
    })
}

fn seen(seen: &Seen<'_>) -> Value {
    let rule = seen.rule.rule();
    json!({
        "id": seen.rule.id,
        "action": rule.action,
        "dry_run": rule.dry_run,
        "counts": seen.counts,
        "why": seen.why,
    })
}

/// What was decided and why, for a person.
pub(in crate::admin) fn sentence(decision: &Decision<'_>, policy: &Policy, query: &Query<'_>) -> String {
    let peer = query.peer.to_canonical();
    let who = match (decision.jobname(), decision.candidates) {
        (Some(jobname), _) => format!("{peer} is `{jobname}`"),
        (None, 0) => format!("{peer} is no instance's address"),
        (None, count) => format!("{peer} is the address of {count} jobs"),
    };
    let to = format!("job `{}`, port {}", policy.job, query.port.number);
    let verb = if decision.allows() { "may come to" } else { "may not come to" };
    let why = match decision.reason {
        Reason::Rule => decision.rule.map_or_else(String::new, |rule| format!("rule `{}` decides", rule.id)),
        Reason::Open => "no rule, no guard: it is open to everybody".to_owned(),
        Reason::DefaultAllow => "no rule names it, and the job lets in whom none names".to_owned(),
        Reason::DefaultDeny => "no rule lets it in, and the job's `access` is deny".to_owned(),
        Reason::Guarded => format!("no rule lets it in, and {} covers the job", policy.otherwise),
        Reason::FalseClaim => "it claims to be a job that does not live at its address".to_owned(),
        Reason::Forged => "a loopback address was forwarded by another machine".to_owned(),
        Reason::Unproved => "a rule would let it in if it proved who it is".to_owned(),
        Reason::Stale => "the registry was last heard too long ago for this job".to_owned(),
        Reason::StaleUnproved => {
            "the registry was last heard so long ago that this job wants proof".to_owned()
        }
        Reason::NoJob => "there is no such job".to_owned(),
        Reason::Unheard => "the registry was never heard".to_owned(),
    };
    format!("{who} and {verb} {to}: {why}")
}
