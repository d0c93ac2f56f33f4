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

use std::net::IpAddr;
use std::sync::Arc;

use roundhouse_config::{JobName, Stale};

use super::group::{Compiled, Ready};
use super::place::{Known, Place, Print, Resident};
use super::policy::{Otherwise, Policy};
use super::query::{Claim, Decision, Http, Query, Reason, Verdict, Would};
use super::table::Table;
use super::tags::Tags;
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
            let weighed = weigh(policy, Some(&one.tags), query, Proved::ALL);
            weighed.verdict(&policy.otherwise).0.allows()
        })
    }

    /// The instances that the peer may be, address by address, and there job by job.
    #[inline]
    pub(super) fn residents<'t>(&'t self, query: &Query<'_>) -> impl Iterator<Item = &'t Resident> {
        let here = self.live_at(query.peer);
        // One that is on this host and came from its loopback address is any of those that live on it.
        let own = if here.is_empty() { query.own } else { &[] };
        let owner = query.owner;
        // Who says in which cgroup it is, is told apart by that; those who do not may be the owner of any socket.
        let is_told = owner.is_some_and(|owner| self.at(here, own).any(|one| one.cgroup() == Some(owner)));
        self.at(here, own).filter(move |one| match owner {
            None => true,
            Some(owner) if is_told => one.cgroup() == Some(owner),
            Some(_) => one.cgroup().is_none(),
        })
    }

    fn at<'t>(&'t self, here: &'t [Resident], own: &[IpAddr]) -> impl Iterator<Item = &'t Resident> {
        let own = own.iter().flat_map(|address| self.live_at(address.to_canonical()));
        here.iter().chain(own)
    }

    /// Who the peer is, of those who live at its address.
    fn who<'t>(&'t self, query: &Query<'_>) -> Who<'t> {
        // Nothing has to be told apart that the place does not know.
        let is_usual = query.owner.is_none() && query.proof.token.is_none() && !is_reversed(query.claim);
        match self.place(query.peer) {
            Some(place) if is_usual && !place.live().is_empty() => self.who_at(place, query),
            _ => self.who_among(query),
        }
    }

    fn who_at<'t>(&'t self, place: &'t Place, query: &Query<'_>) -> Who<'t> {
        let first = &place.live()[0];
        let claimed = match query.claim {
            Claim::Name(name) => place.named(name),
            Claim::None | Claim::Garbled => None,
        };
        let Known { candidates, several, shared } = place.known;
        let kind = match claimed {
            Some(one) => Kind::One(one),
            None if query.claim != Claim::None => Kind::False(first),
            None if several => Kind::AnyOf(first),
            None => Kind::One(first),
        };
        Who { table: self, kind, shared: shared || several, proved: proved(kind, false, query), candidates }
    }

    fn who_among<'t>(&'t self, query: &Query<'_>) -> Who<'t> {
        let mut residents = self.residents(query);
        let Some(first) = residents.next() else {
            return Who {
                table: self,
                kind: Kind::Nobody,
                shared: false,
                proved: Proved::NONE,
                candidates: 0,
            };
        };
        let (reversed, print) = match query.claim {
            Claim::Name(name) => (is_reversed(query.claim), Print::of(name)),
            Claim::None | Claim::Garbled => (false, Print::of("")),
        };
        let is_claimed = |one: &Resident| match query.claim {
            Claim::Name(claim) if reversed => is_name(claim, &one.subject.jobname),
            Claim::Name(claim) => one.may_be(print) && claim == one.subject.jobname.as_str(),
            Claim::None | Claim::Garbled => false,
        };
        let (mut claimed, mut token, mut last) = (None, None, first);
        let (mut candidates, mut several, mut shared) = (1, false, false);
        for one in std::iter::once(first).chain(residents) {
            shared |= one.shares_address();
            if !Arc::ptr_eq(&last.subject, &one.subject) {
                candidates += 1;
                several = several || first.subject.jobname != one.subject.jobname;
                last = one;
            }
            let is_claimed = is_claimed(one);
            if is_claimed {
                claimed = claimed.or(Some(one));
            }
            // Anybody may register the hash of another one's token; that must not take the other's name away.
            if query.proof.token.is_some_and(|shown| one.is_proved_by(&shown))
                && (token.is_none() || is_claimed)
            {
                token = Some(one);
            }
        }
        let claims_falsely = query.claim != Claim::None && claimed.is_none();
        let shows_falsely = query.proof.token.is_some() && token.is_none();
        // A token is of one instance: whoever shows one is that, and cannot say that it is another.
        let contradicts = token
            .zip(claimed)
            .is_some_and(|(token, claimed)| token.subject.jobname != claimed.subject.jobname);
        let kind = match token.or(claimed) {
            _ if claims_falsely || shows_falsely || contradicts => Kind::False(first),
            Some(one) => Kind::One(one),
            None if several => Kind::AnyOf(first),
            None => Kind::One(first),
        };
        let proved = proved(kind, token.is_some(), query);
        Who { table: self, kind, shared: shared || several, proved, candidates }
    }
}

