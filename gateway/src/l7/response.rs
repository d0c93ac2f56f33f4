//! A response's head, whichever protocol it came by.

use super::request::Request;
use super::supplies::Supplies;
use crate::h1::{Head, Length, Name, Span};

#[derive(Default)]
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) status: u16,
    /// As the instance put it; none in HTTP/2.
    reason: Span,
    /// Of its body, as it will come.
    pub(super) length: Length,
    /// Its content is changed on the way, so that its own length is none.
    pub(super) recoded: bool,
}

impl Response {
    pub(super) fn new(head: Head, status: u16, reason: Span, length: Length) -> Response {
        Response { head, status, reason, length, recoded: false }
    }

    /// Of the gateway's own, without a body.
    pub(super) fn of(status: u16) -> Response {
        Response { status, ..Response::default() }
    }

    pub(super) fn phrase(&self) -> &[u8] {
        if !self.reason.is_empty() {
            return self.head.bytes(self.reason);
        }
        let status = http::StatusCode::from_u16(self.status).ok();
        status.and_then(|status| status.canonical_reason()).unwrap_or_default().as_bytes()
    }

    /// Whether its own Content-Length goes on. RFC 9110, 8.6: not of 1xx and 204, where it would mean nothing.
    pub(super) fn keeps_length(&self) -> bool {
        !self.recoded && self.status >= 200 && self.status != 204
    }

    /// What the head of HTTP/1.1 has to say of a body that goes as `length`, beside what it says already: HTTP/2 needs no
    /// length where a stream ends with its head. `None`: nothing.
    pub(super) fn said(&self, length: Length, request: &Request) -> Option<Length> {
        match length {
            Length::Chunked => Some(length),
            Length::UntilClose => None,
            Length::Known(_) => {
                let bodiless = request.is_head() || self.status < 200 || matches!(self.status, 204 | 304);
                (!bodiless && self.head.first(Name::ContentLength).is_none()).then_some(length)
            }
        }
    }

    /// A stream of events has no end of its own, and may be quiet for as long as it likes (WHATWG HTML, 9.2).
    pub(super) fn is_event_stream(&self) -> bool {
        let kind = self.head.first(Name::ContentType).unwrap_or_default();
        kind.get(..17).is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
    }

    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// The former one.
    pub(super) fn replace_head(&mut self, head: Head, reason: Span) -> Head {
        self.reason = reason;
        std::mem::replace(&mut self.head, head)
    }

    pub(super) fn put_away(self, supplies: &Supplies) {
        supplies.give_head(self.head);
    }
}
