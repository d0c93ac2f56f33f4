//! `POST /v1/tokens`: a new token, whose text is answered once and kept nowhere.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use roundhouse_config::Selector;
use roundhouse_registry::record::{Key, Name, Network, Role, Timestamp, Token, TokenText};
use roundhouse_registry::write::Expect;
use serde::Deserialize;
use serde_json::json;

use super::extract::{Body, NoPrecondition};
use super::written::answer;
use super::{Api, Problem};

/// A token's record but for its hash, and its id.
#[derive(Deserialize)]
pub(super) struct Wanted {
    id: Name,
    role: Role,
    #[serde(default)]
    cidr: Vec<Network>,
    #[serde(default)]
    jobname: Option<Selector>,
    #[serde(default)]
    note: Box<str>,
    #[serde(default)]
    expires: Option<Timestamp>,
}

pub(super) async fn post(
    State(api): State<Api>,
    _: NoPrecondition,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let Wanted { id, role, cidr, jobname, note, expires } = wanted;
    let text = TokenText::generate(id.clone());
    let token = Token { cidr, jobname, note, expires, ..Token::new(role, text.hash()) };
    if token.expired(Timestamp::now()) {
        return Err(
            Problem::invalid("is past; write a moment to come, in seconds since the epoch").at("expires")
        );
    }
    let key = Key::Token(id.clone());
    let written = api.write(api.shared.registry.put_record(&key, &token, Expect::Absent)).await;
    let written = written.map_err(|problem| match problem.status {
        StatusCode::PRECONDITION_FAILED => {
            let detail =
                format!("there is a token `{id}` already; choose another id, or delete that one first");
            Problem::new(StatusCode::CONFLICT, detail).at("id")
        }
        _ => problem,
    })?;
    let body = json!({ "id": id, "role": role, "token": text.reveal() });
    let mut response = answer(&api.shared.store, written, &format!("/v1/tokens/{id}"), body).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
