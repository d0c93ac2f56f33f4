//! What the gateway itself says to a client: a status, a reason that a program can read, a sentence for a person.

use std::fmt::Write;
use std::io;

use roundhouse_registry::Revision;

use super::client::Reply;
use super::outgoing::Fate;
use super::request::Request;
use super::response::Response;
use super::supplies::Supplies;
use crate::h1::{Length, Malformed, Wrong};

/// Why the gateway answered instead of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The request itself is wrong.
    BadRequest,
    /// Its head is too large,
    HeadTooLarge,
    /// or its body for where it goes.
    BodyTooLarge,
    /// It is in a version that is not spoken here,
    Version,
    /// or asks for what is not served.
    NotImplemented,
    /// It expects what is not served.
    Expectation,
    /// It did not come in time.
    RequestTimeout,
    /// The connection is not for this host (RFC 9110, 15.5.20).
    Misdirected,
    /// The client may not use the job.
    AccessDenied,
    /// The name or path leads nowhere.
    NoRoute,
    /// The job is known, and nobody serves it now.
    NoBackend,
    /// It has as many requests as it allows, in all or from this client.
    JobFull,
    ClientFull,
    /// An instance was asked and did not answer.
    BadGateway,
    /// It did not answer in time.
    Timeout,
}

/// The gateway's own answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// What, where and what to do.
    pub(super) sentence: String,
    /// Of the table that was looked at.
    pub(super) revision: Option<Revision>,
}

impl Reason {
    pub(super) fn status(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::AccessDenied => 403,
            Reason::NoRoute => 404,
            Reason::RequestTimeout => 408,
            Reason::BodyTooLarge => 413,
            Reason::Expectation => 417,
            Reason::Misdirected => 421,
            Reason::HeadTooLarge => 431,
            Reason::NotImplemented => 501,
            Reason::BadGateway => 502,
            Reason::NoBackend | Reason::JobFull => 503,
            Reason::ClientFull => 429,
            Reason::Timeout => 504,
            Reason::Version => 505,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Reason::BadRequest => "bad-request",
            Reason::HeadTooLarge => "head-too-large",
            Reason::BodyTooLarge => "body-too-large",
            Reason::Version => "version",
            Reason::NotImplemented => "not-implemented",
            Reason::Expectation => "expectation",
            Reason::RequestTimeout => "request-timeout",
            Reason::Misdirected => "misdirected",
            Reason::AccessDenied => "access-denied",
            Reason::NoRoute => "no-route",
            Reason::NoBackend => "no-backend",
            Reason::JobFull => "job-full",
            Reason::ClientFull => "client-full",
            Reason::BadGateway => "bad-gateway",
            Reason::Timeout => "timeout",
        }
    }

    /// The same in gRPC's words (grpc.io, "Status codes and their use in gRPC").
    fn grpc_status(self) -> u8 {
        match self {
            Reason::BadRequest | Reason::RequestTimeout => 13,
            Reason::HeadTooLarge | Reason::BodyTooLarge | Reason::JobFull | Reason::ClientFull => 8,
            Reason::AccessDenied => 7,
            Reason::NoRoute | Reason::NotImplemented | Reason::Version | Reason::Expectation => 12,
            Reason::Misdirected | Reason::NoBackend | Reason::BadGateway => 14,
            Reason::Timeout => 4,
        }
    }
}

impl Refusal {
    pub(super) fn new(reason: Reason, sentence: impl Into<String>) -> Refusal {
        Refusal { reason, sentence: sentence.into(), revision: None }
    }

    pub(super) fn bad(sentence: impl Into<String>) -> Refusal {
        Refusal::new(Reason::BadRequest, sentence)
    }

    pub(super) fn no_route(sentence: impl Into<String>) -> Refusal {
        Refusal::new(Reason::NoRoute, sentence)
    }

    pub(super) fn at(self, revision: Revision) -> Refusal {
        Refusal { revision: Some(revision), ..self }
    }

    /// Says it to a client who asked, in his protocol's way. `fate`: of his connection.
    pub(super) async fn tell(
        &self,
        request: &Request,
        reply: &mut Reply<'_>,
        fate: Fate,
        supplies: &Supplies,
    ) -> io::Result<()> {
        if request.is_grpc() {
            return reply.say(&self.for_grpc(), b"", fate, supplies).await;
        }
        let (response, text) = self.response();
        let body: &[u8] = if request.is_head() { b"" } else { text.as_bytes() };
        reply.say(&response, body, fate, supplies).await
    }

    pub(super) fn response(&self) -> (Response, String) {
        let mut text = format!("{}: {}", self.reason.as_str(), self.sentence);
        if let Some(revision) = self.revision {
            let _ = write!(text, " (table revision {revision})");
        }
        text.push('\n');
        let mut response = Response::of(self.reason.status());
        response.length = Length::Known(text.len() as u64);
        response.head.push_field(b"content-type", b"text/plain; charset=utf-8");
        response.head.push_field(b"x-roundhouse-reason", self.reason.as_str().as_bytes());
        response.head.push_field(b"content-length", text.len().to_string().as_bytes());
        (response, text)
    }

    /// Trailers alone (gRPC over HTTP2, "Responses"): its clients look at nothing else.
    fn for_grpc(&self) -> Response {
        let mut response = Response::of(200);
        response.head.push_field(b"content-type", b"application/grpc");
        response.head.push_field(b"content-length", b"0");
        response.head.push_field(b"grpc-status", self.reason.grpc_status().to_string().as_bytes());
        response.head.push_field(b"grpc-message", percent_encoded(&self.sentence).as_bytes());
        response.head.push_field(b"x-roundhouse-reason", self.reason.as_str().as_bytes());
        response
    }
}

/// gRPC over HTTP2, "Percent-Encoded".
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Refusal {
        let reason = match malformed.wrong {
            Wrong::Syntax => Reason::BadRequest,
            Wrong::TooLarge => Reason::HeadTooLarge,
            Wrong::Version => Reason::Version,
            Wrong::Unserved => Reason::NotImplemented,
            Wrong::Expectation => Reason::Expectation,
        };
        Refusal::new(reason, malformed.sentence)
    }
}
