//! HTTP/1.1 (RFC 9110, RFC 9112) as machines: bytes in, positions and decisions out. No socket, no clock, no route.
//!
//! ```text
//! bytes ─► Scan: where the head ends, line by line ─► request | response: httparse into a Head (positions, no map)
//!                                                          └─► Length: how long the body is, by strict rules
//! body bytes ─► Decoder: what is content, where it ends ─► Encoder: the same in the other side's framing
//! ```
//!
//! Two programs that read one message differently are how requests are smuggled (RFC 9112, 11.2), so whatever has more
//! than one reading is refused, and what is forwarded is framed anew: its length is written by us, once.

mod body;
mod chunk;
mod error;
mod head;
mod length;
mod name;
mod request;
mod response;
mod scan;
#[cfg(test)]
mod tests;
#[doc(hidden)]
pub mod whole;

pub(crate) use self::body::{Decoder, Encoder, HEADROOM, TAILROOM};
pub(crate) use self::error::{Malformed, Wrong};
pub(crate) use self::head::{Field, Head, Span};
pub(crate) use self::length::Length;
pub(crate) use self::name::Name;
pub(crate) use self::request::{RequestLine, Version, read_request};
pub(crate) use self::response::{StatusLine, read_response};
pub(crate) use self::scan::{Scan, Scanned};

/// A head with more fields than this is an attack or a loop.
pub(crate) const MAX_FIELDS: usize = 100;
