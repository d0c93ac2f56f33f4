//! What a guard answers.

use std::time::Duration;

use roundhouse_config::{JobName, Name};

use crate::access::{self, Reason, Verdict};
use crate::kv::Revision;

/// It owns what it says, and costs two counted references at most: the names are the registry's own.
#[derive(Clone, Debug)]
pub struct Decision {
    pub verdict: Verdict,
    pub reason: Reason,
    /// The rule that decided; of several the first by id.
    pub rule: Option<Name>,
    /// Who the peer is, where that is one job alone and somebody had to know.
    pub identity: Option<JobName>,
    /// Other jobs live at its address.
    pub shared_ip: bool,
    /// The identity is proved.
    pub proved: bool,
    /// What the verdict would be if the rules that are only tried out were in force, where it is another one.
    pub would: Option<Verdict>,
    /// Of the registry, as it was when this was decided; 0: it was never heard, and the bootstrap file decided.
    pub revision: Revision,
    /// How long ago the registry was last heard: zero while it is there. How old the bootstrap file is, while that
    /// decides.
    pub stale: Duration,
    miss: bool,
}

impl Decision {
    pub(super) fn new(decided: &access::Decision<'_>, revision: Revision, stale: Duration) -> Decision {
        Decision {
            verdict: decided.verdict,
            reason: decided.reason,
            rule: decided.rule.map(|rule| rule.id.clone()),
            identity: decided.jobname().cloned(),
            shared_ip: decided.shared,
            proved: decided.proved,
            would: decided.would.map(|would| would.verdict),
            revision,
            stale,
            miss: decided.may_be_a_miss(),
        }
    }

    pub fn allows(&self) -> bool {
        self.verdict.allows()
    }

    /// Whether a session that was let in ends. Knowledge that has only grown old, and a job whose record is gone, end
    /// none.
    pub fn revokes(&self) -> bool {
        !self.allows() && !matches!(self.reason, Reason::Stale | Reason::StaleUnproved | Reason::NoJob)
    }

    /// Whether newer knowledge might let the peer in: it may have registered just now.
    pub fn may_be_a_miss(&self) -> bool {
        self.miss
    }
}
