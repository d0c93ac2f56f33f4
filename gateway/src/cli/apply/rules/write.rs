//! One step carried out over the API, only if the record is still as it was read.

use hyper::Method;
use roundhouse_registry::http::HttpError;
use serde_json::Value;

use super::plan::{Step, Subject};
use crate::cli::apply::report::Deed;
use crate::cli::apply::write::condition;
use crate::cli::guard;
use crate::cli::server::Server;

pub(super) async fn carry_out(step: &Step, server: &Server) -> Result<(), HttpError> {
    let path = match &step.subject {
        Subject::Guard(selector, _) => guard::path(selector),
        Subject::Rule(id, _) => format!("/v1/rules/{id}"),
    };
    let (name, value) = condition(step.at);
    let headers = [(name, value.as_str())];
    let answer = match (step.deed, &step.subject) {
        (Deed::Keep | Deed::Leave, _) => return Ok(()),
        (Deed::Delete, _) => server.delete_if(&path, &headers).await?,
        (_, Subject::Guard(_, guard)) => server.send(Method::PUT, &path, &headers, guard).await?,
        (_, Subject::Rule(_, rule)) => server.send(Method::PUT, &path, &headers, rule).await?,
    };
    // Of many records at once, so each says whose it is.
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let named = warnings.map(|warning| format!("{} `{}`: {warning}", step.subject.kind(), step.subject));
    crate::cli::warn(&named.collect());
    guard::tell_new(&answer["guard"]);
    Ok(())
}
