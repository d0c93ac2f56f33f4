//! Who the client of a request is when proxies stand before us, and what the instance is told of it: `X-Forwarded-For` and
//! its kin, and `Forwarded` (RFC 7239).
//!
//! ```text
//! peer, fields, trusted? ─► client     the first from the right that is not trusted
//!                        └► Forwarding which of the client's fields go, and what they are replaced by
//! ```
//!
//! - Whoever writes a field can write anything, so a field is believed only as far as trusted proxies wrote it: each
//!   appended at the right whom it was asked by. The walk begins at the peer and goes left while the address is trusted;
//!   what a client made up stands left of its own address and is never come to.
//! - The peer is whoever the connection is from: the other end of the socket, or whom a trusted PROXY header names.
//! - Of `X-Forwarded-For` and `Forwarded` the first is read, unless it is not there. A trusted proxy that sets one must
//!   take the other away, or a client could write it.
//! - From a peer that is not trusted all of these fields are dropped and set anew.
//! - No I/O. Nothing is allocated but what a caller's `Vec` needs.

mod element;
mod forwarding;
mod node;
mod walk;

pub use self::forwarding::{Came, Forwarding, Scheme};
pub use self::walk::{Client, MAX_HOPS, client, last_forwarded};

#[cfg(test)]
mod tests;
