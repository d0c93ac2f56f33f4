//! A decision with all that led to it: who the peer may be, which rules name the job and why each does or does not count.

use std::sync::Arc;

use super::decide::{Counts, Proved, counts};
use super::group::Compiled;
use super::place::Resident;
use super::policy::Policy;
use super::query::{Decision, Query};
use super::table::Table;
use crate::record::Proof;

#[derive(Debug)]
pub struct Explained<'t> {
    pub decision: Decision<'t>,
    /// The instances that the peer may be, job by job.
    pub candidates: Vec<&'t Resident>,
    /// All that name the job, by id.
    pub rules: Vec<Seen<'t>>,
}

/// A rule that was looked at.
#[derive(Debug)]
pub struct Seen<'t> {
    pub rule: &'t Arc<Compiled>,
    /// It speaks of the peer, or of one of the jobs that the peer may be.
    pub counts: bool,
    pub why: String,
}

impl Table {
    /// The same as [`Table::decide`], at the price of a walk over all rules that name the job.
    pub fn explain<'t>(&'t self, policy: &'t Policy, query: &Query<'_>) -> Explained<'t> {
        let decision = self.decide(policy, query);
        let query = &Query { peer: query.peer.to_canonical(), ..*query };
        let candidates: Vec<&Resident> = self.residents(query).collect();
        let mut rules: Vec<Seen<'t>> =
            policy.rules().map(|rule| seen(rule, query, &decision, &candidates)).collect();
        rules.sort_by(|a, b| a.rule.id.cmp(&b.rule.id));
        Explained { decision, candidates, rules }
    }
}

fn seen<'t>(
    rule: &'t Arc<Compiled>,
    query: &Query<'_>,
    decision: &Decision<'t>,
    candidates: &[&Resident],
) -> Seen<'t> {
    let (counts, why) = why(rule, query, decision, candidates);
    let why = if counts && rule.rule().dry_run { format!("{why}; it is only tried out") } else { why };
    Seen { rule, counts, why }
}

fn why(
    compiled: &Compiled,
    query: &Query<'_>,
    decision: &Decision<'_>,
    candidates: &[&Resident],
) -> (bool, String) {
    let rule = compiled.rule();
    let no = |why: &str| (false, why.to_owned());
    if rule.expired(query.now) {
        return no("it has expired");
    }
    if !rule.from.covers(query.peer) {
        return no("it is for other addresses");
    }
    if let Counts::No = counts(rule, query, Proved::ALL) {
        let port = !rule.ports.is_empty() && rule.methods.is_empty() && rule.paths.is_empty();
        return no(if port { "it is for other ports" } else { "it is for other ports, methods or paths" });
    }
    let Some(selector) = rule.from.jobname() else {
        return (true, "it names the address".to_owned());
    };
    let (names, why) = match decision.identity {
        Some(subject) => (selector.matches(&subject.jobname), format!("it names `{}`", subject.jobname)),
        None => {
            let named = candidates.iter().find(|one| selector.matches(&one.subject.jobname));
            let why = named.map(|one| format!("it names `{}`, which the peer may be", one.subject.jobname));
            (named.is_some(), why.unwrap_or_default())
        }
    };
    match (names, rule.proof) {
        (false, _) if candidates.is_empty() => no("it is for JOBNAMEs, and no instance lives at the address"),
        (false, _) => no("it is for other JOBNAMEs"),
        (true, Proof::Token) if !decision.proved => no("it wants the instance's token as proof"),
        (true, Proof::Mtls) if !decision.proved => no("it wants a client certificate as proof"),
        (true, _) => (true, why),
    }
}
