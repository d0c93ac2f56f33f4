//! What a job serves and how it is checked: the parts that the jobs file, the registry's records and the
//! API have in common, in the JSON shapes of the API.
//!
//! Reading ignores unknown fields, so that an older program reads a newer record; a value out of bounds is
//! refused with what to write instead.

mod check;
mod port;
mod protocol;

pub use check::{Check, CheckKind};
pub use port::Port;
pub use protocol::Protocol;

use thiserror::Error;

/// What is wrong with a port or a check, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServiceError {
    #[error("unknown protocol `{text}`; write tcp, udp, http, grpc or tls")]
    Protocol { text: String },

    #[error("unknown check kind `{text}`; this version knows tcp")]
    CheckKind { text: String },

    #[error("port 0 cannot be dialled; write 1 to 65535")]
    PortZero,

    #[error("check {field} `{value}` is out of bounds; write `{least}` to `{most}`")]
    Bounds { field: &'static str, value: String, least: String, most: String },
}
