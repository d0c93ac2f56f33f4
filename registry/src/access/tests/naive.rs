//! The deliberately dumb twin: every rule, every guard and every instance is looked at, in the words of the documentation.

use std::net::IpAddr;

use roundhouse_config::{JobName, Label, Stale};

use super::super::{Claim, Http, Query, Reason, Verdict};
use crate::kv::Revision;
use crate::record::{Action, DefaultAccess, Digest, Instance, Name, Proof, Rule, RulePort};
use crate::snapshot::Snapshot;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    pub(super) rule: Option<Name>,
    pub(super) identity: Option<JobName>,
    pub(super) would: Option<(Verdict, Option<Name>)>,
}

struct Lives<'a> {
    job: &'a Label,
    name: JobName,
    since: Revision,
    instance: &'a Instance,
}

fn name_of(snapshot: &Snapshot, job: &Label) -> JobName {
    snapshot.jobs.get(job).map_or_else(|| JobName::implicit(job), |record| record.value.jobname.clone())
}

fn living(snapshot: &Snapshot, address: IpAddr) -> Vec<Lives<'_>> {
    let live = snapshot.all_instances().map(|(job, id, record)| (job, id, record.created, &record.value));
    let held = snapshot.held.iter().flat_map(|(job, held)| {
        held.iter().map(move |(id, record)| (job, id, Revision(0), &record.value.instance))
    });
    let held = held.filter(|(job, id, ..)| snapshot.instance(job, **id).is_none());
    let there: Vec<Lives<'_>> = live
        .chain(held)
        .filter(|(.., instance)| instance.address.to_canonical() == address.to_canonical())
        .map(|(job, _, since, instance)| Lives { job, name: name_of(snapshot, job), since, instance })
        .collect();
    let evicted = |older: &Lives<'_>| {
        there.iter().any(|newer| {
            newer.job != older.job
                && newer.since > older.since
                && !(newer.instance.shared_ip && older.instance.shared_ip)
        })
    };
    let stays: Vec<bool> = there.iter().map(|one| !evicted(one)).collect();
    let mut there: Vec<_> =
        there.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(one, _)| one).collect();
    there.sort_by_key(|one| one.job);
    there
}

