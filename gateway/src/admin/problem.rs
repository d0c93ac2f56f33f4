//! The one place that maps errors to HTTP: RFC 9457 problem documents, each with a sentence that says what to do.

use std::fmt::Display;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use roundhouse_registry::history::Gone;
use roundhouse_registry::record::ValueError;
use roundhouse_registry::{KvError, Revision, WriteError};
use serde::Serialize;

use super::written::etag;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    pub detail: String,
    /// The field of the body, the parameter or the header that is wrong.
    pub path: Option<String>,
    /// Of a precondition that failed: what it would have to be; `None` too for a record that is not there.
    pub etag: Option<Revision>,
}

/// RFC 9457, 3.1. `about:blank`: the status says what kind of problem it is (4.2.1).
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), path: None, etag: None }
    }

    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Problem {
        self.path = Some(path.into());
        self
    }

    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn invalid(detail: impl Display) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail.to_string())
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub fn not_found(what: impl Display, instead: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no {what}; {instead}"))
    }

    pub(super) fn internal(error: &dyn Display) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}; this is a mistake in the gateway"))
    }

    pub(super) fn too_large(most: usize) -> Problem {
        let detail = format!("the body is too long; a record has at most {most} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    }

    pub(super) fn unknown_path(path: &str, known: &[&str]) -> Problem {
        let path: String = path.chars().take(128).collect();
        let detail = format!("there is nothing at {path}; known paths are {}", known.join(", "));
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn wrong_method(method: &Method, path: &str) -> Problem {
        let detail = format!("{path} does not take {method}; the Allow header has the methods it takes");
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Problem {
        let status = match error {
            WriteError::Kv(error) => return error.into(),
            WriteError::Invalid(error) => return error.into(),
            WriteError::NotFound(what) => {
                return Problem::not_found(
                    what,
                    "GET /v1/jobs, /v1/instances and /v1/domains list what there is",
                );
            }
            WriteError::Precondition { found, .. } => {
                let problem = Problem::new(StatusCode::PRECONDITION_FAILED, error.to_string());
                return Problem { etag: found, ..problem };
            }
            // The registrar waits for a former self at its address.
            WriteError::AddressTaken { .. } => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).at("address");
            }
            // A director waits for a former self with its id.
            WriteError::DirectorTaken { .. } => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).at("id");
            }
            WriteError::LeaderTaken { .. } => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).at("name");
            }
            WriteError::NoDirector { .. } => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).at("lease");
            }
            WriteError::PoolVipTaken { .. } => {
                return Problem::new(StatusCode::CONFLICT, error.to_string()).at("lines");
            }
            WriteError::PoolTooLarge { .. } => return Problem::invalid(error).at("lines"),
            WriteError::NotYours { .. } | WriteError::Static { .. } => StatusCode::FORBIDDEN,
            WriteError::LabelTaken { .. }
            | WriteError::JobNameTaken { .. }
            | WriteError::InUse { .. }
            | WriteError::NoLine { .. }
            | WriteError::PoolTaken { .. } => StatusCode::CONFLICT,
            WriteError::NoVip { .. } | WriteError::NoPoolVip { .. } => StatusCode::INSUFFICIENT_STORAGE,
            WriteError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, error.to_string())
    }
}

impl From<KvError> for Problem {
    fn from(error: KvError) -> Problem {
        match error {
            KvError::Unavailable { .. } => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{error}; the write may or may not have been taken: read the record, then repeat it"),
            ),
            KvError::Denied { .. } => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            KvError::Compacted(_) => Problem::new(
                StatusCode::GONE,
                format!("{error}; GET /v1/snapshot, then watch from its revision"),
            ),
            KvError::NoLease(_) => Problem::new(StatusCode::NOT_FOUND, format!("{error}; register again")),
            KvError::Invalid(_) => Problem::invalid(error),
        }
    }
}

impl From<ValueError> for Problem {
    fn from(error: ValueError) -> Problem {
        match error {
            ValueError::TooLarge { most, .. } => Problem::too_large(most),
            ValueError::Field { ref path, .. } => Problem::invalid(&error).at(path.clone()),
            ValueError::Schema(_) => Problem::invalid(error).at("schema"),
            ValueError::TooDeep | ValueError::Json(_) => Problem::invalid(error),
        }
    }
}

