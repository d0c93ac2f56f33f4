//! `/v1/health`: the verdicts that hubs have written about instances.

use axum::Json;
use axum::extract::State;
use roundhouse_config::Label;
use roundhouse_registry::record::Health;
use roundhouse_registry::{InstanceId, Versioned};
use serde::Serialize;
use serde_json::{Value, json};

use super::Api;

#[derive(Serialize)]
struct HealthView<'a> {
    job: &'a Label,
    id: InstanceId,
    #[serde(flatten)]
    record: &'a Versioned<Health>,
}

pub(super) async fn list(State(api): State<Api>) -> Json<Value> {
    let snapshot = api.shared.store.load();
    let verdicts = snapshot.health.iter().flat_map(|(job, verdicts)| {
        verdicts.iter().map(move |(id, record)| HealthView { job, id: *id, record })
    });
    Json(json!(verdicts.collect::<Vec<_>>()))
}
