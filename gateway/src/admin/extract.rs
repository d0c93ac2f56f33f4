//! From a request to types that cannot hold a wrong value: path segments, bodies, preconditions.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use roundhouse_config::Label;
use roundhouse_registry::record::{MAX_VALUE, Record, ValueError, decode, read};
use roundhouse_registry::write::Expect;
use roundhouse_registry::{InstanceId, LeaseId, Revision};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::Problem;
use super::records::Kind;

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

impl<S: Send + Sync, T: Named<Err: Display>> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment<T>, Problem> {
        let text = segment(parts, state, T::NAME).await?;
        text.parse().map(Segment).map_err(|error: T::Err| Problem::invalid(error).at(T::NAME))
    }
}

async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S, wanted: &str) -> Result<String, Problem> {
    let segments = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|error| Problem::bad_request(format!("{error}; write the path in UTF-8, %-encoded")))?;
    let found = segments.iter().find(|(name, _)| *name == wanted);
    Ok(found.map(|(_, text)| text.to_owned()).unwrap_or_default())
}

/// The body, as the registry's own decoder reads it: what is refused here would be quarantined there.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let body = bytes(request, state, MAX_VALUE).await?;
        decode(&body).map(Body).map_err(|error| undecoded(&body, error))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S, most: usize) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(most),
        _ => Problem::bad_request(format!("{rejection}; send the whole body")),
    })
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

/// The name of a record of the kind, the path's last segment.
pub(super) struct RecordName<K: Kind>(pub(super) K::Name);

impl<S: Send + Sync, K: Kind> FromRequestParts<S> for RecordName<K> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<RecordName<K>, Problem> {
        let text = segment(parts, state, "name").await?;
        K::name(&text).map(RecordName).map_err(|error| Problem::invalid(error).at(K::FIELD))
    }
}

/// A record of the kind, checked.
pub(super) struct RecordBody<K: Kind>(pub(super) K);

impl<S: Send + Sync, K: Kind> FromRequest<S> for RecordBody<K> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<RecordBody<K>, Problem> {
        let body = bytes(request, state, K::MAX).await?;
        read(&body).map(RecordBody).map_err(|error| undecoded(&body, error))
    }
}

/// A record with what stands in its body beside it. Each is read by itself: inside a flattened one serde does not know
/// which field is wrong.
pub(super) struct RecordWith<K: Kind, M: Record>(pub(super) K, pub(super) M);

impl<S: Send + Sync, K: Kind, M: Record> FromRequest<S> for RecordWith<K, M> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<RecordWith<K, M>, Problem> {
        let body = bytes(request, state, K::MAX).await?;
        let both = read(&body).and_then(|record| Ok(RecordWith(record, read(&body)?)));
        both.map_err(|error| undecoded(&body, error))
    }
}

/// Of a write (RFC 9110, 13.1): `If-Match` with a list of ETags or `*`, or `If-None-Match: *`.
pub(super) struct Precondition(pub(super) Expect);

/// Whoever has more ETags of one record has lost count.
const MAX_TAGS: usize = 16;

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Precondition, Problem> {
        expectation(&parts.headers).map(Precondition)
    }
}

fn expectation(headers: &HeaderMap) -> Result<Expect, Problem> {
    // Several lines of one header are one list (RFC 9110, 5.3).
    let list = |name| {
        let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
        lines.flat_map(|line| line.split(',').map(str::trim)).collect::<Vec<&str>>()
    };
    match (&list(header::IF_MATCH)[..], &list(header::IF_NONE_MATCH)[..]) {
        ([], []) => Ok(Expect::Any),
        ([], ["*"]) => Ok(Expect::Absent),
        ([], _) => {
            let detail =
                "If-None-Match on a write is `*` (create only); write that, or If-Match with the ETag";
            Err(Problem::bad_request(detail).at("If-None-Match"))
        }
        (["*"], []) => Ok(Expect::Present),
        (tags, []) => match revisions(tags) {
            Some(revisions) if matches!(revisions[..], [_]) => Ok(Expect::At(revisions[0])),
            Some(revisions) => Ok(Expect::OneOf(revisions.into())),
            None => {
                let detail = "If-Match is the ETag that a GET answered, the quoted revision, or a few of them: If-Match: \"17\"";
                Err(Problem::bad_request(detail).at("If-Match"))
            }
        },
        (_, _) => {
            Err(Problem::bad_request("If-Match and If-None-Match exclude each other; write one")
                .at("If-Match"))
        }
    }
}

/// `None`: something is no ETag. One that was never ours, or is weak, matches nothing (RFC 9110, 13.1.1).
fn revisions(tags: &[&str]) -> Option<Vec<Revision>> {
    let mut revisions = Vec::new();
    for tag in tags {
        let opaque = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
        if opaque.contains('"') {
            return None;
        }
        revisions.extend(opaque.parse().ok().filter(|_| tag.starts_with('"')).map(Revision));
    }
    (tags.len() <= MAX_TAGS).then_some(revisions)
}

/// `?lease=`: the lease by which whoever writes proves whose the record is.
pub(super) struct OwnLease(pub(super) Option<LeaseId>);

#[derive(Deserialize)]
struct LeaseParameter {
    lease: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for OwnLease {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<OwnLease, Problem> {
        let Query(LeaseParameter { lease }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_request(format!("{error}; write ?lease=<id>")).at("lease"))?;
        let lease = lease.map(|text| text.parse()).transpose();
        lease.map(OwnLease).map_err(|error: String| Problem::invalid(error).at("lease"))
    }
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
                let detail = "this record takes no precondition: its id and its lease say whose it is; leave the header out";
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
        assert_eq!(expect(&[("if-match", "*")]), Ok(Expect::Present));
        let one_of = |revisions: &[u64]| {
            Ok(Expect::OneOf(revisions.iter().copied().map(Revision).collect::<Vec<_>>().into()))
        };
        assert_eq!(expect(&[("if-match", "\"1\", \"2\"")]), one_of(&[1, 2]));
        assert_eq!(expect(&[("if-match", "W/\"17\"")]), one_of(&[]), "a weak one matches nothing");
        assert_eq!(expect(&[("if-match", "\"x\"")]), one_of(&[]), "it was never ours");
        for wrong in ["17", "\"1", "\"1\" \"2\"", "\"1\",", "", "\"1\",*"] {
            assert_eq!(expect(&[("if-match", wrong)]), Err(400), "{wrong}");
        }
        let many = ["\"1\""; MAX_TAGS + 1].join(",").leak();
        assert_eq!(expect(&[("if-match", many)]), Err(400));
        assert_eq!(expect(&[("if-none-match", "\"17\"")]), Err(400));
        let mut twice = HeaderMap::new();
        twice.append(header::IF_MATCH, HeaderValue::from_static("\"1\""));
        twice.append(header::IF_MATCH, HeaderValue::from_static("\"2\""));
        assert_eq!(expectation(&twice).map_err(|problem| problem.status.as_u16()), one_of(&[1, 2]));
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
