//! A request, whichever protocol it came by.

use super::supplies::Supplies;
use crate::h1::{Head, Length, Name, RequestLine, Version};

pub(super) struct Request {
    pub(super) head: Head,
    pub(super) line: RequestLine,
    /// The client's scheme was https.
    pub(super) tls: bool,
}

impl Request {
    pub(super) fn method(&self) -> &str {
        self.head.str(self.line.method)
    }

    /// With its query, as it was received.
    pub(super) fn path(&self) -> &str {
        self.head.str(self.line.path)
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.line.authority.map(|authority| self.head.str(authority))
    }

    pub(super) fn is_head(&self) -> bool {
        self.head.bytes(self.line.method) == b"HEAD"
    }

    /// RFC 9110, 9.2.2: sending one of these twice means what sending it once means.
    pub(super) fn is_idempotent(&self) -> bool {
        matches!(
            self.head.bytes(self.line.method),
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
        )
    }

    /// A body goes once. Without one, an idempotent request may be sent again.
    pub(super) fn is_repeatable(&self) -> bool {
        self.line.length.is_none() && !self.line.websocket && self.is_idempotent()
    }

    pub(super) fn is_grpc(&self) -> bool {
        self.head
            .first(Name::ContentType)
            .is_some_and(|value| value.len() >= 16 && value[..16].eq_ignore_ascii_case(b"application/grpc"))
    }

    pub(super) fn has_body(&self) -> bool {
        self.line.length != Length::NONE
    }

    /// Whether it knows of interim responses (RFC 9110, 15.2).
    pub(super) fn takes_interim(&self) -> bool {
        self.line.version > Version::Http10
    }

    pub(super) fn put_away(self, supplies: &Supplies) {
        supplies.give_head(self.head);
    }
}