fn proved(kind: Kind<'_>, token: bool, query: &Query<'_>) -> Proved {
    match (kind, query.proof.certificate) {
        (Kind::One(one), Some(name)) => Proved { token, certificate: is_name(name, &one.subject.jobname) },
        (Kind::One(_), None) => Proved { token, certificate: false },
        _ => Proved::NONE,
    }
}

/// Whether a claim is not written as JOBNAMEs are kept, leaf first, so that it takes longer to compare.
fn is_reversed(claim: Claim<'_>) -> bool {
    // Every JOBNAME has a job, which is its leaf.
    matches!(claim, Claim::Name(name) if !name.starts_with("job."))
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
    One(&'t Resident),
    /// Several jobs do, this one among them, and it does not say which it is.
    AnyOf(&'t Resident),
    /// It says that it is one that does not live there, as this one does.
    False(&'t Resident),
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
            Kind::One(one) => {
                decision.identity = Some(&one.subject);
                decision.proved = self.proved.token || self.proved.certificate;
                judge(&weigh(policy, Some(&one.tags), query, self.proved))
            }
            Kind::AnyOf(first) => {
                self.each(first, query, |one| judge(&weigh(policy, Some(&one.tags), query, Proved::NONE)))
            }
            Kind::False(first) => {
                let nobody = weigh(policy, None, query, Proved::NONE);
                let (now, would) = self.each(first, query, |one| {
                    let denied = weigh(policy, Some(&one.tags), query, Proved::NONE);
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
        first: &'t Resident,
        query: &Query<'_>,
        mut judge: impl FnMut(&'t Resident) -> ((Verdict, A, B), (Verdict, B)),
    ) -> ((Verdict, A, B), (Verdict, B)) {
        let (mut now, mut would) = judge(first);
        let mut last = first;
        // Nobody else can change it.
        if !now.0.allows() && !would.0.allows() {
            return (now, would);
        }
        for one in self.table.residents(query) {
            if Arc::ptr_eq(&last.subject, &one.subject) {
                continue;
            }
            last = one;
            let (its, its_would) = judge(one);
            if now.0.allows() {
                now = its;
            }
            if would.0.allows() {
                would = its_would;
            }
            if !now.0.allows() && !would.0.allows() {
                break;
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

fn weigh<'t>(policy: &'t Policy, tags: Option<&Tags>, query: &Query<'_>, proved: Proved) -> Weighed<'t> {
    let mut weighed = Weighed::default();
    let mut found = |ready: &'t Ready| {
        let counted = match ready.plain {
            true => Counts::Yes,
            false => counts(ready.rule.rule(), query, proved),
        };
        match counted {
            Counts::No => {}
            Counts::Unproved => weighed.unproved |= !ready.dry_run,
            Counts::Yes => {
                let place = match (ready.action, ready.dry_run) {
                    (Action::Deny, false) => &mut weighed.deny,
                    (Action::Allow, false) => &mut weighed.allow,
                    (Action::Deny, true) => &mut weighed.tried_deny,
                    (Action::Allow, true) => &mut weighed.tried_allow,
                };
                *place = first(*place, Some(&ready.rule));
            }
        }
    };
    for group in &policy.groups {
        group.of_everybody(query.peer, &mut found);
        if let Some(tags) = tags {
            group.of(tags, query.peer, &mut found);
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
