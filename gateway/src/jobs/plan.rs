//! `plan(desired, current) -> changes`: pure; what is printed and what is written are the same list.

use std::fmt;

use roundhouse_config::{DomainName, JobName, Label, Port};
use roundhouse_registry::{Domain, Instance, InstanceId, Job, Revision};
use serde::Serialize;
use serde_json::Value;

use super::current::Current;
use super::desired::Desired;
use super::fields::{FieldChange, differences};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) subject: Subject,
    pub(crate) action: Action,
    /// For [`Action::Change`].
    pub(crate) fields: Vec<FieldChange>,
    /// `None` where nothing is to be written.
    pub(crate) record: Option<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Job(Label),
    Instance(Label, InstanceId),
    Domain(DomainName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Change,
    Keep,
    /// It is in the registry and not in the file.
    Leave,
}

/// What is written, and which revision it replaces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Job(Job, Option<Revision>),
    /// With what its registration says of the job.
    Instance(Instance, JobName, Vec<Port>),
    Domain(Domain, Option<Revision>),
}

/// In the order in which they must be written: an instance brings no job of its own where the file's is there.
pub(crate) fn plan(desired: &Desired, current: &Current) -> Vec<Change> {
    let stored = current.job.as_ref();
    let job = desired.job(stored.map(|(job, _)| job));
    let record = Record::Job(job.clone(), stored.map(|(_, revision)| *revision));
    let mut changes =
        vec![Change::new(Subject::Job(desired.label.clone()), stored.map(|(job, _)| job), &job, record)];
    changes.extend(instances(desired, current, &job));
    changes.extend(desired.domains.iter().map(|host| domain(host, &desired.label, current)));
    changes
}

fn instances(desired: &Desired, current: &Current, job: &Job) -> Vec<Change> {
    let subject = |id| Subject::Instance(desired.label.clone(), id);
    let wanted = desired.instances.iter().map(|(id, wanted)| {
        let stored = current.instances.get(id).map(|stored| &stored.instance);
        let wanted = merged(wanted, stored);
        let record = Record::Instance(wanted.clone(), job.jobname.clone(), job.ports.clone());
        Change::new(subject(*id), stored, &wanted, record)
    });
    let left = current
        .instances
        .iter()
        .filter(|(id, stored)| stored.is_static && desired.instances.iter().all(|(wanted, _)| wanted != *id));
    let left = left.map(|(id, _)| Change {
        subject: subject(*id),
        action: Action::Leave,
        fields: Vec::new(),
        record: None,
    });
    wanted.chain(left).collect()
}

/// What the file cannot say stays as it is: the state above all.
fn merged(wanted: &Instance, stored: Option<&Instance>) -> Instance {
    let Some(stored) = stored else { return wanted.clone() };
    Instance {
        address: wanted.address,
        ports: wanted.ports.clone(),
        host: wanted.host.clone(),
        line: wanted.line.clone(),
        weight: wanted.weight,
        ..stored.clone()
    }
}

/// The file can only say that the domain leads to the job; routes that do, with all that they say, are kept, and so is
/// what the domain says besides.
fn domain(host: &DomainName, job: &Label, current: &Current) -> Change {
    let stored = current.domains.get(host);
    let leads_here =
        |domain: &Domain| domain.routes.iter().flat_map(|route| &route.to).any(|to| to.job == *job);
    let wanted = match stored {
        Some((domain, _)) if leads_here(domain) => domain.clone(),
        Some((domain, _)) => domain.clone().led_to(job.clone()),
        None => Domain::to_job(job.clone()),
    };
    let record = Record::Domain(wanted.clone(), stored.map(|(_, revision)| *revision));
    Change::new(Subject::Domain(host.clone()), stored.map(|(domain, _)| domain), &wanted, record)
}

impl Change {
    fn new<T: Serialize + PartialEq>(
        subject: Subject,
        stored: Option<&T>,
        wanted: &T,
        record: Record,
    ) -> Change {
        let (action, fields) = match stored {
            None => (Action::Create, Vec::new()),
            Some(stored) if stored == wanted => (Action::Keep, Vec::new()),
            Some(stored) => (Action::Change, differences(&json(stored), &json(wanted))),
        };
        Change { subject, action, fields, record: (action != Action::Keep).then_some(record) }
    }
}

/// Records always have a JSON form.
fn json(record: &impl Serialize) -> Value {
    serde_json::to_value(record).unwrap_or_default()
}

impl Subject {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Subject::Job(_) => "job",
            Subject::Instance(..) => "instance",
            Subject::Domain(_) => "domain",
        }
    }
}

/// The name alone.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Job(label) => label.fmt(f),
            Subject::Instance(label, id) => write!(f, "{label}/{id}"),
            Subject::Domain(host) => host.fmt(f),
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
