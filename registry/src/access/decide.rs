//! The decision: who is it, which rules speak of that, and what do they say. Pure; it allocates nothing and takes no lock.
//!
//! ```text
//! address ─► candidates ─► claim, token, socket ─► one of them | all of them | nobody
//!                                                        │
//! job ─► policy ─► groups of rules ──────────────────────┴─► deny | allow | otherwise
//! ```
//!
//! - A deny that matches wins, else an allow, else what the job does with whom no rule names.
//! - Who may be one of several jobs is let in only if each of them would be.
//! - A false claim gains nothing: whoever makes one is held to every deny of those who live at its address, and to no
//!   allow that names a JOBNAME.

use std::sync::Arc;

use roundhouse_config::{JobName, Stale};

use super::group::Compiled;
use super::place::{Resident, Subject};
use super::policy::{Otherwise, Policy};
use super::query::{Claim, Decision, Http, Query, Reason, Verdict, Would};
use super::table::Table;
use crate::record::{Action, Proof, Rule, RulePort};

impl Table {
    /// Whether the peer may come to the job. `policy` is of this table.
    pub fn decide<'t>(&'t self, policy: &'t Policy, query: &Query<'_>) -> Decision<'t> {
        if policy.is_open() {
            return Decision::without_rules(Verdict::Allow, Reason::Open);
        }
        let query = &Query { peer: query.peer.to_canonical(), ..*query };
        let who = self.who(query);
        let decision = who.decided(policy, query);
        if policy.is_stale(query.stale) && policy.outage.then == Stale::Deny {
            return Decision { verdict: Verdict::Deny, reason: Reason::Stale, rule: None, ..decision };
        }
        let names_somebody = decision.rule.is_some_and(|rule| rule.rule().from.jobname().is_some());
        if decision.allows()
            && names_somebody
            && !decision.proved
            && policy.outage.proof_stale.is_some_and(|most| query.stale > most)
        {
            return Decision {
                verdict: Verdict::Deny,
                reason: Reason::StaleUnproved,
                rule: None,
                ..decision
            };
        }
        decision
    }

    /// Whether a peer that is not let in would be if it said who it is, or proved it.
    pub fn could_be_named(&self, policy: &Policy, query: &Query<'_>) -> bool {
        let query = &Query { peer: query.peer.to_canonical(), ..*query };
        if query.claim != Claim::None || (policy.is_stale(query.stale) && policy.outage.then == Stale::Deny) {
            return false;
        }
        self.residents(query).any(|one| {
            let weighed = weigh(policy, Some(&one.subject), query, Proved::ALL);
            weighed.verdict(&policy.otherwise).0.allows()
        })
    }

    /// The instances that the peer may be, job by job.
    pub(super) fn residents<'t>(&'t self, query: &Query<'_>) -> impl Iterator<Item = &'t Resident> {
        let here = self.live_at(query.peer);
        // One that is on this host and came from its loopback address is any of those that live on it.
        let own = if here.is_empty() { query.own } else { &[] };
        let all = here.iter().chain(own.iter().flat_map(|address| self.live_at(address.to_canonical())));
        let owner = query.owner;
        // Who says in which cgroup it is, is told apart by that; those who do not may be the owner of any socket.
        let is_told = owner.is_some_and(|owner| {
            let mut all =
                here.iter().chain(own.iter().flat_map(|address| self.live_at(address.to_canonical())));
            all.any(|one| one.cgroup() == Some(owner))
        });
        all.filter(move |one| match owner {
            None => true,
            Some(owner) if is_told => one.cgroup() == Some(owner),
            Some(_) => one.cgroup().is_none(),
        })
    }

    /// Who the peer is, of those who live at its address.
    fn who<'t>(&'t self, query: &Query<'_>) -> Who<'t> {
        let mut residents = self.residents(query).peekable();
        let Some(first) = residents.peek().map(|one| &one.subject) else {
            return Who {
                table: self,
                kind: Kind::Nobody,
                shared: false,
                proved: Proved::NONE,
                candidates: 0,
            };
        };
        let (mut claimed, mut token, mut last) = (None, None, first);
        let (mut candidates, mut several, mut shared) = (1, false, false);
        for one in residents {
            let subject = &one.subject;
            candidates += u32::from(!Arc::ptr_eq(last, subject));
            several |= !Arc::ptr_eq(first, subject) && first.jobname != subject.jobname;
            shared |= one.shares_address();
            last = subject;
            let is_claimed = matches!(query.claim, Claim::Name(claim) if is_name(claim, &subject.jobname));
            if is_claimed {
                claimed = claimed.or(Some(subject));
            }
            // Anybody may register the hash of another one's token; that must not take the other's name away.
            if query.proof.token.is_some_and(|shown| one.is_proved_by(&shown))
                && (token.is_none() || is_claimed)
            {
                token = Some(subject);
            }
        }
        let claims_falsely = query.claim != Claim::None && claimed.is_none();
        let shows_falsely = query.proof.token.is_some() && token.is_none();
        // A token is of one instance: whoever shows one is that, and cannot say that it is another.
        let contradicts = token.zip(claimed).is_some_and(|(token, claimed)| token.jobname != claimed.jobname);
        let kind = match token.or(claimed) {
            _ if claims_falsely || shows_falsely || contradicts => Kind::False(first),
            Some(one) => Kind::One(one),
            None if several => Kind::AnyOf(first),
            None => Kind::One(first),
        };
        let proved = match kind {
            Kind::One(one) => Proved {
                token: token.is_some(),
                certificate: query.proof.certificate.is_some_and(|name| is_name(name, &one.jobname)),
            },
            _ => Proved::NONE,
        };
        Who { table: self, kind, shared: shared || several, proved, candidates }
    }
}

