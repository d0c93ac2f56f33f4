//! How a body comes to an end before its end.

use std::fmt;
use std::io;

use crate::h1::Malformed;

#[derive(Debug)]
pub(in crate::l7) enum BodyError {
    Malformed(Malformed),
    /// The connection ended in the middle of it.
    Cut,
    Failed(io::Error),
    /// RFC 9113, 5.4.2.
    Reset(h2::Reason),
    /// Larger than its route allows.
    TooLarge,
}

/// Which side it broke at.
#[derive(Debug)]
pub(in crate::l7) enum Broken {
    Source(BodyError),
    Sink(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Source(error) => error.fmt(f),
            Broken::Sink(error) => write!(f, "nobody takes it: {error}"),
        }
    }
}

impl From<h2::Error> for BodyError {
    fn from(error: h2::Error) -> BodyError {
        match error.reason() {
            Some(reason) if !error.is_io() => BodyError::Reset(reason),
            _ => BodyError::Failed(io::Error::other(error)),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Malformed(malformed) => malformed.fmt(f),
            BodyError::Cut => f.write_str("the connection ended in the middle of the body"),
            BodyError::Failed(error) => error.fmt(f),
            BodyError::Reset(reason) => write!(f, "the stream was reset: {reason}"),
            BodyError::TooLarge => f.write_str("the body is larger than the route allows (max_body)"),
        }
    }
}
