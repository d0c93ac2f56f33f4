//! `/v1/connections`: what is open through this gateway now, and how a person ends it.

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use ipnet::IpNet;
use roundhouse_registry::record::{Network, NetworkError};
use serde_json::{Value, json};

use super::{Api, Problem};
use crate::plane::{Filter, Reason};

/// Rows of one answer: without a wish, and at most. A row is made on a worker, which serves nobody meanwhile.
const USUAL: usize = 1_000;
const MOST: usize = 10_000;

/// What chooses connections.
const FILTERS: &str = "`id`, `job`, `instance`, `client`";

/// As they are written, each once.
type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

pub(super) async fn list(State(api): State<Api>, query: Parameters) -> Result<Json<Value>, Problem> {
    let mut limit = USUAL;
    let filter = filter(query, |name, value| match name {
        "limit" => {
            let refused = || wrong("limit", format!("`{value}` is no number of rows; write 1 to {MOST}"));
            limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(refused)?;
            Ok(())
        }
        _ => Err(wrong(name, format!("there is no parameter `{name}`; write {FILTERS} or `limit`"))),
    })?;
    // One more tells whether there is more.
    let mut connections = api.shared.workers.list(&filter, limit + 1).await;
    let more = connections.len() > limit;
    connections.truncate(limit);
    Ok(Json(json!({ "connections": connections, "more": more })))
}

pub(super) async fn close(State(api): State<Api>, query: Parameters) -> Result<Json<Value>, Problem> {
    let mut all = false;
    let filter = filter(query, |name, value| match (name, value) {
        ("all", "true") => {
            all = true;
            Ok(())
        }
        ("all", _) => Err(wrong("all", "`all` is all or nothing; write `all=true`, or leave it out")),
        _ => Err(wrong(name, format!("there is no parameter `{name}`; write {FILTERS} or `all=true`"))),
    })?;
    match (chooses(&filter), all) {
        (false, false) => {
            let detail = format!(
                "without a parameter this would close every connection; write at least one of {FILTERS}, or `all=true`"
            );
            return Err(Problem::bad_request(detail));
        }
        (true, true) => {
            return Err(wrong("all", "`all=true` closes the others too; write it or what chooses, not both"));
        }
        _ => {}
    }
    let closed = api.shared.workers.end_counted(&filter, Reason::Operator).await;
    tracing::info!(?filter, closed, "connections closed by an operator");
    Ok(Json(json!({ "closed": closed })))
}

/// `other` takes the parameters that choose nothing. One that is not known must not be ignored: it would close more than
/// was meant.
fn filter(
    query: Parameters,
    mut other: impl FnMut(&str, &str) -> Result<(), Problem>,
) -> Result<Filter, Problem> {
    let Query(parameters) =
        query.map_err(|error| Problem::bad_request(format!("{error}; write name=value")))?;
    let mut filter = Filter::default();
    for (place, (name, value)) in parameters.iter().enumerate() {
        let name: &str = &name.chars().take(32).collect::<String>();
        if parameters[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(name, format!("`{name}` is there twice; write it once")));
        }
        let refused = |detail: String| wrong(name, detail);
        match name {
            "id" => {
                let id = value.parse().map_err(|error| refused(format!("`{value}` {error}")))?;
                filter.id = Some(id);
            }
            "job" => {
                let why = |error| refused(format!("{error}; write a job's label, as in `redis`"));
                filter.job = Some(value.parse().map_err(why)?);
            }
            "instance" => {
                let why = |_| {
                    refused(format!(
                        "`{value}` is no instance; write its UUID, as GET /v1/instances shows it"
                    ))
                };
                filter.instance = Some(value.parse().map_err(why)?);
            }
            "client" => filter.client = Some(client(value)?),
            _ => other(name, value)?,
        }
    }
    Ok(filter)
}

fn chooses(filter: &Filter) -> bool {
    let Filter { id, job, instance, client, endpoints } = filter;
    id.is_some() || job.is_some() || instance.is_some() || client.is_some() || endpoints.is_some()
}

/// An address is the range of itself.
fn client(text: &str) -> Result<IpNet, Problem> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    text.parse().map(Network::net).map_err(|error: NetworkError| wrong("client", error.to_string()))
}

fn wrong(name: &str, detail: impl Into<String>) -> Problem {
    Problem::bad_request(detail).at(name)
}
