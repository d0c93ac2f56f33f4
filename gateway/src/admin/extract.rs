//! From a request to types that cannot hold a wrong value: path segments, bodies, preconditions.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use roundhouse_config::{DomainName, Label};
use roundhouse_registry::record::{ValueError, decode};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{InstanceId, LeaseId, Revision};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Problem;

/// A segment of the path.
pub(super) struct Segment<T>(pub(super) T);

/// What a segment is called in the routes.
pub(super) trait Named: FromStr {
    const NAME: &'static str;
}

impl Named for Label {
    const NAME: &'static str = "label";
}

impl Named for InstanceId {
    const NAME: &'static str = "id";
}

impl Named for LeaseId {
    const NAME: &'static str = "id";
}

impl Named for DomainName {
    const NAME: &'static str = "host";
}

impl<S: Send + Sync, T: Named<Err: Display>> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment<T>, Problem> {
        let segments = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_request(format!("{error}; write the path in UTF-8, %-encoded")))?;
        let text =
            segments.iter().find(|(name, _)| *name == T::NAME).map(|(_, text)| text).unwrap_or_default();
        text.parse().map(Segment).map_err(|error: T::Err| Problem::invalid(error).at(T::NAME))
    }
}

/// The body, as the registry's own decoder reads it: what is refused here would be quarantined there.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
                _ => Problem::bad_request(format!("{rejection}; send the whole body")),
            })?;
        decode(&body).map(Body).map_err(|error| undecoded(&body, error))
    }
}

/// Text that is no JSON at all is a bad request; JSON that is no record is a record that is refused.
fn undecoded(body: &[u8], error: ValueError) -> Problem {
    if let ValueError::Json(_) | ValueError::Field { .. } = error
        && let Err(syntax) = serde_json::from_slice::<IgnoredAny>(body)
    {
        return Problem::bad_request(format!("the body is no JSON: {syntax}; send one JSON object"));
    }
    error.into()
}

/// `If-Match: "<revision>"` and `If-None-Match: *` (RFC 9110, 13.1).
pub(super) struct Precondition(pub(super) Expect);

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Precondition, Problem> {
        expectation(&parts.headers).map(Precondition)
    }
}

fn expectation(headers: &HeaderMap) -> Result<Expect, Problem> {
    // Of several lines of one header none is the condition: neither reads as one ETag.
    let text = |name| {
        let mut lines = headers.get_all(name).iter();
        let first = lines.next()?.to_str().unwrap_or("?").trim();
        Some(if lines.next().is_some() { "?" } else { first })
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Expect::Any),
        (None, Some("*")) => Ok(Expect::Absent),
        (None, Some(_)) => {
            let detail =
                "If-None-Match on a write is `*` (create only); write that, or If-Match with the ETag";
            Err(Problem::bad_request(detail).at("If-None-Match"))
        }
        (Some(tag), None) => match revision(tag) {
            Some(revision) => Ok(Expect::At(revision)),
            None => {
                let detail =
                    "If-Match is one ETag as a GET answered it, the quoted revision: If-Match: \"17\"";
                Err(Problem::bad_request(detail).at("If-Match"))
            }
        },
        (Some(_), Some(_)) => {
            Err(Problem::bad_request("If-Match and If-None-Match exclude each other; write one")
                .at("If-Match"))
        }
    }
}

fn revision(tag: &str) -> Option<Revision> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok().map(Revision)
}

/// For records whose owner is proven otherwise: a condition that would not be kept must not be accepted.
pub(super) struct NoPrecondition;

impl<S: Send + Sync> FromRequestParts<S> for NoPrecondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<NoPrecondition, Problem> {
        let conditions = [header::IF_MATCH, header::IF_NONE_MATCH];
        match conditions.into_iter().find(|name| parts.headers.contains_key(name)) {
            None => Ok(NoPrecondition),
            Some(name) => {
                let detail = "instances take no precondition: the UUID alone says whose they are; leave the header out";
                Err(Problem::bad_request(detail).at(name.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use roundhouse_registry::Job;

    use super::*;

    fn expect(pairs: &[(&'static str, &'static str)]) -> Result<Expect, u16> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        expectation(&headers.collect()).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn preconditions_are_exact_or_refused() {
        assert_eq!(expect(&[]), Ok(Expect::Any));
        assert_eq!(expect(&[("if-none-match", "*")]), Ok(Expect::Absent));
        assert_eq!(expect(&[("if-match", "\"17\"")]), Ok(Expect::At(Revision(17))));
        for wrong in ["17", "W/\"17\"", "*", "\"x\"", "\"1\", \"2\""] {
            assert_eq!(expect(&[("if-match", wrong)]), Err(400), "{wrong}");
        }
        assert_eq!(expect(&[("if-none-match", "\"17\"")]), Err(400));
        let mut twice = HeaderMap::new();
        twice.append(header::IF_MATCH, HeaderValue::from_static("\"1\""));
        twice.append(header::IF_MATCH, HeaderValue::from_static("\"2\""));
        assert_eq!(expectation(&twice).unwrap_err().status.as_u16(), 400);
        assert_eq!(expect(&[("if-match", "\"17\""), ("if-none-match", "*")]), Err(400));
    }

    #[test]
    fn syntax_and_meaning_are_told_apart() {
        let refused = |text: &str| {
            let error = decode::<Job>(text.as_bytes()).unwrap_err();
            undecoded(text.as_bytes(), error).status.as_u16()
        };
        assert_eq!(refused("{\"jobname\":"), 400);
        assert_eq!(refused(""), 400);
        assert_eq!(refused("{}"), 422);
        assert_eq!(refused("[1]"), 422);
        assert_eq!(refused(r#"{"jobname":"x"}"#), 422);
        assert_eq!(refused(&"[".repeat(40)), 422, "refused before it is parsed");
    }
}