/// Whether the text is this JOBNAME, written from either end.
fn is_name(text: &str, name: &JobName) -> bool {
    let name = name.as_str();
    text == name || (text.len() == name.len() && text.split('_').rev().eq(name.split('_')))
}

struct Who<'t> {
    table: &'t Table,
    kind: Kind<'t>,
    shared: bool,
    proved: Proved,
    /// Jobs, each once.
    candidates: u32,
}

#[derive(Clone, Copy)]
enum Kind<'t> {
    /// No instance lives at the address.
    Nobody,
    One(&'t Arc<Subject>),
    /// Several jobs do, this one among them, and it does not say which it is.
    AnyOf(&'t Arc<Subject>),
    /// It says that it is one that does not live there, as this one does.
    False(&'t Arc<Subject>),
}

/// What was proved.
#[derive(Clone, Copy)]
pub(super) struct Proved {
    token: bool,
    certificate: bool,
}

impl Proved {
    const NONE: Proved = Proved { token: false, certificate: false };
    pub(super) const ALL: Proved = Proved { token: true, certificate: true };

    fn suffices(self, wanted: Proof) -> bool {
        match wanted {
            Proof::None => true,
            Proof::Token => self.token,
            Proof::Mtls => self.certificate,
        }
    }
}

impl<'t> Who<'t> {
    fn decided(&self, policy: &'t Policy, query: &Query<'_>) -> Decision<'t> {
        let mut decision = Decision {
            shared: self.shared,
            candidates: self.candidates,
            ..Decision::without_rules(Verdict::Allow, Reason::DefaultAllow)
        };
        // What holds if the rules that are tried out are in force.
        let tried = if policy.tries_guard { &Otherwise::Deny } else { &policy.otherwise };
        let judge = |weighed: &Weighed<'t>| {
            let (verdict, reason, rule) = weighed.verdict(&policy.otherwise);
            ((verdict, reason, rule), weighed.tried(tried))
        };
        let (now, would) = match self.kind {
            Kind::Nobody => judge(&weigh(policy, None, query, Proved::NONE)),
            Kind::One(subject) => {
                decision.identity = Some(subject);
                decision.proved = self.proved.token || self.proved.certificate;
                judge(&weigh(policy, Some(subject), query, self.proved))
            }
            Kind::AnyOf(first) => {
                self.each(first, query, |subject| judge(&weigh(policy, Some(subject), query, Proved::NONE)))
            }
            Kind::False(first) => {
                let nobody = weigh(policy, None, query, Proved::NONE);
                let (now, would) = self.each(first, query, |subject| {
                    let denied = weigh(policy, Some(subject), query, Proved::NONE);
                    judge(&Weighed { allow: nobody.allow, tried_allow: nobody.tried_allow, ..denied })
                });
                let now = match now {
                    (Verdict::Deny, _, None) => (Verdict::Deny, Reason::FalseClaim, None),
                    now => now,
                };
                (now, would)
            }
        };
        (decision.verdict, decision.reason, decision.rule) = now;
        decision.would = (would.0 != decision.verdict).then_some(Would { verdict: would.0, rule: would.1 });
        decision
    }

    /// The first job that is not let in decides, else the last. `first` is the first of those that it may be.
    fn each<A, B>(
        &self,
        first: &'t Arc<Subject>,
        query: &Query<'_>,
        mut judge: impl FnMut(&'t Arc<Subject>) -> ((Verdict, A, B), (Verdict, B)),
    ) -> ((Verdict, A, B), (Verdict, B)) {
        let (mut now, mut would) = judge(first);
        let mut last = first;
        for one in self.table.residents(query) {
            if Arc::ptr_eq(last, &one.subject) {
                continue;
            }
            last = &one.subject;
            let (its, its_would) = judge(last);
            if now.0.allows() {
                now = its;
            }
            if would.0.allows() {
                would = its_would;
            }
        }
        (now, would)
    }
}

/// The rules that speak of a peer: of each sort the first by id.
#[derive(Clone, Copy, Default)]
struct Weighed<'t> {
    deny: Option<&'t Arc<Compiled>>,
    allow: Option<&'t Arc<Compiled>>,
    tried_deny: Option<&'t Arc<Compiled>>,
    tried_allow: Option<&'t Arc<Compiled>>,
    /// An allow would, with proof.
    unproved: bool,
}