impl From<Gone> for Problem {
    fn from(gone: Gone) -> Problem {
        Problem::new(StatusCode::GONE, gone.to_string()).at("from")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            path: self.path.as_deref(),
        };
        // Strings and numbers always have a JSON form.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.etag.and_then(etag));
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // RFC 6750, 3.
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use roundhouse_registry::LeaseId;
    use roundhouse_registry::record::MAX_VALUE;

    use super::*;

    fn status(error: impl Into<Problem>) -> u16 {
        let problem = error.into();
        assert!(!problem.detail.is_empty());
        problem.status.as_u16()
    }

    #[test]
    fn every_error_has_its_status() {
        let label: roundhouse_config::Label = "app2".parse().unwrap();
        let wanted: roundhouse_config::JobName = "job.app2".parse().unwrap();
        let unavailable = KvError::Unavailable { store: "etcd".into(), reason: "no leader".into() };
        assert_eq!(status(WriteError::Kv(unavailable)), 503);
        assert_eq!(status(KvError::NoLease(LeaseId(7))), 404);
        assert_eq!(status(KvError::Compacted(Revision(7))), 410);
        assert_eq!(status(KvError::Invalid("key".into())), 422);
        assert_eq!(status(WriteError::Invalid(ValueError::TooDeep)), 422);
        assert_eq!(status(ValueError::TooLarge { bytes: 1 << 20, most: MAX_VALUE }), 413);
        assert_eq!(status(WriteError::NotFound("job `x`".into())), 404);
        assert_eq!(status(WriteError::Precondition { key: "jobs/x".into(), found: None }), 412);
        let (owner, taken) = (wanted.clone(), wanted.clone());
        assert_eq!(status(WriteError::LabelTaken { label: label.clone(), owner, wanted: taken }), 409);
        assert_eq!(status(WriteError::JobNameTaken { label: label.clone(), wanted }), 409);
        assert_eq!(status(WriteError::AddressTaken { address: "a".into(), holder: "b".into() }), 409);
        assert_eq!(status(WriteError::DirectorTaken { id: "a".into(), host: "b".into() }), 409);
        let name = "haproxy".parse().unwrap();
        assert_eq!(status(WriteError::LeaderTaken { name, director: "a".into() }), 409);
        assert_eq!(status(WriteError::NoDirector { id: "a".into(), lease: LeaseId(7) }), 409);
        assert_eq!(status(WriteError::NotYours { key: "a".into(), allowed: "b".into() }), 403);
        assert_eq!(status(WriteError::Static { key: "a".into() }), 403);
        let (pool, owner) = (label.clone(), label.clone());
        assert_eq!(status(WriteError::PoolTaken { pool: pool.clone(), owner, wanted: label.clone() }), 409);
        assert_eq!(status(WriteError::NoLine { pool: pool.clone() }), 409);
        assert_eq!(status(WriteError::PoolTooLarge { pool, operations: 129, most: 100 }), 422);
        let (vip, holder) = ([203, 0, 113, 10].into(), label.clone());
        assert_eq!(status(WriteError::PoolVipTaken { vip, port: 80, protocol: "tcp", holder }), 409);
        let (line, ranges) = (label.clone(), "203.0.113.0/28".into());
        assert_eq!(status(WriteError::NoPoolVip { line, ranges, used: 14, size: 14 }), 507);
        assert_eq!(status(WriteError::InUse { label, instances: 2 }), 409);
        assert_eq!(status(WriteError::NoVip { used: 2, size: 4 }), 507);
        assert_eq!(status(WriteError::Busy("jobs/x".into())), 503);
    }

    #[test]
    fn a_field_is_named_and_a_retry_is_announced() {
        let problem = Problem::from(ValueError::field("ports.main", "port 0"));
        assert_eq!(problem.path.as_deref(), Some("ports.main"));
        let response = Problem::from(WriteError::Busy("x".into())).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
