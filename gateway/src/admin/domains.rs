//! `/v1/domains`.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use roundhouse_config::DomainName;
use roundhouse_registry::record::ValueError;
use roundhouse_registry::{Domain, Versioned};
use serde::Serialize;
use serde_json::{Value, json};

use super::extract::{Body, Precondition, Segment};
use super::written::{answer, etag};
use super::{Api, Problem};

#[derive(Serialize)]
struct DomainView<'a> {
    host: &'a DomainName,
    #[serde(flatten)]
    record: &'a Versioned<Domain>,
}

pub(super) async fn list(State(api): State<Api>) -> Json<Value> {
    let snapshot = api.shared.store.load();
    let domains = snapshot.domains.iter().map(|(host, record)| DomainView { host, record });
    Json(json!(domains.collect::<Vec<_>>()))
}

pub(super) async fn show(
    State(api): State<Api>,
    Segment(host): Segment<DomainName>,
) -> Result<Response, Problem> {
    let snapshot = api.shared.store.load();
    let Some(record) = snapshot.domains.get(&host) else {
        return Err(Problem::not_found(
            format!("domain `{host}`"),
            "GET /v1/domains lists them, PUT makes one",
        ));
    };
    let headers: HeaderMap = etag(record.modified).into_iter().collect();
    Ok((headers, Json(DomainView { host: &host, record })).into_response())
}

pub(super) async fn put(
    State(api): State<Api>,
    Segment(host): Segment<DomainName>,
    Precondition(expect): Precondition,
    Body(domain): Body<Domain>,
) -> Result<Response, Problem> {
    domain.validate()?;
    let table = api.shared.table.load();
    if table.inside_zone(host.as_str()).is_some() {
        let message = format!(
            "names under `{}` are the jobs' own, so this one is never asked for; choose another",
            table.zone
        );
        return Err(ValueError::field("host", message).into());
    }
    let written = api.shared.registry.put_domain(&host, &domain, expect).await?;
    Ok(answer(&api.shared.store, written, &format!("/v1/domains/{host}"), json!({ "host": host })).await)
}

pub(super) async fn delete(
    State(api): State<Api>,
    Segment(host): Segment<DomainName>,
    Precondition(expect): Precondition,
) -> Result<Response, Problem> {
    let written = api.shared.registry.delete_domain(&host, expect).await?;
    Ok(answer(&api.shared.store, written, "", json!({ "host": host })).await)
}
