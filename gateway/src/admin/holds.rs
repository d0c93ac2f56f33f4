//! `/v1/holds`: what is served although the registry no longer has it, and the two ways to end that: believe the
//! registry, or write back what it lost.

use axum::Json;
use axum::extract::{Path, State};
use roundhouse_config::Label;
use roundhouse_registry::hold::{Release, Retained};
use roundhouse_registry::record::{Held, Key, Timestamp};
use roundhouse_registry::{InstanceId, Revision, Versioned};
use serde::Serialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::visible::visible_key;
use super::{Api, Problem};

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum HoldView<'a> {
    Instance {
        key: String,
        job: &'a Label,
        id: InstanceId,
        /// Whether the registry has a record of the hold, so that every reader agrees.
        recorded: bool,
        #[serde(flatten)]
        held: &'a Held,
    },
    Record {
        key: &'a str,
        #[serde(flatten)]
        retained: &'a Retained,
    },
}

pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Json<Value> {
    let snapshot = api.shared.store.load();
    let instances = snapshot.held.iter().flat_map(|(job, held)| held.iter().map(move |held| (job, held)));
    let instances = instances.map(|(job, (id, held)): (_, (_, &_))| instance(job, *id, held));
    let retained = snapshot.retained.iter().filter(|(key, _)| visible_key(caller.reader(), key));
    let records = retained.map(|(key, retained)| HoldView::Record { key, retained });
    Json(json!(instances.chain(records).collect::<Vec<_>>()))
}

fn instance<'a>(job: &'a Label, id: InstanceId, held: &'a Versioned<Held>) -> HoldView<'a> {
    let key = format!("instances/{job}/{id}");
    HoldView::Instance { key, job, id, recorded: held.modified != Revision(0), held: &held.value }
}

pub(super) async fn release_all(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "released": api.shared.holds.release(Release::All).await }))
}

/// A job, `<job>/<id>`, or the key of a retained record.
pub(super) async fn release(
    State(api): State<Api>,
    Path(what): Path<String>,
) -> Result<Json<Value>, Problem> {
    let released = api.shared.holds.release(which(&what)?).await;
    if released == 0 {
        return Err(Problem::not_found(format!("hold of `{what}`"), "GET /v1/holds lists what is held"));
    }
    Ok(Json(json!({ "released": released })))
}

/// Writes back the records that are retained; their holds end as the registry has them again.
pub(super) async fn restore(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let restored = api.shared.registry.restore(&api.shared.store.load(), Timestamp::now().seconds()).await?;
    Ok(Json(json!({ "written": restored.written, "left": restored.left })))
}

fn which(what: &str) -> Result<Release, Problem> {
    match Key::parse(what) {
        Ok(Key::Instance(job, id) | Key::Held(job, id)) => return Ok(Release::Instance(job, id)),
        Ok(_) => return Ok(Release::Record(what.to_owned())),
        Err(_) => {}
    }
    let (job, id) = what.split_once('/').map_or((what, None), |(job, id)| (job, Some(id)));
    let job = job.parse().map_err(|error| Problem::invalid(error).at("label"))?;
    match id.map(str::parse).transpose() {
        Ok(None) => Ok(Release::Job(job)),
        Ok(Some(id)) => Ok(Release::Instance(job, id)),
        Err(error) => Err(Problem::invalid(error).at("id")),
    }
}
