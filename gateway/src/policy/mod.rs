//! What a domain's route does to a request and its answer, ready to use: made once from the record, asked once a request.
//!
//! ```text
//! request ─► redirect? ─► cors preflight? ─► sticky ─► rewrite, header edits ─► instance
//! client  ◄─ hsts ◄─ compress ◄─ cors, header edits, sticky ◄─ answer
//! ```
//!
//! A file a policy. All take text and give text back, so that no HTTP library decides what they can be asked; nothing here
//! does I/O or looks at a clock. What comes from a client is bytes and may be anything; what goes into a head has no byte
//! that could end its line.

mod compress;
mod cors;
mod hsts;
mod list;
mod redirect;
mod rewrite;
mod sticky;

use std::time::Duration;

use roundhouse_registry::record::Route;
use roundhouse_registry::record::domain::HeaderEdits;

pub use self::compress::{Accepted, Answer, Choice, Compress, weakened};
pub use self::cors::{CORS_FIELDS, Cors, Field, is_preflight};
pub use self::hsts::hsts;
pub use self::redirect::{Asked, Redirect, https_url};
pub use self::rewrite::Rewrite;
pub use self::sticky::Sticky;

/// Of one route; what is `None` is not done.
#[derive(Debug, Default)]
pub struct Policy {
    pub rewrite: Option<Rewrite>,
    /// Names are in lower case.
    pub request_headers: HeaderEdits,
    pub response_headers: HeaderEdits,
    pub cors: Option<Cors>,
    pub compress: Option<Compress>,
    /// Bytes of a request's body.
    pub max_body: Option<u64>,
    pub sticky: Option<Sticky>,
    /// Of the whole exchange.
    pub timeout: Option<Duration>,
    /// From the end of the request to the head of the answer.
    pub head_timeout: Option<Duration>,
}

impl Policy {
    /// Whether answers go on as they come.
    pub fn leaves_answers(&self) -> bool {
        self.response_headers.is_empty()
            && self.cors.is_none()
            && self.sticky.is_none()
            && self.compress.is_none()
    }

    pub fn new(route: &Route) -> Policy {
        let path = &route.matches.path;
        Policy {
            rewrite: route.rewrite.as_ref().map(|rewrite| Rewrite::new(rewrite, path)),
            request_headers: route.request_headers.clone(),
            response_headers: route.response_headers.clone(),
            cors: route.cors.as_ref().map(Cors::new),
            compress: route.compress.as_ref().map(Compress::new),
            max_body: route.max_body.map(roundhouse_config::ByteSize::bytes),
            sticky: route.sticky.as_ref().map(|sticky| Sticky::new(sticky, path)),
            timeout: route.timeouts.request,
            head_timeout: route.timeouts.response_head,
        }
    }
}