impl<'t> Weighed<'t> {
    fn verdict(&self, otherwise: &Otherwise) -> (Verdict, Reason, Option<&'t Arc<Compiled>>) {
        match (self.deny, self.allow, otherwise) {
            (Some(rule), ..) => (Verdict::Deny, Reason::Rule, Some(rule)),
            (None, Some(rule), _) => (Verdict::Allow, Reason::Rule, Some(rule)),
            (None, None, Otherwise::Allow) => (Verdict::Allow, Reason::DefaultAllow, None),
            (None, None, _) if self.unproved => (Verdict::Deny, Reason::Unproved, None),
            (None, None, Otherwise::Deny) => (Verdict::Deny, Reason::DefaultDeny, None),
            (None, None, Otherwise::Guarded(_)) => (Verdict::Deny, Reason::Guarded, None),
        }
    }

    /// The same with the rules that are tried out.
    fn tried(&self, otherwise: &Otherwise) -> (Verdict, Option<&'t Arc<Compiled>>) {
        let all = Weighed {
            deny: first(self.deny, self.tried_deny),
            allow: first(self.allow, self.tried_allow),
            ..*self
        };
        let (verdict, _, rule) = all.verdict(otherwise);
        (verdict, rule)
    }
}

fn first<'t>(a: Option<&'t Arc<Compiled>>, b: Option<&'t Arc<Compiled>>) -> Option<&'t Arc<Compiled>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.id < a.id { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn weigh<'t>(
    policy: &'t Policy,
    subject: Option<&Arc<Subject>>,
    query: &Query<'_>,
    proved: Proved,
) -> Weighed<'t> {
    let mut weighed = Weighed::default();
    let mut found = |compiled: &'t Arc<Compiled>| {
        let rule = compiled.rule();
        match counts(rule, query, proved) {
            Counts::No => {}
            Counts::Unproved => weighed.unproved |= !rule.dry_run,
            Counts::Yes => {
                let place = match (rule.action, rule.dry_run) {
                    (Action::Deny, false) => &mut weighed.deny,
                    (Action::Allow, false) => &mut weighed.allow,
                    (Action::Deny, true) => &mut weighed.tried_deny,
                    (Action::Allow, true) => &mut weighed.tried_allow,
                };
                *place = first(*place, Some(compiled));
            }
        }
    };
    for group in &policy.groups {
        group.of_everybody(query.peer, &mut found);
        if let Some(subject) = subject {
            group.of(&subject.tags, query.peer, &mut found);
        }
    }
    weighed
}

pub(super) enum Counts {
    Yes,
    No,
    Unproved,
}

/// Whether a rule that speaks of the job and of the peer speaks of the rest of the question too.
pub(super) fn counts(rule: &Rule, query: &Query<'_>, proved: Proved) -> Counts {
    let is_port = |port: &RulePort| match port {
        RulePort::Number(number) => *number == query.port.number,
        RulePort::Name(name) => query.port.name == Some(name),
    };
    if rule.expired(query.now)
        || !(rule.ports.is_empty() || rule.ports.iter().any(is_port))
        || !speaks_of(rule, query.http)
    {
        return Counts::No;
    }
    match proved.suffices(rule.proof) {
        true => Counts::Yes,
        false => Counts::Unproved,
    }
}

fn speaks_of(rule: &Rule, http: Http<'_>) -> bool {
    if rule.methods.is_empty() && rule.paths.is_empty() {
        return true;
    }
    match http {
        Http::Not => false,
        Http::Unseen => rule.action == Action::Deny,
        Http::Seen { method, path } => {
            (rule.methods.is_empty() || rule.methods.iter().any(|known| &**known == method))
                && (rule.paths.is_empty() || rule.paths.iter().any(|prefix| is_under(path, prefix)))
        }
    }
}

/// Segment by segment: `/blog` has `/blog/1` and not `/blogger`.
fn is_under(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'),
        None => prefix.strip_suffix('/').is_some_and(|folder| path == folder),
    }
}
