//! `/v1/instances`: registration, state, deregistration.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundhouse_config::{JobName, Label, Port, PortName, Protocol};
use roundhouse_registry::http::registration::{RegisterBody, RegisteredBody, StateChange};
use roundhouse_registry::record::{ValueError, decode, encode};
use roundhouse_registry::write::NewInstance;
use roundhouse_registry::{Instance, InstanceId, Member};
use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::extract::{Body, NoPrecondition, Segment};
use super::jobs::{refuse_taken_jobname, unknown};
use super::leases::admit_ttl;
use super::parts::PATIENCE;
use super::view::View;
use super::written::{answer, etag};
use super::{Api, Problem, instance_pool, own, parts};

pub(super) async fn list(State(api): State<Api>) -> Response {
    streamed(&api, None)
}

pub(super) async fn list_of_job(
    State(api): State<Api>,
    Segment(label): Segment<Label>,
) -> Result<Response, Problem> {
    let snapshot = api.shared.store.load();
    let known = snapshot.jobs.contains_key(&label) || snapshot.members(&label).next().is_some();
    if known { Ok(streamed(&api, Some(label))) } else { Err(unknown(&label)) }
}

/// All instances, or those of one job, made while they are sent: snapshot and table are those of one moment, the live
/// state is that of the moment when it is written.
fn streamed(api: &Api, job: Option<Label>) -> Response {
    let (snapshot, table) = (api.shared.store.load(), api.shared.table.load_full());
    let (writer, body) = parts::body(PATIENCE);
    tokio::spawn(async move {
        let view = View { snapshot: &snapshot, table: &table, not_caught: &[] };
        let members: Box<dyn Iterator<Item = (&Label, Member<'_>)> + Send> = match &job {
            None => Box::new(snapshot.all_members()),
            Some(job) => Box::new(snapshot.members(job).map(move |member| (job, member))),
        };
        let instances =
            members.filter_map(|(job, member)| serde_json::to_vec(&view.instance(job, member)).ok());
        // The reader knows what it has not got.
        let _ = writer.array(b"[".to_vec(), instances, b"\n]\n").await;
    });
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn show(
    State(api): State<Api>,
    Segment(label): Segment<Label>,
    Segment(id): Segment<InstanceId>,
) -> Result<Response, Problem> {
    api.look(|view| {
        let Some(member) = view.snapshot.members(&label).find(|member| member.id() == id) else {
            let instead = format!("GET /v1/instances/{label} lists what this job has");
            return Err(Problem::not_found(format!("instance {label}/{id}"), &instead));
        };
        let revision = view.snapshot.instance(&label, id).map(|record| record.modified);
        let headers: HeaderMap = revision.and_then(etag).into_iter().collect();
        Ok((headers, Json(view.instance(&label, member))).into_response())
    })
}

pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    Segment(label): Segment<Label>,
    _: NoPrecondition,
    Body(fields): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    register(&api, &caller, label, InstanceId::random(), registration(&fields)?).await
}

pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller,
    Segment(label): Segment<Label>,
    Segment(id): Segment<InstanceId>,
    _: NoPrecondition,
    Body(fields): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    register(&api, &caller, label, id, registration(&fields)?).await
}

/// The record is read by itself first: inside a flattened one serde does not know which field is wrong.
fn registration(fields: &Map<String, Value>) -> Result<RegisterBody, ValueError> {
    let text = encode(fields);
    decode::<Instance>(&text)?;
    decode(&text)
}

async fn register(
    api: &Api,
    caller: &Caller,
    label: Label,
    id: InstanceId,
    body: RegisterBody,
) -> Result<Response, Problem> {
    body.instance.validate()?;
    refuse_own_address(api, &body.instance)?;
    body.ttl.map_or(Ok(()), admit_ttl)?;
    let snapshot = api.shared.store.load();
    let mut implicit = body.job.unwrap_or_default();
    own::admit_registration(caller, &snapshot, &label, body.ttl, &mut implicit)?;
    if !snapshot.jobs.contains_key(&label) {
        let jobname = implicit.jobname.clone().unwrap_or_else(|| JobName::implicit(&label));
        refuse_taken_jobname(&snapshot, &label, &jobname)?;
    }
    let ports = if implicit.ports.is_empty() { ports_of(&body.instance) } else { implicit.ports };
    let pool =
        body.pool.map(|wish| instance_pool::wanted(&label, &body.instance, &ports, wish)).transpose()?;
    let new = NewInstance { job: label, id, instance: body.instance, jobname: implicit.jobname, ports };
    let registry = api.shared.registry.within(caller.reach());
    let (lease, written) = match body.ttl {
        Some(ttl) => {
            let (lease, written) = api.write(registry.register_leased(&new, ttl)).await?;
            (Some(lease.to_string()), written)
        }
        None => (None, api.write(registry.register(&new, None)).await?),
    };
    // The instance is registered, whatever becomes of this.
    let (pool, pool_error) = match pool {
        None => (None, None),
        Some(pool) => match instance_pool::ensure(api, &pool).await {
            Ok(()) => (Some(pool.name), None),
            Err(problem) => (None, Some(problem.detail)),
        },
    };
    let (id_text, revision) = (id.to_string(), written.revision);
    let body = json!(RegisteredBody { id: id_text, lease, ttl: body.ttl, revision, pool, pool_error });
    Ok(answer(&api.shared.store, written, &format!("/v1/instances/{}/{id}", new.job), body).await)
}

/// A registrar that says nothing of the job's ports has one that serves what its instance does.
pub(super) fn ports_of(instance: &Instance) -> Vec<Port> {
    let port = |(name, number): (&PortName, &u16)| Port::new(name.clone(), *number, Protocol::Tcp);
    instance.ports.iter().map(port).collect()
}

/// 409: the address is held, by the gateway itself.
fn refuse_own_address(api: &Api, instance: &Instance) -> Result<(), Problem> {
    match instance.socket_addrs().find_map(|address| api.shared.own.load().holds(address)) {
        Some(reason) => Err(Problem::new(StatusCode::CONFLICT, reason).at("address")),
        None => Ok(()),
    }
}

pub(super) async fn set_state(
    State(api): State<Api>,
    caller: Caller,
    Segment(label): Segment<Label>,
    Segment(id): Segment<InstanceId>,
    _: NoPrecondition,
    Body(StateChange { state, from }): Body<StateChange>,
) -> Result<Response, Problem> {
    own::admit(&caller, &api.shared.store.load(), &label)?;
    let registry = api.shared.registry.within(caller.reach());
    // The state as it is stored: not the wanted one if it was not among those that may be changed.
    let (written, state) = api.write(registry.set_state_from(&label, id, state, from.as_deref())).await?;
    Ok(answer(&api.shared.store, written, "", json!({ "id": id, "job": label, "state": state })).await)
}

pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segment(label): Segment<Label>,
    Segment(id): Segment<InstanceId>,
    _: NoPrecondition,
) -> Result<Response, Problem> {
    own::admit(&caller, &api.shared.store.load(), &label)?;
    let written = api.write(api.shared.registry.within(caller.reach()).deregister(&label, id)).await?;
    Ok(answer(&api.shared.store, written, "", json!({ "id": id, "job": label })).await)
}
