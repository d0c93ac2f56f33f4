//! What is written down of decisions: a counter for each verdict and reason, and a line for each refusal.
//!
//! Lines go where the log goes, with the target `access`: refusals, what rules that are only tried out would change, and
//! decisions from old knowledge are `INFO`, and so is each allow of a job that has rules, at `DEBUG`. Of refusals there may
//! be any number a second, so a worker writes a hundred lines a second and counts the rest.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use roundhouse_registry::Revision;
use roundhouse_registry::access::{Claim, Decision, Policy, Query, Reason, Verdict};

use crate::plane::{Connection, Counters, count};

/// Lines a second of one worker.
const LINES: u32 = 100;

/// How often each verdict was given for each reason, on one worker; also what was not written down.
#[derive(Debug)]
pub struct Verdicts {
    of: [[AtomicU64; Reason::ALL.len()]; 2],
    /// Where rules that are only tried out would have decided otherwise, by what they would have decided.
    tried: [AtomicU64; 2],
    pub unwritten: AtomicU64,
}

impl Default for Verdicts {
    fn default() -> Verdicts {
        let zero = || AtomicU64::new(0);
        Verdicts {
            of: std::array::from_fn(|_| std::array::from_fn(|_| zero())),
            tried: std::array::from_fn(|_| zero()),
            unwritten: zero(),
        }
    }
}

impl Verdicts {
    pub fn of(&self, verdict: Verdict, reason: Reason) -> u64 {
        self.of[verdict as usize][reason as usize].load(Relaxed)
    }

    pub fn tried(&self, verdict: Verdict) -> u64 {
        self.tried[verdict as usize].load(Relaxed)
    }

    fn add(&self, verdict: Verdict, reason: Reason) {
        count(&self.of[verdict as usize][reason as usize], 1);
    }
}

/// One worker's.
pub(crate) struct Audit {
    counters: Arc<Counters>,
    /// The second that is written in, and its lines so far.
    second: Cell<Option<Instant>>,
    lines: Cell<u32>,
}

/// What a line is about.
pub(super) struct Line<'a> {
    pub(super) policy: &'a Policy,
    pub(super) query: &'a Query<'a>,
    pub(super) decision: &'a Decision<'a>,
    pub(super) connection: &'a Connection,
    pub(super) revision: Revision,
}

impl Audit {
    pub(crate) fn new(counters: Arc<Counters>) -> Audit {
        Audit { counters, second: Cell::default(), lines: Cell::default() }
    }

    /// An open job's: there is nothing to write.
    pub(super) fn count_open(&self) {
        self.counters.access.add(Verdict::Allow, Reason::Open);
    }

    pub(super) fn count(&self, decision: &Decision<'_>) {
        self.counters.access.add(decision.verdict, decision.reason);
        if let Some(would) = decision.would {
            count(&self.counters.access.tried[would.verdict as usize], 1);
        }
    }

    pub(super) fn record(&self, line: &Line<'_>) {
        self.count(line.decision);
        let remarkable = !line.decision.allows() || line.decision.would.is_some();
        match remarkable || line.policy.is_stale(line.query.stale) {
            true if self.may_write() => line.write(line.decision.verdict.as_str()),
            true => count(&self.counters.access.unwritten, 1),
            false if tracing::enabled!(target: "access", tracing::Level::DEBUG) => line.debug(),
            false => {}
        }
    }

    /// A live connection is ended.
    pub(super) fn revoked(&self, line: &Line<'_>) {
        match self.may_write() {
            true => line.write("revoke"),
            false => count(&self.counters.access.unwritten, 1),
        }
    }

    fn may_write(&self) -> bool {
        let now = Instant::now();
        if self.second.get().is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            self.second.set(Some(now));
            self.lines.set(0);
        }
        let lines = self.lines.get() + 1;
        self.lines.set(lines);
        lines <= LINES
    }
}

impl Line<'_> {
    fn claimed(&self) -> Option<String> {
        match self.query.claim {
            Claim::None => None,
            // A client wrote it.
            Claim::Name(name) => Some(name.chars().take(100).flat_map(char::escape_default).collect()),
            Claim::Garbled => Some("(several, or no text)".to_owned()),
        }
    }

    fn write(&self, verdict: &str) {
        let Line { policy, query, decision, connection, revision } = *self;
        let forwarder = (query.peer != connection.peer.ip()).then_some(connection.peer);
        tracing::info!(
            target: "access",
            verdict,
            reason = decision.reason.as_str(),
            rule = decision.rule.map(|rule| rule.id.as_str()),
            job = %policy.job,
            port = query.port.number,
            peer = %query.peer,
            forwarder = forwarder.map(tracing::field::display),
            claimed = self.claimed(),
            jobname = decision.jobname().map(tracing::field::display),
            shared_ip = decision.shared,
            proved = decision.proved,
            tried = decision.would.map(|would| would.verdict.as_str()),
            tried_rule = decision.would.and_then(|would| would.rule).map(|rule| rule.id.as_str()),
            %revision,
            stale_seconds = query.stale.as_secs(),
            too_old = policy.is_stale(query.stale),
        );
    }

    fn debug(&self) {
        let Line { policy, query, decision, revision, .. } = *self;
        tracing::debug!(
            target: "access",
            verdict = decision.verdict.as_str(),
            reason = decision.reason.as_str(),
            rule = decision.rule.map(|rule| rule.id.as_str()),
            job = %policy.job,
            port = query.port.number,
            peer = %query.peer,
            jobname = decision.jobname().map(tracing::field::display),
            %revision,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_and_not_written() {
        let audit = Audit::new(Arc::default());
        let written = (0..1_000).filter(|_| audit.may_write()).count();
        // A second may have passed meanwhile.
        assert!((100..=300).contains(&written), "{written}");
    }

    #[test]
    fn each_verdict_and_reason_is_a_counter_of_its_own() {
        let audit = Audit::new(Arc::default());
        for (n, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n);
            audit.count(&Decision::without_rules(Verdict::Deny, reason));
        }
        audit.count_open();
        assert!(Reason::ALL.into_iter().all(|reason| audit.counters.access.of(Verdict::Deny, reason) == 1));
        assert_eq!(audit.counters.access.of(Verdict::Allow, Reason::Open), 1);
    }
}