pub(super) fn judge(snapshot: &Snapshot, job: &Label, query: &Query<'_>) -> Judged {
    let record = &snapshot.jobs.get(job).unwrap().value;
    let guarded = snapshot.guards.iter().any(|(selector, guard)| match &guard.value.job {
        Some(label) => label == job || selector.as_str() == record.jobname.as_str(),
        None => selector.matches(&record.jobname),
    });
    let rules: Vec<(&Name, &Rule)> = snapshot
        .rules
        .iter()
        .map(|(id, rule)| (id, &rule.value))
        .filter(|(_, rule)| rule.to.matches(job, &record.jobname))
        .collect();
    let default = record.access == DefaultAccess::Allow && !guarded;
    let judged = |verdict, reason| Judged { verdict, reason, rule: None, identity: None, would: None };
    if default && rules.is_empty() && record.outage.is_default() {
        return judged(Verdict::Allow, Reason::Open);
    }

    let mut there = living(snapshot, query.peer);
    if there.is_empty() {
        there = query.own.iter().flat_map(|address| living(snapshot, *address)).collect();
    }
    if let Some(owner) = query.owner {
        let cgroup =
            |one: &Lives<'_>| one.instance.meta.get("cgroup").and_then(|text| text.parse::<u64>().ok());
        match there.iter().any(|one| cgroup(one) == Some(owner)) {
            true => there.retain(|one| cgroup(one) == Some(owner)),
            false => there.retain(|one| cgroup(one).is_none()),
        }
    }
    let shows = |one: &Lives<'_>, token: Digest| one.instance.proof == Some(token);
    let by_claim = match query.claim {
        Claim::None => None,
        Claim::Garbled => Some(None),
        Claim::Name(text) => Some(
            text.parse::<JobName>()
                .ok()
                .and_then(|name| there.iter().map(|one| &one.name).find(|one| **one == name)),
        ),
    };
    let by_token = query.proof.token.map(|token| {
        let shown = || there.iter().filter(|one| shows(one, token)).map(|one| &one.name);
        shown().find(|name| by_claim == Some(Some(*name))).or_else(|| shown().next())
    });
    let names: std::collections::BTreeSet<&JobName> = there.iter().map(|one| &one.name).collect();
    let lies = !there.is_empty()
        && (by_token == Some(None)
            || by_claim == Some(None)
            || matches!((by_token, by_claim), (Some(a), Some(b)) if a != b));
    let identity = match (by_token.flatten().or(by_claim.flatten()), names.len()) {
        _ if lies || there.is_empty() => None,
        (Some(name), _) => Some(name),
        (None, 1) => names.first().copied(),
        (None, _) => None,
    };
    let token_shown = identity.is_some() && by_token.is_some();
    let certified = identity.is_some_and(|name| {
        query.proof.certificate.and_then(|text| text.parse::<JobName>().ok()).as_ref() == Some(name)
    });

    let matching = |name: Option<&JobName>, tried: bool, action: Action, proved: bool| -> Option<&Name> {
        let suffices = |proof: Proof| match proof {
            Proof::None => true,
            Proof::Token => proved || (token_shown && identity == name),
            Proof::Mtls => proved || (certified && identity == name),
        };
        rules
            .iter()
            .filter(|(_, rule)| rule.action == action && (tried || !rule.dry_run))
            .filter(|(_, rule)| !rule.expired(query.now) && rule.from.covers(query.peer))
            .filter(|(_, rule)| match (rule.from.jobname(), name) {
                (None, _) => true,
                (Some(selector), Some(name)) => selector.matches(name),
                (Some(_), None) => false,
            })
            .filter(|(_, rule)| {
                rule.ports.is_empty()
                    || rule.ports.iter().any(|port| match port {
                        RulePort::Number(number) => *number == query.port.number,
                        RulePort::Name(name) => Some(name) == query.port.name,
                    })
            })
            .filter(|(_, rule)| match query.http {
                _ if rule.methods.is_empty() && rule.paths.is_empty() => true,
                Http::Not => false,
                Http::Unseen => action == Action::Deny,
                Http::Seen { method, path } => {
                    let under = |prefix: &str| {
                        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                        path == prefix || path.starts_with(&format!("{prefix}/"))
                    };
                    (rule.methods.is_empty() || rule.methods.iter().any(|one| &**one == method))
                        && (rule.paths.is_empty() || rule.paths.iter().any(|prefix| under(prefix)))
                }
            })
            .filter(|(_, rule)| suffices(rule.proof))
            .map(|(id, _)| *id)
            .min()
    };
    // One job's: the verdict, why, and the rule.
    let of = |name: Option<&JobName>, tried: bool| -> (Verdict, Reason, Option<Name>) {
        let allowed = match lies {
            true => matching(None, tried, Action::Allow, false),
            false => matching(name, tried, Action::Allow, false),
        };
        let tries_guard = tried && rules.iter().any(|(_, rule)| rule.dry_run && rule.action == Action::Allow);
        if let Some(id) = matching(name, tried, Action::Deny, false) {
            (Verdict::Deny, Reason::Rule, Some(id.clone()))
        } else if let Some(id) = allowed {
            (Verdict::Allow, Reason::Rule, Some(id.clone()))
        } else if default && !tries_guard {
            (Verdict::Allow, Reason::DefaultAllow, None)
        } else if lies {
            (Verdict::Deny, Reason::FalseClaim, None)
        } else if matching(name, false, Action::Allow, true).is_some() {
            (Verdict::Deny, Reason::Unproved, None)
        } else if guarded {
            (Verdict::Deny, Reason::Guarded, None)
        } else {
            (Verdict::Deny, Reason::DefaultDeny, None)
        }
    };
    // Address by address, and in each job by job: of several that are not let in the first says why.
    let asked: Vec<&JobName> = there.iter().map(|one| &one.name).collect();
    let all = |tried: bool| -> (Verdict, Reason, Option<Name>) {
        if let Some(name) = identity {
            return of(Some(name), tried);
        }
        if asked.is_empty() {
            return of(None, tried);
        }
        let each: Vec<_> = asked.iter().map(|name| of(Some(name), tried)).collect();
        let denied = each.iter().find(|(verdict, ..)| *verdict == Verdict::Deny);
        denied.or(each.last()).unwrap().clone()
    };
    let (verdict, reason, rule) = all(false);
    let (tried, _, tried_rule) = all(true);
    let mut found = Judged { verdict, reason, rule, identity: identity.cloned(), would: None };
    found.would = (tried != verdict).then_some((tried, tried_rule));

    let outage = &record.outage;
    if query.stale > outage.max_stale && outage.then == Stale::Deny {
        return Judged { verdict: Verdict::Deny, reason: Reason::Stale, rule: None, ..found };
    }
    let by_name = found.rule.as_ref().is_some_and(|id| snapshot.rules[id].value.from.jobname().is_some());
    if verdict == Verdict::Allow
        && by_name
        && !token_shown
        && !certified
        && outage.proof_stale.is_some_and(|most| query.stale > most)
    {
        return Judged { verdict: Verdict::Deny, reason: Reason::StaleUnproved, rule: None, ..found };
    }
    found
}
