//! One pass of a file over the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use roundhouse_config::{JobSpec, JobsFile, Label, Problem};
use roundhouse_registry::write::{Expect, NewInstance};
use roundhouse_registry::{InstanceId, KvError, Revision, WriteError};

use super::file::{Taken, at, clash, whole};
use super::owner::Owner;
use super::{Action, Change, Current, Desired, Record, Subject, plan};
use crate::admin::refuse_taken_jobname;
use crate::shared::Shared;

/// Looks at a job that somebody else changes at the same moment.
const ATTEMPTS: usize = 5;
/// What another gateway wrote is in our snapshot by then.
const PATIENCE: Duration = Duration::from_secs(1);

/// The static instances that a file had since the gateway started.
pub(super) type Seen = BTreeSet<(Label, InstanceId)>;

/// The static instances of each job. `None`: it is not known which the file means, so none is one too many.
type Wanted = BTreeMap<Label, Option<BTreeSet<InstanceId>>>;

pub(super) struct Application<'a> {
    pub(super) shared: &'a Shared,
    pub(super) path: &'a Path,
    pub(super) owner: &'a Owner,
    pub(super) taken: &'a Taken,
    pub(super) seen: &'a mut Seen,
}

#[derive(Default)]
pub(super) struct Outcome {
    /// The last commit; the snapshot's own revision where nothing was to be done.
    pub(super) revision: Revision,
    pub(super) failed: Vec<Problem>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// The registry is away for the next job too.
    fn is_final(&self) -> bool {
        matches!(self, Failure::Write(WriteError::Kv(KvError::Unavailable { .. })))
    }
}

impl Application<'_> {
    /// One job's failure does not stop the others; a registry that is away stops all.
    pub(super) async fn run(self, file: &JobsFile) -> Outcome {
        let mut outcome = Outcome { revision: self.shared.store.load().revision, ..Outcome::default() };
        let mut wanted = Wanted::new();
        for spec in &file.jobs {
            if let Some(problem) = clash(self.path, spec, self.taken) {
                wanted.insert(spec.label.clone(), None);
                outcome.failed.push(problem);
                continue;
            }
            let desired = match Desired::read(spec).await {
                Ok(desired) => desired,
                Err(error) => {
                    wanted.insert(spec.label.clone(), None);
                    outcome.failed.push(self.failure(spec, &error));
                    continue;
                }
            };
            wanted.insert(spec.label.clone(), Some(desired.instances.iter().map(|(id, _)| *id).collect()));
            self.seen.extend(desired.instances.iter().map(|(id, _)| (spec.label.clone(), *id)));
            match self.one_job(&desired).await {
                Ok(revision) => outcome.revision = outcome.revision.max(revision),
                Err(failure) => {
                    outcome.failed.push(self.failure(spec, &failure));
                    if failure.is_final() {
                        return outcome;
                    }
                }
            }
        }
        for (label, id) in self.vanished(&wanted) {
            match self.shared.registry.deregister(&label, id).await {
                Ok(written) => {
                    tracing::info!(file = %self.path.display(), job = %label, instance = %id, "static instance vanished from the file; deregistered");
                    outcome.revision = outcome.revision.max(written.revision);
                }
                // Another gateway was faster.
                Err(WriteError::NotFound(_)) => {}
                Err(error) => {
                    let message =
                        format!("instance {label}/{id} is not in it and cannot be deregistered: {error}");
                    outcome.failed.push(whole(self.path, message));
                }
            }
        }
        if outcome.failed.is_empty() {
            self.settled(&wanted, outcome.revision).await;
        }
        outcome
    }

    async fn one_job(&self, desired: &Desired) -> Result<Revision, Failure> {
        let store = &self.shared.store;
        let mut attempt = 1;
        loop {
            let mut changes = store.changes();
            let snapshot = store.load();
            match self.write(&plan(desired, &Current::of(&snapshot, desired))).await {
                // Another writer's record is on its way to our snapshot.
                Err(Failure::Write(WriteError::Precondition { .. } | WriteError::Busy(_)))
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    let _ = tokio::time::timeout(PATIENCE, changes.changed()).await;
                }
                Ok(revision) => return Ok(revision.max(snapshot.revision)),
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn write(&self, changes: &[Change]) -> Result<Revision, Failure> {
        let registry = &self.shared.registry;
        let mut last = Revision::default();
        for change in changes {
            let written = match (&change.subject, &change.record) {
                (Subject::Job(label), Some(Record::Job(job, at))) => {
                    refuse_taken_jobname(&self.shared.store.load(), label, &job.jobname)?;
                    registry.put_job(label, job, expect(*at)).await?
                }
                (Subject::Domain(host), Some(Record::Domain(domain, at))) => {
                    registry.put_domain(host, domain, expect(*at)).await?
                }
                (Subject::Instance(label, id), Some(Record::Instance(instance, jobname, ports))) => {
                    if let Some(reason) =
                        instance.socket_addrs().find_map(|address| self.shared.own.load().holds(address))
                    {
                        return Err(Failure::Refused(reason.clone()));
                    }
                    let mut instance = instance.clone();
                    if change.action == Action::Create {
                        self.owner.mark(&mut instance);
                    }
                    let (job, jobname) = (label.clone(), Some(jobname.clone()));
                    let new = NewInstance { job, id: *id, instance, jobname, ports: ports.clone() };
                    registry.register(&new, None).await?
                }
                _ => continue,
            };
            tracing::info!(file = %self.path.display(), kind = change.subject.kind(), name = %change.subject, revision = %written.revision, "applied");
            last = last.max(written.revision);
        }
        Ok(last)
    }

    /// Until what was written, here or by a gateway that was faster, is what this one serves.
    async fn settled(&self, wanted: &Wanted, revision: Revision) {
        let store = &self.shared.store;
        let mut changes = store.changes();
        let settled = async {
            while store.load().revision < revision || !self.vanished(wanted).is_empty() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(PATIENCE, settled).await;
    }

    /// Static instances that this file put, and that it has no more.
    fn vanished(&self, wanted: &Wanted) -> Vec<(Label, InstanceId)> {
        let snapshot = self.shared.store.load();
        let all = snapshot.all_instances().filter(|(label, id, record)| {
            let is_wanted = match wanted.get(*label) {
                None => false,
                Some(None) => true,
                Some(Some(ids)) => ids.contains(*id),
            };
            let seen = self.seen.contains(&((*label).clone(), **id));
            record.lease.is_none() && !is_wanted && self.owner.may_remove(&record.value, seen)
        });
        all.map(|(label, id, _)| (label.clone(), *id)).collect()
    }

    fn failure(&self, spec: &JobSpec, error: &dyn std::fmt::Display) -> Problem {
        at(self.path, spec, format!("job `{}`: {error:#}; tried again", spec.label))
    }
}

fn expect(at: Option<Revision>) -> Expect {
    at.map_or(Expect::Absent, Expect::At)
}
