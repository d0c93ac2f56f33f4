//! What a registrar's token may do: with instances of its own and nothing else.
//!
//! Where an instance may be is looked at in the write itself ([`Reach`](roundhouse_registry::write::Reach)). Here is what
//! the rest of the registry says: whose job it is, and what a lease holds.

use std::sync::PoisonError;
use std::time::Duration;

use axum::http::StatusCode;
use roundhouse_config::{JobName, Label};
use roundhouse_registry::http::registration::ImplicitJob;
use roundhouse_registry::record::{Name, Token};
use roundhouse_registry::{Instance, InstanceId, LeaseId, Snapshot, Versioned};

use super::caller::Caller;
use super::leases::Holding;
use super::{Api, Problem};

/// Of an instance that is there.
pub(super) fn admit(caller: &Caller, snapshot: &Snapshot, label: &Label) -> Result<(), Problem> {
    match caller.registrar() {
        Some((id, token)) => admit_jobname(id, token, label, &jobname(snapshot, label, None)),
        None => Ok(()),
    }
}

/// Of an instance that registers. Its JOBNAME is from then on a condition of the write: a job that becomes another's
/// meanwhile refuses it.
pub(super) fn admit_registration(
    caller: &Caller,
    snapshot: &Snapshot,
    label: &Label,
    ttl: Option<Duration>,
    job: &mut ImplicitJob,
) -> Result<(), Problem> {
    let Some((id, token)) = caller.registrar() else { return Ok(()) };
    if ttl.is_none() {
        let detail = "a static instance takes the role `operate`; write a `ttl`, as in \"10s\"";
        return Err(refused(id, detail).at("ttl"));
    }
    if token.jobname.is_some() {
        let name = jobname(snapshot, label, job.jobname.as_ref());
        admit_jobname(id, token, label, &name)?;
        job.jobname.get_or_insert(name);
    }
    Ok(())
}

/// The instance, if it is the caller's own: live, where the token may register and of a JOBNAME that it is for.
pub(super) fn admit_instance<'a>(
    caller: &Caller,
    snapshot: &'a Snapshot,
    label: &Label,
    instance: InstanceId,
) -> Result<&'a Versioned<Instance>, Problem> {
    let Some(record) = snapshot.instance(label, instance) else {
        let instead = format!("GET /v1/instances/{label} lists what this job has");
        return Err(Problem::not_found(format!("instance {label}/{instance}"), &instead));
    };
    let Some((id, token)) = caller.registrar() else { return Ok(record) };
    if record.lease.is_none() || !caller.reach().covers(&record.value) {
        return Err(refused(id, &format!("{label}/{instance} is somebody else's")));
    }
    admit_jobname(id, token, label, &jobname(snapshot, label, None))?;
    Ok(record)
}

/// What the lease holds. One that holds nothing of this registry may be another application's in the same etcd, and is not
/// known here, whoever asks. A registrar's holds own instances, all of it.
pub(super) fn admit_lease(api: &Api, caller: &Caller, lease: LeaseId) -> Result<Vec<Holding>, Problem> {
    let snapshot = api.shared.store.load();
    // Nothing between lock and unlock can leave it half changed.
    let held = api.leases.lock().unwrap_or_else(PoisonError::into_inner).of(lease, &snapshot);
    if held.is_empty() {
        let instead = "it ran out or was revoked; register again";
        return Err(match api.shared.store.contact().lost {
            None => Problem::not_found(format!("lease {lease}"), instead),
            // It may have been granted after this gateway heard its registry last.
            Some(_) => {
                let detail = format!("lease {lease} is not known here, and the registry is away; try again");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
        });
    }
    let Some((id, token)) = caller.registrar() else { return Ok(held) };
    let reach = caller.reach();
    for holding in &held {
        let Holding::Instance(job, instance) = holding else {
            return Err(refused(id, &format!("lease {lease} holds what is no instance")));
        };
        if snapshot.instance(job, *instance).is_some_and(|record| !reach.covers(&record.value)) {
            return Err(refused(
                id,
                &format!("lease {lease} holds {job}/{instance}, which is somebody else's"),
            ));
        }
        admit_jobname(id, token, job, &jobname(&snapshot, job, None))?;
    }
    Ok(held)
}

fn admit_jobname(id: &Name, token: &Token, label: &Label, name: &JobName) -> Result<(), Problem> {
    match &token.jobname {
        Some(selector) if !selector.matches(name) => {
            Err(refused(id, &format!("it is for jobs of {selector}, and `{label}` is {name}")))
        }
        _ => Ok(()),
    }
}

/// The job's, as far as there is one; else the one that it will have.
fn jobname(snapshot: &Snapshot, label: &Label, wanted: Option<&JobName>) -> JobName {
    match (snapshot.jobs.get(label), wanted) {
        (Some(job), _) => job.value.jobname.clone(),
        (None, Some(wanted)) => wanted.clone(),
        (None, None) => JobName::implicit(label),
    }
}

fn refused(token: &Name, why: &str) -> Problem {
    let detail = format!("the token `{token}` registers its own instances only: {why}");
    Problem::new(StatusCode::FORBIDDEN, detail)
}
