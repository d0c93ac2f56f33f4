//! Access rules, and the guards that they bring.
//!
//! An allow rule means that others may not come in. So the first one that is enforced guards what it is to, in its own
//! transaction: there is no moment at which the rule is there and the door still open for everybody, nor one at which
//! the door is shut and the rule not there yet. Only a person takes a guard away.

use roundhouse_config::Selector;

use super::jobs::unchanged;
use super::{ATTEMPTS, Expect, Registry, WriteError, Written};
use crate::kv::{Commit, Condition, Entry, Txn};
use crate::record::{Action, Guard, Job, Key, Name, Rule, Target, Timestamp, ValueError, encode, read};

/// A rule that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleWritten {
    pub written: Written,
    /// What is default-deny since then and was not before.
    pub guard: Option<Selector>,
}

impl Registry {
    /// A rule to a job names one that is there, and one that expires does so after `now`.
    pub async fn put_rule(
        &self,
        id: &Name,
        rule: &Rule,
        expect: Expect,
        now: Timestamp,
    ) -> Result<RuleWritten, WriteError> {
        rule.validate()?;
        if rule.expired(now) {
            return Err(ValueError::field(
                "expires",
                "is past, so the rule would do nothing; write a later time",
            )
            .into());
        }
        let key = Key::Rule(id.clone());
        for _ in 0..ATTEMPTS {
            let found = self.read(&key).await?;
            expect.check(&key, found.as_ref())?;
            let (own, job) = self.target(&rule.to).await?;
            let mut txn = unchanged(&key, found.as_ref()).put(key.to_string(), encode(rule), None);
            if let Some(job) = job {
                txn = txn.when(Condition::At(job.key, job.modified));
            }
            let mut guard = None;
            if rule.action == Action::Allow && !rule.dry_run {
                (txn, guard) = self.guarded(txn, own, id, rule, now).await?;
            }
            if let Commit::Done(revision) = self.kv().commit(txn).await? {
                let written = Written { revision, created: found.is_none() };
                return Ok(RuleWritten { written, guard });
            }
        }
        Err(WriteError::Busy(key.to_string()))
    }

    /// The selector of what a rule is to, and the job's own record if it is to one.
    async fn target(&self, to: &Target) -> Result<(Selector, Option<Entry>), WriteError> {
        let label = match to {
            Target::JobName(selector) => return Ok((selector.clone(), None)),
            Target::Job(label) => label,
        };
        let Some(entry) = self.read(&Key::Job(label.clone())).await? else {
            let message = format!(
                "there is no job `{label}`; put the job first, or write {{\"jobname\":…}} for jobs that are to come"
            );
            return Err(ValueError::field("to.job", message).into());
        };
        let job: Job = read(&entry.value).map_err(|error| {
            ValueError::field("to.job", format!("job `{label}` cannot be read, mend it first: {error}"))
        })?;
        Ok((Selector::from(&job.jobname), Some(entry)))
    }

    /// The transaction with the guard that it needs, if there is none yet.
    async fn guarded(
        &self,
        txn: Txn,
        selector: Selector,
        id: &Name,
        rule: &Rule,
        now: Timestamp,
    ) -> Result<(Txn, Option<Selector>), WriteError> {
        let key = Key::Guard(selector.clone());
        let found = self.read(&key).await?;
        let txn = match &found {
            Some(entry) => txn.when(Condition::At(entry.key.clone(), entry.modified)),
            None => txn.when(Condition::Absent(key.to_string())),
        };
        let job = match &rule.to {
            Target::Job(label) => Some(label.clone()),
            Target::JobName(_) => None,
        };
        // A value that cannot be read guards the whole subtree.
        let standing = found.map(|entry| read::<Guard>(&entry.value).unwrap_or_default());
        let guard = match standing {
            // The subtree's, which now is to be guarded whole.
            Some(Guard { job: Some(_), since, note, .. }) if job.is_none() => {
                Guard { job, rule: Some(id.clone()), since, note }
            }
            Some(_) => return Ok((txn, None)),
            None => Guard { job, rule: Some(id.clone()), since: Some(now), note: Box::default() },
        };
        Ok((txn.put(key.to_string(), encode(&guard), None), Some(selector)))
    }
}
