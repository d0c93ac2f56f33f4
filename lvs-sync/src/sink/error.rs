//! What can go wrong with a sink, by what is done next.

use std::io;

/// The sink as a whole does not do: everything is tried again later, and the table stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Only a person can help.
    #[error("{0}")]
    Refused(String),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// It is there and speaks another language.
    #[error("{0}")]
    Strange(String),
}

impl SinkError {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> SinkError {
        let what = what.into();
        move |source| SinkError::Io { what, source }
    }
}

/// One operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// Somebody else has made the entry since the last look.
    #[error("is there already, and not by us")]
    Exists,
    /// Somebody else has removed it, or what it needs, since the last look.
    #[error("is not there any more")]
    Gone,
    /// The sink says no, and will again until something is changed.
    #[error("{0}")]
    Refused(String),
    /// Not now: the sink is busy, or has a limit on calls.
    #[error("not now: {0}")]
    Later(String),
    /// Not tried: this director might not lead any more.
    #[error("not done: this director's lease might have run out")]
    Late,
}

/// Why a sink cannot hold a service as it is wanted, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);
