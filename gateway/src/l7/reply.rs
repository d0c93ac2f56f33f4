//! What the gateway itself says to a client: a status, a reason that a program can read, a sentence for a person.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use roundhouse_registry::Revision;

use super::download::Download;

/// Why the gateway answered instead of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The request itself is wrong.
    BadRequest,
    /// The name or path leads nowhere.
    NoRoute,
    /// The job is known, and nobody serves it now.
    NoBackend,
    /// An instance was asked and did not answer.
    BadGateway,
    /// It did not answer in time.
    Timeout,
}

impl Reason {
    fn status(self) -> StatusCode {
        match self {
            Reason::BadRequest => StatusCode::BAD_REQUEST,
            Reason::NoRoute => StatusCode::NOT_FOUND,
            Reason::NoBackend => StatusCode::SERVICE_UNAVAILABLE,
            Reason::BadGateway => StatusCode::BAD_GATEWAY,
            Reason::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Reason::BadRequest => "bad-request",
            Reason::NoRoute => "no-route",
            Reason::NoBackend => "no-backend",
            Reason::BadGateway => "bad-gateway",
            Reason::Timeout => "timeout",
        }
    }
}

/// `sentence` says what, where and what to do.
pub(super) fn reply(reason: Reason, revision: Revision, sentence: &str) -> Response<Download> {
    let text = format!("{}: {sentence} (table revision {revision})\n", reason.as_str());
    let mut response = Response::new(Download::text(Bytes::from(text)));
    *response.status_mut() = reason.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-roundhouse-reason", HeaderValue::from_static(reason.as_str()));
    response
}

/// Why a head never became a request.
pub(super) enum Unfinished {
    TimedOut(Duration),
    Ended,
}

/// For a client whose head never became a request, after so many bytes of it: hyper has no answer for it.
pub(super) fn unfinished_head(why: &Unfinished, received: usize) -> Vec<u8> {
    let (status, sentence) = match why {
        Unfinished::TimedOut(limit) => (
            "408 Request Timeout",
            format!(
                "{received} bytes of a request head came, and no end of it within {limit:?}; end it with an empty line"
            ),
        ),
        Unfinished::Ended => (
            "400 Bad Request",
            format!(
                "the connection ended after {received} bytes of a request head; end it with an empty line"
            ),
        ),
    };
    let body = format!("bad-request: {sentence}\n");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\nx-roundhouse-reason: bad-request\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
