//! Access, asked for: by programs that enforce it themselves (`check`), by proxies that ask before they forward
//! ([`auth`]), and by people who want to know why (`test`).
//!
//! All are answers of the same table as the gateway's own decisions, and change nothing.

mod answer;
mod asked;
pub(super) mod auth;

use axum::Json;
use axum::extract::State;
use roundhouse_registry::access::{Decision, Reason, Verdict};
use serde_json::Value;

pub(super) use self::answer::sentence;
use self::asked::Asked;
use super::extract::Body;
use super::{Api, Problem};
use crate::access::decide as decide_all;

/// `POST /v1/access/check`: the decision.
pub(super) async fn check(State(api): State<Api>, Body(asked): Body<Asked>) -> Result<Json<Value>, Problem> {
    let access = &api.shared.access;
    let decide = |patient: bool| -> Result<Option<Value>, Problem> {
        let table = access.table();
        let Some(policy) = table.policy(&asked.to) else {
            let decision = Decision::without_rules(Verdict::Deny, Reason::NoJob);
            return Ok(Some(answer::decision(&decision, &table, access.stale())));
        };
        let query = asked.query(policy, access.stale())?;
        let (query, decision) = decide_all(&table, policy, query, asked.readings());
        if patient && decision.may_be_a_miss() {
            return Ok(None);
        }
        Ok(Some(answer::decision(&decision, &table, query.stale)))
    };
    if let Some(decided) = decide(true)? {
        return Ok(Json(decided));
    }
    // Whatever comes of it, the newest table decides.
    let decided = access.table().revision;
    let _ = access.catch_up().caught_up(asked.peer(), decided).await;
    Ok(Json(decide(false)?.unwrap_or_default()))
}

/// `POST /v1/access/test`: the decision, and all that led to it.
pub(super) async fn test(State(api): State<Api>, Body(asked): Body<Asked>) -> Result<Json<Value>, Problem> {
    let access = &api.shared.access;
    let table = access.table();
    let Some(policy) = table.policy(&asked.to) else {
        return Err(Problem::not_found(format!("job `{}`", asked.to), "GET /v1/jobs lists what there is"));
    };
    let query = asked.query(policy, access.stale())?;
    // Of a path that has several readings the one that decides is explained.
    let (query, _) = decide_all(&table, policy, query, asked.readings());
    let explained = table.explain(policy, &query);
    Ok(Json(answer::explained(&explained, policy, &query, &table)))
}
